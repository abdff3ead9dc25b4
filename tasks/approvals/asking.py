"""How a task comes to wait for an approval, and what is approved."""

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from tasks.access.actor import Actor, record
from tasks.catalog.task_type import ApprovalWanted
from tasks.models import Approval, AuditEvent, Event, Task, WebhookEvent
from tasks.timestamps import iso


@dataclass(frozen=True)
class Question:
    """What a step asks people: ``step`` is its number, 1 is the first."""

    step: int
    name: str
    wanted: ApprovalWanted
    message: str  # with the parameters' values in it


def become_blocked(task_id: UUID, question: Question) -> Approval:
    """Have somebody asked for the task that its runner has just put down as blocked;
    within the transaction of that. Every task that awaits an approval came by here."""
    task = Task.objects.defer(None).get(pk=task_id)
    wanted, now = question.wanted, timezone.now()
    limit = wanted.timeout_seconds
    approval = Approval.objects.create(
        task=task,
        step_index=question.step,
        step_name=question.name,
        message=question.message,
        by=list(wanted.by),
        not_self=wanted.not_self,
        asked_at=now,
        expires_at=None if limit is None else now + timedelta(seconds=limit),
        sha256=sha256_of(task),
    )
    actor = Actor(task.created_by, task.created_from)
    audit(actor, AuditEvent.Action.APPROVAL_ASKED, approval, by=list(wanted.by))
    WebhookEvent.objects.emit(Event.TASK_BLOCKED, [task_id])
    return approval


def sha256_of(task: Task) -> str:
    """Return the digest of what a task that waits has to show: the definition and the
    parameters with which it goes on, and what its steps have come to so far. That is
    what somebody agrees to; of anything else it is another one."""
    so_far = task.taken_over or {}
    seen = {
        "definition": task.definition_id,
        "params": task.params,
        "results": so_far.get("results", []),
        "outputs": so_far.get("outputs", {}),
        "summary": task.summary,
    }
    text = json.dumps(seen, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # What a database may keep and UTF-8 can't say: half a surrogate pair.
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()


def so_far_of(task: Task) -> dict[str, Any]:
    """Return what a task that ends while it waits has for a result."""
    so_far = task.taken_over or {}
    result: dict[str, Any] = {"success": False, "results": so_far.get("results", [])}
    names = {"firstError": so_far.get("firstError"), "outputs": so_far.get("outputs")}
    return result | {name: value for name, value in names.items() if value}


def audit(actor: Actor, action: str, approval: Approval, **details: Any) -> None:
    """Write an act on an approval into the audit trail."""
    task = approval.task
    facts = {
        "type": task.type,
        "params": dict(task.params),
        "step": approval.step_name,
        "approvedSha256": approval.sha256,
        "askedAt": iso(approval.asked_at),
    }
    record(actor, action, task.pk, **facts, **details)
