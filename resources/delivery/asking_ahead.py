"""Ask for many things over a few connections, ahead of the answers.

HTTP/1.1 lets a client send requests before it has the answers to those before, which
come in their order: https://www.rfc-editor.org/rfc/rfc9112#section-9.3.2. A round trip
is waited for once for many files then, and a server and this client do their work in
long pieces. Some servers end such a connection: a few requests show that, and then
each waits for its answer.
"""

from __future__ import annotations

import select
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from resources.delivery import http_client
from resources.delivery.bodies import Digest, Layer
from resources.delivery.http_answers import GoneError, Head, Incoming, NoAnswerError
from resources.workers.pool import check_alive
from resources.workers.waiting import WAKE_SECONDS

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator, Iterator, Sequence

    from resources.delivery.http_client import Client

CONNECTIONS = 8  # at a time
MOST_AHEAD = 16  # requests that wait for answers on a connection
MOST_BYTES = 8192  # of requests that are sent at once: any socket takes so many
PROVEN = 8  # answers, after which a server may end a connection for other reasons


class Wanted(NamedTuple):
    """What to ask for: a path as a request has it, and how many bytes of an answer are
    read at most, but for what one piece has more."""

    target: str
    at_most: int


class Came(NamedTuple):
    """An answer, and the place of what was wanted."""

    place: int
    head: Head
    body: Layer[Digest]


class Asker:
    """Asks one origin, from one thread."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ahead = MOST_AHEAD
        self._pipes: dict[int, _Pipe] = {}
        self._wanted: Sequence[Wanted] = ()
        self._waiting: deque[int] = deque()  # places of what is to be asked for
        self._timed = 0.0  # when it was last looked for pipes that say nothing

    def answers(self, wanted: Sequence[Wanted]) -> Iterator[Came]:
        """Yield the answers that came whole, or longer than wanted, as they come.

        What is left out got none at the first try, which says little: a server may end
        a connection, or be too busy.
        """
        self._wanted, self._waiting = wanted, deque(range(len(wanted)))
        poll = select.poll()
        for fd in self._pipes:
            poll.register(fd, select.POLLIN)
        try:
            while self._fill(poll):
                for fd, _ in poll.poll(1000 * WAKE_SECONDS):
                    yield from self._read(self._pipes[fd], poll)
                check_alive()
                self._end_silent(poll)
        finally:
            for pipe in [pipe for pipe in self._pipes.values() if pipe.asked]:
                del self._pipes[pipe.fd]
                pipe.socket.close()

    def close(self) -> None:
        """End all connections."""
        while self._pipes:
            self._pipes.popitem()[1].socket.close()

    def _fill(self, poll: select.poll) -> bool:
        """Ask for what waits, and return whether there is an answer to wait for."""
        for pipe in list(self._pipes.values()):
            if self._waiting and not self._ask(pipe):
                self._end(pipe, poll)
        # One at a time: the others have answers to be read meanwhile.
        if self._waiting and len(self._pipes) < CONNECTIONS:
            try:
                opened = self._client.opened()
            except NoAnswerError:
                if not self._pipes:
                    return False
            else:
                opened.setblocking(False)
                pipe = _Pipe(opened)
                pipe.reading = self._reading(pipe)
                self._pipes[pipe.fd] = pipe
                poll.register(pipe.fd, select.POLLIN)
                if not self._ask(pipe):
                    self._end(pipe, poll)
        return bool(self._waiting) or any(pipe.asked for pipe in self._pipes.values())

    def _ask(self, pipe: _Pipe) -> bool:
        """Ask for as much as a connection may have, and return whether it took it."""
        most = min(self._ahead, 1 << min(pipe.answered, MOST_AHEAD))
        if len(pipe.asked) > most // 2:
            return True  # several at once are less work for both sides
        if not pipe.asked:
            pipe.heard = time.monotonic()
        requests = bytearray()
        while self._waiting and len(pipe.asked) < most and len(requests) < MOST_BYTES:
            place = self._waiting.popleft()
            pipe.asked.append(place)
            requests += self._client.request(self._wanted[place].target)
        try:
            return pipe.socket.send(requests) == len(requests)
        except OSError:
            return False

    def _read(self, pipe: _Pipe, poll: select.poll) -> Iterator[Came]:
        try:
            while True:
                try:
                    http_client.receive(pipe.socket, pipe.incoming)
                except BlockingIOError:
                    return
                pipe.heard = time.monotonic()
                for came in pipe.reading:
                    if came is None:
                        break
                    yield came
                if not pipe.has_more():
                    return
        except NoAnswerError as error:
            self._end(pipe, poll, error)

    def _reading(self, pipe: _Pipe) -> Generator[Came | None, None, None]:
        """Yield each answer, and None where more bytes are needed."""
        while True:
            head = yield from pipe.incoming.head()
            if not pipe.asked:
                raise NoAnswerError("it was not asked for")
            place = pipe.asked[0]
            at_most = self._wanted[place].at_most
            body = Layer(Digest, at_most)
            if (content := pipe.incoming.whole_body(head)) is not None:
                body.add(content)
                body.close()
                is_kept = head.is_kept
            else:
                is_kept = yield from _into(body, pipe.incoming.body(head), at_most)
            pipe.asked.popleft()
            pipe.answered += 1
            yield Came(place, head, body)
            if not is_kept:
                raise GoneError("the connection ended as it should")

    def _end(
        self, pipe: _Pipe, poll: select.poll, error: NoAnswerError | None = None
    ) -> None:
        """End a connection, and ask elsewhere for what it did not answer."""
        poll.unregister(pipe.fd)
        del self._pipes[pipe.fd]
        pipe.socket.close()
        if pipe.asked and not (pipe.answered and isinstance(error, GoneError)):
            pipe.asked.popleft()
        if pipe.asked and pipe.answered < PROVEN:
            self._ahead = 1
        self._waiting.extendleft(reversed(pipe.asked))

    def _end_silent(self, poll: select.poll) -> None:
        now = time.monotonic()
        if now - self._timed < WAKE_SECONDS:
            return
        self._timed = now
        for pipe in list(self._pipes.values()):
            if pipe.asked and now - pipe.heard > http_client.READ_SECONDS:
                pipe.answered = 0  # whatever it has done, it does no more
                self._end(pipe, poll)


class _Pipe:
    """A connection, with the places of what was asked for over it and is not answered
    yet."""

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self.fd = opened.fileno()
        self.incoming = Incoming()
        self.reading: Generator[Came | None, None, None]
        self.asked: deque[int] = deque()
        self.answered = 0
        self.heard = 0.0  # when its last byte came, or the first request went

    def has_more(self) -> bool:
        """Return whether TLS has bytes for which a poll would wait in vain."""
        pending = getattr(self.socket, "pending", None)
        return pending is not None and pending() > 0


def _into(
    body: Layer[Digest],
    pieces: Generator[memoryview | None, None, bool],
    at_most: int,
) -> Generator[None, None, bool]:
    """Read a body, and return whether its connection may be kept."""
    while True:
        try:
            piece = next(pieces)
        except StopIteration as end:
            body.close()
            return bool(end.value)
        if piece is None:
            yield
            continue
        body.add(piece)
        if body.sink.size > at_most:
            body.close()
            return False
