"""Silence of a step: how long it has printed nothing."""

from collections.abc import Callable

from tasks.runner.output.log import now_ms


class Silence:
    """The silence of the step that runs.

    stalled_ms       since when it counts as stalled, in milliseconds since 1970
    longest_seconds  the longest between two of its lines
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.stalled_ms: int | None = None
        self.begin()

    def begin(self) -> None:
        """A step begins."""
        self.last_output_at = self._last_line_at = self._clock()
        self.longest_seconds = 0.0

    def heard(self, now: float) -> None:
        self.last_output_at = now

    def stall(self, now: float) -> None:
        self.stalled_ms = now_ms() - round((now - self.last_output_at) * 1000)

    def end_stall(self) -> bool:
        """Take in that there is output; return whether the step was stalled."""
        self.last_output_at = self._clock()
        was_stalled, self.stalled_ms = self.stalled_ms is not None, None
        return was_stalled

    def line_came(self) -> None:
        """A line has come, or the step's end."""
        now = self._clock()
        self.longest_seconds = max(self.longest_seconds, now - self._last_line_at)
        self._last_line_at = now
