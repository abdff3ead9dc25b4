"""Live versions by platform, as the stores' own pointers say them.

A store may be far away, and may hang. So each platform's is read in a thread of its
own, which nobody waits for longer than a moment, and once for many who ask.
"""

import logging
import os
import threading
import time
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from resources.releases.current import Served, all_platforms, read_served

FRESH_SECONDS = 3.0  # so long one reading answers whoever asks
READ_SECONDS = 2.0  # a store that takes longer is said not to answer

logger = logging.getLogger(__name__)


class Reader:
    """Reads one platform's pointer; never twice at a time."""

    def __init__(self, platform: str) -> None:
        self._platform = platform
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._started_at = 0.0
        self._answer: list[Served] = []  # empty until there is one
        self._before: list[Served] = []  # what was read the time before

    def start(self, fresh_seconds: float) -> None:
        """Begin to read, where what was read is older and nobody reads right now."""
        with self._lock:
            now = time.monotonic()
            if self._thread is not None and (
                self._thread.is_alive() or now < self._started_at + fresh_seconds
            ):
                return
            # A daemon, because a hanging store must not hold up the end of the server.
            self._before = self._answer or self._before
            self._answer, self._started_at = [], now
            self._thread = threading.Thread(
                target=self._read,
                args=(self._answer,),
                name=f"release of {self._platform}",
                daemon=True,
            )
            self._thread.start()

    def wait(self, seconds: float = READ_SECONDS) -> Served | None:
        """Return what was read, or None where nothing was in time. A caller that waits
        for less than READ_SECONDS gets the reading before, while one is under way."""
        with self._lock:
            thread, answer, before = self._thread, self._answer, self._before
            until = self._started_at + READ_SECONDS
        if thread is not None:
            thread.join(max(0.0, min(seconds, until - time.monotonic())))
        if not answer and time.monotonic() < until:
            answer = before
        return answer[0] if answer else None

    def _read(self, answer: list[Served]) -> None:
        environment = {**os.environ, "DATA_DIR": str(settings.DATA_DIR)}
        served = read_served(self._platform, environment)
        if served.problem is not None:
            logger.warning(
                "release platform=%s: %s", self._platform, served.problem[:500]
            )
        answer.append(served)


@cache
def reader(platform: str) -> Reader:
    """The one reader of a platform in this process."""
    return Reader(platform)


def release_of(platform: str, served: Served | None) -> dict[str, Any]:
    """One platform's entry in the answer."""
    pointer = served.pointer if served else None
    entry: dict[str, Any] = {
        "platform": platform,
        "version": pointer.version if pointer else None,
        "since": pointer.published_at if pointer else None,
        "previous": pointer.previous if pointer else None,
        "taskId": pointer.task_id if pointer else None,
        "manifestSha256": pointer.manifest_sha256 if pointer else None,
    }
    if served is None:
        entry["error"] = _("The store did not answer in time.")
    elif served.problem is not None:
        entry["error"] = _("The store could not be read.")
    return entry


def releases_within(
    seconds: float = READ_SECONDS, *, fresh_seconds: float | None = None
) -> list[dict[str, Any]]:
    """Each platform's entry, from what its store says within this time, or said so
    many seconds ago (FRESH_SECONDS)."""
    readers = {platform: reader(platform) for platform in all_platforms()}
    for each in readers.values():
        each.start(FRESH_SECONDS if fresh_seconds is None else fresh_seconds)
    until = time.monotonic() + seconds
    return [
        release_of(name, each.wait(max(0.0, until - time.monotonic())))
        for name, each in readers.items()
    ]
