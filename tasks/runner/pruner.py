"""The pruning of a runner: a little of what is old at a time, with rests between."""

import time
from collections.abc import Iterator

from django.db import Error

from tasks.access.actor import Actor
from tasks.models import Runner
from tasks.pruning import Pruned, prune, rest_seconds
from tasks.retention.limits import limits

PRUNE_SECONDS = 5.0  # between two looks for what is old
AGE_SECONDS = 600.0  # … where no task has ended: others become too old


class Pruner:
    """``due_at``: time.monotonic() of the next part; None while there is nothing to
    prune."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._actor = Actor(f"runner:{runner.name}")
        self._is_wanted = True  # once at the start
        self._parts: Iterator[Pruned] | None = None
        self._rests_until = 0.0
        self._looked_at = time.monotonic()

    def _is_newest(self) -> bool:
        """Return whether this is the runner that prunes, because several at once would
        leave others no time to write. Older ones may be about to stop."""
        alive = Runner.objects.alive().order_by("-started_at", "pk")
        return bool(alive.values_list("pk", flat=True).first() == self._runner.pk)

    def ask(self) -> None:
        """Tasks have ended, so some may be too old now."""
        self._is_wanted = True

    @property
    def due_at(self) -> float | None:
        """Return when there is a part to do of what has begun."""
        return None if self._parts is None else self._rests_until

    def is_due(self, now: float) -> bool:
        if now - self._looked_at > AGE_SECONDS:
            self._is_wanted = True
        return (self._is_wanted or self._parts is not None) and now >= self._rests_until

    def prune(self) -> None:
        """Forget a little, and rest for at least as long as it took."""
        started = time.monotonic()
        self._rests_until = started + PRUNE_SECONDS
        if self._parts is None:
            if not self._is_newest():
                self._is_wanted, self._looked_at = False, started
                return
            self._parts = prune(limits(), self._actor)
            self._is_wanted, self._looked_at = False, started
        parts, self._parts = self._parts, None
        try:
            is_done = next(parts, None) is None
        except Error:
            self._is_wanted = True  # once more, later
            raise
        if not is_done:
            self._parts = parts
            now = time.monotonic()
            self._rests_until = now + rest_seconds(now - started)
