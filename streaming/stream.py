"""``GET /api/tasks/{id}/stream``: the ASGI endpoint in front of Django.

Who may come in is asked of the API's own rules in a thread, once; from then on a
client costs no thread and no database connection.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from corsheaders.middleware import CorsMiddleware
from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections, connection
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from streaming.backpressure import Outlet
from streaming.encode import KEEP_ALIVE, connected_event
from streaming.hub import Hub, Stamp, Viewer, stamp_of_newcomer
from tasks.api import admission, problems, stream_tokens
from tasks.description import describe
from tasks.models import Task

KEEP_ALIVE_SECONDS = 15.0
STALL_SECONDS = 60.0  # a client that took nothing for so long is cut off
PIECE_BYTES = 128 * 1024  # written at a time to a client that catches up
ADMISSION_THREADS = 2
SEQ_DIGITS = 18  # more would not fit into the database's numbers
HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_admissions = ThreadPoolExecutor(ADMISSION_THREADS, thread_name_prefix="admission")
_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


@dataclass(frozen=True)
class Admitted:
    """A client that may watch: from where on, and what it is told first."""

    task_id: uuid.UUID
    base_url: str
    cursor: int  # it has the lines up to this seq
    stamp: Stamp
    first: bytes


class BadPosition(Exception):
    """A client asked to start where no stream can; names the field."""

    def __init__(self, name: str, problem: str) -> None:
        self.errors = {name: [problem]}
        super().__init__(problem)


async def stream(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI application; ``task_id`` is in the URL route's keywords."""
    loop = asyncio.get_running_loop()
    response, admitted = await loop.run_in_executor(_admissions, _admission, scope)
    is_head = scope["method"] == "HEAD"
    await send(
        {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": [
                (name.lower().encode(), value.encode("latin-1"))
                for name, value in response.items()
            ],
        }
    )
    if admitted is None or is_head:
        body = b"" if is_head else response.content
        await send({"type": "http.response.body", "body": body})
        return
    first = {"type": "http.response.body", "body": admitted.first, "more_body": True}
    await send(first)
    if (hub := _hubs.get(loop)) is None:
        hub = _hubs[loop] = Hub(loop)
    client = Client(hub, admitted, send)
    try:
        hub.join(client)
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        client.leave()


class Client(Viewer):
    """One response: a cursor over a task's lines."""

    def __init__(self, hub: Hub, admitted: Admitted, send: Send) -> None:
        super().__init__(admitted.task_id, hub)
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._base_url = admitted.base_url
        self._cursor, self._stamp = admitted.cursor, admitted.stamp
        self._outlet = Outlet(send, self.advance)
        self._wrote_at = self._loop.time()
        self._timer = self._loop.call_later(KEEP_ALIVE_SECONDS, self._on_timer)
        self._is_over = False

    def leave(self) -> None:
        """The client is gone, or has had everything."""
        self._is_over = True
        self._timer.cancel()
        self._hub.leave(self)

    def advance(self) -> None:
        while not (self._is_over or self._outlet.is_full):
            state = self._hub.states.get(self.task_id)
            if state is None:
                return
            batch = state.batch
            if state.is_gone:
                self._finish()
            elif (
                batch is not None
                and self._cursor == batch.after
                and self._stamp == batch.before
            ):
                self._cursor, self._stamp = batch.upto, state.stamp
                self._write(batch.data.for_base(self._base_url))
            elif self._cursor < state.last_seq:
                page = self._hub.page_for(self, self._cursor, state.last_seq)
                if page is None:
                    return
                data, self._cursor = page.piece(self._cursor, PIECE_BYTES)
                self._write(data)
            elif self._stamp < state.stamp:
                self._stamp = state.stamp
                self._write(state.update.for_base(self._base_url))
            elif state.end is not None:
                self._write(state.end)
                self._finish()
            else:
                return

    def _write(self, data: bytes) -> None:
        self._wrote_at = self._loop.time()
        self._outlet.write(data)

    def _finish(self) -> None:
        self._is_over = True
        self._outlet.finish()

    def _on_timer(self) -> None:
        if self._is_over:
            return
        silent = self._loop.time() - self._wrote_at
        limit = STALL_SECONDS if self._outlet.is_full else KEEP_ALIVE_SECONDS
        if silent >= limit - 0.001:
            if self._outlet.is_full:
                self._outlet.abort()
                return
            self._write(KEEP_ALIVE)
            silent, limit = 0.0, KEEP_ALIVE_SECONDS
        wait = min(limit - silent, KEEP_ALIVE_SECONDS)
        self._timer = self._loop.call_later(wait, self._on_timer)


# --- Admission, in a thread -----------------------------------------------------------


def _admission(scope: dict[str, Any]) -> tuple[HttpResponse, Admitted | None]:
    """The answer's head, and the client where it is let in."""
    request = ASGIRequest(scope, BytesIO())
    admitted: Admitted | None = None
    try:
        result = _admit(request, scope["url_route"]["kwargs"]["task_id"])
        if isinstance(result, Admitted):
            admitted, response = result, HttpResponse(headers=HEADERS)
        else:
            response = result
    except Exception as error:  # noqa: BLE001 (each becomes a problem, the unknown a 500)
        response = problems.from_exception(error)
    finally:
        if connection.vendor != "sqlite":
            close_old_connections()  # gives the connection back to the pool
    CorsMiddleware(lambda _request: response)(request)  # adds its headers
    return response, admitted


def _admit(request: HttpRequest, raw_task_id: str) -> Admitted | HttpResponse:
    if request.method not in {"GET", "HEAD"}:
        return problems.problem(
            405,
            None,
            _("A stream is read by GET."),
            headers={"Allow": "GET, HEAD, OPTIONS"},
        )
    base_url = admission.base_url(request)  # also checks the host
    task = _task(raw_task_id)
    token = request.GET.get("token")
    if task is None or not token or not stream_tokens.accepts(token, task):
        admission.admit(request, "stream")
    if task is None:
        return problems.no_such_task()
    try:
        cursor = _position(request, task)
    except BadPosition as error:
        return problems.problem(400, None, str(error), error.errors)
    if cursor is None:
        response = HttpResponse(status=204)
        del response["Content-Type"]
        return response
    first = connected_event(describe(task, base_url))
    return Admitted(task.pk, base_url, cursor, stamp_of_newcomer(task), first)


def _task(raw_task_id: str) -> Task | None:
    try:
        return Task.objects.filter(pk=uuid.UUID(raw_task_id)).first()
    except ValueError:
        return None


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
