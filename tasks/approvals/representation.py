"""What a task says of its newest approval, as API.md shows it."""

from typing import Any, TypedDict

from tasks.approvals.asking import so_far_of
from tasks.models import Approval, Task
from tasks.timestamps import iso


class ApprovalStepJson(TypedDict):
    index: int
    name: str


class ApprovalJson(TypedDict):
    step: ApprovalStepJson
    message: str
    by: list[str]
    notSelf: bool
    askedAt: str | None
    askedBy: str
    expiresAt: str | None
    approvedSha256: str
    decision: str | None
    decidedAt: str | None
    decidedBy: str | None
    comment: str | None
    result: dict[str, Any] | None


def newest_approval(task: Task) -> Approval | None:
    """Return what a task asks people for, or asked for last; None where it never did,
    and then without a query."""
    if not task.approvals_asked:
        return None
    found = sorted(task.approvals.all(), key=lambda one: (one.asked_at, one.step_index))
    return found[-1] if found else None


def describe_approval(task: Task, *, whole: bool = False) -> ApprovalJson | None:
    """Return that as programs see it. ``whole``: with what the steps have come to so
    far, while somebody is awaited."""
    approval = newest_approval(task)
    if approval is None:
        return None
    is_open = task.status == Task.Status.BLOCKED and not approval.decision
    return {
        "step": {"index": approval.step_index, "name": approval.step_name},
        "message": approval.message,
        "by": approval.by,
        "notSelf": approval.not_self,
        "askedAt": iso(approval.asked_at),
        "askedBy": task.created_by,
        "expiresAt": iso(approval.expires_at),
        "approvedSha256": approval.sha256,
        "decision": approval.decision or None,
        "decidedAt": iso(approval.decided_at),
        "decidedBy": approval.decided_by or None,
        "comment": approval.comment or None,
        "result": so_far_of(task) if whole and is_open else None,
    }
