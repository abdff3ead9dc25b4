"""``GET /api/tasks/{id}/stream``: the ASGI endpoint in front of Django.

Who may come in is asked once (streaming.admissions); from then on a client costs no
thread and no database connection.
"""

import asyncio
from typing import Any

from streaming import grip
from streaming.admissions import Admitted, answer_to, start_threads
from streaming.backpressure import Outlet
from streaming.held import Held, Receive, Send, begin, until_gone
from streaming.hub import Hub, Viewer

PIECE_BYTES = 128 * 1024  # written at a time to a client that catches up

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
        await until_gone(receive)
    finally:
        client.leave()


def _hub() -> Hub:
    """The event loop's, which is made, with the threads, for its first client."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        start_threads()
        _hubs[loop] = Hub(loop)
        _hubs[loop].reader.start()
    return _hubs[loop]


async def _begin(hub: Hub, scope: dict[str, Any], send: Send) -> Admitted | None:
    """Answer, and say who watches from now on; None where the answer was all."""
    response, admitted = await answer_to(scope)
    if not isinstance(admitted, Admitted):
        admitted = None
    is_head = scope["method"] == "HEAD"
    if admitted is not None and admitted.is_held_by_proxy and not is_head:
        await grip.answer(hub, admitted, response, send)
        return None
    first = None if admitted is None else admitted.first
    return admitted if await begin(response, first, scope, send) else None


class Client(Viewer, Held):
    """One response: a cursor over a task's lines."""

    def __init__(self, hub: Hub, admitted: Admitted, outlet: Outlet) -> None:
        Viewer.__init__(self, admitted.task_id)
        Held.__init__(self, hub.loop, outlet)
        self._hub = hub
        self._base_url = admitted.base_url
        self._cursor, self._stamp = admitted.cursor, admitted.stamp

    def leave(self) -> None:
        super().leave()
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
