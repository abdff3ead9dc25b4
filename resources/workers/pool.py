"""Helpers that work on pieces of a release: forked processes, or threads.

Processes, because hashing small files in threads is slower than in one process
(measured). No helper outlives the command: each reads its own pipe to its end, and
looks between two reads whether its parent is still there. Threads where the process
must not fork, as after a request to an object store; those wait for the network
nearly all the time.
"""

from __future__ import annotations

import gc
import os
import pickle
import select
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from resources.errors import EngineError, StoreError
from resources.workers.waiting import WAKE_SECONDS, result_of

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")
R = TypeVar("R")

MAX_WORKERS = 8  # beyond that, disks are the limit
HELD_BACK = 16  # results a worker that may wait for a slow piece before them
THREADS = 8  # beyond that, requests to an object store gain little
AHEAD = 4  # pieces a thread that are taken before their turn
STOP_SECONDS = 5.0  # for threads to end what they are at, when the command fails

_may_fork = True


def forbid_forks() -> None:
    """Make helpers threads from now on: a library at work here can't be forked."""
    global _may_fork
    _may_fork = False


def may_fork() -> bool:
    """Return whether helpers are processes."""
    return _may_fork


def worker_count() -> int:
    """Return the number of processors this process may use, at most ``MAX_WORKERS``."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), MAX_WORKERS)
    return min(os.cpu_count() or 1, MAX_WORKERS)


class Workers(Generic[T, R]):
    """Runs ``work`` on pieces in helpers and gives results in order.

    ``work`` gets one piece, and calls ``check_alive`` between two long reads; piece
    and result must be picklable. With one piece only, no helper is started.
    ``threads`` makes helpers so many threads, for work that waits for a network.
    """

    def __init__(
        self, work: Callable[[T], R], count: int | None = None, *, threads: int = 0
    ) -> None:
        self._work = work
        self._threads = threads
        self._count = worker_count() if count is None else count
        self._helpers: list[_Helper] = []
        self._stopped = threading.Event()
        self._under_way: deque[Future[R]] = deque()
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Workers[T, R]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for helper in self._helpers:
            helper.close()
            if kind is not None:
                os.kill(helper.pid, signal.SIGKILL)
        for helper in self._helpers:
            os.waitpid(helper.pid, 0)
        self._helpers.clear()
        self._stopped.set()
        if self._pool is not None:
            from concurrent.futures import wait

            self._pool.shutdown(wait=False, cancel_futures=True)
            running = [future for future in self._under_way if not future.cancelled()]
            wait(running, STOP_SECONDS)

    def map(self, pieces: Iterable[T]) -> Iterator[R]:
        """Yield the result of each piece, in the pieces' order.

        Raises the EngineError that a helper raised, and StoreError when one died.
        """
        numbered = enumerate(pieces)
        ahead = [piece for _, piece in zip(range(2), numbered, strict=False)]
        if len(ahead) > 1 and (self._threads or not _may_fork):
            yield from self._thread(piece for _, piece in _chain(ahead, numbered))
            return
        if self._count < 2 or len(ahead) < 2:
            for _, piece in ahead:
                yield self._work(piece)
            for _, piece in numbered:
                yield self._work(piece)
            return
        yield from self._spread(_chain(ahead, numbered))

    def _spread(self, pieces: Iterator[tuple[int, T]]) -> Iterator[R]:
        while len(self._helpers) < self._count:
            self._helpers.append(_started(self._work, self._helpers))
        poll = select.poll()
        by_fd = {helper.answers: helper for helper in self._helpers}
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        idle = list(self._helpers)
        done: dict[int, R] = {}
        following = 0
        while True:
            # A piece goes to an idle helper only: both sides writing at once could
            # fill both pipes and wait for each other for ever.
            while idle and len(done) < self._count * HELD_BACK:
                piece = next(pieces, None)
                if piece is None:
                    break
                idle.pop().send(piece)
            if len(idle) == self._count:
                return
            for fd, _ in poll.poll(1000 * WAKE_SECONDS):  # see waiting.py
                number, result = by_fd[fd].receive()
                if isinstance(result, EngineError):
                    raise result
                idle.append(by_fd[fd])
                done[number] = result
            while following in done:
                yield done.pop(following)
                following += 1

    def _thread(self, pieces: Iterator[T]) -> Iterator[R]:
        from concurrent.futures import ThreadPoolExecutor  # slow to import

        threads = self._threads or THREADS
        pool = ThreadPoolExecutor(threads, "worker", _begin_thread, (self._stopped,))
        self._pool = pool
        for piece in pieces:
            self._under_way.append(pool.submit(self._work, piece))
            if len(self._under_way) >= threads * AHEAD:
                yield result_of(self._under_way.popleft())
        while self._under_way:
            yield result_of(self._under_way.popleft())


class Beside(Generic[R]):
    """Runs ``work`` in a helper while the command does something else.

    What it returns must be picklable. Where no helper can be forked, or none would have
    a processor to itself, ``result`` does the work when it is asked.
    """

    def __init__(self, work: Callable[[], R]) -> None:
        self._work = work
        self._helper: _Helper | None = None

    def __enter__(self) -> Beside[R]:
        if _may_fork and worker_count() > 1:
            self._helper = _started(lambda _: _outcome(self._work), [])
            self._helper.send((0, None))
        return self

    def __exit__(self, *_: object) -> None:
        if self._helper is None:
            return
        self._helper.close()
        os.kill(self._helper.pid, signal.SIGKILL)  # it may be at work still
        os.waitpid(self._helper.pid, 0)

    def result(self) -> R:
        """Return what the work returned, once. Raises the EngineError or OSError that
        it raised, and StoreError when the helper died."""
        if self._helper is None:
            return self._work()
        outcome = self._helper.receive()[1]
        if isinstance(outcome, EngineError | OSError):
            raise outcome
        return cast(R, outcome)


def _outcome(work: Callable[[], R]) -> R | OSError:
    try:
        return work()
    except OSError as error:
        return error


class _Helper:
    """A forked process and the two pipes to it."""

    def __init__(self, pid: int, pieces: int, answers: int) -> None:
        self.pid, self.pieces, self.answers = pid, pieces, answers

    def send(self, piece: object) -> None:
        try:
            _write(self.pieces, piece)
        except OSError:
            raise _died() from None

    def receive(self) -> Any:
        try:
            return _read(self.answers)
        except (EOFError, OSError):
            raise _died() from None

    def close(self) -> None:
        os.close(self.pieces)
        os.close(self.answers)


def _started(work: Callable[[T], R], others: list[_Helper]) -> _Helper:
    pieces, to_helper = os.pipe()
    answers, to_command = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(to_helper)
            os.close(answers)
            for other in others:
                other.close()
            _serve(work, pieces, to_command, parent)
        finally:
            os._exit(0)
    os.close(pieces)
    os.close(to_command)
    return _Helper(pid, to_helper, answers)


def _write(fd: int, value: object) -> None:
    """Write a value with its length before it."""
    content = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    rest = memoryview(len(content).to_bytes(8) + content)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _read(fd: int) -> Any:
    """Read a value; raises EOFError when the other side is gone."""
    length = int.from_bytes(_read_bytes(fd, 8))
    return pickle.loads(_read_bytes(fd, length))  # noqa: S301 - our own process wrote it


def _read_bytes(fd: int, length: int) -> bytes:
    parts = []
    while length:
        part = os.read(fd, length)
        if not part:
            raise EOFError
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


_parent_pid = 0  # 0 in the command itself, its parent's id in a forked helper
_thread = threading.local()


def check_alive() -> None:
    """End this helper when nobody waits for it any more; called between two reads."""
    if _parent_pid and os.getppid() != _parent_pid:
        os._exit(1)
    stopped: threading.Event | None = getattr(_thread, "stopped", None)
    if stopped is not None and stopped.is_set():
        raise StoreError("this piece of work is not wanted any more")


def _begin_thread(stopped: threading.Event) -> None:
    _thread.stopped = stopped


def _serve(work: Callable[[T], R], pieces: int, answers: int, parent: int) -> None:
    global _parent_pid
    _parent_pid = parent
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    gc.disable()  # no cycles are made here; measured 10 % faster
    while True:
        try:
            number, piece = _read(pieces)
        except (EOFError, OSError):
            return
        result: object
        try:
            result = work(piece)
        except EngineError as error:
            result = error
        _write(answers, (number, result))


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
