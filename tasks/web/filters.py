"""Which tasks a list shows, as the address says it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext as _

from tasks.catalog.loader import catalog
from tasks.localized import localized
from tasks.models import Task, TaskQuerySet
from tasks.presenters.wording import SHAPES
from tasks.reasons import Reason
from tasks.search import MAX_TEXT_LENGTH
from tasks.task_filter import TaskFilter

NAMES = ("q", "type", "status", "version", "by", "from", "to")


class Filters:
    """The filters of one list, of tasks with any of these statuses. ``prefix`` stands
    before each name in the address, so that none can be taken for a task's parameter,
    which has no hyphen."""

    def __init__(
        self,
        given: QueryDict,
        prefix: str = "",
        statuses: Sequence[Task.Status] = tuple(Task.Status),
    ) -> None:
        self.prefix, self._statuses = prefix, statuses
        self._given = {
            name: given.get(prefix + name, "").strip().replace("\0", "")
            for name in NAMES
        }
        self.errors: dict[str, str] = {}
        self._filter = self._read()

    def __getitem__(self, name: str) -> str:
        """Return what was given for a filter; templates read ``filters.type``."""
        return self._given[name]

    @property
    def are_set(self) -> bool:
        return any(self._given.values())

    @property
    def query(self) -> str:
        """The filters as an address has them."""
        given = {self.prefix + name: text for name, text in self._given.items() if text}
        return urlencode(given)

    @property
    def types(self) -> list[str]:
        """Those to choose from: of the catalog, and the one that is chosen."""
        there_are = list(catalog())
        chosen = self["type"]
        return there_are if not chosen or chosen in there_are else [chosen, *there_are]

    @property
    def statuses(self) -> list[tuple[str, str]]:
        return [(s.value, f"{SHAPES[s]} {s.label}") for s in self._statuses]

    def apply(self, tasks: TaskQuerySet) -> TaskQuerySet:
        """The tasks that fit; none where a filter says nothing that can be meant."""
        return tasks.none() if self.errors else self._filter.apply(tasks)

    def _read(self) -> TaskFilter:
        for name, text in self._given.items():
            if len(text) > MAX_TEXT_LENGTH:
                problem = Reason("too-long", limit=MAX_TEXT_LENGTH)
                self.errors[name] = localized(problem)
        if self["status"] and self["status"] not in self._statuses:
            problem = Reason("not-a-choice", choices=", ".join(self._statuses))
            self.errors["status"] = localized(problem)
        first, last = self._day("from"), self._day("to")
        return TaskFilter(
            type=self["type"],
            statuses=(self["status"],) if self["status"] else (),
            version=self["version"],
            created_since=first,
            created_before=last and last + timedelta(days=1),
            created_by=self["by"],
            text=self["q"],
        )

    def _day(self, name: str) -> datetime | None:
        if not self[name]:
            return None
        try:
            day = date.fromisoformat(self[name])
            return datetime.combine(min(day, date(9998, 1, 1)), time(), UTC)
        except ValueError:
            self.errors[name] = _("Must be a day, such as 2025-11-26.")
            return None
