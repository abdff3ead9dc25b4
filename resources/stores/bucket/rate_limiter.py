"""How fast requests may follow each other, for all threads of a command together.

A server that answers "slow down" means its client, not the one request: if each thread
paused for itself, the others would go on at full speed.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from random import uniform

FIRST_PAUSE = 0.1  # seconds; doubled while nothing succeeds
LONGEST_PAUSE = 10.0
SLOWEST = 0.5  # requests a second
FASTEST = 10_000.0  # where a limit means nothing any more
FASTER = 0.1  # a second at any rate brings so much of it in addition
MEASURED = 64  # requests from which the rate at a first "slow down" is known


class Pace:
    """Halves the rate and pauses all at each "slow down", and quickens by and by."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rate: float | None = None  # requests a second; None for no limit
        self._pause = 0.0
        self._free_at = 0.0
        self._slowed_at = 0.0
        self._begun: deque[float] = deque(maxlen=MEASURED)

    def begin(self) -> float:
        """Wait until a request may begin, and give the time when it did."""
        while True:
            with self._lock:
                now = time.monotonic()
                wait = self._free_at - now
                if wait <= 0:
                    self._begun.append(now)
                    if self._rate is not None:
                        self._free_at = now + uniform(0.5, 1.5) / self._rate  # noqa: S311 - no secret
                    return now
            time.sleep(wait)

    def slow_down(self, begun: float) -> None:
        """Take a server's "slow down" to the request that began then.

        Those that were under way when the last one came bring no news.
        """
        with self._lock:
            if begun < self._slowed_at:
                return
            now = time.monotonic()
            if not self._pause:
                rate = self._measured(now) if self._rate is None else self._rate
                self._rate = max(rate / 2, SLOWEST)
            self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
            self._free_at = now + uniform(self._pause / 2, self._pause)  # noqa: S311 - no secret
            self._slowed_at = now

    def succeeded(self) -> None:
        """Take a request's success: the next ones may follow a little faster."""
        if self._rate is None:
            return
        with self._lock:
            self._pause = 0.0
            if self._rate is not None:
                self._rate += FASTER
                if self._rate > FASTEST:
                    self._rate = None

    def _measured(self, now: float) -> float:
        return len(self._begun) / max(now - self._begun[0], 0.01)
