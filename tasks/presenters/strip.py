"""A type's runs as a strip of dots: when each came in, and how long it took.

Places across are in percent, so that a strip is as wide as its page; places down are
in pixels, on a scale of logarithms.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from math import log
from statistics import median
from typing import NamedTuple

from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from tasks.models import Task
from tasks.presenters.days import short_day_text
from tasks.presenters.statistics import Run, Statistics, percentile
from tasks.presenters.wording import SHAPES, duration_text

HEIGHT, EDGE = 128, 12  # pixels: of a strip among others; above and below all dots
TALL = 256  # of one alone
MINUTE, HOUR, DAY = 60, 3600, 86400
DURATIONS = (
    *(part * n for part in (0.001, 0.01, 0.1, 1) for n in (1, 2, 5)),
    *(10, 20, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE),
    *(30 * MINUTE, HOUR, 2 * HOUR, 5 * HOUR, 10 * HOUR, DAY, 2 * DAY, 7 * DAY),
)
APART = 26  # pixels between what stands beside the axis
STEPS = tuple(
    timedelta(hours=n) for n in (1, 3, 6, 12, 24, 48, 120, 168, 336, 720, 2160, 8760)
)
MOST_STEPS = 7
# A template would take thirty times as long, which with 5,000 dots is half a second.
DOT = (
    '<a href="{path}{run.id}" tabindex="-1"><title>{words}</title>'
    '<use href="#dot-{run.status}" x="{x:.2f}%" y="{y:.1f}"/></a>'
)


class Mark(NamedTuple):
    """A place on an axis, and what stands beside it."""

    at: float
    text: str


class Span(NamedTuple):
    """From when to when strips go."""

    begin: datetime
    end: datetime

    def place(self, moment: datetime) -> float:
        """Return how far a moment is from the begin, in percent."""
        return 100 * ((moment - self.begin) / (self.end - self.begin))

    @property
    def ends(self) -> tuple[int, int]:
        """In milliseconds since 1970, for scripts."""
        return round(self.begin.timestamp() * 1000), round(self.end.timestamp() * 1000)

    @property
    def marks(self) -> list[Mark]:
        length = self.end - self.begin
        step = next((s for s in STEPS if length / s <= MOST_STEPS), STEPS[-1])
        at = self.begin.replace(hour=0, minute=0, second=0, microsecond=0)
        found = []
        while at <= self.end:
            if at >= self.begin:
                found.append(Mark(round(self.place(at), 2), self._text(at, step)))
            at += step
        return found

    @staticmethod
    def _text(at: datetime, step: timedelta) -> str:
        is_midnight = step >= timedelta(days=1) or not at.hour
        return short_day_text(at.date()) if is_midnight else f"{at:%H:%M}"


@dataclass(frozen=True)
class Strip:
    """The newest runs of a type as a picture; ``most`` of them are drawn."""

    figures: Statistics
    span: Span
    most: int
    height: int = HEIGHT

    @property
    def drawn(self) -> Sequence[Run]:
        return self.figures.runs[: self.most]

    @property
    def is_cut(self) -> bool:
        return self.figures.is_cut or len(self.figures.runs) > self.most

    @property
    def begin(self) -> float:
        """Where the picture begins, in percent: at the oldest run that is drawn, where
        there are older ones."""
        if not self.is_cut:
            return 0.0
        return round(max(0.0, self.span.place(self.drawn[-1].created)), 2)

    @property
    def width(self) -> float:
        return round(100 - self.begin, 2)

    @property
    def inner_height(self) -> int:
        """How high its ground is, without the edge that is drawn around it."""
        return self.height - 16

    @cached_property
    def ends(self) -> tuple[float, float]:
        """The shortest and the longest duration that the scale has room for."""
        least, most = DURATIONS[0], DURATIONS[-1]
        seconds = [s for run in self.drawn if (s := run.seconds) is not None]
        low = min(seconds, default=1.0)
        high = max(seconds, default=10.0)
        low = max((d for d in DURATIONS if d <= low), default=least)
        high = min((d for d in DURATIONS if d >= high and d > low), default=most * 10)
        return low, high

    def y(self, seconds: float | None) -> float:
        """Return how far down a duration is; what never started is at the bottom."""
        if seconds is None:
            return self.height - EDGE
        low, high = self.ends
        part = log(max(seconds, low) / low) / log(high / low)
        return round(self.height - EDGE - part * (self.height - 2 * EDGE), 1)

    @property
    def scale(self) -> list[Mark]:
        low, high = self.ends
        found: list[Mark] = []
        for seconds in (d for d in DURATIONS if low <= d <= high):
            mark = Mark(self.y(seconds), _tick_text(seconds))
            if not found or found[-1].at - mark.at >= APART:
                found.append(mark)
        return found

    @property
    def usual(self) -> tuple[float, float] | None:
        """The median and the P95, in pixels; None where nothing completed."""
        seconds = self.figures.seconds
        if not seconds:
            return None
        return self.y(median(seconds)), self.y(percentile(seconds, 95))

    @property
    def band(self) -> float:
        """How high the band between them is."""
        return round(self.usual[0] - self.usual[1], 1) if self.usual else 0

    @property
    def words(self) -> str:
        """What the picture shows, for those who can't see it."""
        figures = self.figures
        if not figures.seconds:
            return _("No run completed.")
        return _(
            "Completed in {least} to {most}, "
            "median {median}, P95 {p95}; failed: {failed}"
        ).format(
            least=duration_text(figures.seconds[0]),
            most=duration_text(figures.seconds[-1]),
            median=figures.median,
            p95=figures.p95,
            failed=figures.failed,
        )

    @property
    def dots(self) -> SafeString:
        """The runs, those that did not complete on top of the others."""
        path = reverse("task", args=[uuid.UUID(int=0)]).removesuffix(
            str(uuid.UUID(int=0))
        )
        labels = {s.value: f"{SHAPES[s]} {s.label}" for s in Task.Status}
        return mark_safe(  # noqa: S308 (only a version is what somebody gave, and escaped)
            "".join(
                DOT.format(
                    path=path,
                    run=run,
                    words=_words(run, labels[run.status]),
                    x=self.span.place(run.created),
                    y=self.y(run.seconds),
                )
                for run in _bad_ones_last(self.drawn)
            )
        )


def _bad_ones_last(runs: Iterable[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: run.status != Task.Status.COMPLETED)


def _words(run: Run, label: str) -> str:
    took = "–" if run.seconds is None else duration_text(run.seconds)
    created = f"{timezone.localtime(run.created):%Y-%m-%d %H:%M:%S}"
    return escape(" · ".join(filter(None, (run.version, label, took, created))))


def _tick_text(seconds: float) -> str:
    if seconds < MINUTE:
        return duration_text(seconds)
    if seconds < HOUR:
        return _("%(m)s m") % {"m": int(seconds // MINUTE)}
    return _("%(h)s h") % {"h": int(seconds // HOUR)}
