"""What people and programs may ask of tasks: start, cancel, run again, pin.

The API, the admin and the commands all come through here, so each of these is
allowed, checked, announced and written into the audit trail exactly once, in one
place.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Case, Value, When
from django.utils import timezone

from tasks.actors import Actor as Actor
from tasks.actors import Scope, record
from tasks.catalog import catalog
from tasks.models import AuditEvent, Task
from tasks.news import announce
from tasks.reaper import is_gone, take_from_its_runner
from tasks.task_types import TaskType


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

    Raises ScopeTooSmall, UnknownTaskType, ParameterErrors or IdempotencyConflict.
    """
    actor.needs(Scope.START)
    kind = task_type(type_name)
    actor.needs(Scope.ADMIN if kind.confirm else Scope.START)
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
            _audit(actor, _action_of(kind, rerun_of), task)
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
    the second time may force. Raises Task.DoesNotExist, ScopeTooSmall, and
    StatusConflict where the task has already ended.
    """
    _let_change(actor, Task.objects.only("created_by").get(pk=task_id))
    with transaction.atomic():
        is_new = _note_wish(task_id, actor, force=force)
        task = Task.objects.select_related("runner").get(pk=task_id)
        if is_new:
            details = {"force": True} if force else {}
            _audit(actor, AuditEvent.Action.CANCEL, task, **details)
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


def pin(task: Task, actor: Actor, *, pinned: bool = True) -> bool:
    """A pinned task is kept however many follow it. False where it was so before.

    Raises ScopeTooSmall.
    """
    _let_change(actor, task)
    with transaction.atomic():
        others = Task.objects.filter(pk=task.pk, pinned=not pinned)
        if not others.update(pinned=pinned):
            return False
        action = AuditEvent.Action.PIN if pinned else AuditEvent.Action.UNPIN
        _audit(actor, action, task)
    task.pinned = pinned
    return True


def _let_change(actor: Actor, task: Task) -> None:
    """One's own tasks, or with the scope admin anybody's."""
    is_own = task.created_by == actor.name
    actor.needs(Scope.START if is_own else Scope.ADMIN)


def _action_of(kind: TaskType, rerun_of: Task | None) -> str:
    """What can't be undone is found in the audit trail by its own name."""
    if kind.confirm:
        return kind.name
    return AuditEvent.Action.RERUN if rerun_of else AuditEvent.Action.CREATE


def _audit(actor: Actor, action: str, task: Task, **details: Any) -> None:
    kind = catalog().get(task.type)
    params = kind.without_secrets(task.params) if kind else {}
    record(actor, action, task.pk, type=task.type, params=params, **details)
