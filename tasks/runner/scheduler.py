"""The schedules of a runner: it looks each second for what is due, and starts it.

Every runner does this; tasks.schedules.due sees to it that each moment counts once.
"""

import time
from collections.abc import Callable
from datetime import datetime

from django.utils import timezone

from tasks.access.actor import Actor
from tasks.catalog.loader import catalog
from tasks.schedules.due import SCHEDULES_AT_ONCE, start_due
from tasks.schedules.failures import RUNS_AT_ONCE, settle
from tasks.schedules.file import take_over
from tasks.schedules.history import RUNS_FORGOTTEN_AT_ONCE, forget

LOOK_SECONDS = 1.0  # between two looks for what is due
SETTLE_SECONDS = 30.0  # for tasks that ended elsewhere, or never ran
FORGET_SECONDS = 3600.0


class Scheduler:
    """``due_at``: time.monotonic() of the next look. ``clock``: what says which moment
    it is."""

    def __init__(
        self, runner_name: str, clock: Callable[[], datetime] = timezone.now
    ) -> None:
        self._actor = Actor(f"runner:{runner_name}")
        self._clock = clock
        self._has_taken_over = False
        self.due_at = self._settle_at = self._forget_at = 0.0

    def ask(self) -> None:
        """Tasks have ended, and some may be of a schedule."""
        self._settle_at = 0.0

    def is_due(self, now: float) -> bool:
        return now >= self.due_at

    def look(self) -> bool:
        """Do a part of what there is, and rest for at least as long as it took. Return
        whether there may be new tasks in the queue."""
        started = time.monotonic()
        self.due_at = started + LOOK_SECONDS  # also where the database refuses it
        now = self._clock()
        if not self._has_taken_over:
            take_over(catalog(), self._actor, now)
            self._has_taken_over = True
        count = start_due(now)
        is_more = count == SCHEDULES_AT_ONCE or self._tidy(started, now)
        if is_more:
            ended = time.monotonic()
            self.due_at = ended + (ended - started)
        return count > 0

    def _tidy(self, started: float, now: datetime) -> bool:
        """Write down what has ended and forget what is old, a part at a time. Return
        whether there is more."""
        if started >= self._settle_at:
            if settle() == RUNS_AT_ONCE:
                return True
            self._settle_at = started + SETTLE_SECONDS
        if started >= self._forget_at:
            if forget(now) == RUNS_FORGOTTEN_AT_ONCE:
                return True
            self._forget_at = started + FORGET_SECONDS
        return False
