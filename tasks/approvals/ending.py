"""How a task ends that has begun and does not run: it awaits an approval, or has it and
is in the queue again."""

import logging
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from tasks.access.actor import Actor, record
from tasks.approvals.asking import audit, so_far_of
from tasks.logs import store as log_store
from tasks.logs.append import append
from tasks.logs.store import Line
from tasks.models import (
    Approval,
    AuditEvent,
    Event,
    StatusConflict,
    Task,
    WebhookEvent,
)
from tasks.notifications import announce
from tasks.reasons import Reason

LINE_ENDS = str.maketrans("\r\n", "  ")  # a message is one line
logger = logging.getLogger(__name__)
SERVICE = Actor("service")  # who ends what nobody decided in time


class Lull:
    """A task that has begun and does not run, as it was read; and how it ends."""

    def __init__(self, task: Task, reason: Reason, now: datetime) -> None:
        self.task, self.now = task, now
        self._reason = reason
        at_ms = int(now.timestamp() * 1000)
        text = str(reason).translate(LINE_ENDS)
        self._line = Line(task.last_seq + 1, at_ms, "error", text)
        # Before the transaction, because on SQLite that holds up every other writer.
        # If anything is written meanwhile, nothing is moved.
        digest = log_store.digest(task.pk)
        digest.update(f"{text}\n".encode())
        self._log_sha256 = digest.hexdigest()

    def end(self, status: str, approval: Approval | None = None, **fields: Any) -> None:
        """End it within the transaction that is open; ``approval``: which it waits for.
        Raises StatusConflict where it is not any more as it was read."""
        task = self.task
        if approval is not None:
            fields["approval_ms"] = task.approval_ms + waited_ms(approval, self.now)
        as_it_was = Task.objects.filter(
            last_seq=task.last_seq, approvals_asked=task.approvals_asked
        )
        as_it_was.move(
            task.pk,
            task.status,
            status,
            last_seq=self._line.seq,
            log_sha256=self._log_sha256,
            completed_at=self.now,
            error=str(self._reason),
            error_reason=self._reason.as_json(),
            result=so_far_of(task),
            **fields,
        )
        append([(task.pk, [self._line])])
        WebhookEvent.objects.emit(Event(f"task.{status}"), [task.pk])
        announce([task.pk], queue=True)


def waited_ms(approval: Approval, now: datetime) -> int:
    """Return for how many milliseconds it was awaited."""
    return max(0, round((now - approval.asked_at).total_seconds() * 1000))


def is_in_lull(task: Task) -> bool:
    """Return whether a task has begun and waits: for people, or, approved, for a
    runner."""
    is_pending = task.status == Task.Status.PENDING and task.started_at is not None
    return task.status == Task.Status.BLOCKED or is_pending


def cancel(task: Task, actor: Actor) -> None:
    """Cancel such a task. Raises StatusConflict where it is none any more."""
    now = timezone.now()
    lull = Lull(task, Reason("cancelled", by=actor.name), now)
    with transaction.atomic():
        # The approval first, as everywhere, or two of these would wait for each other.
        undecided = Approval.objects.undecided().filter(task=task)
        approval = undecided.first()
        undecided.update(
            decision=Approval.Decision.CANCELLED, decided_at=now, decided_by=actor.name
        )
        lull.end(
            Task.Status.CANCELLED,
            approval,
            cancel_requested_at=now,
            cancel_requested_by=actor.name,
        )
        details = {"type": task.type, "params": dict(task.params)}
        record(actor, AuditEvent.Action.CANCEL, task.pk, **details)


def end_overdue() -> int:
    """End the tasks of which nobody decided in time; returns how many. Any number of
    processes may do so at once."""
    overdue = Approval.objects.overdue().select_related("task").order_by("expires_at")
    return sum(time_out(approval) for approval in overdue)


def time_out(approval: Approval) -> bool:
    """End a task of which nobody decided in time; False where it was decided after
    all, or somebody else was first."""
    task = Task.objects.defer(None).get(pk=approval.task_id)
    now = timezone.now()
    groups = ", ".join(approval.by)
    reason = Reason("approval-timed-out", step=approval.step_name, groups=groups)
    if task.status != Task.Status.BLOCKED:
        return False
    lull = Lull(task, reason, now)
    try:
        with transaction.atomic():
            mine = Approval.objects.undecided().filter(pk=approval.pk)
            timed_out = Approval.Decision.TIMED_OUT
            if not mine.update(decision=timed_out, decided_at=now):
                return False
            lull.end(Task.Status.FAILED, approval)
            audit(SERVICE, AuditEvent.Action.APPROVAL_TIMED_OUT, approval)
    except StatusConflict:
        return False
    logger.warning("task=%s %s", task.pk, reason)
    return True
