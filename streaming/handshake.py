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

from django.core.handlers.asgi import ASGIRequest
from django.db import (
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
)
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from streaming.positions import BadPosition, after, offset, position
from streaming.refusals import redirect_to_https, with_common_headers
from streaming.sse import connected_event, encoded
from streaming.task_state import Version, version_of_newcomer
from tasks import problems
from tasks.access import admission, hand_over, request_id
from tasks.access.credentials import BOOTSTRAP, Credential
from tasks.models import HandOverLink, Task, task_id_of
from tasks.representation import describe
from tasks.waiting import WaitingFor, waiting_for_all

logger = logging.getLogger(__name__)

THREADS = 2  # one stays free while a slow store of sessions or counters holds the other
MOST_AT_ONCE = 64
# A crash of PostgreSQL may take back lines that a client has; until the runner has
# stored them again, the client is ahead of the log.
AHEAD_SECONDS, ASK_AGAIN_SECONDS = 5.0, 0.5
# What a task waits for is not looked up within this of its creation: its first line
# comes sooner.
JUST_STARTED = timedelta(seconds=1)
MOST_SOURCES = 32  # in one response: the pages of one browser that somebody can see
EVENTS = "events"  # the source that is no task
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


@dataclass(frozen=True, slots=True)
class Admitted:
    """A client that may watch: from where on, and what it is told first."""

    task_id: uuid.UUID
    cursor: int  # it has the lines up to this seq
    version: Version
    first: bytes
    credential: Credential = BOOTSTRAP  # what it came in with


@dataclass(frozen=True, slots=True)
class Visitor:
    """A client that may see what changes among all tasks."""

    credential: Credential


@dataclass(frozen=True, slots=True)
class Closed:
    """One of several sources that its client can't have, and why."""

    status: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Several:
    """A client that may see several things in one response, in the order in which it
    asked for them; None stands for what changes among all tasks."""

    sources: list[Admitted | Closed | None]
    credential: Credential


Result = Admitted | Visitor | Several
Answer = tuple[HttpResponse, Result | None]


class Waiting(NamedTuple):
    scope: dict[str, Any]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Answer]


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
        answers = []
        for scope in scopes:
            with request_id.answering(scope):
                answers.append(_answer(scope, tasks, waiting, failure))
        return answers
    finally:
        if connection.vendor != "sqlite":
            close_old_connections()  # gives the connection back to the pool


def _tasks_of(scopes: list[dict[str, Any]]) -> Mapping[uuid.UUID, Task]:
    tasks = Task.objects.short()
    ids = list({pk for scope in scopes for pk in _task_ids(scope)} - {None})
    try:
        return tasks.in_bulk(ids)
    except (OperationalError, InterfaceError) as error:
        # All viewers return at once when the database is back; an EventSource that is
        # told 503 then would give up for good.
        problems.forget_dead_connections(error)
        connection.close()
        return tasks.in_bulk(ids)


def _task_ids(scope: dict[str, Any]) -> list[uuid.UUID | None]:
    route = scope["url_route"]["kwargs"]
    if "task_id" in route:
        return [task_id_of(route["task_id"])]
    if "several" in route:
        return [task_id_of(name) for name, _mark, _seq in _sources(scope)]
    return []


def _sources(scope: dict[str, Any]) -> list[tuple[str, str, str]]:
    """``ID``, ``:`` and ``SEQ`` of each source; the first alone where there is no more.
    Of too many, as many as say so."""
    asked = QueryDict(scope["query_string"]).getlist("source")
    return [source.partition(":") for source in asked[: MOST_SOURCES + 1]]


def _answer(
    scope: dict[str, Any],
    tasks: Mapping[uuid.UUID, Task],
    waiting: Mapping[uuid.UUID, WaitingFor],
    failure: Exception | None,
) -> Answer:
    request = ASGIRequest(scope, BytesIO())
    try:
        result: HttpResponse | Result | None = redirect_to_https(request)
        if result is None and failure is not None:
            raise failure
        result = result or _result(request, scope, tasks, waiting)
    except Exception as error:  # noqa: BLE001 (each becomes a problem, the unknown a 500)
        result = problems.from_exception(error)
    if isinstance(result, HttpResponse):
        return with_common_headers(request, result), None
    return with_common_headers(request, HttpResponse(headers=HEADERS)), result


def _result(
    request: HttpRequest,
    scope: dict[str, Any],
    tasks: Mapping[uuid.UUID, Task],
    waiting: Mapping[uuid.UUID, WaitingFor],
) -> Result | HttpResponse:
    if request.method not in {"GET", "HEAD"}:
        return _only_get()
    request.get_host()  # checks it
    route = scope["url_route"]["kwargs"]
    if "token" in route:
        return _admit_by_link(request, route["token"])
    if "several" in route:
        return _admit_to_several(request, scope, tasks, waiting)
    if "task_id" not in route:
        admission.admit(request, "stream")
        return Visitor(admission.credential_of(request))
    (task_id,) = _task_ids(scope)
    task = tasks.get(task_id) if task_id else None
    if "in_pages" in route:
        return _admit_to_pages(request, task)
    return _admit(request, task, waiting)


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
    admission.admit(request, "stream", task)
    if task is None:
        return problems.no_such_task()
    try:
        cursor = position(request, task)
    except BadPosition as error:
        response = _bad_position(error)
        if error.may_come and task.status == Task.Status.RUNNING:
            response.is_ahead = True  # type: ignore[attr-defined]
        return response
    if cursor is None:
        return _nothing_more()
    return _admitted(request, task, cursor, waiting)


def _admit_by_link(request: HttpRequest, token: str) -> Admitted | HttpResponse:
    """Whoever has a hand-over link: to that task's lines, with nothing of others."""
    try:
        link = hand_over.link_for(request, token)
        task = hand_over.task_of_link(link)
    except (hand_over.LinkEnded, HandOverLink.DoesNotExist):
        return problems.no_such_task()
    try:
        cursor = position(request, task)
    except BadPosition as error:
        return _bad_position(error)
    if cursor is None:
        return _nothing_more()
    return _admitted(request, task, cursor, {}, Credential(link_id=link.pk))


def _admit_to_pages(request: HttpRequest, task: Task | None) -> Admitted | HttpResponse:
    """Whoever reads a log by its pages' offsets: it is told nothing but lines."""
    admission.admit(request, "stream", task)
    if task is None:
        return problems.no_such_task()
    try:
        cursor = offset(request, task)
    except BadPosition as error:
        return _bad_position(error)
    version = version_of_newcomer(task)
    return Admitted(task.pk, cursor, version, b"", admission.credential_of(request))


def _bad_position(error: BadPosition) -> HttpResponse:
    return problems.problem(400, None, str(error), error.errors)


def _nothing_more() -> HttpResponse:
    response = HttpResponse(status=204)
    del response["Content-Type"]
    return response


def _admitted(
    request: HttpRequest,
    task: Task,
    cursor: int,
    waiting: Mapping[uuid.UUID, WaitingFor],
    credential: Credential | None = None,
) -> Admitted:
    shown = describe(task, waiting=waiting)
    first = encoded(connected_event(shown))
    version = version_of_newcomer(task)
    credential = credential or admission.credential_of(request)
    return Admitted(task.pk, cursor, version, first, credential)


def _admit_to_several(
    request: HttpRequest,
    scope: dict[str, Any],
    tasks: Mapping[uuid.UUID, Task],
    waiting: Mapping[uuid.UUID, WaitingFor],
) -> Several | HttpResponse:
    """Whoever may see all tasks; of each source, what its own stream would say."""
    admission.admit(request, "stream")
    asked = _sources(scope)
    problem = _problem_of(asked)
    if problem:
        return problems.problem(400, None, problem, {"source": [problem]})
    several = Several([], admission.credential_of(request))
    for name, _mark, seq in asked:
        task_id = task_id_of(name)
        task = tasks.get(task_id) if task_id else None
        if name == EVENTS:
            several.sources.append(None)
        elif task is None:
            several.sources.append(Closed(404, _("There is no such task.")))
        else:
            several.sources.append(_source(request, task, seq, waiting))
    return several


def _problem_of(asked: list[tuple[str, str, str]]) -> str:
    """Return what is wrong with the sources as they are written; empty where nothing
    is."""
    if not asked:
        return _("Say what to watch: source=ID:SEQ, or source=events.")
    if len(asked) > MOST_SOURCES:
        return _("At most %(limit)s sources in one stream.") % {"limit": MOST_SOURCES}
    for name, mark, seq in asked:
        is_known = not mark if name == EVENTS else task_id_of(name) is not None
        if not is_known:
            source = repr(f"{name}{mark}{seq}"[:80])
            return _("A source is events, ID or ID:SEQ, not %(source)s.") % {
                "source": source
            }
    return ""


def _source(
    request: HttpRequest,
    task: Task,
    seq: str,
    waiting: Mapping[uuid.UUID, WaitingFor],
) -> Admitted | Closed:
    try:
        cursor = after("source", seq, task) if seq else 0
    except BadPosition as error:
        return Closed(400, str(error))
    return Closed(204) if cursor is None else _admitted(request, task, cursor, waiting)
