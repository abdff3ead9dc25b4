"""Which tasks a list shows, as the address says it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext as _

from tasks.catalog.loader import catalog
from tasks.localized import localized
from tasks.models import Task, TaskQuerySet
from tasks.presenters.days import day_text
from tasks.presenters.names import title_of_type
from tasks.presenters.wording import SHAPES
from tasks.reasons import Reason
from tasks.search import MAX_TEXT_LENGTH
from tasks.task_filter import TaskFilter
from tasks.web.zone import IN_ADDRESS

NAMES = ("q", "type", "status", "version", "by", "from", "to")
DAYS = ("from", "to")
# Beyond them are moments that other zones can't tell.
FIRST_DAY, LAST_DAY = date(2, 1, 1), date(9998, 1, 1)


class Chip(NamedTuple):
    """A filter that is set, and the other filters as an address has them."""

    label: str
    text: str
    others: str


class Filters:
    """The filters of one list, of tasks with any of these statuses, by the days of a
    zone. ``prefix`` stands before each name in the address, so that none can be taken
    for a task's parameter, which has no hyphen."""

    def __init__(
        self,
        given: QueryDict,
        prefix: str = "",
        statuses: Sequence[Task.Status] = tuple(Task.Status),
        zone: tzinfo = UTC,
    ) -> None:
        self.prefix, self._statuses, self.zone = prefix, statuses, zone
        self._given = {
            name: given.get(prefix + name, "").strip().replace("\0", "")
            for name in NAMES
        }
        self.errors: dict[str, str] = {}
        self.since, last = self._day("from"), self._day("to")
        self.before = last and last + timedelta(days=1)
        self.task_filter = self._read()

    def __getitem__(self, name: str) -> str:
        """Return what was given for a filter; templates read ``filters.type``."""
        return self._given[name]

    @property
    def are_set(self) -> bool:
        return any(self._given.values())

    @property
    def given(self) -> list[tuple[str, str]]:
        """Those that are set, as forms carry them on."""
        return [
            (self.prefix + name, text) for name, text in self._given.items() if text
        ]

    @property
    def query(self) -> str:
        """The filters as an address has them."""
        return self.query_with()

    def query_with(self, **other: str) -> str:
        """Return the filters as an address has them, some of them as given here."""
        given = {name: text for name, text in {**self._given, **other}.items() if text}
        if any(name in given for name in DAYS):
            given[IN_ADDRESS] = str(self.zone)
        return urlencode({self.prefix + name: text for name, text in given.items()})

    @property
    def chips(self) -> list[Chip]:
        """Those that are set, as people read them."""
        labels = {
            "q": _("Search"),
            "type": _("Type"),
            "status": _("Status"),
            "version": _("Version"),
            "by": _("Started by"),
            "from": _("From"),
            "to": _("To"),
        }
        return [
            Chip(labels[name], self._text(name), self.query_with(**{name: ""}))
            for name, text in self._given.items()
            if text
        ]

    def _text(self, name: str) -> str:
        given = self[name]
        if name == "type":
            return title_of_type(given)
        if name == "status":
            return dict(self.statuses).get(given, given)
        if name in DAYS and name not in self.errors:
            today = datetime.now(self.zone).date()
            return day_text(date.fromisoformat(given), today)
        return given

    @property
    def types(self) -> list[str]:
        """Those to choose from: of the catalog, and the one that is chosen."""
        there_are = list(catalog())
        chosen = self["type"]
        return there_are if not chosen or chosen in there_are else [chosen, *there_are]

    @property
    def titled_types(self) -> list[tuple[str, str]]:
        """The same, each with its title."""
        return [(name, title_of_type(name)) for name in self.types]

    @property
    def statuses(self) -> list[tuple[str, str]]:
        return [(s.value, f"{SHAPES[s]} {s.label}") for s in self._statuses]

    def apply(self, tasks: TaskQuerySet) -> TaskQuerySet:
        """The tasks that fit; none where a filter says nothing that can be meant."""
        return tasks.none() if self.errors else self.task_filter.apply(tasks)

    def _read(self) -> TaskFilter:
        for name, text in self._given.items():
            if len(text) > MAX_TEXT_LENGTH:
                problem = Reason("too-long", limit=MAX_TEXT_LENGTH)
                self.errors[name] = localized(problem)
        if self["status"] and self["status"] not in self._statuses:
            problem = Reason("not-a-choice", choices=", ".join(self._statuses))
            self.errors["status"] = localized(problem)
        return TaskFilter(
            type=self["type"],
            statuses=(self["status"],) if self["status"] else (),
            version=self["version"],
            created_since=self.since,
            created_before=self.before,
            created_by=self["by"],
            text=self["q"],
        )

    def _day(self, name: str) -> datetime | None:
        if not self[name]:
            return None
        try:
            return midnight(self[name], self.zone)
        except ValueError:
            self.errors[name] = _("Must be a day, such as 2025-11-26.")
            return None


def midnight(day: str, zone: tzinfo) -> datetime:
    """Return when a day begins, such as ``2025-11-26``. Raises ValueError."""
    found = min(max(date.fromisoformat(day), FIRST_DAY), LAST_DAY)
    return datetime.combine(found, time(), zone)
