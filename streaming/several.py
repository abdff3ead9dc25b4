"""``GET /api/streams``: several streams in one response.

A browser has six connections to a server over HTTP/1.1, and one for all that its pages
show leaves it five (docs/decisions/0032). What a source gives are the bytes of its own
stream, which are made once for all who get them, behind an event that says whose they
are.
"""

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from streaming.backpressure import ResponseWriter
from streaming.change_feed.endpoint import Feed, FeedReader, feed_of_loop
from streaming.handshake import Admitted, Closed, Several, answer_to
from streaming.hub import Hub
from streaming.open_response import (
    OpenResponse,
    Producer,
    Receive,
    Send,
    begin,
    until_gone,
)
from streaming.revalidation import revalidation_of
from streaming.sse import (
    closed_event,
    connected_to_all_event,
    encoded,
    source_event,
)
from streaming.stream import Cursor, hub_of_loop


async def several(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI application."""
    hub = hub_of_loop()
    response, admitted = await answer_to(scope)
    if not isinstance(admitted, Several):
        await begin(response, None, scope, send)
        return
    feed = feed_of_loop()
    offset = feed.start_offset
    if not await _begin(response, admitted, scope, send):
        return
    client, credential = Client(hub, ResponseWriter(send)), admitted.credential
    with client, revalidation_of(hub.loop).watching(credential, client):
        client.join(admitted, feed, offset)
        del scope, admitted  # most of what a waiting client would hold
        await until_gone(receive)


async def _begin(
    response: HttpResponse, admitted: Several, scope: dict[str, Any], send: Send
) -> bool:
    """Send the head, and of each source what it is told first."""
    parts = []
    for index, source in enumerate(admitted.sources):
        parts.append(encoded(source_event(index)))
        if source is None:
            parts.append(encoded(connected_to_all_event()))
        elif isinstance(source, Admitted):
            parts.append(source.first)
        else:
            parts.append(encoded(closed_event(source.status, source.detail)))
    return await begin(response, b"".join(parts), scope, send)


class Client(OpenResponse):
    """One response, in which several sources take turns."""

    KIND = "several"

    def __init__(self, hub: Hub, writer: ResponseWriter) -> None:
        super().__init__(hub.loop, writer)
        self._hub = hub
        self._parts: list[Part] = []  # those that are open; the next to write first
        self._last_index = -1

    def join(self, admitted: Several, feed: Feed, offset: int) -> None:
        """Open each source that the client may have."""
        self._last_index = len(admitted.sources) - 1
        opened: list[Part] = []
        for index, source in enumerate(admitted.sources):
            if source is None:
                opened.append(FeedPart(self, index, feed, offset))
            elif not isinstance(source, Closed):
                opened.append(TaskPart(self, index, self._hub, source))
        self._parts = list(opened)
        for part in opened:
            part.join()
        if not opened:
            self._finish()

    @property
    def is_over(self) -> bool:
        return self._is_over

    @property
    def writer(self) -> ResponseWriter:
        return self._writer

    def leave(self) -> None:
        super().leave()
        for part in tuple(self._parts):
            part.leave()

    def advance(self) -> None:
        for part in tuple(self._parts):
            if self._writer.is_full:
                return
            # Whoever fills it goes to the end, so that the others come first then.
            self._parts.remove(part)
            self._parts.append(part)
            part.advance()

    def write_of(self, index: int, data: bytes) -> None:
        """Write what a source gives."""
        if index != self._last_index:
            self._last_index = index
            data = encoded(source_event(index)) + data
        self._write(data)

    def close(self, part: "Part") -> None:
        """A source gives no more; the last one ends the response."""
        self._parts.remove(part)
        if not (self._parts or self._is_over):
            self._finish()


class Part(Producer):
    """One of a response's sources."""

    def __init__(self, client: Client, index: int) -> None:
        self._client, self._index = client, index
        self._writer = client.writer
        self._has_left = False

    @property
    def _is_over(self) -> bool:  # type: ignore[override]
        return self._has_left or self._client.is_over

    def leave(self) -> None:
        self._has_left = True
        self._client.close(self)

    def _write(self, data: bytes) -> None:
        self._client.write_of(self._index, data)

    def _finish(self) -> None:
        self.leave()

    def join(self) -> None:
        """Be told from now on."""
        raise NotImplementedError


class TaskPart(Cursor, Part):
    """One task's lines among other things."""

    def __init__(
        self, client: Client, index: int, hub: Hub, admitted: Admitted
    ) -> None:
        Cursor.__init__(self, hub, admitted)
        Part.__init__(self, client, index)

    def join(self) -> None:
        self._hub.join(self)

    def _finish(self) -> None:
        state = self.watched.state
        if state is not None and state.is_gone:
            self._write(encoded(closed_event(404, _("There is no such task."))))
        super()._finish()


class FeedPart(FeedReader, Part):
    """What changes among all tasks, among other things."""

    def __init__(self, client: Client, index: int, feed: Feed, offset: int) -> None:
        FeedReader.__init__(self, feed, offset)
        Part.__init__(self, client, index)

    def join(self) -> None:
        self._feed.join(self)
