"""``GET /api/tasks/{id}/stream``: the ASGI endpoint in front of Django.

Who may come in is asked once (streaming.admissions); from then on a client costs no
thread and no database connection.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from streaming import grip
from streaming.admissions import Admitted, answer_to, start_threads
from streaming.backpressure import Outlet
from streaming.encode import KEEP_ALIVE
from streaming.hub import Hub, Viewer

KEEP_ALIVE_SECONDS = 15.0
STALL_SECONDS = 60.0  # a client that took nothing for so long is cut off
PIECE_BYTES = 128 * 1024  # written at a time to a client that catches up

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


async def stream(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI application; ``task_id`` is in the URL route's keywords."""
    hub = _hub()
    admitted = await _begin(hub, scope, send)
    if admitted is None:
        return
    client = Client(hub, admitted, Outlet(send))
    # Most of what a waiting client holds would be its request and what it was told.
    del scope, admitted
    try:
        hub.join(client)
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        client.leave()


def _hub() -> Hub:
    """The event loop's, which is made, with the threads, for its first client."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        if not _hubs:
            start_threads()
        _hubs[loop] = Hub(loop)
        _hubs[loop].reader.start()
    return _hubs[loop]


async def _begin(hub: Hub, scope: dict[str, Any], send: Send) -> Admitted | None:
    """Answer, and say who watches from now on; None where the answer was all."""
    response, admitted = await answer_to(scope)
    is_head = scope["method"] == "HEAD"
    if admitted is not None and admitted.is_held_by_proxy and not is_head:
        await grip.answer(hub, admitted, response, send)
        return None
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
        return None
    first = {"type": "http.response.body", "body": admitted.first, "more_body": True}
    await send(first)
    return admitted


class Client(Viewer):
    """One response: a cursor over a task's lines."""

    def __init__(self, hub: Hub, admitted: Admitted, outlet: Outlet) -> None:
        super().__init__(admitted.task_id)
        self._hub = hub
        self._loop = hub.loop
        self._base_url = admitted.base_url
        self._cursor, self._stamp = admitted.cursor, admitted.stamp
        self._outlet = outlet
        outlet.on_room = self.advance
        self._wrote_at = monotonic()
        self._timer = self._loop.call_later(KEEP_ALIVE_SECONDS, self._on_timer)
        self._is_over = False

    def leave(self) -> None:
        """The client is gone, or has had everything."""
        self._is_over = True
        self._timer.cancel()
        self._hub.leave(self)

    def advance(self) -> None:
        outlet = self._outlet
        while not (self._is_over or outlet.is_full):
            state = self.watched.state
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
        self._wrote_at = monotonic()
        self._outlet.write(data)

    def _finish(self) -> None:
        self._is_over = True
        self._outlet.finish()

    def _on_timer(self) -> None:
        if self._is_over:
            return
        silent = monotonic() - self._wrote_at
        limit = STALL_SECONDS if self._outlet.is_full else KEEP_ALIVE_SECONDS
        if silent >= limit - 0.001:
            if self._outlet.is_full:
                self._outlet.abort()
                return
            self._write(KEEP_ALIVE)
            silent, limit = 0.0, KEEP_ALIVE_SECONDS
        wait = min(limit - silent, KEEP_ALIVE_SECONDS)
        self._timer = self._loop.call_later(wait, self._on_timer)
