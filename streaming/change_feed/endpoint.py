"""``GET /api/events``: what changes among all tasks, for whoever shows many of them.

The feed keeps the newest event of each thing that changed. A client is an offset into
their order: it is given what is newer, each thing once as it is now, as fast as it
reads; so a client has no queue, and one that does not read costs nothing.
"""

import asyncio
from collections import OrderedDict
from typing import Any

from streaming.backpressure import ResponseWriter
from streaming.change_feed.poller import Changes, Poller
from streaming.eventstream import ALL_TASKS, ChannelListener, manager, tell
from streaming.handshake import Visitor, answer_to, start_threads
from streaming.open_response import (
    OpenResponse,
    Producer,
    Receive,
    Send,
    begin,
    until_gone,
)
from streaming.outages import OutageWatch
from streaming.revalidation import revalidation_of
from streaming.sse import changed_event, connected_to_all_event, encoded

KEPT = 256  # things; a client that missed more is told to look again
DEGRADED = "degraded"
LOOK_AGAIN = encoded(changed_event("tasks"))

_feeds: dict[asyncio.AbstractEventLoop, "Feed"] = {}


async def events(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI application."""
    start_threads()
    response, visitor = await answer_to(scope)
    if not isinstance(visitor, Visitor):
        await begin(response, None, scope, send)
        return
    feed = feed_of_loop()
    offset = feed.start_offset
    first = encoded(connected_to_all_event())
    if not await begin(response, first, scope, send):
        return
    client = Client(feed, offset, ResponseWriter(send))
    with client, revalidation_of(feed.loop).watching(visitor.credential, client):
        feed.join(client)
        await until_gone(receive)


def feed_of_loop() -> "Feed":
    """The event loop's."""
    loop = asyncio.get_running_loop()
    if loop not in _feeds:
        _feeds[loop] = Feed(loop)
    return _feeds[loop]


class Feed:
    """In the event loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.offset = 0
        self._newest: OrderedDict[str, tuple[int, bytes]] = OrderedDict()
        self._forgotten = 0  # the newest offset that is not kept any more
        self._answer = (0, b"")  # what was asked last: after where, and what
        self._clients: set[Producer] = set()
        self._listener = ChannelListener(ALL_TASKS, self._hand_on)
        self._poller = Poller(lambda changes: tell(ALL_TASKS, changes))
        self._outages = OutageWatch(
            loop, self._poller.answers, self._tell_outage, "tasks"
        )

    @property
    def start_offset(self) -> int:
        """Return where a client begins that comes now: it hears of what changes from
        now on, and of an outage that goes on."""
        return self.offset - self._is_degraded

    @property
    def _is_degraded(self) -> bool:
        """Return whether what was told last is that nothing can be read."""
        return next(reversed(self._newest), "") == DEGRADED

    def _tell_outage(self) -> None:
        if (outage := self._outages.outage) is not None:
            self._take({DEGRADED: outage.event})
        elif self._is_degraded:
            self._take({"tasks": LOOK_AGAIN})

    def join(self, client: Producer) -> None:
        if not self._clients:
            manager().add_listener(self._listener)
            self._poller.want(is_wanted=True)
            self._outages.start()
        self._clients.add(client)
        client.advance()

    def leave(self, client: Producer) -> None:
        self._clients.discard(client)
        if not self._clients:
            self._poller.want(is_wanted=False)
            self._outages.stop()
            manager().remove_listener(self._listener)

    def after(self, offset: int) -> bytes:
        """Return what is newer, oldest first; made once for all who ask from there."""
        if self._answer[0] != offset:
            self._answer = (offset, self._join(offset))
        return self._answer[1]

    def _join(self, offset: int) -> bytes:
        parts = []
        for number, data in reversed(self._newest.values()):
            if number <= offset:
                break
            parts.append(data)
        if offset < self._forgotten:
            parts.append(LOOK_AGAIN)
        return b"".join(reversed(parts))

    def _hand_on(self, changes: Changes) -> None:  # in the poller's thread
        self.loop.call_soon_threadsafe(self._take, changes)

    def _take(self, changes: Changes) -> None:
        for what, data in changes.items():
            self.offset += 1
            self._newest[what] = (self.offset, data)
            self._newest.move_to_end(what)
        while len(self._newest) > KEPT:
            _, (self._forgotten, _) = self._newest.popitem(last=False)
        self._answer = (self.offset, b"")
        for client in tuple(self._clients):
            client.advance()


class FeedReader(Producer):
    """A client's offset in the feed; writes what is newer."""

    def __init__(self, feed: Feed, offset: int) -> None:
        self._feed, self._offset = feed, offset

    def leave(self) -> None:
        super().leave()
        self._feed.leave(self)

    def advance(self) -> None:
        feed = self._feed
        if self._is_over or self._writer.is_full or self._offset == feed.offset:
            return
        data = feed.after(self._offset)
        self._offset = feed.offset
        self._write(data)


class Client(FeedReader, OpenResponse):
    """One response: what changes among all tasks."""

    KIND = "tasks"

    def __init__(self, feed: Feed, offset: int, writer: ResponseWriter) -> None:
        FeedReader.__init__(self, feed, offset)
        OpenResponse.__init__(self, feed.loop, writer)
