"""Who runs tasks, and whether they still live."""

import uuid
from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

HEARTBEAT_SECONDS = 3.0
LEASE_SECONDS = 15.0  # a runner silent for longer than this has lost its tasks


class RunnerQuerySet(models.QuerySet["Runner"]):
    def alive(self) -> Self:
        """Runners with a sign of life within the lease, by the database's clock."""
        return self.filter(
            stopped_at=None,
            heartbeat_at__gt=Now() - timedelta(seconds=LEASE_SECONDS),
        )

    def lost(self) -> Self:
        """Runners that neither said goodbye nor gave a sign of life in time."""
        return self.filter(
            stopped_at=None,
            heartbeat_at__lte=Now() - timedelta(seconds=LEASE_SECONDS),
        )


class Runner(models.Model):
    """One process that runs tasks, from its start to its end.

    A restarted process is a new row, so the row's id is also the fencing token: a
    runner that lost its lease and comes back owns nothing any more.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=200)
    host = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField(_("process id"))
    # Tells a process from a later one that got the same pid.
    process_started = models.FloatField(_("process started"), default=0)
    concurrency = models.PositiveSmallIntegerField(_("at a time"), default=1)
    types = models.JSONField(_("types"), default=list, help_text=_("empty: every type"))
    started_at = models.DateTimeField(_("started"), db_default=Now())
    heartbeat_at = models.DateTimeField(_("last heartbeat"), db_default=Now())
    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True)

    objects = RunnerQuerySet.as_manager()

    class Meta:
        verbose_name = _("runner")
        verbose_name_plural = _("runners")
        ordering = ["-started_at"]
        indexes = [
            # alive() and lost(): asked by every health check and heartbeat
            models.Index(
                "heartbeat_at",
                name="runner_not_stopped",
                condition=models.Q(stopped_at=None),
            ),
        ]

    def __str__(self) -> str:
        return self.name
