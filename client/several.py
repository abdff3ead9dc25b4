"""Cancelling or running again all tasks that filters find, after a question."""

from __future__ import annotations

import sys
import uuid
from argparse import Namespace
from typing import Any

from client.errors import COMPLETED, REFUSED, USAGE, Stop
from client.service import Service
from client.terminal import Screen
from client.words import words

# As the command line and the API call them.
FILTERS = {
    "type": "type",
    "status": "status",
    "version": "version",
    "q": "q",
    "created_after": "createdAfter",
    "created_before": "createdBefore",
}
QUESTIONS = {
    "cancel": "Tasks to cancel: {n}. Go on? [y/N] ",
    "rerun": "Tasks to run again: {n}. Go on? [y/N] ",
}
OF_ONE = ("force", "params", "from_step", "follow", "wait", "cancel_on_interrupt")


def filters_of(options: Namespace) -> dict[str, str]:
    """Return the filters of a command line as a body, {} where a task is named. Raises
    Stop where it names both, or neither."""
    found = {
        FILTERS[name]: getattr(options, name)
        for name in FILTERS
        if getattr(options, name)
    }
    if found and any(getattr(options, name, None) for name in OF_ONE):
        text = words("Filters go with no parameters, and with none of {names}.")
        names = "--force, --from-step, --follow, --wait, --cancel-on-interrupt"
        raise Stop(text.format(names=names), USAGE)
    if bool(found) == bool(options.task):
        raise Stop(words("Say either one TASK, or which: --status, --type, …."), USAGE)
    return found


def act_on_several(
    service: Service, screen: Screen, options: Namespace, act: str, body: dict[str, str]
) -> int:
    """Ask what the filters find, and whether to do it; then do it to no others."""
    path = f"/api/tasks/{act}"
    found = service.ask("POST", path, body)
    if not found["count"]:
        screen.note(words("No task is found that this could be done to."))
    elif not (options.yes or is_agreed(screen, act, found)):
        raise Stop(words("Nothing was done."), REFUSED)
    confirmed = {**body, "count": found["count"], "seen": found["seen"]}
    key = getattr(options, "idempotency_key", None) or str(uuid.uuid4())
    done = service.ask("POST", path, confirmed, {"Idempotency-Key": key})
    if screen.as_json:
        screen.say_json(done)
    else:
        for one in done["results"]:
            more = one["newTaskId"] or one["reason"] or ""
            screen.say_foreign(f"{one['taskId']} {one['outcome']} {more}".rstrip())
    return REFUSED if "refused" in done["outcomes"] else COMPLETED


def is_agreed(screen: Screen, act: str, found: dict[str, Any]) -> bool:
    """Show what was found, and ask. Raises Stop where nobody can be asked."""
    for task in found["examples"]:
        line = f"  {task['id'][:8]} {task['type']} {task['version']} {task['status']}"
        screen.note(line)
    if found["count"] > len(found["examples"]):
        screen.note("  …")
    for one in found["refused"]:
        text = words("Not {n} of them: {reason}")
        screen.note(text.format(n=one["count"], reason=one["reason"]))
    question = words(QUESTIONS[act]).format(n=found["count"])
    if not sys.stdin.isatty():
        raise Stop(question + words("Say --yes where nobody can be asked."), USAGE)
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes", "是"}
