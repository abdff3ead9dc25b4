"""How long tasks of a type took and how often they succeeded, in the last 30 days."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from statistics import median

from django.utils.translation import gettext as _

from tasks.models import Task
from tasks.presenters.wording import duration_text

DAYS = 30
MOST_RUNS = 500  # of a type, the newest: more would not change the figures, only cost
PLOT_HEIGHT, BAR_WIDTH = 28, 5  # pixels; a day is one bar, with a gap of one


@dataclass(frozen=True)
class Run:
    """One task that has ended, as far as figures need it."""

    status: str
    day: date
    seconds: float | None  # None where it never started


@dataclass(frozen=True)
class Day:
    """One day of a type: a bar of its plot, and a line of the table."""

    day: date
    runs: int
    failed: int
    seconds: float | None  # the median of what completed
    x: int = 0
    height: int = 0

    @property
    def median(self) -> str:
        return "" if self.seconds is None else duration_text(self.seconds)

    @property
    def y(self) -> int:
        return PLOT_HEIGHT - self.height


@dataclass(frozen=True)
class Statistics:
    """One type's figures."""

    type: str
    runs: int
    is_cut: bool  # there were more, older ones
    success: int | None  # percent of what completed or failed
    median: str
    p95: str
    days: Sequence[Day]

    @property
    def begins_at(self) -> int:
        """Return where the plot begins: before it, nothing was looked at."""
        return next((d.x for d in self.days if d.runs), 0) if self.is_cut else 0

    @property
    def failed(self) -> int:
        return sum(day.failed for day in self.days)

    @property
    def plot_words(self) -> str:
        """Return what the plot shows, for those who can't see it."""
        seconds = [day.seconds for day in self.days if day.seconds is not None]
        if not seconds:
            return _("No task completed on these days.")
        return _("Daily median: {least} to {most}; failed: {failed}").format(
            least=duration_text(min(seconds)),
            most=duration_text(max(seconds)),
            failed=self.failed,
        )


def statistics_of(types: Iterable[str], now: datetime) -> list[Statistics]:
    """The figures of these types, but for those of which nothing ran."""
    found = [statistics_of_type(name, now) for name in types]
    return [each for each in found if each.runs]


def statistics_of_type(name: str, now: datetime) -> Statistics:
    first_day = now.date() - timedelta(days=DAYS - 1)
    since = datetime.combine(first_day, time(), UTC)
    tasks = Task.objects.finished().filter(type=name, created_at__gte=since)
    columns = ("status", "created_at", "started_at", "completed_at")
    rows = tasks.newest_first().values_list(*columns)[: MOST_RUNS + 1]
    runs = [
        Run(
            status,
            created.date(),
            (ended - started).total_seconds() if started and ended else None,
        )
        for status, created, started, ended in rows
    ]
    is_cut = len(runs) > MOST_RUNS
    return figures(name, runs[:MOST_RUNS], now.date(), is_cut=is_cut)


def figures(
    name: str, runs: Sequence[Run], today: date, *, is_cut: bool = False
) -> Statistics:
    seconds = _completed(runs)
    failed = sum(run.status == Task.Status.FAILED for run in runs)
    judged = len(seconds) + failed
    return Statistics(
        type=name,
        runs=len(runs),
        is_cut=is_cut,
        success=round(100 * len(seconds) / judged) if judged else None,
        median=duration_text(median(seconds)) if seconds else "",
        p95=duration_text(percentile(seconds, 95)) if seconds else "",
        days=_days(runs, today),
    )


def percentile(values: Sequence[float], percent: int) -> float:
    """By the nearest rank: a value that was really there."""
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


def _completed(runs: Iterable[Run]) -> list[float]:
    done = Task.Status.COMPLETED
    return [r.seconds for r in runs if r.status == done and r.seconds is not None]


def _days(runs: Sequence[Run], today: date) -> list[Day]:
    by_day: dict[date, list[Run]] = {}
    for run in runs:
        by_day.setdefault(run.day, []).append(run)
    medians = {day: median(_completed(r)) for day, r in by_day.items() if _completed(r)}
    highest = max(medians.values(), default=0.0)
    days = []
    for number in range(DAYS):
        day = today - timedelta(days=DAYS - 1 - number)
        of_day, seconds = by_day.get(day, []), medians.get(day)
        days.append(
            Day(
                day=day,
                runs=len(of_day),
                failed=sum(run.status == Task.Status.FAILED for run in of_day),
                seconds=seconds,
                x=number * (BAR_WIDTH + 1),
                height=0
                if seconds is None
                else max(1, round(PLOT_HEIGHT * seconds / (highest or 1))),
            )
        )
    return days
