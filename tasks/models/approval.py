"""What steps asked people for, and what these said."""

import uuid
from typing import Self

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tasks.models.task import Task

LONGEST_COMMENT = 1_000  # characters


class ApprovalQuerySet(models.QuerySet["Approval"]):
    def undecided(self) -> Self:
        return self.filter(decision="")

    def overdue(self) -> Self:
        """Return those that nobody decided in time."""
        return self.undecided().filter(expires_at__lte=timezone.now())


class Approval(models.Model):
    """That a step of a task waits, or waited, for somebody's agreement."""

    class Decision(models.TextChoices):
        APPROVED = "approved", _("approved")
        REJECTED = "rejected", _("rejected")
        TIMED_OUT = "timed-out", _("timed out")
        CANCELLED = "cancelled", _("cancelled")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # No constraint in the database: a release before deletes tasks without these.
    task = models.ForeignKey(
        Task,
        on_delete=models.CASCADE,
        db_constraint=False,
        related_name="approvals",
    )
    step_index = models.PositiveSmallIntegerField()  # 1 is the first
    step_name = models.CharField(max_length=200)
    message = models.TextField(blank=True, default="")
    by = models.JSONField()  # the names of the groups whose people decide
    not_self = models.BooleanField()
    asked_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    # Of what was there to see: tasks.approvals.digest.
    sha256 = models.CharField(max_length=64)

    decision = models.CharField(
        max_length=max(len(value) for value in Decision.values),
        choices=Decision.choices,
        blank=True,
        default="",
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=200, blank=True, default="")
    comment = models.CharField(max_length=LONGEST_COMMENT, blank=True, default="")

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        ordering = ["asked_at", "id"]
        constraints = [
            models.CheckConstraint(
                name="approval_decided_has_time",
                condition=models.Q(decision="", decided_at=None)
                | (~models.Q(decision="") & models.Q(decided_at__isnull=False)),
            ),
            # A task waits for one at a time.
            models.UniqueConstraint(
                fields=["task"],
                name="approval_one_undecided",
                condition=models.Q(decision=""),
            ),
        ]
        indexes = [
            models.Index(
                "expires_at",
                name="approval_overdue",
                condition=models.Q(decision="", expires_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.step_name} ({self.decision or 'undecided'})"
