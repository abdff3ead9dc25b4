"""Reads what may be slow, or hang, without holding up who asks."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

READ_SECONDS = 2.0  # what takes longer is said not to answer


class PatientReader(Generic[T]):
    """Reads in a thread of its own, never twice at a time; nobody waits for it longer
    than a moment, and one reading answers many who ask."""

    def __init__(
        self, read: Callable[[], T], name: str, limit_seconds: float | None = None
    ) -> None:
        """``limit_seconds``: what takes longer hangs, and what was read before counts
        no more (READ_SECONDS)."""
        self._read = read
        self._name = name
        self._limit_seconds = limit_seconds
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._started_at = 0.0
        self._answer: list[T] = []  # empty until there is one
        self._before: list[T] = []  # what was read the time before

    @property
    def is_reading(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def newest(self) -> T | None:
        """Return what was read last; None where nothing was yet."""
        with self._lock:
            answer = self._answer or self._before
        return answer[0] if answer else None

    def start(self, fresh_seconds: float) -> None:
        """Begin to read, where what was read is older and nobody reads right now."""
        with self._lock:
            now = time.monotonic()
            is_fresh = self._thread and now < self._started_at + fresh_seconds
            if self.is_reading or is_fresh:
                return
            self._before = self._answer or self._before
            self._answer, self._started_at = [], now
            # A daemon, because what hangs must not hold up the end of the server.
            self._thread = threading.Thread(
                target=self._fill, args=(self._answer,), name=self._name, daemon=True
            )
            self._thread.start()

    def wait(self, seconds: float) -> T | None:
        """Return what was read, or None where nothing was in time. A caller that waits
        for less than the limit gets the reading before, while one is under way."""
        with self._lock:
            thread, answer, before = self._thread, self._answer, self._before
            limit = self._limit_seconds
            until = self._started_at + (READ_SECONDS if limit is None else limit)
        if thread is not None:
            thread.join(max(0.0, min(seconds, until - time.monotonic())))
        if not answer and time.monotonic() < until:
            answer = before
        return answer[0] if answer else None

    def _fill(self, answer: list[T]) -> None:
        answer.append(self._read())


def wait_for_all(
    readers: list[PatientReader[T]], seconds: float, fresh_seconds: float
) -> list[T | None]:
    """Return what each read within this time, all of them together, or so many seconds
    ago; None for what was not in time."""
    for each in readers:
        each.start(fresh_seconds)
    until = time.monotonic() + seconds
    return [each.wait(max(0.0, until - time.monotonic())) for each in readers]
