"""Live versions by platform, as the stores' own pointers say them.

A store may be far away, and may hang. So each platform's is read in a thread of its
own, which nobody waits for longer than a moment, and once for many who ask.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

from django.conf import settings
from django.utils.translation import gettext as _

from resources.releases.current import Served, all_platforms, read_served

FRESH_SECONDS = 3.0  # so long one reading answers whoever asks
READ_SECONDS = 2.0  # a store that takes longer is said not to answer

logger = logging.getLogger(__name__)


class UnknownPlatform(LookupError):
    """There is no such platform; the sentence names those there are."""

    def __init__(self, name: str) -> None:
        text = _("There is no platform “%(name)s”; there are: %(there)s.")
        super().__init__(
            text % {"name": name[:100], "there": ", ".join(all_platforms())}
        )


def require_platform(name: str) -> None:
    """Raises UnknownPlatform."""
    if name not in all_platforms():
        raise UnknownPlatform(name)


class HasProblem(Protocol):
    """What a store says, or for the log why it can't be told."""

    @property
    def problem(self) -> str | None: ...


Answer = TypeVar("Answer", bound=HasProblem)


class Reader(Generic[Answer]):
    """Reads something of one platform's store; never twice at a time."""

    def __init__(
        self, platform: str, read: Callable[[str, Mapping[str, str]], Answer]
    ) -> None:
        self._platform, self._ask = platform, read
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._started_at = 0.0
        self._answer: list[Answer] = []  # empty until there is one
        self._before: list[Answer] = []  # what was read the time before

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

    def wait(self, seconds: float = READ_SECONDS) -> Answer | None:
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

    def _read(self, answer: list[Answer]) -> None:
        environment = {**os.environ, "DATA_DIR": str(settings.DATA_DIR)}
        found = self._ask(self._platform, environment)
        if found.problem is not None:
            logger.warning(
                "release platform=%s: %s", self._platform, found.problem[:500]
            )
        answer.append(found)


@cache
def reader(platform: str) -> Reader[Served]:
    """The one reader of a platform's pointer in this process."""
    return Reader(platform, read_served)


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
    if error := error_of(served):
        entry["error"] = error
    return entry


def error_of(answer: HasProblem | None) -> str:
    """Return why a store could not be asked, for people; "" where it could."""
    if answer is None:
        return _("The store did not answer in time.")
    return _("The store could not be read.") if answer.problem is not None else ""


def releases_within(
    seconds: float = READ_SECONDS, *, fresh_seconds: float | None = None
) -> list[dict[str, Any]]:
    """Each platform's entry, from what its store says within this time, or said so
    many seconds ago (FRESH_SECONDS)."""
    served = served_within(seconds, all_platforms(), fresh_seconds=fresh_seconds)
    return [release_of(name, each) for name, each in served.items()]


def served_within(
    seconds: float, platforms: Iterable[str], *, fresh_seconds: float | None = None
) -> dict[str, Served | None]:
    """Return what these platforms' stores say they serve; None for one that does not
    say it in time."""
    readers = {platform: reader(platform) for platform in platforms}
    for each in readers.values():
        each.start(FRESH_SECONDS if fresh_seconds is None else fresh_seconds)
    until = time.monotonic() + seconds
    return {
        name: each.wait(max(0.0, until - time.monotonic()))
        for name, each in readers.items()
    }
