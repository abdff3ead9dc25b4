"""Simple cron expressions in words; of others people read the expression alone."""

import re

from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

MOST_TIMES = 4  # of one day that are named
NUMBER = re.compile(r"[0-9]{1,2}")
EACH = re.compile(r"\*/([0-9]{1,2})")
SYMBOLS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
WORKDAYS, WEEKEND = {1, 2, 3, 4, 5}, {0, 6}
EVERY = "*"


def said_cron(text: str) -> str:
    """Return what an expression means; "" where that takes more than a few words."""
    fields = text.split()
    if len(fields) != 5:
        return ""
    minute, hour, day, month, weekday = fields
    if month != EVERY:
        return ""
    if hour == EVERY or EACH.fullmatch(hour):
        return _within_a_day(minute, hour) if (day, weekday) == (EVERY, EVERY) else ""
    if not (times := _times(minute, hour)):
        return ""
    return _on_days(day, weekday, times)


def _within_a_day(minute: str, hour: str) -> str:
    if hour == EVERY and minute == EVERY:
        return _("every minute")
    if hour == EVERY and (each := _each(minute, 60)):
        return ngettext("every %(n)s minute", "every %(n)s minutes", each) % {"n": each}
    if not NUMBER.fullmatch(minute):
        return ""
    at = f"{int(minute):02}"
    if hour == EVERY:
        return _("every hour at minute %(minute)s") % {"minute": at}
    if each := _each(hour, 24):
        text = ngettext(
            "every %(n)s hour at minute %(minute)s",
            "every %(n)s hours at minute %(minute)s",
            each,
        )
        return text % {"n": each, "minute": at}
    return ""


def _each(text: str, whole: int) -> int:
    """Return the n of ``*/n`` where that is as far apart each time; otherwise 0."""
    found = EACH.fullmatch(text)
    n = int(found[1]) if found else 0
    return n if n > 0 and whole % n == 0 else 0


def _times(minute: str, hour: str) -> str:
    hours = hour.split(",")
    if len(hours) > MOST_TIMES or not all(map(NUMBER.fullmatch, [minute, *hours])):
        return ""
    return _(", ").join(f"{int(one):02}:{int(minute):02}" for one in hours)


def _on_days(day: str, weekday: str, times: str) -> str:
    if (day, weekday) == (EVERY, EVERY):
        return _("every day at %(times)s") % {"times": times}
    if weekday == EVERY:
        if not NUMBER.fullmatch(day):
            return ""
        said = {"day": int(day), "times": times}
        return _("on day %(day)s of each month at %(times)s") % said
    days = _weekdays(weekday) if day == EVERY else set()
    if days == WORKDAYS:
        return _("Monday to Friday at %(times)s") % {"times": times}
    if days == WEEKEND:
        return _("on weekends at %(times)s") % {"times": times}
    if not days:
        return ""
    names = _(", ").join(str(WEEKDAYS[(one - 1) % 7]) for one in _from_monday(days))
    return _("on %(days)s at %(times)s") % {"days": names, "times": times}


def _from_monday(days: set[int]) -> list[int]:
    return sorted(days, key=lambda one: (one - 1) % 7)


def _weekdays(text: str) -> set[int]:
    """Return the days of a list with ranges, Sunday as 0; none where it is more."""
    found: set[int] = set()
    for part in text.split(","):
        ends = [_weekday(end) for end in part.split("-")]
        if len(ends) > 2 or None in ends:
            return set()
        first, last = ends[0] or 0, ends[-1] or 0
        found |= {one % 7 for one in range(first, last + 1)}
    return found


def _weekday(text: str) -> int | None:
    if text.upper() in SYMBOLS:
        return SYMBOLS.index(text.upper())
    return int(text) if NUMBER.fullmatch(text) and int(text) <= 7 else None
