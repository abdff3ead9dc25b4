"""How long tasks of a type took, and how often they succeeded."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from statistics import median
from uuid import UUID

from django.utils import timezone

from tasks.models import Task, TaskQuerySet
from tasks.presenters.names import title_of_type
from tasks.presenters.wording import duration_text

MOST_RUNS = 500  # of a type, the newest: more would not change the figures, only cost


@dataclass(frozen=True)
class Run:
    """One task that has ended, as far as figures need it."""

    id: UUID
    status: str
    version: str
    created: datetime
    seconds: float | None  # None where it never started


@dataclass(frozen=True)
class Day:
    """One day of a type."""

    day: date
    runs: int
    failed: int
    median: str  # of what completed


@dataclass(frozen=True)
class Statistics:
    """One type's runs, the newest first, and what they come to."""

    type: str
    runs: Sequence[Run]
    is_cut: bool = False  # there were more, older ones

    @property
    def title(self) -> str:
        return title_of_type(self.type)

    @cached_property
    def seconds(self) -> list[float]:
        """Of what completed, in order."""
        return sorted(_completed(self.runs))

    @cached_property
    def failed(self) -> int:
        return _failed(self.runs)

    @property
    def success(self) -> int | None:
        """Percent of what completed or failed."""
        judged = len(self.seconds) + self.failed
        return round(100 * len(self.seconds) / judged) if judged else None

    @property
    def median(self) -> str:
        return duration_text(median(self.seconds)) if self.seconds else ""

    @property
    def p95(self) -> str:
        return duration_text(percentile(self.seconds, 95)) if self.seconds else ""

    @property
    def days(self) -> list[Day]:
        """Those on which something ran, the newest first, in the page's zone."""
        by_day: dict[date, list[Run]] = {}
        for run in self.runs:
            day = timezone.localtime(run.created).date()
            by_day.setdefault(day, []).append(run)
        return [_day(day, by_day[day]) for day in sorted(by_day, reverse=True)]


def statistics_of(types: Iterable[str], ended: TaskQuerySet) -> list[Statistics]:
    """The figures of these types among tasks that have ended, but for those of which
    nothing ran."""
    found = [statistics_of_type(name, ended) for name in types]
    return [each for each in found if each.runs]


def statistics_of_type(name: str, ended: TaskQuerySet) -> Statistics:
    times = ("started_at", "completed_at", "approval_ms")
    columns = ("pk", "status", "version", "created_at", *times)
    rows = ended.filter(type=name).newest_first().values_list(*columns)
    runs = [
        Run(pk, status, version, created, _seconds(*when))
        for pk, status, version, created, *when in rows[: MOST_RUNS + 1]
    ]
    return Statistics(name, runs[:MOST_RUNS], is_cut=len(runs) > MOST_RUNS)


def percentile(values: Sequence[float], percent: int) -> float:
    """By the nearest rank: a value that was really there."""
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


def _seconds(
    started: datetime | None, ended: datetime | None, approval_ms: int
) -> float | None:
    if not (started and ended):
        return None
    return (ended - started).total_seconds() - approval_ms / 1000


def _completed(runs: Iterable[Run]) -> list[float]:
    done = Task.Status.COMPLETED
    return [r.seconds for r in runs if r.status == done and r.seconds is not None]


def _failed(runs: Iterable[Run]) -> int:
    return sum(run.status == Task.Status.FAILED for run in runs)


def _day(day: date, runs: Sequence[Run]) -> Day:
    seconds = _completed(runs)
    said = duration_text(median(seconds)) if seconds else ""
    return Day(day, len(runs), _failed(runs), said)
