"""A schedule and its runs as the page shows them, in the reader's time zone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cached_property
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from tasks.access.actor import Actor
from tasks.catalog.cron import UnknownZone, zone_named
from tasks.catalog.loader import catalog
from tasks.localized import localized
from tasks.models import Schedule, ScheduleRun, Task
from tasks.presenters.days import day_text
from tasks.presenters.links import schedule_anchor
from tasks.presenters.names import person, title_of_type
from tasks.presenters.params import titled
from tasks.presenters.schedules.words import said_cron
from tasks.presenters.wording import SHAPES, ago_text
from tasks.reasons import Reason
from tasks.schedules.acts import may_pause
from tasks.schedules.representation import next_runs_of, status_of
from tasks.schedules.validity import problem_of

Outcome = ScheduleRun.Outcome
# What did not start, with the shape and the colour of the status that means as much.
LEFT_OUT = {
    Outcome.SKIPPED: ("⊘", Task.Status.CANCELLED),
    Outcome.MISSED: ("⊘", Task.Status.CANCELLED),
    Outcome.REFUSED: ("✕", Task.Status.FAILED),
}
STARTED = "●"  # of whose task nothing is known any more


@dataclass(frozen=True)
class Moment:
    """When a schedule is due, here and where it is at home."""

    at: datetime
    now: datetime
    home: tzinfo | None

    @property
    def text(self) -> str:
        """Return day and time in the reader's zone, which is the current one."""
        return _said(timezone.localtime(self.at), timezone.localtime(self.now))

    @property
    def there(self) -> str:
        """Return the same in the schedule's zone, its day only where that is another;
        "" where clocks show the same."""
        if self.home is None:
            return ""
        here, there = timezone.localtime(self.at), self.at.astimezone(self.home)
        if there.utcoffset() == here.utcoffset():
            return ""
        if there.date() == here.date():
            return f"{there:%H:%M}"
        return _said(there, self.now.astimezone(self.home))


def _said(moment: datetime, now: datetime) -> str:
    return f"{day_text(moment.date(), now.date())} {moment:%H:%M}"


@dataclass(frozen=True)
class ShownRun:
    """One moment at which it was due, and what came of it."""

    run: ScheduleRun
    now: datetime

    @property
    def status(self) -> str:
        """Return the status that colours it."""
        if self.run.outcome in LEFT_OUT:
            return LEFT_OUT[Outcome(self.run.outcome)][1]
        return status_of(self.run) or Task.Status.PENDING

    @property
    def shape(self) -> str:
        if self.run.outcome in LEFT_OUT:
            return LEFT_OUT[Outcome(self.run.outcome)][0]
        found = status_of(self.run)
        return SHAPES[Task.Status(found)] if found else STARTED

    @property
    def label(self) -> str:
        found = status_of(self.run)
        if self.run.outcome == Outcome.STARTED and found:
            return str(Task.Status(found).label)
        return self.run.get_outcome_display()

    @property
    def cause(self) -> str:
        """Return how it came to start; "" where it was due."""
        is_due = self.run.cause == ScheduleRun.Cause.DUE
        return "" if is_due else self.run.get_cause_display()

    @property
    def reason(self) -> str:
        if not (stored := self.run.reason):
            return ""
        params = stored["params"]
        if moment := parse_datetime(str(params.get("until", ""))):
            params = {**params, "until": self._said(moment)}
        try:
            return localized(Reason.of({**stored, "params": params}))
        except KeyError:  # of a later version
            return str(stored["code"])

    @property
    def ago(self) -> str:
        return ago_text(self.run.due_at, self.now)

    @property
    def text(self) -> str:
        return self._said(self.run.due_at)

    def _said(self, moment: datetime) -> str:
        return _said(timezone.localtime(moment), timezone.localtime(self.now))


@dataclass(frozen=True)
class ShownSchedule:
    """A schedule with its newest runs, for who may do this and that with it."""

    schedule: Schedule
    runs: Sequence[ShownRun]
    actor: Actor
    now: datetime

    @property
    def anchor(self) -> str:
        return schedule_anchor(self.schedule.pk)

    @property
    def title(self) -> str:
        return title_of_type(self.schedule.type)

    @property
    def params(self) -> dict[str, str]:
        """Return what its tasks start with, the version apart, by the form's titles."""
        return titled(self.schedule.params, catalog().get(self.schedule.type))

    @property
    def when(self) -> str:
        return said_cron(self.schedule.cron)

    @cached_property
    def home(self) -> tzinfo | None:
        """Return its time zone; None where this system does not know it."""
        try:
            return zone_named(self.schedule.timezone)
        except UnknownZone:
            return None

    @cached_property
    def next_runs(self) -> list[Moment]:
        return [Moment(at, self.now, self.home) for at in next_runs_of(self.schedule)]

    @property
    def paused_by(self) -> str:
        return person(self.schedule.paused_by)

    @property
    def made_by(self) -> str:
        """Return who made it; "" of one of the file."""
        is_file = self.schedule.origin == Schedule.Origin.FILE
        return "" if is_file else person(self.schedule.created_by)

    @property
    def problem(self) -> str:
        """Return why it could not start its task now; "" where it could."""
        found = problem_of(self.schedule)
        return localized(found) if found else ""

    @property
    def failing(self) -> str:
        """Return that it fails again and again; "" where it does not."""
        if not self.schedule.keeps_failing:
            return ""
        return _("Failed {n} times in a row").format(n=self.schedule.failures)

    @property
    def may_pause(self) -> bool:
        return may_pause(self.actor, self.schedule)

    @property
    def may_run(self) -> bool:
        kind = catalog().get(self.schedule.type)
        return kind is not None and self.actor.may_start(kind)

    @property
    def may_change(self) -> bool:
        is_made = self.schedule.origin == Schedule.Origin.PERSON
        return is_made and self.actor.rights.is_admin


def shown_schedules(
    schedules: Sequence[Any], runs: Mapping[Any, ScheduleRun], actor: Actor
) -> list[ShownSchedule]:
    """Return schedules ``with_newest_runs()``; ``runs``: these, by their keys."""
    now = timezone.now()
    return [
        ShownSchedule(
            schedule,
            [ShownRun(runs[pk], now) for pk in schedule.newest_runs() if pk in runs],
            actor,
            now,
        )
        for schedule in schedules
    ]
