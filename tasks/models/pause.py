"""What of the queue is paused: a row for all of it, and one for each type."""

from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from tasks.models.freeze import LONGEST_REASON

ALL_TYPES = ""


class QueuePause(models.Model):
    """That no runner claims tasks of a type (ALL_TYPES: any task) while this row is
    there. Those that run go on."""

    type = models.CharField(_("type"), max_length=100, unique=True, blank=True)
    reason = models.CharField(
        _("reason"), max_length=LONGEST_REASON, blank=True, default=""
    )
    paused_at = models.DateTimeField(db_default=Now())
    paused_by = models.CharField(max_length=200)

    class Meta:
        verbose_name = _("pause of the queue")
        verbose_name_plural = _("pauses of the queue")
        ordering = ["type"]

    def __str__(self) -> str:
        return self.type or "*"


def same(*names: str) -> dict[str, models.OuterRef]:
    """Return the condition that columns are as in the row around."""
    return {name: models.OuterRef(name) for name in names}


def claimable(
    types: Sequence[str],
    full: Sequence[str],
    newest: Sequence[str],
    later: models.QuerySet[Any],
) -> list[Any]:
    """Return the conditions under which a waiting task may start, as far as its type
    decides that; ``later``: the tasks that came after it, as its type has it."""
    paused = QueuePause.objects.filter(type__in=[ALL_TYPES, models.OuterRef("type")])
    conditions: list[Any] = [~models.Exists(paused.order_by())]
    if types:
        conditions.append(models.Q(type__in=types))
    if full:
        conditions.append(~models.Q(type__in=full))
    if newest:
        has_later = models.Exists(later.order_by())
        waits = models.Q(type__in=newest) & models.Q(has_later)
        # One that has begun goes on before those that come later begin.
        conditions.append(~(waits & models.Q(keeps_lock=False)))
    return conditions
