"""A few threads that ask a server for many things at once.

Daemons, for a process that must not wait for a hanging server when it ends; a pool's
threads are waited for.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from resources.errors import EngineError

T = TypeVar("T")
R = TypeVar("R")

THREADS = 8  # beyond that, requests to an object store gain little


def ask_for_all(ask: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return the answer for each item. Raises the first EngineError."""
    waiting = deque(enumerate(items))
    answers: dict[int, R] = {}
    failures: list[EngineError] = []

    def work() -> None:
        while not failures:
            try:
                number, item = waiting.popleft()
            except IndexError:
                return
            try:
                answers[number] = ask(item)
            except EngineError as error:
                failures.append(error)

    threads = [
        threading.Thread(target=work, name=f"asking {number}", daemon=True)
        for number in range(min(THREADS, len(items)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return [answers[number] for number in range(len(items))]
