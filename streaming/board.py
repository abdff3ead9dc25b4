"""``GET /api/events``: what changes among all tasks, for whoever shows many of them.

The board keeps the newest event of each thing that changed. A client is a place in
their order: it is given what is newer, each thing once as it is now, as fast as it
reads; so a client has no queue, and one that does not read costs nothing.
"""

import asyncio
from collections import OrderedDict
from typing import Any

from streaming.admissions import Visitor, answer_to, start_threads
from streaming.backpressure import Outlet
from streaming.bridge import ALL_TASKS, ChannelListener, manager, tell
from streaming.encode import changed_event, connected_to_all_event, encoded
from streaming.held import Held, Receive, Send, Writer, begin, until_gone
from streaming.lookout import Changes, Lookout
from streaming.outages import OutageWatch
from streaming.revalidation import revalidation_of

KEPT = 256  # things; a client that missed more is told to look again
DEGRADED = "degraded"
LOOK_AGAIN = encoded(changed_event("tasks"))

_boards: dict[asyncio.AbstractEventLoop, "Board"] = {}


async def events(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI application."""
    start_threads()
    response, visitor = await answer_to(scope)
    if not isinstance(visitor, Visitor):
        await begin(response, None, scope, send)
        return
    board = board_of_loop()
    place = board.place
    first = encoded(connected_to_all_event())
    if not await begin(response, first, scope, send):
        return
    client = Client(board, place, Outlet(send))
    with client, revalidation_of(board.loop).watching(visitor.credential, client):
        board.join(client)
        await until_gone(receive)


def board_of_loop() -> "Board":
    """The event loop's."""
    loop = asyncio.get_running_loop()
    if loop not in _boards:
        _boards[loop] = Board(loop)
    return _boards[loop]


class Board:
    """In the event loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.version = 0
        self._newest: OrderedDict[str, tuple[int, bytes]] = OrderedDict()
        self._forgotten = 0  # the newest version that is not kept any more
        self._answer = (0, b"")  # what was asked last: after where, and what
        self._clients: set[Writer] = set()
        self._listener = ChannelListener(ALL_TASKS, self._hand_on)
        self._lookout = Lookout(lambda changes: tell(ALL_TASKS, changes))
        self._outages = OutageWatch(loop, self._lookout.answers, self._tell_outage)

    @property
    def place(self) -> int:
        """Where who comes now begins: what is told from now on is not in what they ask
        next, and an outage that goes on they don't know yet."""
        return self.version - self._is_degraded

    @property
    def _is_degraded(self) -> bool:
        """Whether what was told last is that nothing can be read."""
        return next(reversed(self._newest), "") == DEGRADED

    def _tell_outage(self) -> None:
        if (outage := self._outages.outage) is not None:
            self._take({DEGRADED: outage.event})
        elif self._is_degraded:
            self._take({"tasks": LOOK_AGAIN})

    def join(self, client: Writer) -> None:
        if not self._clients:
            manager().add_listener(self._listener)
            self._lookout.want(is_wanted=True)
            self._outages.start()
        self._clients.add(client)
        client.advance()

    def leave(self, client: Writer) -> None:
        self._clients.discard(client)
        if not self._clients:
            self._lookout.want(is_wanted=False)
            self._outages.stop()
            manager().remove_listener(self._listener)

    def after(self, version: int) -> bytes:
        """What is newer, oldest first; made once for all who ask from there."""
        if self._answer[0] != version:
            self._answer = (version, self._join(version))
        return self._answer[1]

    def _join(self, version: int) -> bytes:
        parts = []
        for number, data in reversed(self._newest.values()):
            if number <= version:
                break
            parts.append(data)
        if version < self._forgotten:
            parts.append(LOOK_AGAIN)
        return b"".join(reversed(parts))

    def _hand_on(self, changes: Changes) -> None:  # in the lookout's thread
        self.loop.call_soon_threadsafe(self._take, changes)

    def _take(self, changes: Changes) -> None:
        for what, data in changes.items():
            self.version += 1
            self._newest[what] = (self.version, data)
            self._newest.move_to_end(what)
        while len(self._newest) > KEPT:
            _, (self._forgotten, _) = self._newest.popitem(last=False)
        self._answer = (self.version, b"")
        for client in tuple(self._clients):
            client.advance()


class Place(Writer):
    """A place in the order of what changed, which writes what is newer."""

    def __init__(self, board: Board, place: int) -> None:
        self._board, self._place = board, place

    def leave(self) -> None:
        super().leave()
        self._board.leave(self)

    def advance(self) -> None:
        board = self._board
        if self._is_over or self._outlet.is_full or self._place == board.version:
            return
        data = board.after(self._place)
        self._place = board.version
        self._write(data)


class Client(Place, Held):
    """One response: what changes among all tasks."""

    def __init__(self, board: Board, place: int, outlet: Outlet) -> None:
        Place.__init__(self, board, place)
        Held.__init__(self, board.loop, outlet)
