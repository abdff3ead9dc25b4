"""Freezes that people made: from when until when nothing of some types may be
started."""

import uuid
from datetime import datetime
from typing import Self

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

LONGEST_REASON = 500  # characters


class FreezeQuerySet(models.QuerySet["Freeze"]):
    def active(self, now: datetime) -> Self:
        return self.filter(begins_at__lte=now, ends_at__gt=now)

    def coming(self, now: datetime) -> Self:
        return self.filter(begins_at__gt=now).order_by("begins_at", "id")

    def past(self, now: datetime) -> Self:
        """Those that are over, the last one first."""
        return self.filter(ends_at__lte=now).order_by("-ends_at", "id")


class Freeze(models.Model):
    """A time in which nothing of some types may be started.

    ``types`` are names of types, or patterns of them such as ``sync-*``.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    types = models.JSONField(_("types"))
    begins_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"), db_index=True)
    reason = models.CharField(_("reason"), max_length=LONGEST_REASON)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.CharField(max_length=200)

    objects = FreezeQuerySet.as_manager()

    class Meta:
        verbose_name = _("freeze")
        verbose_name_plural = _("freezes")
        ordering = ["begins_at", "id"]
        constraints = [
            models.CheckConstraint(
                name="freeze_ends_after_it_begins",
                condition=models.Q(ends_at__gt=models.F("begins_at")),
            )
        ]

    def __str__(self) -> str:
        return f"{', '.join(self.types)}: {self.reason}"
