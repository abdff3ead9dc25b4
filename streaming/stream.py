"""``GET /api/tasks/{id}/stream``: the ASGI endpoint in front of Django.

Who may come in is asked when it opens (streaming.handshake), and again for all that
are open together (streaming.revalidation); a client costs no thread and no database
connection.
"""

import asyncio
from typing import Any

from streaming.backpressure import ResponseWriter
from streaming.handshake import Admitted, answer_to, start_threads
from streaming.hub import Hub, Viewer
from streaming.open_response import (
    OpenResponse,
    Producer,
    Receive,
    Send,
    begin,
    until_gone,
)
from streaming.revalidation import revalidation_of

PIECE_BYTES = 128 * 1024  # written at a time to a client that catches up

_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


async def stream(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI application; ``task_id`` is in the URL route's keywords."""
    hub = hub_of_loop()
    admitted = await _begin(scope, send)
    if admitted is None:
        return
    client, credential = (
        Client(hub, admitted, ResponseWriter(send)),
        admitted.credential,
    )
    # Most of what a waiting client holds would be its request and what it was told.
    del scope, admitted
    with client, revalidation_of(hub.loop).watching(credential, client):
        hub.join(client)
        await until_gone(receive)


def hub_of_loop() -> Hub:
    """The event loop's, which is made, with the threads, for its first client."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        start_threads()
        _hubs[loop] = Hub(loop)
        _hubs[loop].reader.start()
    return _hubs[loop]


async def _begin(scope: dict[str, Any], send: Send) -> Admitted | None:
    """Answer, and say who watches from now on; None where the answer was all."""
    response, admitted = await answer_to(scope)
    if not isinstance(admitted, Admitted):
        admitted = None
    first = None if admitted is None else admitted.first
    return admitted if await begin(response, first, scope, send) else None


class Cursor(Viewer, Producer):
    """A client's position in one task's lines; writes what follows it."""

    def __init__(self, hub: Hub, admitted: Admitted) -> None:
        super().__init__(admitted.task_id)
        self._hub = hub
        self._cursor, self._version = admitted.cursor, admitted.version
        self._told_of: float | None = None  # the beginning of an outage
        self._is_degraded = False  # it was told of one, and of nothing since

    def leave(self) -> None:
        super().leave()
        self._hub.leave(self)

    def advance(self) -> None:
        while not (self._is_over or self._writer.is_full):
            if not self._write_next():
                self._say_outage()
                return
            self._is_degraded = False

    def _write_next(self) -> bool:
        """Write some of what there is; False where there is nothing now."""
        state = self.watched.state
        if state is None:
            return False
        batch = state.batch
        if state.is_gone:
            self._finish()
        elif (
            batch is not None
            and self._cursor == batch.after
            and self._version == batch.before
        ):
            self._cursor, self._version = batch.upto, state.version
            self._write(batch.data)
        elif self._cursor < state.last_seq:
            page = self._hub.page_for(self, self._cursor, state.last_seq)
            if page is None:
                return False
            data, self._cursor = page.piece(self._cursor, PIECE_BYTES)
            self._write(data)
        elif self._version < state.version:
            self._version = state.version
            self._write(state.update)
        elif state.end is not None:
            self._write(state.end)
            self._finish()
        else:
            return False
        return True

    def _say_outage(self) -> None:
        """That nothing comes because nothing can be read, once; and that it is over,
        where nothing else has said that."""
        outage = self._hub.outage
        if outage is not None and outage.since != self._told_of:
            self._told_of, self._is_degraded = outage.since, True
            self._write(outage.event)
        elif outage is None and self._is_degraded and self.watched.state is not None:
            self._is_degraded = False
            self._write(self.watched.state.update)


class Client(Cursor, OpenResponse):
    """One response: one task's lines."""

    KIND = "task"

    def __init__(self, hub: Hub, admitted: Admitted, writer: ResponseWriter) -> None:
        Cursor.__init__(self, hub, admitted)
        OpenResponse.__init__(self, hub.loop, writer)
