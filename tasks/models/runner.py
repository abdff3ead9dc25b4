"""Who runs tasks, and whether they still live."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Case, Value, When
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

HEARTBEAT_SECONDS = 3.0
CRASH_MINUTES = 10  # how long a crash is told of
KEEP_DAYS = 7  # of runners that stopped
RUNNERS_AT_ONCE = 100
# A runner silent for longer than this is not counted on any more. What it runs is taken
# from it only where that is safe: see tasks.reaper.
LEASE_SECONDS = 12.0
# How long a runner without a way to the database keeps its tasks, by default.
PATIENCE_SECONDS = 300.0


class RunnerQuerySet(models.QuerySet["Runner"]):
    def not_stopped(self) -> Self:
        return self.filter(stopped_at=None)

    def alive(self) -> Self:
        """Runners that others hear of. No clock is asked: whoever watches them notes
        who is silent (tasks.reaper.Reaper)."""
        return self.not_stopped().filter(is_silent=False)

    def with_state(self) -> Self:
        """Each with its ``state`` (Runner.State)."""
        state = Runner.State
        return self.annotate(
            state=Case(
                When(stopped_at=None, is_silent=False, then=Value(state.ALIVE)),
                When(stopped_at=None, then=Value(state.LOST)),
                When(crashed=True, then=Value(state.CRASHED)),
                default=Value(state.STOPPED),
                output_field=models.CharField(),
            )
        )

    def crashed_lately(self) -> Self:
        """Runners that ended without a goodbye, or by an error, a short while ago."""
        since = Now() - timedelta(minutes=CRASH_MINUTES)
        return self.filter(crashed=True, stopped_at__gt=since)

    def forget(self) -> int:
        """Delete some runners that stopped long ago and that no task names; returns
        how many, 0 when there are no more."""
        since = Now() - timedelta(days=KEEP_DAYS)
        old = self.filter(stopped_at__lt=since, tasks=None)
        found = list(old.order_by().values_list("pk", flat=True)[:RUNNERS_AT_ONCE])
        return self.filter(pk__in=found).delete()[0]


class Runner(models.Model):
    """One process that runs tasks, from its start to its end.

    A restarted process is a new row, so the row's id is also the fencing token: a
    runner that lost its lease and comes back owns nothing any more.
    """

    class State(models.TextChoices):
        ALIVE = "alive", _("active")
        LOST = "lost", _("lost: no heartbeat")
        CRASHED = "crashed", _("lost: crashed")
        STOPPED = "stopped", pgettext_lazy("state", "stopped")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=200)
    host = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField(_("process id"))
    # Where that number means this process: on a machine, or in a container.
    process_space = models.CharField(_("process space"), max_length=255, default="")
    # Tells a process from a later one that got the same pid.
    process_started = models.FloatField(_("process started"), default=0)
    # Device and inode of its lock file (tasks.liveness.lock_file); "": none.
    lock_file = models.CharField(max_length=50, blank=True, db_default="")
    concurrency = models.PositiveSmallIntegerField(_("at a time"), default=1)
    types = models.JSONField(_("types"), default=list, help_text=_("empty: every type"))
    # By which types choose it; None before that was written down.
    labels = models.JSONField(_("labels"), null=True, blank=True, editable=False)
    # The types that it takes of its own file; None before that was written down.
    known_types = models.JSONField(null=True, blank=True, editable=False)
    # Of the product, as the runner was started; "" before that was written down.
    version = models.CharField(_("version"), max_length=50, blank=True, db_default="")
    started_at = models.DateTimeField(_("started"), db_default=Now())
    heartbeat_at = models.DateTimeField(_("last heartbeat"), db_default=Now())
    # Counted, because a time may stay the same or come twice when a clock is set.
    beats = models.PositiveBigIntegerField(default=0, db_default=0)
    # No heartbeat for a lease, as seen by somebody who looked all that time.
    is_silent = models.BooleanField(default=False, db_default=False)
    # How long it may run its tasks without a heartbeat, at most; 0: for a lease.
    patience_seconds = models.FloatField(default=0, db_default=0)
    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True)
    # It ended without a goodbye, or by an error.
    crashed = models.BooleanField(_("crashed"), default=False)

    objects = RunnerQuerySet.as_manager()

    class Meta:
        verbose_name = _("runner")
        verbose_name_plural = _("runners")
        ordering = ["-started_at"]
        indexes = [
            # not_stopped() and alive(): asked by every health check and heartbeat
            models.Index(
                "is_silent",
                name="runner_is_silent",
                condition=models.Q(stopped_at=None),
            ),
            # crashed_lately(): asked by every health check
            models.Index(
                "stopped_at",
                name="runner_crashed",
                condition=models.Q(crashed=True),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def takes(self) -> Sequence[str] | None:
        """The types of which it runs tasks; None where it takes any."""
        return self.types or None if self.known_types is None else self.known_types

    @property
    def heartbeat(self) -> tuple[int, datetime]:
        """A value that is another one after each heartbeat."""
        return self.beats, self.heartbeat_at
