"""Freezes that repeat each week, read from ``[[freeze]]`` in files of task types."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from tasks.catalog.toml_tables import Source, Table

FREEZE = "freeze"  # the key, which names no type
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEK = timedelta(days=7)
TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
UNTIL = re.compile(rf"(?:({'|'.join(DAYS)}) )?({TIME.pattern})")
TYPE_PATTERN = re.compile(r"[a-z0-9*?-]{1,100}")
TAKES_PATTERN = "names of types, or patterns such as sync-*"


@dataclass(frozen=True)
class RepeatingFreeze:
    """A freeze that begins at the same hour on some days of each week.

    ``until``: a weekday (0 is Monday; None for the first day on which that is after it
    began) and an hour; or ``length`` says how long it is.
    """

    types: tuple[str, ...]
    reason: str
    days: tuple[int, ...]
    begins: time
    zone: ZoneInfo
    until: tuple[int | None, time] | None = None
    length: timedelta = timedelta(0)

    def windows(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield from when until when it holds: the time that holds now, if one does,
        and those to come."""
        today = now.astimezone(self.zone).date()
        for offset in count(-8):
            day = today + timedelta(days=offset)
            if day.weekday() in self.days and (found := self._from(day))[1] > now:
                yield found

    def _from(self, day: date) -> tuple[datetime, datetime]:
        begin = datetime.combine(day, self.begins, self.zone)
        if self.until is None:
            # Hours as a clock counts them that is never changed.
            return begin, (begin.astimezone(UTC_ZONE) + self.length)
        weekday, until = self.until
        end_day = day if until > self.begins else day + timedelta(days=1)
        if weekday is not None:
            ahead = (weekday - day.weekday()) % 7
            end_day = day + timedelta(days=ahead)
            if end_day == day and until <= self.begins:
                end_day += WEEK
        return begin, datetime.combine(end_day, until, self.zone)


UTC_ZONE = ZoneInfo("UTC")


def freezes_of(source: Source) -> tuple[RepeatingFreeze, ...]:
    """Return the freezes of a file. Raises CatalogError, naming the key."""
    tables = source.data.get(FREEZE, [])
    if not isinstance(tables, list):
        problem = "expected [[freeze]] tables; no task type can have this name"
        raise source.error((FREEZE,), problem)
    return tuple(
        _freeze(Table(source, (FREEZE, index), data))
        for index, data in enumerate(tables)
    )


def _freeze(table: Table) -> RepeatingFreeze:
    table.only("types", "reason", "days", "from", "until", "duration", "timezone")
    types = table.texts("types")
    if not types or not all(map(TYPE_PATTERN.fullmatch, types)):
        raise table.wrong("types", f"expected {TAKES_PATTERN}")
    reason = table.text("reason", "").strip()
    if not reason:
        raise table.wrong("reason", "expected one sentence that people are told")
    days = table.texts("days") or DAYS
    for day in days:
        if day not in DAYS:
            raise table.wrong("days", f"expected some of: {', '.join(DAYS)}")
    begins = table.text("from")
    if begins is None or not TIME.fullmatch(begins):
        raise table.wrong("from", 'expected a time of day, such as "16:00"')
    if ("until" in table.data) == ("duration" in table.data):
        raise table.wrong("until", "expected it or duration, one of them")
    return RepeatingFreeze(
        types=types,
        reason=reason,
        days=tuple(sorted({DAYS.index(day) for day in days})),
        begins=time.fromisoformat(begins),
        zone=_zone(table),
        until=_until(table),
        length=_length(table),
    )


def _until(table: Table) -> tuple[int | None, time] | None:
    text = table.text("until")
    if text is None:
        return None
    if not (found := UNTIL.fullmatch(text)):
        problem = 'expected a time of day, such as "08:00" or "mon 08:00"'
        raise table.wrong("until", problem)
    return DAYS.index(found[1]) if found[1] else None, time.fromisoformat(found[2])


def _length(table: Table) -> timedelta:
    length = timedelta(seconds=table.seconds("duration") or 0)
    if length > WEEK:
        raise table.wrong("duration", "it is longer than a week, and begins each week")
    return length


def _zone(table: Table) -> ZoneInfo:
    name = table.text("timezone", "UTC")
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:  # no such one, or no name at all
        problem = 'expected a time zone, such as "Asia/Shanghai"'
        raise table.wrong("timezone", problem) from error
