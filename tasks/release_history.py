"""What each platform served when, as its store keeps it.

It is read as the live versions are (``releases``), but seldom: again only where the
pointer has moved since, or after a while.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import NamedTuple

from django.utils.dateparse import parse_datetime

from resources.releases import past
from resources.releases.current import LIVE, all_platforms
from resources.releases.past import Pointer, Rollout, read_past
from tasks import releases
from tasks.patient_reader import PatientReader
from tasks.releases import OwnReading, error_of, served_within

KEPT_SECONDS = 60.0


@dataclass(frozen=True)
class Span:
    """A version for as long as it was served; what nobody wrote down is None."""

    version: str
    since: datetime | None
    until: datetime | None
    previous: str | None
    task_id: str | None
    manifest_sha256: str | None
    is_live: bool
    is_rollback: bool
    is_first: bool
    rollouts: tuple[Rollout, ...]
    number: int  # grows with time, whatever clocks say; it stays a span's own


@dataclass(frozen=True)
class History:
    """One platform's spans, newest first; none where ``error`` says why."""

    platform: str
    spans: tuple[Span, ...]
    goes_back_to: str | None  # by a rollback
    error: str = ""


class Told(NamedTuple):
    """What a platform's store told: the history up to a pointer, or the problem."""

    pointer: Pointer | None
    history: History
    problem: str | None


@cache
def history_reader(platform: str, channel: str = LIVE) -> PatientReader[Told]:
    """The one reader of a channel's history in this process; of a channel that there
    is, since each is kept."""
    read = OwnReading(partial(_told, channel=channel), platform, f"history {channel}")
    return PatientReader(read, f"history of {platform} {channel}")


def channels_within(seconds: float, platform: str) -> list[str] | None:
    """Return the channels of a platform, ``live`` first, as its store tells them within
    this time; None where it does not."""
    served = served_within(seconds, [platform], releases.FRESH_SECONDS)[platform]
    if served is None or served.problem is not None:
        return None
    return [LIVE, *(pointer.channel for pointer in served.others)]


def histories_within(
    seconds: float, platforms: Iterable[str] | None = None, channel: str = LIVE
) -> dict[str, History]:
    """Return the history of a channel on each platform, or on these, as their stores
    tell it within this time."""
    until = time.monotonic() + seconds
    names = list(all_platforms() if platforms is None else platforms)
    readers = {name: history_reader(name, channel) for name in names}
    for reader in readers.values():
        reader.start(KEPT_SECONDS)
    for name, served in served_within(seconds, names, releases.FRESH_SECONDS).items():
        known = readers[name].wait(0)
        if error_of(known) or error_of(served):
            readers[name].start(releases.FRESH_SECONDS)
        elif known and served and known.pointer != served.on(channel):
            readers[name].start(0.0)
    return {
        name: _history(name, reader.wait(max(0.0, until - time.monotonic())))
        for name, reader in readers.items()
    }


def moment_of(text: str | None) -> datetime | None:
    """Return the time that a pointer says; None where it says none that can be."""
    try:
        found = parse_datetime(text) if text else None
    except ValueError:
        return None
    return found and found.replace(tzinfo=found.tzinfo or UTC)


def _history(platform: str, told: Told | None) -> History:
    if told is None or told.problem is not None:
        return History(platform, (), None, error_of(told))
    return told.history


def _told(platform: str, environment: Mapping[str, str], *, channel: str) -> Told:
    """Read a history, in the reader's thread: a long one takes a while to make."""
    found = read_past(platform, environment, channel)
    spans: list[Span] = []
    number = -1
    for span in reversed(found.spans):
        since = moment_of(span.since)
        number = max(number + 1, int(since.timestamp() * 1000) if since else 0)
        spans.append(_span(span, since, number))
    history = History(platform, tuple(spans[::-1]), past.goes_back_to(found.spans))
    return Told(found.pointer, history, found.problem)


def _span(span: past.Span, since: datetime | None, number: int) -> Span:
    return Span(
        version=span.version,
        since=since,
        until=moment_of(span.until),
        previous=span.previous,
        task_id=span.task_id,
        manifest_sha256=span.manifest_sha256,
        is_live=span.is_live,
        is_rollback=span.is_rollback,
        is_first=span.is_first,
        rollouts=span.rollouts,
        number=number,
    )
