"""``GET /api/tasks/{id}/log?live=sse``: a log's lines as Durable Streams sends them.

https://github.com/durable-streams/durable-streams/blob/main/PROTOCOL.md, section 5.8.
They are the lines of the task's own stream, taken out of its events: once for all who
are given the same bytes one after the other.
"""

import json
import re
from typing import Any

from django.http import QueryDict

from streaming.backpressure import ResponseWriter
from streaming.handshake import Admitted, answer_to
from streaming.hub import Hub, Viewer
from streaming.open_response import OpenResponse, Receive, Send, begin, until_gone
from streaming.revalidation import revalidation_of
from streaming.stream import PIECE_BYTES, hub_of_loop
from streaming.task_state import State
from tasks.logs.pages import next_cursor, offset_of

OPEN_SECONDS = 60.0  # then the client comes again, to whoever serves it then
LINE = re.compile(rb'^data: \{"type":"log","log":(.*)\}$', re.MULTILINE)


async def log_pages(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI application; ``task_id`` is in the URL route's keywords."""
    hub = hub_of_loop()
    response, admitted = await answer_to(scope)
    if not isinstance(admitted, Admitted):
        await begin(response, None, scope, send)
        return
    response["Content-Type"] = "text/event-stream"  # as the protocol has it
    if not await begin(response, admitted.first, scope, send):
        return
    cursor = QueryDict(scope["query_string"]).get("cursor", "")
    client = Client(hub, admitted, cursor, ResponseWriter(send))
    credential = admitted.credential
    with client, revalidation_of(hub.loop).watching(credential, client):
        hub.join(client)
        await until_gone(receive)


class Client(Viewer, OpenResponse):
    """One response: data, and after it how far that was."""

    KEEP_ALIVE = b": \n\n"
    KIND = "log"

    def __init__(
        self, hub: Hub, admitted: Admitted, stream_cursor: str, writer: ResponseWriter
    ) -> None:
        """``stream_cursor``: what the client was told before."""
        Viewer.__init__(self, admitted.task_id)
        OpenResponse.__init__(self, hub.loop, writer)
        self._hub, self._cursor = hub, admitted.cursor
        self._stream_cursor = stream_cursor
        self._is_told = False  # where it stands
        self._close = hub.loop.call_later(OPEN_SECONDS, self._finish)

    def leave(self) -> None:
        super().leave()
        self._close.cancel()
        self._hub.leave(self)

    def advance(self) -> None:
        while not (self._is_over or self._writer.is_full) and self._write_next():
            pass

    def _write_next(self) -> bool:
        """Write some of what there is; False where there is nothing now."""
        state = self.watched.state
        if state is None:
            return False
        batch = state.batch
        if state.is_gone:
            self._finish()
        elif batch is not None and batch.after == self._cursor < batch.upto:
            self._give(batch.data, batch.upto, state)
        elif self._cursor < state.last_seq:
            page = self._hub.page_for(self, self._cursor, state.last_seq)
            if page is None:
                return False
            data, upto = page.piece(self._cursor, PIECE_BYTES)
            self._give(data, upto, state)
        elif not self._is_told or state.end is not None:
            self._give(b"", self._cursor, state)
        else:
            return False
        return True

    def _give(self, data: bytes, upto: int, state: State) -> None:
        """Write the lines of some events, and that the client stands behind them."""
        self._cursor, self._is_told = upto, True
        is_last = upto >= state.last_seq
        is_closed = is_last and state.end is not None
        control: dict[str, Any] = {"streamNextOffset": offset_of(upto)}
        if not is_closed:
            control["streamCursor"] = next_cursor(self._stream_cursor, upto)
        if is_last:
            control["upToDate"] = True
        if is_closed:
            control["streamClosed"] = True
        text = json.dumps(control, separators=(",", ":"))
        self._write(b"%bevent: control\ndata:%b\n\n" % (_data_of(data), text.encode()))
        if is_closed:
            self._finish()


def _data_of(events: bytes) -> bytes:
    """Return the event with the lines of a stream's events; none where they have none.
    No space stands behind a colon, since the protocol's conformance suite has none. The
    last one is remembered, since a task's viewers are given it in turn."""
    global _last
    if events is not _last[0]:
        lines = b",\ndata:".join(LINE.findall(events))
        made = b"event: data\ndata:[\ndata:%b\ndata:]\n\n" % lines if lines else b""
        _last = (events, made)
    return _last[1]


_last = (b"", b"")
