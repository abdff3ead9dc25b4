"""The pruning of a runner: a little of what is old at a time, with rests between."""

import time
from collections.abc import Iterator

from django.conf import settings
from django.db import Error

from tasks.access.actor import Actor
from tasks.pruning import prune

PRUNE_SECONDS = 5.0  # between two looks for what is old
MIN_REST_SECONDS = 0.002


class Pruner:
    """``due_at``: time.monotonic() of the next part; None while there is nothing to
    prune."""

    def __init__(self, runner_name: str) -> None:
        self._actor = Actor(f"runner:{runner_name}")
        self._is_wanted = True  # once at the start
        self._parts: Iterator[int] | None = None
        self._rests_until = 0.0

    def ask(self) -> None:
        """Tasks have ended, so some may be too old now."""
        self._is_wanted = True

    @property
    def due_at(self) -> float | None:
        """Return when there is a part to do of what has begun."""
        return None if self._parts is None else self._rests_until

    def is_due(self, now: float) -> bool:
        return (self._is_wanted or self._parts is not None) and now >= self._rests_until

    def prune(self) -> None:
        """Forget a little, and rest for at least as long as it took."""
        started = time.monotonic()
        self._rests_until = started + PRUNE_SECONDS
        if self._parts is None:
            self._parts = prune(settings.TASK_RETENTION or None, self._actor)
            self._is_wanted = False
        parts, self._parts = self._parts, None
        try:
            is_done = next(parts, None) is None
        except Error:
            self._is_wanted = True  # once more, later
            raise
        if not is_done:
            self._parts = parts
            now = time.monotonic()
            self._rests_until = now + max(now - started, MIN_REST_SECONDS)
