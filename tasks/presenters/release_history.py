"""What was served when, for people: one row for each move of a pointer."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.translation import gettext as _

from tasks.models import Task
from tasks.presenters.names import person
from tasks.presenters.task import Shown
from tasks.presenters.wording import duration_text
from tasks.release_history import Span

DAY_SECONDS = 24 * 3600


@dataclass(frozen=True)
class SpanRow:
    """One version for as long as it was served, and the task that published it, where
    that is still kept."""

    span: Span
    shown: Shown | None
    now: datetime

    @property
    def served_for(self) -> str:
        """Return how long; "" where nobody wrote down from when or until when."""
        end = self.now if self.span.is_live else self.span.until
        if self.span.since is None or end is None:
            return ""
        return long_text(max(0.0, (end - self.span.since).total_seconds()))

    @property
    def since_text(self) -> str:
        return self._short(self.span.since)

    @property
    def until_text(self) -> str:
        return self._short(self.span.until)

    @property
    def who(self) -> str:
        return person(self.shown.task.created_by) if self.shown else ""

    @property
    def said(self) -> str:
        """All of it in one sentence, in UTC."""
        parts = [self._said_times()]
        if self.shown:
            parts += [self.shown.title, self.who]
        return " · ".join(part for part in parts if part)

    def _short(self, at: datetime | None) -> str:
        """Return a time in UTC; a year that is this one goes without saying."""
        if at is None:
            return ""
        text = f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"
        return text.removeprefix(f"{self.now.astimezone(UTC):%Y}-")

    def _said_times(self) -> str:
        span = self.span
        since, until = (
            at and f"{at:%Y-%m-%d %H:%M}" for at in (span.since, span.until)
        )
        if span.is_live and since:
            text = _("{version}: live since {since} UTC ({time})")
        elif since and until:
            text = _("{version}: {since} to {until} UTC ({time})")
        elif until:
            text = _("{version}: until {until} UTC")
        else:
            return span.version
        return text.format(
            version=span.version, since=since, until=until, time=self.served_for
        )


def long_text(seconds: float) -> str:
    """``3 d 4 h``; what is shorter than a day, to the second, and less than one to the
    millisecond."""
    if seconds < DAY_SECONDS:
        return duration_text(seconds if seconds < 1 else int(seconds))
    days, rest = divmod(int(seconds), DAY_SECONDS)
    return _("%(d)s d %(h)s h") % {"d": days, "h": rest // 3600}


def rows_of(
    spans: Iterable[Span], tasks: Mapping[str, Task], now: datetime
) -> list[SpanRow]:
    """Return the rows of spans, in their order."""
    return [
        SpanRow(span, Shown(task, now) if task else None, now)
        for span in spans
        for task in [tasks.get(span.task_id or "")]
    ]


def tasks_of(spans: Iterable[Span]) -> dict[str, Task]:
    """Return the tasks that published spans, those that are still kept, by the id that
    the pointer has; by one query."""
    ids = {span.task_id: pk for span in spans if (pk := _uuid(span.task_id))}
    if not ids:
        return {}
    found = Task.objects.defer("result", "trail").in_bulk(set(ids.values()))
    return {text: found[pk] for text, pk in ids.items() if text and pk in found}


def _uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None
