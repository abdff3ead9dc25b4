"""Live versions by platform, as the stores' own pointers say them.

A store may be far away, and may hang. So each platform's is read in a thread of its
own, which nobody waits for longer than a moment, and once for many who ask.
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

from django.conf import settings
from django.utils.translation import gettext as _

from resources.releases.current import (
    LIVE,
    Pointer,
    Rollout,
    Served,
    all_platforms,
    read_served,
)
from tasks.patient_reader import READ_SECONDS, PatientReader, wait_for_all

__all__ = [
    "FRESH_SECONDS",
    "LIVE",
    "HasProblem",
    "OwnReading",
    "Served",
    "UnknownPlatform",
    "engine_environment",
    "error_of",
    "live_release",
    "reader",
    "releases_within",
    "require_platform",
    "rollout_json",
    "served_within",
]

FRESH_SECONDS = 3.0  # so long one reading answers whoever asks

logger = logging.getLogger(__name__)


class UnknownPlatform(LookupError):
    """There is no such platform; the sentence names those there are."""

    def __init__(self, name: str) -> None:
        words = {"platform": name[:64], "platforms": ", ".join(all_platforms())}
        super().__init__(
            _("There is no platform %(platform)s; there are: %(platforms)s.") % words
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


@cache
def reader(platform: str) -> PatientReader[Served]:
    """The one reader of a platform's pointer in this process."""
    read = OwnReading(read_served, platform, "release")
    return PatientReader(read, f"release of {platform}")


def engine_environment() -> dict[str, str]:
    """Return this process's environment, in which the engine's settings are."""
    return {**os.environ, "DATA_DIR": str(settings.DATA_DIR)}


class OwnReading(Generic[Answer]):
    """Reads something of a platform's, as this process's environment names it, and logs
    when that begins to fail and when it works again: it is read every few seconds."""

    def __init__(
        self,
        read: Callable[[str, Mapping[str, str]], Answer],
        platform: str,
        what: str,
    ) -> None:
        self._read, self._platform, self._what = read, platform, what
        self._problem: str | None = None

    def __call__(self) -> Answer:
        found = self._read(self._platform, engine_environment())
        if found.problem != self._problem:
            self._problem = found.problem
            about = (self._what, self._platform)
            if found.problem is None:
                logger.info("%s platform=%s: can be read again", *about)
            else:
                logger.warning("%s platform=%s: %s", *about, found.problem[:500])
        return found


def live_release(platform: str, served: Served | None) -> dict[str, Any]:
    """Return what one platform serves to its players, as the answer has it."""
    entry = _release(platform, LIVE, served, served.pointer if served else None)
    if error := error_of(served):
        entry["error"] = error
    return entry


def _release(
    platform: str, channel: str, served: Served | None, pointer: Pointer | None
) -> dict[str, Any]:
    """Return one channel's entry in the answer."""
    totals = served.totals.get(pointer.version) if served and pointer else None
    rollout = pointer.rollout if pointer else None
    return {
        "platform": platform,
        "channel": channel,
        "version": pointer.version if pointer else None,
        "since": pointer.published_at if pointer else None,
        "previous": pointer.previous if pointer else None,
        "taskId": pointer.task_id if pointer else None,
        "manifestSha256": pointer.manifest_sha256 if pointer else None,
        "serial": (pointer.serial or None) if pointer else None,
        "rollout": rollout and rollout_json(rollout),
        "signedBy": served.signers.get(channel) if served else None,
        "files": totals.files if totals else None,
        "size": totals.total_bytes if totals else None,
    }


def rollout_json(rollout: Rollout) -> dict[str, Any]:
    """Return what the API says of a rollout: not the salt, by which players could tell
    who else is in it."""
    names = ("version", "percent", "since")
    return {name: getattr(rollout, name) for name in names}


def error_of(answer: HasProblem | None) -> str:
    """Return why a store could not be asked, for people; "" where it could."""
    if answer is None:
        return _("The store did not answer in time.")
    return _("The store could not be read.") if answer.problem is not None else ""


def releases_within(
    seconds: float = READ_SECONDS, *, fresh_seconds: float | None = None
) -> list[dict[str, Any]]:
    """Return what each platform's live channel serves, and then what the others do,
    from what its store says within this time, or said so many seconds ago
    (FRESH_SECONDS)."""
    fresh_seconds = FRESH_SECONDS if fresh_seconds is None else fresh_seconds
    served = served_within(seconds, list(all_platforms()), fresh_seconds)
    return [live_release(name, each) for name, each in served.items()] + [
        _release(name, pointer.channel, each, pointer)
        for name, each in served.items()
        if each is not None
        for pointer in each.others
    ]


def channels_of_all_within(seconds: float) -> list[str]:
    """Return the channels that any platform has, ``live`` first, as far as the stores
    tell them within this time."""
    found = served_within(seconds, list(all_platforms())).values()
    others = {
        pointer.channel for served in found if served for pointer in served.others
    }
    return [LIVE, *sorted(others)]


def served_within(
    seconds: float, platforms: Sequence[str], fresh_seconds: float = FRESH_SECONDS
) -> dict[str, Served | None]:
    """Return what these platforms' stores say they serve; None for one that does not
    say it in time."""
    found = wait_for_all(list(map(reader, platforms)), seconds, fresh_seconds)
    return dict(zip(platforms, found, strict=True))
