"""What webhooks tell of an event: to programs as data, to people in their language.

The sentences of a failure are those of its card (tasks.presenters.task.Shown).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from tasks.catalog.definitions import type_of
from tasks.catalog.task_type import TaskType
from tasks.models import Event, Runner, Task
from tasks.notify.message import Message
from tasks.own_url import own_url
from tasks.presenters.names import person
from tasks.presenters.task import Shown
from tasks.presenters.wording import SHAPES
from tasks.representation import shown_params
from tasks.timestamps import iso

LONGEST_TEXT = 1_000  # characters of a parameter; a body stays well below 20 kB
MOST_PARAMS = 12
NAMED = 5  # failures of many that a message names
# What a task is after an event, whatever it has become since.
STATUS_AFTER = {
    Event.TASK_STARTED: "running",
    Event.TASK_STALLED: "running",
    Event.TASK_RECOVERED: "pending",
    Event.TASK_BLOCKED: "blocked",
    Event.TASK_COMPLETED: "completed",
    Event.TASK_FAILED: "failed",
    Event.TASK_CANCELLED: "cancelled",
}
TONES = {Event.TASK_COMPLETED: "good", Event.RELEASE_PUBLISHED: "good"}
TONES |= dict.fromkeys((Event.TASK_FAILED, Event.RUNNER_LOST), "bad")


# --- To programs --------------------------------------------------------------------


def body_of(event: str, at: datetime, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a message in the format of Standard Webhooks."""
    return {"type": event, "timestamp": iso(at), "data": dict(data)}


def data_of(event: Event, task: Task) -> dict[str, Any]:
    """Return what programs are told of a task."""
    line = first_line(task)
    has_ended = task.status in Task.ENDED
    params = list(shown_params(task).items())[:MOST_PARAMS]
    return {
        "id": str(task.pk),
        "type": task.type,
        "version": task.version,
        "params": {name: value[:LONGEST_TEXT] for name, value in params},
        "status": STATUS_AFTER[event],
        "attempt": task.attempt,
        "createdAt": iso(task.created_at),
        "createdBy": task.created_by,
        "startedAt": iso(task.started_at),
        "completedAt": iso(task.completed_at) if has_ended else None,
        "durationMs": _duration_ms(task),
        "error": (task.error or "")[:LONGEST_TEXT] or None,
        "errorCode": task.error_reason and task.error_reason["code"],
        "firstError": first_error(task),
        "rerunOf": str(task.rerun_of_id) if task.rerun_of_id else None,
        "url": url_of(task, line),
    }


def deleted_data(event: Event, task_id: str, type_name: str) -> dict[str, Any]:
    """Return what is still known of a task that was deleted meanwhile."""
    return {"id": task_id, "type": type_name, "status": STATUS_AFTER[event]}


def runner_data(runner: Runner | None, runner_id: str) -> dict[str, Any]:
    if runner is None:
        return {"id": runner_id}
    return {
        "id": runner_id,
        "name": runner.name,
        "host": runner.host,
        "lastHeartbeatAt": iso(runner.heartbeat_at),
        "url": own_url() + reverse("admin:tasks_runner_changelist"),
    }


def _duration_ms(task: Task) -> int | None:
    if task.started_at is None or task.completed_at is None:
        return None
    return round((task.completed_at - task.started_at).total_seconds() * 1000)


def first_error(task: Task) -> dict[str, Any] | None:
    """Return the line that says why a task failed, and its number."""
    cause = (task.result or {}).get("firstError")
    if not cause:
        return None
    return {"seq": cause.get("seq"), "message": str(cause["message"])[:LONGEST_TEXT]}


def first_line(task: Task) -> int | None:
    found = first_error(task)
    return found["seq"] if found else None


def url_of(task: Task, line: int | None = None) -> str:
    url = own_url() + reverse("task", args=[task.pk])
    return f"{url}#L{line}" if line else url


# --- To people ----------------------------------------------------------------------


def message_of(event: Event, task: Task, language: str) -> Message:
    """Return what a chat is told of a task."""
    with translation.override(language):
        shown = Shown(task, task.completed_at or task.created_at)
        told = shown.chat if event == Event.TASK_FAILED else {}
        line = told.get("line")
        return Message(
            headline=_headline(event, shown),
            tone=TONES.get(event, ""),
            quote=told.get("cause", ""),
            lines=[*_why(event, shown, told), *_facts(shown)],
            link=_link(line),
            url=url_of(task, line),
        )


def deleted_message(event: Event, type_name: str, language: str) -> Message:
    """Return what a chat is told of a task that was deleted meanwhile."""
    with translation.override(language):
        headline = f"{type_name}: {_said(event)}"
        return Message(headline, TONES.get(event, ""), "", [], _link(), own_url() + "/")


def _headline(event: Event, shown: Shown) -> str:
    status = STATUS_AFTER[event]
    known = {one.value: shape for one, shape in SHAPES.items()}
    words = _("{name}: {status}").format(name=shown.name, status=_said(event))
    return f"{known.get(status, '')} {words}".strip()


def _said(event: Event) -> str:
    """Return what became of it, in a word or two."""
    match event:
        case Event.TASK_STARTED:
            return _("started")
        case Event.TASK_RECOVERED:
            return _("back in the queue")
        case Event.TASK_STALLED:
            return _("silent")
        case Event.TASK_BLOCKED:
            return _("awaiting approval")
        case _:
            return str(Task.Status(STATUS_AFTER[event]).label)


def _why(event: Event, shown: Shown, told: Mapping[str, Any]) -> Sequence[str]:
    if told:
        return [told["sentence"]]
    return [shown.error] if event == Event.TASK_CANCELLED and shown.error else []


def _facts(shown: Shown) -> Iterable[str]:
    """Return the lines on what was asked, by whom, and how long it took."""
    params = [
        _("{title}: {value}").format(title=title, value=value[:LONGEST_TEXT])
        for title, value in list(shown.titled_params.items())[:MOST_PARAMS]
        if value
    ]
    if params:
        yield " · ".join(params)
    by = _("Started by {name}").format(name=person(shown.task.created_by))
    took = shown.duration if shown.task.has_ended else ""
    yield " · ".join(filter(None, [by if shown.task.created_by else "", took]))


def _link(line: int | None = None) -> str:
    # With the product's name, by which DingTalk and Feishu can be told to know it.
    if line:
        return _("Open line {n} in Resource Sync").format(n=line)
    return _("Open in Resource Sync")


def runner_message(data: Mapping[str, Any], language: str) -> Message:
    with translation.override(language):
        name = data.get("name", data["id"])
        headline = "✕ " + _("Runner {name}: lost").format(name=name)
        lines = [_("Its host was {host}.").format(host=data["host"])]
        url = data.get("url", own_url() + "/")
        found = lines if data.get("host") else []
        return Message(headline, "bad", "", found, _link(), url)


def release_message(event: Event, data: Mapping[str, Any], language: str) -> Message:
    """Return what a chat is told of a pointer that moved."""
    with translation.override(language):
        where = f"{data['platform']} · {data['channel']}"
        is_back = event == Event.RELEASE_ROLLED_BACK
        words = _("{where}: back on {version}") if is_back else _("{where}: {version}")
        headline = words.format(where=where, version=data["version"])
        lines = []
        if data["previous"]:
            before = _("Before: {version}").format(version=data["previous"])
            lines.append(before)
        by = _("Started by {name}").format(name=person(data["by"]))
        lines.append(by)
        shape = "↩" if is_back else "✓"
        tone = TONES.get(event, "")
        return Message(f"{shape} {headline}", tone, "", lines, _link(), data["url"])


def test_message(name: str, language: str) -> Message:
    with translation.override(language):
        headline = _("Test message from Resource Sync")
        lines = [name] if name else []
        return Message(headline, "", "", lines, _link(), own_url() + "/")


def storm_message(storm: Mapping[str, Any], language: str) -> Message:
    """Return what a chat is told of many failures at once. ``storm``: how many there
    are (``count``), and the ``headline`` and ``cause`` of the first ones (``first``).
    """
    count = storm["count"]
    with translation.override(language):
        words = ngettext("%(n)s more task failed", "%(n)s more tasks failed", count)
        lines = [
            " · ".join(filter(None, [one["headline"], one["cause"]]))
            for one in storm["first"]
        ]
        if (more := count - len(lines)) > 0:
            others = ngettext("and %(n)s other", "and %(n)s others", more)
            lines.append(others % {"n": f"{more:,}"})
        query = urlencode({"status": Task.Status.FAILED.value})
        url = f"{own_url()}{reverse('history')}?{query}"
        headline = f"✕ {words % {'n': f'{count:,}'}}"
        return Message(headline, "bad", "", lines, _link(), url)


# --- Releases -----------------------------------------------------------------------


def moves_of(task: Task) -> Iterable[tuple[Event, dict[str, Any]]]:
    """Yield the pointers that a task moved, as its jobs put them out; also those of one
    that failed after that."""
    outputs = (task.result or {}).get("outputs") or {}
    is_back = _rolls_back(type_of(task))
    event = Event.RELEASE_ROLLED_BACK if is_back else Event.RELEASE_PUBLISHED
    for platform, told in outputs.items():
        if not isinstance(told, dict) or "previous" not in told:
            continue
        for channel, version, previous in _moved(told):
            if version and version != previous:
                yield (
                    event,
                    {
                        "platform": platform,
                        "channel": channel,
                        "version": version,
                        "previous": previous,
                        "taskId": str(task.pk),
                        "by": task.created_by,
                        "url": url_of(task),
                    },
                )


def _moved(told: Mapping[str, Any]) -> Iterable[tuple[str, Any, Any]]:
    """Yield channel, version, and the version before, of a platform's outputs. A job
    that serves testers first moves two pointers, of which the last says what was
    before; a rollout that has begun moves none."""
    served, on_channel = told.get("served"), told.get("onChannel")
    if on_channel is not None:
        yield str(told.get("channel")), on_channel, None if served else told["previous"]
    if served is not None and "rollout" not in told:
        yield "live", served, told["previous"]


def _rolls_back(kind: TaskType | None) -> bool:
    """Return whether a type's jobs go back to an earlier version."""
    commands = (step.command for step in kind.steps) if kind else ()
    return any({"resources", "rollback"} <= {*command} for command in commands)
