"""The stop of a runner, as signals ask for it: what runs gets the drain time to finish,
and is cancelled after it; a second signal cancels it at once."""

import logging
import math
import signal
import time
from collections.abc import Callable
from types import FrameType

from tasks.runner.stop_limit import StopLimit

logger = logging.getLogger(__name__)

# Asks for patience with what runs, before SIGTERM. Ignored by whoever does not know it,
# such as a runner of the version before.
PATIENT = signal.SIGURG


class Shutdown:
    """What signals have asked for.

    drain_seconds  how long what runs may go on
    until          time.monotonic() at which the drain ends; None until it begins
    """

    def __init__(self, drain_seconds: float, grace: Callable[[], float]) -> None:
        """``grace``: returns the seconds that what runs has to end, once it is asked
        to."""
        self.drain_seconds, self._grace = drain_seconds, grace
        self.until: float | None = None
        self._signals = 0
        self._limit: StopLimit | None = None

    @property
    def is_asked(self) -> bool:
        return self._signals > 0

    @property
    def is_forced(self) -> bool:
        return self._signals > 1

    def catch_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.on_stop_signal)
        signal.signal(PATIENT, self._on_patient_signal)

    def limit(self) -> None:
        """Have a stop end in time from now on, even if the loop hangs."""
        self._limit = StopLimit()

    def close(self) -> None:
        if self._limit is not None:
            self._limit.close()

    def is_over(self, running: int) -> bool:
        """Return whether the time of what runs is over. The first time, say how much it
        has."""
        if self.until is None:
            self.until = time.monotonic() + self.drain_seconds
            self._say(running, self._promise())
        if not self.is_forced and time.monotonic() < self.until:
            return False
        self.until = math.inf
        return True

    def on_stop_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        self._promise()

    def _on_patient_signal(self, _number: int, _frame: FrameType | None) -> None:
        """The stop that follows is a restart's, which cancels nothing."""
        self.drain_seconds = self.drain_seconds or math.inf

    def _promise(self) -> float:
        """Return the seconds that were promised to what runs, and begin to count
        them."""
        promised = (0.0 if self.is_forced else self.drain_seconds) + self._grace()
        if self._limit is not None and promised < math.inf:
            self._limit.begin(promised)
        return promised

    def _say(self, running: int, seconds: float) -> None:
        if not running or self.is_forced:
            return
        limit = f"up to {seconds:g} s"
        # A warning, so that it is on the terminal, too.
        logger.warning(
            "Stopping: %s %s to end; a second signal ends %s at once.",
            "1 task has" if running == 1 else f"{running} tasks have",
            limit if seconds < math.inf else "as long as it takes",
            "it" if running == 1 else "them",
        )
