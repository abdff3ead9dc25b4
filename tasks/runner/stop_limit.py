"""Sees that a runner which was told to stop ends, however its database hangs.

Whoever stops it waits for as long as it takes, because only the runner knows what it
promised to its tasks: supervisor and systemd have no limit of their own.
"""

import os
import threading

MARGIN_SECONDS = 30.0  # beyond what was promised: to kill what is left, and to store it
TOO_LATE = 70  # EX_SOFTWARE of sysexits.h


class StopLimit:
    """A thread that ends this process where a stop takes too long. What the runner
    started ends with it (tasks.shim.server)."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._begun, self._done = threading.Event(), threading.Event()
        threading.Thread(target=self._watch, name="stop-limit", daemon=True).start()

    def begin(self, promised_seconds: float) -> None:
        """Begin to count; from a signal's handler, too."""
        self._seconds = promised_seconds + MARGIN_SECONDS
        self._begun.set()

    def close(self) -> None:
        self._done.set()
        self._begun.set()

    def _watch(self) -> None:
        self._begun.wait()
        if not self._done.wait(self._seconds):
            os._exit(TOO_LATE)
