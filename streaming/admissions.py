"""Who may watch, from where on, and what they are told first.

Asked of the API's own rules, in a thread. Requests that wait at the same time are
answered together: their tasks are read by one query, so that a crowd that comes at once
(a server that restarted, a release that everybody opens) is in soon.
"""

import asyncio
import logging
import queue
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from io import BytesIO
from typing import Any, NamedTuple

from corsheaders.middleware import CorsMiddleware
from django.core.handlers.asgi import ASGIRequest
from django.db import (
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
)
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from streaming import grip
from streaming.encode import connected_event, encoded
from streaming.states import Stamp, stamp_of_newcomer
from tasks.api import admission, problems, stream_tokens
from tasks.description import describe
from tasks.models import Task
from tasks.waiting import WaitingFor, waiting_for_all

logger = logging.getLogger(__name__)

THREADS = 2  # one stays free while a slow store of sessions or counters holds the other
MOST_AT_ONCE = 64
# A crash of PostgreSQL may take back lines that a client has; until the runner has
# stored them again, the client is ahead of the log.
AHEAD_SECONDS, ASK_AGAIN_SECONDS = 5.0, 0.5
# Of a task so new nobody asks what it waits for; its first line comes sooner.
JUST_STARTED = timedelta(seconds=1)
SEQ_DIGITS = 18  # more would not fit into the database's numbers
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


@dataclass(frozen=True, slots=True)
class Admitted:
    """A client that may watch: from where on, and what it is told first."""

    task_id: uuid.UUID
    base_url: str
    cursor: int  # it has the lines up to this seq
    stamp: Stamp
    first: bytes
    is_held_by_proxy: bool = False
    silence: int = grip.SOON_SECONDS  # after which the proxy looks for news


@dataclass(frozen=True, slots=True)
class Visitor:
    """A client that may see what changes among all tasks."""

    base_url: str


Answer = tuple[HttpResponse, Admitted | Visitor | None]


class Waiting(NamedTuple):
    scope: dict[str, Any]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Answer]


class BadPosition(Exception):
    """A client asked to start where no stream can; names the field."""

    def __init__(self, name: str, problem: str, *, may_come: bool = False) -> None:
        self.errors, self.may_come = {name: [problem]}, may_come
        super().__init__(problem)


_line: queue.SimpleQueue[Waiting] = queue.SimpleQueue()


@cache
def start_threads() -> None:
    """Once, however often it is called."""
    for number in range(THREADS):
        threading.Thread(target=_serve, name=f"admission-{number}", daemon=True).start()


async def answer_to(scope: dict[str, Any]) -> Answer:
    """The response's head, and the client where it is let in."""
    deadline = time.monotonic() + AHEAD_SECONDS
    while True:
        response, admitted = await _ask(scope)
        if not hasattr(response, "is_ahead") or time.monotonic() > deadline:
            return response, admitted
        await asyncio.sleep(ASK_AGAIN_SECONDS)


async def _ask(scope: dict[str, Any]) -> Answer:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Answer] = loop.create_future()
    _line.put(Waiting(scope, loop, answer))
    return await answer


# --- The threads ----------------------------------------------------------------------


def _serve() -> None:
    while True:
        batch = [_line.get()]
        while len(batch) < MOST_AT_ONCE and not _line.empty():
            try:
                batch.append(_line.get_nowait())
            except queue.Empty:  # the other thread was faster
                break
        try:
            answers = answers_of([waiting.scope for waiting in batch])
        except Exception as error:
            logger.exception("Streams can't be admitted.")
            answers = [(problems.from_exception(error), None)] * len(batch)
        for waiting, answer in zip(batch, answers, strict=True):
            waiting.loop.call_soon_threadsafe(_give, waiting.answer, answer)


def _give(future: asyncio.Future[Answer], answer: Answer) -> None:
    if not future.done():  # the client may be gone already
        future.set_result(answer)


def answers_of(scopes: list[dict[str, Any]]) -> list[Answer]:
    """The answer to each of these requests."""
    try:
        tasks: Mapping[uuid.UUID, Task] = {}
        waiting: Mapping[uuid.UUID, WaitingFor] = {}
        failure: Exception | None = None
        try:
            tasks = _tasks_of(scopes)
            new = timezone.now() - JUST_STARTED
            waiting = waiting_for_all(t for t in tasks.values() if t.created_at < new)
        except Exception as error:  # noqa: BLE001 (each request is told)
            failure = error
        return [_answer(scope, tasks, waiting, failure) for scope in scopes]
    finally:
        if connection.vendor != "sqlite":
            close_old_connections()  # gives the connection back to the pool


def _tasks_of(scopes: list[dict[str, Any]]) -> Mapping[uuid.UUID, Task]:
    ids = list({_task_id(scope) for scope in scopes} - {None})
    try:
        return Task.objects.in_bulk(ids)
    except (OperationalError, InterfaceError) as error:
        # All viewers return at once when the database is back; an EventSource that is
        # told 503 then would give up for good.
        problems.forget_dead_connections(error)
        connection.close()
        return Task.objects.in_bulk(ids)


def _task_id(scope: dict[str, Any]) -> uuid.UUID | None:
    try:
        return uuid.UUID(scope["url_route"]["kwargs"].get("task_id", ""))
    except ValueError:
        return None


def _answer(
    scope: dict[str, Any],
    tasks: Mapping[uuid.UUID, Task],
    waiting: Mapping[uuid.UUID, WaitingFor],
    failure: Exception | None,
) -> Answer:
    request = ASGIRequest(scope, BytesIO())
    admitted: Admitted | Visitor | None = None
    result: Admitted | Visitor | HttpResponse
    try:
        if failure is not None:
            raise failure
        task_id = _task_id(scope)
        if "task_id" not in scope["url_route"]["kwargs"]:
            result = _let_in(request)
        elif page := scope["url_route"]["kwargs"].get("page"):
            result = _go_on(request, task_id, page)
        else:
            task = tasks.get(task_id) if task_id else None
            result = _admit(request, task, waiting)
        if isinstance(result, HttpResponse):
            response = result
        else:
            admitted, response = result, HttpResponse(headers=HEADERS)
    except Exception as error:  # noqa: BLE001 (each becomes a problem, the unknown a 500)
        response = problems.from_exception(error)
    CorsMiddleware(lambda _request: response)(request)  # adds its headers
    return response, admitted


def _let_in(request: HttpRequest) -> Visitor | HttpResponse:
    """Whoever wants to see all tasks: with a key, or a staff session."""
    if request.method not in {"GET", "HEAD"}:
        return _only_get()
    base_url = admission.base_url(request)  # also checks the host
    admission.admit(request, "stream")
    return Visitor(base_url)


def _only_get() -> HttpResponse:
    return problems.problem(
        405,
        None,
        _("A stream is read by GET."),
        headers={"Allow": "GET, HEAD, OPTIONS"},
    )


def _admit(
    request: HttpRequest, task: Task | None, waiting: Mapping[uuid.UUID, WaitingFor]
) -> Admitted | HttpResponse:
    if request.method not in {"GET", "HEAD"}:
        return _only_get()
    base_url = admission.base_url(request)  # also checks the host
    token = request.GET.get("token")
    if task is None or not token or not stream_tokens.accepts(token, task):
        admission.admit(request, "stream")
    if task is None:
        return problems.no_such_task()
    try:
        cursor = _position(request, task)
    except BadPosition as error:
        response = problems.problem(400, None, str(error), error.errors)
        if error.may_come and task.status == Task.Status.RUNNING:
            response.is_ahead = True  # type: ignore[attr-defined]
        return response
    if cursor is None:
        response = HttpResponse(status=204)
        del response["Content-Type"]
        return response
    shown = describe(task, base_url, waiting=waiting)
    first = encoded(connected_event(shown))
    stamp = stamp_of_newcomer(task)
    is_held_by_proxy = len(first) <= grip.FIRST_BYTES and grip.is_from_proxy(request)
    return Admitted(task.pk, base_url, cursor, stamp, first, is_held_by_proxy)


def _go_on(
    request: HttpRequest, task_id: uuid.UUID | None, page: str
) -> Admitted | HttpResponse:
    """The push proxy asks for a client that it has been given already."""
    place = grip.go_on(request, task_id, page) if task_id else None
    if task_id is None or place is None:
        return problems.no_such_task()
    (seq, stamp), silence = place
    return Admitted(
        task_id,
        admission.base_url(request),
        seq,
        stamp,
        first=b"",
        is_held_by_proxy=True,
        silence=silence,
    )


def _position(request: HttpRequest, task: Task) -> int | None:
    """The seq after which the client goes on; None where it has had ``end``."""
    last_id = request.headers.get("Last-Event-ID") or request.GET.get("lastEventId")
    if last_id:
        highest = task.last_seq + (1 if task.has_ended else 0)
        cursor = _number("Last-Event-ID", last_id)
        if cursor > highest:
            raise BadPosition(
                "Last-Event-ID",
                _("This task has no event %(id)s; the highest is %(highest)s.")
                % {"id": cursor, "highest": highest},
                may_come=connection.vendor == "postgresql",
            )
        return None if cursor > task.last_seq else cursor
    if "tail" in request.GET:
        return max(0, task.last_seq - _number("tail", request.GET["tail"]))
    return 0


def _number(name: str, raw: str) -> int:
    if not (raw.isascii() and raw.isdecimal() and len(raw) <= SEQ_DIGITS):
        problem = _("%(name)s takes a whole number, not %(raw)s.")
        raise BadPosition(name, problem % {"name": name, "raw": repr(raw[:40])})
    return int(raw)
