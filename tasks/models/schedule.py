"""Schedules, and each moment at which one was due: what is started by itself, and what
came of it."""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import prefetch_related_objects
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from tasks.models.task import Task

OF_SCHEDULE = "schedule:"  # before its name, as who started its tasks
NEWEST_RUNS = 5  # that a list shows
FAILURES_TOLD = 3  # runs that failed in a row, before the schedule says so


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    def standing(self) -> Self:
        """Return those that are not retired."""
        return self.filter(retired_at=None)

    def active(self) -> Self:
        """Return those that start something some day."""
        active = self.filter(paused_at=None, retired_at=None)
        return active.exclude(next_run_at=None)

    def due(self, now: datetime) -> Self:
        """Return those whose next run is not later than now, the oldest first."""
        return self.active().filter(next_run_at__lte=now).order_by("next_run_at", "pk")

    def after(self, last: "Schedule") -> Self:
        """Return those behind one in the order of names."""
        same = models.Q(name=last.name, pk__gt=last.pk)
        return self.filter(models.Q(name__gt=last.name) | same)

    def for_update(self) -> Self:
        """Lock the rows, passing over those that another runner is at."""
        return self.select_for_update(skip_locked=True)

    def with_last_run(self) -> Self:
        """Add ``last_run_id``, of the newest run."""
        runs = ScheduleRun.objects.filter(schedule=models.OuterRef("pk"))
        newest = runs.order_by("-due_at").values("pk")[:1]
        return self.annotate(last_run_id=models.Subquery(newest))

    def with_newest_runs(self) -> Self:
        """Add the keys of the newest runs, for ``newest_runs()``: each is one look into
        an index, while a window over all runs of a schedule would read half a million
        of one that runs each minute."""
        runs = ScheduleRun.objects.filter(schedule=models.OuterRef("pk"))
        keys = runs.order_by("-due_at").values("pk")
        newest = {
            f"run_{n}": models.Subquery(keys[n : n + 1]) for n in range(NEWEST_RUNS)
        }
        return self.annotate(**newest)


class Schedule(models.Model):
    """A task type, its parameters, and when it starts by itself."""

    class Origin(models.TextChoices):
        FILE = "file", _("task types file")
        PERSON = "person", _("a person")

    class Overlap(models.TextChoices):
        SKIP = "skip", _("skip the run")
        QUEUE = "queue", _("queue one run")

    class CatchUp(models.TextChoices):
        NONE = "none", _("leave it out")
        LATEST = "latest", _("run once, late")

    class State(models.TextChoices):
        ACTIVE = "active", _("active")
        PAUSED = "paused", _("paused")
        RETIRED = "retired", _("retired")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=100)
    origin = models.CharField(
        _("made by"), max_length=6, choices=Origin.choices, default=Origin.PERSON
    )
    type = models.CharField(_("type"), max_length=100)
    cron = models.CharField(_("cron"), max_length=200)
    timezone = models.CharField(_("time zone"), max_length=64, default="UTC")
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    overlap = models.CharField(
        _("while the last run is not over"),
        max_length=5,
        choices=Overlap.choices,
        default=Overlap.SKIP,
    )
    catch_up = models.CharField(
        _("what was missed"),
        max_length=6,
        choices=CatchUp.choices,
        default=CatchUp.NONE,
    )
    # It only moves forward: a clock that is set back brings nothing a second time.
    next_run_at = models.DateTimeField(_("next run"), null=True, blank=True)
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True)
    paused_by = models.CharField(max_length=200, blank=True, default="")
    # Since when the file has it no more; its runs stay.
    retired_at = models.DateTimeField(_("retired"), null=True, blank=True)
    failures = models.PositiveIntegerField(_("failed in a row"), default=0)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    created_by = models.CharField(max_length=200, blank=True, default="")

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["name", "origin"], name="schedule_one_of_a_name"
            )
        ]
        indexes = [
            # the look of each runner, each second
            models.Index(
                "next_run_at",
                name="schedule_by_next_run",
                condition=models.Q(paused_at=None, retired_at=None),
            )
        ]

    def __str__(self) -> str:
        return self.name

    def newest_runs(self) -> list[int]:
        """Return the keys of its newest runs, the newest first, of one
        ``with_newest_runs()``."""
        keys = (getattr(self, f"run_{n}") for n in range(NEWEST_RUNS))
        return [key for key in keys if key is not None]

    @property
    def state(self) -> State:
        if self.retired_at:
            return self.State.RETIRED
        return self.State.PAUSED if self.paused_at else self.State.ACTIVE

    @property
    def keeps_failing(self) -> bool:
        return self.failures >= FAILURES_TOLD

    @property
    def actor_name(self) -> str:
        """Return who started its tasks, as they and the audit trail have it."""
        return f"{OF_SCHEDULE}{self.name}"


class ScheduleRunQuerySet(models.QuerySet["ScheduleRun"]):
    def unsettled(self) -> Self:
        """Return those of whose task the end is not written down here yet."""
        return self.filter(outcome=ScheduleRun.Outcome.STARTED, status="")


class ScheduleRun(models.Model):
    """One moment at which a schedule was due: what was done, or why it was not."""

    class Outcome(models.TextChoices):
        STARTED = "started", _("started")
        SKIPPED = "skipped", _("skipped")
        MISSED = "missed", _("missed")
        REFUSED = "refused", _("could not start")

    class Cause(models.TextChoices):
        DUE = "due", _("due")
        CAUGHT_UP = "caught-up", _("caught up")
        BY_HAND = "by-hand", _("started by hand")

    schedule = models.ForeignKey(
        Schedule, on_delete=models.CASCADE, related_name="runs", db_index=False
    )
    due_at = models.DateTimeField(_("due"))
    at = models.DateTimeField(_("time"), db_default=Now())
    outcome = models.CharField(_("outcome"), max_length=7, choices=Outcome.choices)
    cause = models.CharField(max_length=9, choices=Cause.choices, default=Cause.DUE)
    reason = models.JSONField(null=True, blank=True)  # tasks.reasons
    # None also of a task that was deleted since.
    task = models.OneToOneField(
        Task,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="schedule_run",
    )
    # How the task ended, kept for when it is deleted; "" until then.
    status = models.CharField(_("status"), max_length=9, blank=True, default="")

    objects = ScheduleRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("scheduled run")
        verbose_name_plural = _("scheduled runs")
        ordering = ["-due_at"]
        constraints = [
            # Two runners, or one that is started again: the second loses.
            models.UniqueConstraint(
                fields=["schedule", "due_at"], name="schedule_run_once_a_moment"
            )
        ]
        indexes = [
            models.Index(
                "schedule",
                "due_at",
                name="schedule_run_unsettled",
                condition=models.Q(outcome="started", status=""),
            ),
            models.Index("due_at", name="schedule_run_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.schedule} {self.due_at:%Y-%m-%d %H:%M}"


def load_schedules(tasks: Iterable[Task]) -> None:
    """Ask once which schedules started some of these tasks, for ``schedule_id_of()``;
    where none did, nothing is asked."""
    prefetch_related_objects([one for one in tasks if _is_of(one)], "schedule_run")


def schedule_id_of(task: Task) -> uuid.UUID | None:
    """Return the key of the schedule that started a task; None where none did, or the
    run is forgotten."""
    run = getattr(task, "schedule_run", None) if _is_of(task) else None
    return run.schedule_id if run else None


def _is_of(task: Task) -> bool:
    return task.created_by.startswith(OF_SCHEDULE)
