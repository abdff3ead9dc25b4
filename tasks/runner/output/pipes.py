"""Reads what running programs print, stdout and stderr in the order of their lines.

These are two pipes of each program, and the kernel keeps no order between them: whoever
looks after a pause reads all of one before all of the other. So each pipe is read as
soon as it has something, in the order in which they got it (``ready``), and in the
moments when the runner's loop waits for the database a thread does that
(``meanwhile``). It need not read a pipe before the *other* one of its program gets
something; so a program that floods one of them wakes it once.
"""

import os
import select
import selectors
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

READ_BYTES = 128 * 1024
# In one wait. Beyond, the pipes fill and the programs wait, as without the thread.
MOST_BYTES = 4 * 1024 * 1024


class Piece(NamedTuple):
    """What was read of a pipe in one go, and when: milliseconds since 1970."""

    fd: int
    data: bytes
    at_ms: int


class Pipes:
    """Any number of pipes, in no order: for systems without epoll (macOS)."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def fileno(self) -> int:
        """Return a descriptor that is readable while a pipe has something."""
        return self._selector.fileno()

    def watch(self, *fds: int) -> None:
        """Take in the pipes of a program, one or two."""
        for fd in fds:
            self._selector.register(fd, selectors.EVENT_READ)

    def forget(self, fd: int) -> None:
        """Leave a pipe alone. It may be closed already."""
        with suppress(KeyError):
            self._selector.unregister(fd)

    def ready(self) -> list[int]:
        """Return the pipes that have something; each is to be ``done`` once it has
        been read."""
        return [key.fd for key, _ in self._selector.select(0)]

    def take(self, fd: int) -> Piece | None:
        """Read a pipe that is ready, so that it need not be ``done``; None where that
        is left to the caller, as its end always is."""
        return None

    def done(self, fd: int) -> None:
        """Say that a pipe which was ready has been read."""

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Read while the body waits; then ``pieces`` has what was read."""
        yield

    def pieces(self) -> list[Piece]:
        """Return what was read meanwhile, in its order, and forget it."""
        return []

    def close(self) -> None:
        self._selector.close()


class OrderedPipes(Pipes):
    """Any number of pipes, those of each program in order.

    A pipe is told once by epoll(7) and then no more until it is ``done``, which puts it
    behind all that are ready by then: so they are told in the order in which they got
    what they have.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._other: dict[int, int | None] = {}  # of each pipe, its program's other one
        # Told, and not read yet: it got what it has before the other one did.
        self._first: dict[int, None] = {}
        self._pieces: list[Piece] = []
        self._size_bytes = 0
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        # Held while the thread reads, and while it is said whether it may.
        self._lock = threading.Lock()
        self._is_on = self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="pipes", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        return self._epoll.fileno()

    def watch(self, *fds: int) -> None:
        out, err = (*fds, None)[:2]
        for fd, other in ((out, err), (err, out)):
            if fd is not None:
                self._other[fd] = other
                self._epoll.register(fd, select.EPOLLIN | select.EPOLLONESHOT)

    def forget(self, fd: int) -> None:
        if fd not in self._other:
            return
        if (other := self._other.pop(fd)) is not None:
            self._other[other] = None
        with suppress(OSError):  # closed, perhaps its number given to another file
            self._epoll.unregister(fd)

    def ready(self) -> list[int]:
        return [fd for fd, _ in self._epoll.poll(0)]

    def take(self, fd: int) -> Piece | None:
        # Told again from the very moment on, or what comes while a piece is processed
        # would be told behind what the other pipe got later.
        if (piece := _read(fd)) is not None:
            self.done(fd)
        return piece

    def done(self, fd: int) -> None:
        if fd in self._other:
            with suppress(OSError):  # closed meanwhile
                self._epoll.modify(fd, select.EPOLLIN | select.EPOLLONESHOT)

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        if not self._other:
            yield
            return
        self._is_on = True
        self._wake_up()
        try:
            yield
        finally:
            with self._lock:
                self._is_on = False
                self._take_in()
                for fd in self._first:
                    self._read(fd)
                    self.done(fd)
                self._first.clear()
            self._wake_up()

    def pieces(self) -> list[Piece]:
        pieces, self._pieces, self._size_bytes = self._pieces, [], 0
        return pieces

    def close(self) -> None:
        self._is_closed = True
        self._wake_up()
        self._thread.join()
        self._epoll.close()
        for fd in (self._wake, self._waker):
            os.close(fd)

    def _wake_up(self) -> None:
        """Have the thread see what has changed."""
        with suppress(BlockingIOError):  # then it has enough to read
            os.write(self._waker, b"!")

    def _read(self, fd: int) -> bool:
        """Return whether there was something. Of a pipe's end the loop hears by
        itself."""
        piece = _read(fd)
        if piece is not None:
            self._pieces.append(piece)
            self._size_bytes += len(piece.data)
        return piece is not None

    # --- The thread -----------------------------------------------------------------

    def _work(self) -> None:
        poller = select.poll()
        for fd in (self._wake, self._epoll.fileno()):
            poller.register(fd, select.POLLIN)
        while not self._is_closed:
            if self._is_on and not self._is_full:
                found = [fd for fd, _ in poller.poll()]
                with self._lock:
                    if self._is_on:
                        self._take_in()
                if self._wake not in found:
                    continue
            os.read(self._wake, 64)

    @property
    def _is_full(self) -> bool:
        return self._size_bytes >= MOST_BYTES

    def _take_in(self) -> None:
        """Something may have come into pipes that had nothing: read the other ones of
        their programs first."""
        for fd in [] if self._is_full else self.ready():
            other = self._other.get(fd)
            if other in self._first and self._read(other):
                del self._first[other]
                self.done(other)
            self._first[fd] = None


def _read(fd: int) -> Piece | None:
    """Return what a pipe has; None where that is nothing, or its end."""
    with suppress(OSError):
        if data := os.read(fd, READ_BYTES):
            return Piece(fd, data, time.time_ns() // 1_000_000)
    return None
