"""What a page says of a task that awaits an approval, and who is asked for it."""

from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from tasks.access.actor import Actor
from tasks.approvals import rights
from tasks.approvals.representation import newest_approval
from tasks.catalog.definitions import type_of
from tasks.catalog.task_type import fill
from tasks.models import Approval, Task
from tasks.representation import shown_params


@dataclass(frozen=True)
class ApprovalCard:
    """An approval that is awaited; ``refusal``: why this reader does not decide, ""
    where they may."""

    approval: Approval
    message: str
    refusal: str

    @property
    def groups(self) -> str:
        return ", ".join(self.approval.by)


def card_of(task: Task, actor: Actor) -> ApprovalCard | None:
    """Return what of a task awaits an approval; None where nothing does."""
    approval = newest_approval(task)
    if approval is None or task.status != Task.Status.BLOCKED:
        return None
    try:
        rights.check(actor, approval)
    except PermissionDenied as refused:
        return ApprovalCard(approval, said_message(task, approval), str(refused))
    return ApprovalCard(approval, said_message(task, approval), "")


def said_message(task: Task, approval: Approval) -> str:
    """Return what is asked, in the reader's language where the type has it in several;
    else as it was asked."""
    kind = type_of(task)
    step = kind.steps[approval.step_index - 1] if kind else None
    if kind is None or step is None or step.approval is None:
        return approval.message
    values = kind.placeholders(task.pk, shown_params(task))
    # Masks that steps added are in what was asked alone.
    if fill(step.approval.message, values) != approval.message:
        return approval.message
    return fill(kind.local(step.approval.message), values)


def said_awaited(task: Task) -> str:
    """Return whose approval a task awaits; "" where it awaits none."""
    approval = newest_approval(task)
    if approval is None or task.status != Task.Status.BLOCKED:
        return ""
    text = _("Awaiting approval by {groups}")
    return text.format(groups=", ".join(approval.by))


def waits_since(task: Task) -> datetime:
    """Return since when a task that does not run has waited: for somebody's approval,
    or for a runner."""
    approval = newest_approval(task)
    if approval is None:
        return task.created_at
    return approval.decided_at or approval.asked_at


def worked_seconds(task: Task, now: datetime) -> float:
    """Return for how long a task has run, without the time in which it awaited
    approvals; 0 where it has not begun."""
    if task.started_at is None:
        return 0.0
    end = task.completed_at or now
    if task.status == Task.Status.BLOCKED:
        end = waits_since(task)
    return (end - task.started_at).total_seconds() - task.approval_ms / 1000
