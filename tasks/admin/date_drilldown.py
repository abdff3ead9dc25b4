"""A list's days to choose from, as Django's date hierarchy but for what it costs."""

import calendar
from datetime import date
from itertools import takewhile

from django.contrib.admin.views.main import ChangeList
from django.utils.formats import date_format
from django.utils.translation import gettext as _

PARTS = ("year", "month", "day")
MOST_CHOICES = 31  # a wrong clock once must not offer thousands of years


class Days:
    """Years, months, days to choose from: all from the first to the last row's, since
    finding out which of them are empty would mean a look at every row."""

    def __init__(self, changes: ChangeList) -> None:
        self._list, self._name = changes, str(changes.date_hierarchy)
        given = (changes.params.get(f"{self._name}__{part}") for part in PARTS)
        # Without a year a month is no place in time.
        self.chosen = [int(str(number)) for number in takewhile(bool, given)]
        self.choices: list[dict[str, str]] = []
        self.back: dict[str, str] | None = None
        times = changes.model._default_manager.values_list(self._name, flat=True)
        first = times.order_by(self._name, "pk").first()
        last = times.order_by(f"-{self._name}", "-pk").first()
        if first and last:
            self._offer(first.date(), last.date())

    def _offer(self, first: date, last: date) -> None:
        if self.chosen:
            self.back = self._choice(self.chosen[:-1])
        shown = list(self.chosen)
        numbers = self._numbers(shown, first, last)
        while len(numbers) == 1 and len(shown) < len(PARTS) - 1:
            shown += numbers  # a choice of one is none
            numbers = self._numbers(shown, first, last)
        self.choices = [self._choice([*shown, number]) for number in numbers]

    def _numbers(self, chosen: list[int], first: date, last: date) -> list[int]:
        """Those of the next part, between the first and the last day."""
        if len(chosen) == len(PARTS):
            return []
        low, high, count = ymd(first), ymd(last), len(chosen)
        if not low[:count] <= chosen <= high[:count]:
            return []
        least = low[count] if chosen == low[:count] else 1
        if chosen == high[:count]:
            most = high[count]
        else:
            most = 12 if count == 1 else calendar.monthrange(*chosen)[1]
        return list(range(least, most + 1))[-MOST_CHOICES:]

    def _choice(self, chosen: list[int]) -> dict[str, str]:
        params = {
            f"{self._name}__{part}": str(number)
            for part, number in zip(PARTS, chosen, strict=False)
        }
        link = self._list.get_query_string(params, [f"{self._name}__"])
        return {"link": link, "title": said_day(chosen)}


def ymd(day: date) -> list[int]:
    return [day.year, day.month, day.day]


def said_day(chosen: list[int]) -> str:
    """``2025``, ``November 2025``, ``November 26``; ``All dates`` for none."""
    match chosen:
        case [year]:
            return str(year)
        case [year, month]:
            return date_format(date(year, month, 1), "YEAR_MONTH_FORMAT")
        case [year, month, day]:
            return date_format(date(year, month, day), "MONTH_DAY_FORMAT")
    return _("All dates")
