"""Forked helper processes that work on pieces of a release.

Processes and not threads: hashing small files in threads is slower than in one process
(measured). No helper outlives the command: each reads its own pipe to its end, and
looks between two reads whether its parent is still there.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, Pipe, wait
from types import TracebackType
from typing import Generic, TypeVar

from resources.errors import EngineError, StoreError

T = TypeVar("T")
R = TypeVar("R")

MAX_WORKERS = 8  # beyond that, disks are the limit
HELD_BACK = 16  # results a worker that may wait for a slow piece before them


def worker_count() -> int:
    """Give the number of processors this process may use, at most ``MAX_WORKERS``."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MAX_WORKERS)
    return min(os.cpu_count() or 1, MAX_WORKERS)


class Workers(Generic[T, R]):
    """Runs ``work`` on pieces in helper processes and gives results in order.

    ``work`` gets one piece, and calls ``check_alive`` between two long reads; piece
    and result must be picklable. With one piece only, no process is started.
    """

    def __init__(self, work: Callable[[T], R], count: int | None = None) -> None:
        self._work = work
        self._count = worker_count() if count is None else count
        self._children: dict[Connection, int] = {}

    def __enter__(self) -> Workers[T, R]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for connection, pid in self._children.items():
            connection.close()
            if kind is not None:
                os.kill(pid, signal.SIGKILL)
        for pid in self._children.values():
            os.waitpid(pid, 0)
        self._children.clear()

    def map(self, pieces: Iterable[T]) -> Iterator[R]:
        """Yield the result of each piece, in the pieces' order.

        Raises the EngineError that a helper raised, and StoreError when one died.
        """
        numbered = enumerate(pieces)
        ahead = [piece for _, piece in zip(range(2), numbered, strict=False)]
        if self._count < 2 or len(ahead) < 2:
            for _, piece in ahead:
                yield self._work(piece)
            for _, piece in numbered:
                yield self._work(piece)
            return
        yield from self._spread(_chain(ahead, numbered))

    def _spread(self, pieces: Iterator[tuple[int, T]]) -> Iterator[R]:
        while len(self._children) < self._count:
            self._start()
        idle = list(self._children)
        busy: list[Connection] = []
        done: dict[int, R] = {}
        following = 0
        while True:
            # A piece goes to an idle helper only: both sides writing at once could
            # fill both directions of the pipe and wait for each other for ever.
            while idle and len(done) < self._count * HELD_BACK:
                piece = next(pieces, None)
                if piece is None:
                    break
                busy.append(idle.pop())
                self._send(busy[-1], piece)
            if not busy:
                return
            for ready in wait(busy):
                assert isinstance(ready, Connection)  # noqa: S101 - for the type
                number, result = self._receive(ready)
                busy.remove(ready)
                idle.append(ready)
                done[number] = result
            while following in done:
                yield done.pop(following)
                following += 1

    def _start(self) -> None:
        ours, theirs = Pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                ours.close()
                for connection in self._children:
                    connection.close()
                _serve(self._work, theirs, parent)
            finally:
                os._exit(0)
        theirs.close()
        self._children[ours] = pid

    def _send(self, connection: Connection, piece: tuple[int, T]) -> None:
        try:
            connection.send(piece)
        except OSError:
            raise _died() from None

    def _receive(self, connection: Connection) -> tuple[int, R]:
        try:
            number, result = connection.recv()
        except (EOFError, OSError):
            raise _died() from None
        if isinstance(result, EngineError):
            raise result
        return number, result


_parent_pid = 0  # 0 in the command itself, its parent's id in a helper


def check_alive() -> None:
    """End this helper when its parent is gone; called between two reads."""
    if _parent_pid and os.getppid() != _parent_pid:
        os._exit(1)


def _serve(work: Callable[[T], R], connection: Connection, parent: int) -> None:
    global _parent_pid
    _parent_pid = parent
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    gc.disable()  # no cycles are made here; measured 10 % faster
    while True:
        try:
            number, piece = connection.recv()
        except (EOFError, OSError):
            return
        result: object
        try:
            result = work(piece)
        except EngineError as error:
            result = error
        connection.send((number, result))


def _died() -> StoreError:
    # A cancelled process group loses its helpers first: leave our own signal the time
    # to arrive, so that the command ends as cancelled and not as failed.
    time.sleep(0.2)
    return StoreError("a helper process ended unexpectedly")


def _chain(
    first: list[tuple[int, T]], rest: Iterator[tuple[int, T]]
) -> Iterator[tuple[int, T]]:
    yield from first
    yield from rest
