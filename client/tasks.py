"""The commands about tasks."""

from __future__ import annotations

import getpass
import re
import sys
import uuid
from argparse import Namespace
from typing import Any
from urllib.parse import quote, urlencode

from client.errors import COMPLETED, USAGE, Stop
from client.following import Follower, ago
from client.service import Service
from client.several import act_on_several, filters_of
from client.terminal import Screen
from client.words import words

WHOLE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
ID_BEGINNING = re.compile(r"[0-9a-f-]{4,36}", re.IGNORECASE)
SHORT_ID = 8  # characters, as the pages show


def types(service: Service, screen: Screen, options: Namespace) -> int:
    found = service.ask("GET", "/api/task-types")
    if screen.as_json:
        screen.say_json(found)
        return COMPLETED
    rows = [
        [kind["name"], kind["title"], " ".join(kind["params"]["properties"])]
        for kind in found["taskTypes"]
        if not kind["hidden"]
    ]
    screen.table([words("Type"), words("Title"), words("Parameters")], rows)
    return COMPLETED


def start(service: Service, screen: Screen, options: Namespace) -> int:
    path = f"/api/tasks/{quote(options.type, safe='')}"
    return submit(service, screen, options, path, params_of(options.params))


def rerun(service: Service, screen: Screen, options: Namespace) -> int:
    if filters := filters_of(options):
        return act_on_several(service, screen, options, "rerun", filters)
    body: dict[str, Any] = {}
    if options.params:
        body["params"] = params_of(options.params)
    if options.from_step is not None:
        body["fromStep"] = options.from_step
    path = f"/api/tasks/{whole_id(service, options.task)}/rerun"
    return submit(service, screen, options, path, body)


def params_of(given: list[str]) -> dict[str, str]:
    """Return ``k=v …`` as a body. Raises Stop.

    ``k=@-`` reads the value, a secret as a rule, from a terminal that does not show
    it, or from standard input; ``k=@@…`` is a value that begins with ``@``.
    """
    params = {}
    for word in given:
        name, sign, value = word.partition("=")
        if not (name and sign):
            text = words("A parameter is written name=value, not {word!r}.")
            raise Stop(text.format(word=word), USAGE)
        if value == "@-":
            value = secret(f"{name}: ")
        params[name] = value[1:] if value.startswith("@@") else value
    return params


def secret(prompt: str) -> str:
    """Return a line that is not shown while it is typed, or that stands in a pipe."""
    if sys.stdin.isatty():
        return getpass.getpass(prompt)
    return sys.stdin.readline().rstrip("\r\n")


def submit(
    service: Service, screen: Screen, options: Namespace, path: str, body: Any
) -> int:
    """Start what a path says, once however often it is asked; then watch it."""
    key = options.idempotency_key or str(uuid.uuid4())
    task = service.ask("POST", path, body, {"Idempotency-Key": key})
    task_id = task["taskId"]
    is_watched = options.follow or options.wait
    if screen.as_json and not is_watched:
        screen.say_json(task)
    elif not is_watched:
        screen.say(task_id)
    page = f"{service.url}/tasks/{task_id}"
    screen.note(words("Started: {page}").format(page=page))
    if not is_watched:
        return COMPLETED
    follower = Follower(service, screen, task_id, lines=options.follow)
    tail = None if options.follow else 0
    return follower.follow(tail, cancels=options.cancel_on_interrupt)


def follow(service: Service, screen: Screen, options: Namespace) -> int:
    task_id = whole_id(service, options.task)
    follower = Follower(service, screen, task_id)
    return follower.follow(options.tail, cancels=options.cancel_on_interrupt)


def list_tasks(service: Service, screen: Screen, options: Namespace) -> int:
    names = ("type", "status", "version", "q", "limit")
    query = {name: getattr(options, name) for name in names if getattr(options, name)}
    found = service.ask("GET", f"/api/tasks?{urlencode(query)}")
    if screen.as_json:
        screen.say_json(found)
        return COMPLETED
    rows = [
        [
            task["id"][:SHORT_ID],
            task["status"],
            f"{task['progress']} %",
            task["type"],
            " ".join(f"{name}={value}" for name, value in task["params"].items()),
            task["createdBy"],
            ago(task["createdAt"]),
        ]
        for task in found["tasks"]
    ]
    heads = ["Id", "Status", "Progress", "Type", "Parameters", "By", "Age"]
    screen.table([words(head) for head in heads], rows)
    return COMPLETED


def logs(service: Service, screen: Screen, options: Namespace) -> int:
    task_id = whole_id(service, options.task)
    if not screen.as_json:
        # A file gets every byte, a terminal only what is harmless.
        show = screen.say_foreign if sys.stdout.isatty() else None
        service.text(f"/api/tasks/{task_id}/logs.txt", show)
        return COMPLETED
    after: int | None = 0
    while after is not None:
        path = f"/api/tasks/{task_id}/logs?after={after}&limit=1000"
        page = service.ask("GET", path)
        for line in page["logs"]:
            screen.say_json(line)
        after = page["next"]
    return COMPLETED


def cancel(service: Service, screen: Screen, options: Namespace) -> int:
    if filters := filters_of(options):
        return act_on_several(service, screen, options, "cancel", filters)
    body = {"force": True} if options.force else {}
    return decide(service, screen, options, "cancel", body)


def approve(service: Service, screen: Screen, options: Namespace) -> int:
    return decide(service, screen, options, "approve", {"comment": options.comment})


def reject(service: Service, screen: Screen, options: Namespace) -> int:
    return decide(service, screen, options, "reject", {"comment": options.comment})


def decide(
    service: Service, screen: Screen, options: Namespace, act: str, body: Any
) -> int:
    task_id = whole_id(service, options.task)
    task = service.ask("POST", f"/api/tasks/{task_id}/{act}", body)
    if screen.as_json:
        screen.say_json(task)
    else:
        screen.say(f"{task_id} {task['status']}")
    return COMPLETED


def whole_id(service: Service, text: str) -> str:
    """Return the id that begins so. Raises Stop where none or several do."""
    if WHOLE_ID.fullmatch(text):
        return text.lower()
    ids = []
    if ID_BEGINNING.fullmatch(text):
        found = service.ask("GET", f"/api/tasks?{urlencode({'q': text, 'limit': 100})}")
        beginning = text.lower()
        ids = [task["id"] for task in found["tasks"]]
        ids = [one for one in ids if one.startswith(beginning)]
    if len(ids) != 1:
        few = words("No task's id begins with {text!r}.")
        many = words("Several tasks' ids begin with {text!r}; give more of it.")
        raise Stop((many if ids else few).format(text=text), USAGE)
    return str(ids[0])
