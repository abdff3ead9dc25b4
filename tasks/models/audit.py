"""The record of who did what from where: written once, kept for good."""

from typing import Any, NoReturn

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class AuditIsFinal(Exception):
    """What is written in the audit trail is neither changed nor deleted."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def refuse(*_args: object, **_options: object) -> NoReturn:
    raise AuditIsFinal


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    # The database refuses these as well (migration 0007); here it is said in words,
    # before anything is sent.
    update = bulk_update = delete = refuse
    update.alters_data = delete.alters_data = True  # type: ignore[attr-defined]


class AuditEvent(models.Model):
    """Who did what from where. No retention: who needs the room archives the table."""

    class Action(models.TextChoices):
        """What is done. Starting a task of a type that asks before it starts
        (rollback, prune) is called by the type's name."""

        CREATE = "create", _("task started")
        RERUN = "rerun", _("task rerun")
        CANCEL = "cancel", _("task cancelled")
        APPROVAL_ASKED = "approval.ask", _("approval asked for")
        APPROVED = "approve", _("task approved")
        REJECTED = "reject", _("task rejected")
        APPROVAL_TIMED_OUT = "approval.time-out", _("approval timed out")
        PIN = "pin", _("task pinned")
        UNPIN = "unpin", _("task unpinned")
        CANCEL_SEVERAL = "tasks.cancel", _("several tasks cancelled")
        RERUN_SEVERAL = "tasks.rerun", _("several tasks rerun")
        FORGET = "tasks.prune", _("old tasks deleted")
        FREEZE_MADE = "freeze.create", _("freeze created")
        FREEZE_ENDED = "freeze.delete", _("freeze ended")
        QUEUE_PAUSED = "queue.pause", _("queue paused")
        QUEUE_RESUMED = "queue.resume", _("queue resumed")
        RESTORED = "database.restore", _("database restored")
        MOVED = "database.move", _("database moved")
        KEY_MADE = "key.create", _("key created")
        KEY_REVOKED = "key.revoke", _("key revoked")
        SCHEDULE_MADE = "schedule.create", _("schedule created")
        SCHEDULE_CHANGED = "schedule.change", _("schedule changed")
        SCHEDULE_DELETED = "schedule.delete", _("schedule deleted")
        SCHEDULE_RETIRED = "schedule.retire", _("schedule retired")
        SCHEDULE_PAUSED = "schedule.pause", _("schedule paused")
        SCHEDULE_RESUMED = "schedule.resume", _("schedule resumed")
        SCHEDULE_RUN = "schedule.run-now", _("schedule run by hand")
        LINK_MADE = "link.create", _("hand-over link created")
        LINK_WITHDRAWN = "link.withdraw", _("hand-over link withdrawn")
        WEBHOOK_MADE = "webhook.create", _("webhook created")
        WEBHOOK_DELETED = "webhook.delete", _("webhook deleted")
        WEBHOOK_DISABLED = "webhook.disable", _("webhook disabled")
        WEBHOOK_ENABLED = "webhook.enable", _("webhook enabled")
        WEBHOOK_TESTED = "webhook.test", _("test message sent")
        WEBHOOK_RESENT = "webhook.resend", _("message sent again")
        SIGN_IN = "sign-in", _("sign-in")
        SIGN_IN_FAILED = "sign-in.failed", _("sign-in failed")
        SIGN_OUT = "sign-out", _("sign-out")
        FACTOR_SET_UP = "factor.set-up", _("second factor set up")
        FACTOR_REMOVED = "factor.remove", _("second factor removed")
        FACTOR_RESET = "factor.reset", _("second factor reset")
        RECOVERY_CODES_RENEWED = "factor.recovery-codes", _("recovery codes renewed")
        RECOVERY_CODE_USED = "factor.recovery-code", _("recovery code used")
        USER_MADE = "user.add", _("account created")
        USER_CHANGED = "user.change", _("account changed")
        USER_DELETED = "user.delete", _("account deleted")
        GROUP_MADE = "group.add", _("group created")
        GROUP_CHANGED = "group.change", _("group changed")
        GROUP_DELETED = "group.delete", _("group deleted")

    at = models.DateTimeField(_("time"), db_default=Now())
    actor = models.CharField(_("who"), max_length=200)
    address = models.GenericIPAddressField(_("from"), null=True, blank=True)
    action = models.CharField(_("did"), max_length=100)
    # A name, not a relation: the record outlives what it speaks of.
    target = models.CharField(_("what"), max_length=200)
    details = models.JSONField(_("details"), default=dict)

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        # Nothing is ever put in between, so keys are in the order of time.
        ordering = ["-id"]
        indexes = [
            # the list, newest first: of a day, or of one …
            models.Index("at", name="audit_by_time"),
            models.Index("actor", "id", name="audit_by_actor"),
            models.Index("action", "id", name="audit_by_action"),
            models.Index("target", "id", name="audit_by_target"),
        ]

    def __str__(self) -> str:
        return f"{self.label} · {self.target[:40]}"

    def save(self, *args: Any, **options: Any) -> None:
        if not self._state.adding:
            raise AuditIsFinal
        super().save(*args, **options)

    def delete(self, *_args: Any, **_options: Any) -> NoReturn:
        raise AuditIsFinal

    @property
    def kind(self) -> str:
        """What was done, as an Action: a start, or a rerun, also of a type that asks
        before it starts. Unknown where it is none of ours."""
        if self.action in self.Action.values or "type" not in self.details:
            return self.action
        return self.Action.RERUN if "rerunOf" in self.details else self.Action.CREATE

    @property
    def label(self) -> str:
        """The same in the reader's words."""
        known = self.kind in self.Action.values
        return str(self.Action(self.kind).label) if known else self.action
