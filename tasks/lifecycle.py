"""What people and programs may ask of tasks: start, cancel, run again.

The API, the admin and the commands all come through here, so each of these is
checked, announced and written into the audit trail exactly once, in one place.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, Value, When
from django.utils import timezone

from tasks.catalog import catalog
from tasks.models import AuditEvent, Task
from tasks.news import announce
from tasks.reaper import is_gone, take_from_its_runner
from tasks.task_types import TaskType


@dataclass(frozen=True)
class Actor:
    """Who asks, and from which address (None: from this machine's shell)."""

    name: str
    address: str | None = None


class UnknownTaskType(LookupError):
    """There is no such type; ``there_are`` names those there are."""

    def __init__(self, name: str) -> None:
        shown = [kind.name for kind in catalog().values() if not kind.hidden]
        self.name, self.there_are = name, sorted(shown)
        super().__init__(
            f"There is no task type {name[:100]!r}; "
            f"there are: {', '.join(self.there_are)}."
        )


class IdempotencyConflict(Exception):
    """The same Idempotency-Key came before with another type or parameters."""


def task_type(name: str) -> TaskType:
    """The type of that name. Raises UnknownTaskType."""
    try:
        return catalog()[name]
    except KeyError:
        raise UnknownTaskType(name) from None


def submit(
    type_name: str,
    given: Mapping[str, object],
    actor: Actor,
    *,
    idempotency_key: str | None = None,
    rerun_of: Task | None = None,
) -> Task:
    """Put a task into the queue; a repeated Idempotency-Key returns the first one.

    Raises UnknownTaskType, ParameterErrors or IdempotencyConflict.
    """
    kind = task_type(type_name)
    params = kind.validated(given)
    try:
        with transaction.atomic():
            task = Task.objects.create(
                type=kind.name,
                params=params,
                version=params.get("version", "")[:100],
                lock=kind.lock_for(params),
                step_count=len(kind.steps),
                created_by=actor.name,
                created_from=actor.address,
                rerun_of=rerun_of,
                idempotency_key=idempotency_key,
            )
            action = "create" if rerun_of is None else "rerun"
            _audit(actor, action, task)
            announce([task.pk], queue=True)
    except IntegrityError:
        if idempotency_key is None:
            raise
        first = Task.objects.get(created_by=actor.name, idempotency_key=idempotency_key)
        if (first.type, first.params) != (kind.name, params):
            raise IdempotencyConflict from None
        return first
    return task


def rerun(task: Task, actor: Actor, *, idempotency_key: str | None = None) -> Task:
    """A new task with the same type and parameters, linked to the first."""
    return submit(
        task.type,
        task.params,
        actor,
        idempotency_key=idempotency_key,
        rerun_of=task,
    )


def request_cancel(task_id: uuid.UUID, actor: Actor, *, force: bool = False) -> Task:
    """Cancel a waiting task at once; ask the runner of a running one to stop it, and
    where that runner is gone end the task here and now.

    ``force``: its processes get no time to end in order. Asking twice is no error, and
    the second time may force. Raises Task.DoesNotExist, and StatusConflict where the
    task has already ended.
    """
    with transaction.atomic():
        is_new = _note_wish(task_id, actor, force=force)
        task = Task.objects.select_related("runner").get(pk=task_id)
        if is_new:
            _audit(actor, "cancel", task, **({"force": True} if force else {}))
            announce([task_id], queue=True)
    if task.has_ended and not is_new:
        raise task.conflict(Task.Status.CANCELLED)
    if task.status == Task.Status.PENDING:  # back in the queue at this very moment
        return request_cancel(task_id, actor, force=force)
    if task.status == Task.Status.RUNNING and is_gone(task.runner):
        take_from_its_runner(task)
        task.refresh_from_db()
    return task


def _note_wish(task_id: uuid.UUID, actor: Actor, *, force: bool) -> bool:
    """False where that changes nothing: it was noted before, or comes too late."""
    now = timezone.now()
    wish = {"cancel_requested_at": now, "cancel_requested_by": actor.name}
    waiting = Task.objects.pending().filter(pk=task_id)
    running = Task.objects.running().filter(pk=task_id)
    before = Value(f"Cancelled by {actor.name} before it started.")
    again = Value(f"Cancelled by {actor.name}.")  # it had started once
    return bool(
        waiting.update(
            status=Task.Status.CANCELLED,
            completed_at=now,
            error=Case(When(attempt=1, then=before), default=again),
            result={"success": False, "results": []},
            **wish,
        )
        or running.filter(cancel_requested_at=None).update(cancel_forced=force, **wish)
        or (force and running.filter(cancel_forced=False).update(cancel_forced=True))
    )


def _audit(actor: Actor, action: str, task: Task, **details: Any) -> None:
    kind = catalog().get(task.type)
    AuditEvent.objects.create(
        actor=actor.name,
        address=actor.address,
        action=action,
        target=str(task.pk),
        details={
            "type": task.type,
            "params": kind.without_secrets(task.params) if kind else {},
            **details,
        },
    )
