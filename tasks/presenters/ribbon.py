"""The ribbon of a platform: what was live when, as a strip with one segment for each
version, and a mark for each rollback.

All places are shares of its width, so that it is drawn at any; see ``ribbon.html``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.urls import reverse
from django.utils import timezone

from tasks.models import Task
from tasks.presenters.release_history import SpanRow, rows_of, tasks_of
from tasks.presenters.releases import PATIENCE_SECONDS, title_of
from tasks.release_history import History, Span, histories_within

DAYS = 14
BRIEF_PERCENT = 0.8  # what is narrower is drawn as a line
EDGE_PERCENT = 3  # a date that stands nearer to an end begins or ends at its tick
# For each number of days, every how many there is a date where there is much room. It
# is every second of these where there is less, every fourth where there is little.
LABEL_DAYS = {14: 1, 30: 2, 90: 6}
STEP = timedelta(minutes=10)  # in which the ribbon moves on, so that it seldom changes


@dataclass(frozen=True)
class Window:
    """The time that a ribbon shows."""

    since: datetime
    until: datetime

    @classmethod
    def ending(cls, now: datetime, days: int) -> "Window":
        beyond = (now - datetime.min.replace(tzinfo=UTC)) % STEP
        until = now + (STEP - beyond)
        return cls(until - timedelta(days=days), until)

    @property
    def days(self) -> int:
        return (self.until - self.since).days

    @property
    def since_ms(self) -> str:
        return str(int(self.since.timestamp() * 1000))

    @property
    def until_ms(self) -> str:
        return str(int(self.until.timestamp() * 1000))

    def place(self, at: datetime) -> float:
        """Return where a moment is, in percent of the width."""
        return 100 * (at - self.since) / (self.until - self.since)

    def ends_of(self, span: Span) -> tuple[float, float] | None:
        """Return from where to where a span is drawn; None where it is not, because it
        lies outside, or nobody knows when it was. What has no known beginning begins
        with the ribbon."""
        until = self.until if span.is_live else span.until
        if until is None:
            return None
        begin = max(0.0, self.place(span.since)) if span.since else 0.0
        end = min(100.0, self.place(until))
        return (begin, end) if begin <= end and end > 0 else None


@dataclass(frozen=True)
class Segment:
    """One version in the strip."""

    row: SpanRow
    begin: float
    end: float
    tone: str  # live, or one of two greys that take turns

    @property
    def x(self) -> str:
        """Return where it begins; what is brief stays left of what is live, and what
        is live has some width however new it is."""
        last = 100 - BRIEF_PERCENT * (1 if self.is_live else 2)
        return f"{min(self.begin, last) if self.is_short else self.begin:.3f}%"

    @property
    def width(self) -> str:
        """Return its share of the width; of what is brief, so many pixels."""
        if self.is_brief:
            return "3"
        return f"{max(self.end - self.begin, BRIEF_PERCENT):.3f}%"

    @property
    def url(self) -> str:
        """Return the page of the task that published it; "" where none is kept."""
        shown = self.row.shown
        return reverse("task", args=[shown.task.pk]) if shown else ""

    @property
    def is_live(self) -> bool:
        return self.row.span.is_live

    @property
    def is_short(self) -> bool:
        return self.end - self.begin < BRIEF_PERCENT

    @property
    def is_brief(self) -> bool:
        return self.is_short and not self.is_live

    @property
    def is_marked(self) -> bool:
        """Return whether a rollback within the ribbon began it."""
        return self.row.span.is_rollback and self.begin > 0


@dataclass(frozen=True)
class Tick:
    """The midnight that begins a day; in UTC until a script knows the reader's zone."""

    day: date
    place: float
    room: str  # little, some, much: how much of it its date takes; "" for no date

    @property
    def x(self) -> str:
        return f"{self.place:.3f}%"

    @property
    def anchor(self) -> str:
        """Return which part of its date stands at the tick; ribbon.js says the same."""
        if self.place < EDGE_PERCENT:
            return "start"
        return "end" if self.place > 100 - EDGE_PERCENT else "middle"

    @property
    def is_outside(self) -> bool:
        return not 0 <= self.place <= 100


@dataclass(frozen=True)
class Ribbon:
    """One platform's strip."""

    platform: str
    window: Window
    segments: list[Segment]  # newest first
    ticks: list[Tick]

    @property
    def title(self) -> str:
        return title_of(self.platform)

    @property
    def drawn(self) -> list[tuple[int, Segment]]:
        """The segments with their numbers, the brief ones last and so on top."""
        return sorted(enumerate(self.segments), key=lambda pair: pair[1].is_brief)

    @property
    def marks(self) -> list[tuple[int, Segment]]:
        """The rollbacks, the newest last and so on top."""
        marked = [pair for pair in enumerate(self.segments) if pair[1].is_marked]
        return marked[::-1]


def ribbons(days: int = DAYS) -> dict[str, Ribbon]:
    """Return each platform's ribbon, by its name; none of one that has published
    nothing, or whose store does not tell it at once."""
    now = timezone.now()
    histories = histories_within(PATIENCE_SECONDS)
    window = Window.ending(now, days)
    tasks = tasks_of(
        span
        for history in histories.values()
        for span in history.spans
        if window.ends_of(span)
    )
    return {
        platform: ribbon_of(history, window, tasks, now)
        for platform, history in histories.items()
        if history.spans
    }


def ribbon_of(
    history: History, window: Window, tasks: Mapping[str, Task], now: datetime
) -> Ribbon:
    """Return a platform's ribbon; ``tasks`` as ``tasks_of`` has them."""
    count = len(history.spans)
    segments = [
        Segment(rows_of([span], tasks, now)[0], *ends, _tone(span, count - index))
        for index, span in enumerate(history.spans)
        if (ends := window.ends_of(span))
    ]
    return Ribbon(history.platform, window, segments, _ticks(window))


def _tone(span: Span, number: int) -> str:
    return "live" if span.is_live else ("even", "odd")[number % 2]


def _ticks(window: Window) -> list[Tick]:
    """One for each day, and one beyond either end, which another zone may move in."""
    first = window.since.astimezone(UTC).date()
    each = LABEL_DAYS.get(window.days, max(1, window.days // 14))
    days = [first + timedelta(days=n) for n in range(-1, window.days + 3)]
    return [
        Tick(day, window.place(datetime.combine(day, time(), UTC)), _room(day, each))
        for day in days
        if window.days <= min(LABEL_DAYS) or _room(day, each)
    ]


def _room(day: date, each: int) -> str:
    """Return for which room a day has a date: the same, however time goes on."""
    number, rest = divmod(day.toordinal(), each)
    if rest:
        return ""
    return "much" if number % 2 else "some" if number % 4 else "little"
