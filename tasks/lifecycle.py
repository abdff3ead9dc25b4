"""What people and programs may ask of tasks: start, cancel, run again, pin.

The API, the admin and the commands all come through here, so each of these is
allowed, checked, announced and written into the audit trail exactly once, in one
place.
"""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.access.actor import Actor as Actor
from tasks.access.actor import Scope, record
from tasks.approvals import ending
from tasks.catalog import definitions
from tasks.catalog.loader import catalog
from tasks.catalog.task_type import ParameterErrors, TaskType
from tasks.localized import localized
from tasks.models import (
    AuditEvent,
    Event,
    IdempotencyKey,
    StatusConflict,
    Task,
    TaskQuerySet,
    WebhookEvent,
    next_ended,
)
from tasks.notifications import announce
from tasks.queue import order
from tasks.queue.freezes import Window, check_frozen
from tasks.reaper import is_gone, take_from_its_runner
from tasks.reasons import Reason
from tasks.representation import shown_params
from tasks.reruns import taken_over
from tasks.secrets.encryption import sealed
from tasks.timestamps import iso

CONFIRM = "confirm"  # the field in which a type that asks is confirmed


class UnknownTaskType(LookupError):
    """There is no such type; ``there_are`` names those there are."""

    def __init__(self, name: str) -> None:
        shown = [kind.name for kind in catalog().values() if not kind.hidden]
        self.name, self.there_are = name, sorted(shown)
        names = ", ".join(self.there_are)
        self.reason = Reason("unknown-task-type", name=name[:100], names=names)
        super().__init__(name)

    def __str__(self) -> str:
        return localized(self.reason)


class IdempotencyConflict(Exception):
    """The same Idempotency-Key came before with another type or parameters."""


class TaskDeleted(Exception):
    """The same Idempotency-Key came before; the task that it started was deleted."""

    def __init__(self, task_id: uuid.UUID) -> None:
        self.task_id = task_id
        super().__init__(f"Task {task_id} ran and was deleted.")


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
    override_freeze: str | None = None,
    from_step: int = 1,
) -> Task:
    """Put a task into the queue; a repeated Idempotency-Key returns the first one.

    ``override_freeze``: the reason for which it starts though its type is frozen.
    ``from_step``: where a rerun starts, taking over the steps before.

    Raises ScopeTooSmall, UnknownTaskType, ParameterErrors, Frozen, IdempotencyConflict
    or TaskDeleted.
    """
    kind = startable(type_name, actor)
    params = kind.validated(given)
    taken = None
    if rerun_of is not None and from_step != 1:
        taken = taken_over(rerun_of, kind, params, from_step)
    task_id = uuid.uuid4()
    with transaction.atomic():
        if idempotency_key is not None:
            request: list[Any] = [kind.name, params, rerun_of and str(rerun_of.pk)]
            request += [from_step] if from_step != 1 else []
            first = IdempotencyKey.objects.claim(
                actor.name, idempotency_key, request, task_id
            )
            if first.task_id != task_id:
                return task_of(first, request)
        frozen = check_frozen(kind.name, actor, override_freeze)
        task = new_task(kind, params, actor, task_id=task_id)
        task.rerun_of, task.from_step, task.taken_over = rerun_of, from_step, taken
        task.progress = _progress_at(kind, from_step)
        order.hold_place(kind, task.lock)
        task.save(force_insert=True)
        details = {} if rerun_of is None else _as_rerun(task, rerun_of)
        if frozen is not None:
            details["overrideFreeze"] = as_override(frozen, override_freeze)
        _audit(actor, _action_of(kind, rerun_of), task, **details)
        announce([task.pk], queue=True)
        supersede(task, kind, actor)
    return task


def supersede(task: Task, kind: TaskType, actor: Actor) -> None:
    """Cancel the older waiting tasks whose place a new one takes, each an act of who
    started it. Within the transaction in which that was made, after
    ``order.hold_place()``."""
    for older in order.take_places(task, kind):
        action = AuditEvent.Action.CANCEL
        _audit(actor, action, older, supersededBy=str(task.pk))


def _progress_at(kind: TaskType, step: int) -> int:
    """Return the progress of a task that starts at a step, in percent."""
    weights = [one.weight for one in kind.steps]
    return min(99, int(100 * sum(weights[: step - 1]) / sum(weights) + 0.5))


def new_task(
    kind: TaskType,
    params: Mapping[str, str],
    actor: Actor,
    *,
    task_id: uuid.UUID | None = None,
    definition_of: Callable[[TaskType], str] = definitions.keep,
) -> Task:
    """Return a task that is not stored yet; its definition is, in the transaction of
    the caller. ``params``: as ``kind.validated()`` returns them."""
    shown = kind.without_secrets(params)
    task_id = task_id or uuid.uuid4()
    return Task(
        id=task_id,
        type=kind.name,
        params=shown,
        secret_values=sealed(task_id, kind.secrets(params)),
        definition_id=definition_of(kind),
        types_changed_at=catalog().changed_at,
        version=shown.get("version", "")[:100],
        lock=kind.lock_for(params),
        step_count=len(kind.steps),
        created_by=actor.name,
        created_from=actor.address,
    )


def startable(type_name: str, actor: Actor) -> TaskType:
    """Return the type of that name. Raises ScopeTooSmall and UnknownTaskType."""
    actor.needs(Scope.START, has_it=actor.rights.starts_something)
    kind = task_type(type_name)
    actor.needs_start_of(kind)
    return kind


def task_of(first: IdempotencyKey, request: list[Any]) -> Task:
    """Return the task that the first request with a key started. Raises
    IdempotencyConflict and TaskDeleted."""
    if not first.is_of(request):
        raise IdempotencyConflict
    try:
        return Task.objects.get(pk=first.task_id)
    except Task.DoesNotExist:
        raise TaskDeleted(first.task_id) from None


def rerun(
    task: Task,
    actor: Actor,
    given: Mapping[str, object] | None = None,
    *,
    confirmed: str | None = None,
    idempotency_key: str | None = None,
    override_freeze: str | None = None,
    from_step: int = 1,
) -> Task:
    """Return a new task of the same type, linked to the first, with its parameters;
    those given take their place. Takes and raises what ``submit`` does.

    ``confirmed``: what somebody typed who was asked before it starts, as a type with
    ``confirm`` wants it; None for a program, which nobody asks. Secret parameters have
    to be given again: they are forgotten once a task has ended.
    """
    kind, params = planned_rerun(task, actor, given)
    word = kind.confirmation(params)
    if word and confirmed is not None and confirmed.strip() != word:
        raise ParameterErrors({CONFIRM: [to_start(word)]})
    return submit(
        task.type,
        params,
        actor,
        idempotency_key=idempotency_key,
        rerun_of=task,
        override_freeze=override_freeze,
        from_step=from_step,
    )


def planned_rerun(
    task: Task, actor: Actor, given: Mapping[str, object] | None = None
) -> tuple[TaskType, dict[str, str]]:
    """Return what a rerun would start: the type, and all of its parameters.

    Raises ScopeTooSmall, UnknownTaskType or ParameterErrors where it could not.
    """
    kind = startable(task.type, actor)
    given = given or {}
    known = {parameter.name for parameter in kind.params}
    secret = definitions.secret_names(task) & task.params.keys()
    if missing := sorted(secret & known - given.keys()):
        text = _("It is secret, so it has to be given again.")
        raise ParameterErrors({name: [text] for name in missing})
    return kind, kind.validated({**task.params, **given})


def to_start(word: str) -> str:
    """Return the sentence for who has not typed what a type asks for."""
    return _("Type {word} to confirm.").format(word=word)


def request_cancel(
    task_id: uuid.UUID, actor: Actor, *, force: bool = False, status: str | None = None
) -> Task:
    """Cancel a waiting task at once; ask the runner of a running one to stop it, and
    where that runner is gone end the task here and now.

    ``force``: its processes get no time to end in order. Asking twice is no error, and
    the second time may force. ``status``: in which somebody saw the task and wants it
    cancelled; one that has another by now is returned as it is. Raises
    Task.DoesNotExist, ScopeTooSmall, and StatusConflict where the task has already
    ended.
    """
    task = Task.objects.defer(None).defer("trail").get(pk=task_id)
    let_cancel(actor, task)
    if status not in {None, task.status}:
        return task
    if ending.is_in_lull(task):
        try:
            ending.cancel(task, actor)
        except StatusConflict:  # it was decided, or goes on, at this very moment
            return request_cancel(task_id, actor, force=force, status=status)
        task.refresh_from_db()
        return task
    with transaction.atomic():
        is_new = _note_wish(task_id, actor, force=force, status=status)
        task = Task.objects.select_related("runner").get(pk=task_id)
        if is_new:
            details = {"force": True} if force else {}
            _audit(actor, AuditEvent.Action.CANCEL, task, **details)
            if task.has_ended:
                WebhookEvent.objects.emit(Event.TASK_CANCELLED, [task_id])
            announce([task_id], queue=True)
    if task.has_ended and not is_new:
        raise task.conflict(Task.Status.CANCELLED)
    if not is_new and status not in {None, task.status}:
        return task
    if task.status in Task.WAITING:  # back in the queue at this very moment
        return request_cancel(task_id, actor, force=force, status=status)
    if task.status == Task.Status.RUNNING and is_gone(task.runner):
        take_from_its_runner(task)
        task.refresh_from_db()
    return task


def _note_wish(
    task_id: uuid.UUID, actor: Actor, *, force: bool, status: str | None
) -> bool:
    """False where that changes nothing: it was noted before, or comes too late."""
    now = timezone.now()
    wish = {"cancel_requested_at": now, "cancel_requested_by": actor.name}
    tasks = Task.objects.filter(pk=task_id, **({"status": status} if status else {}))
    waiting, running = tasks.pending().filter(started_at=None), tasks.running()

    def end(waiting: TaskQuerySet, code: str) -> int:
        reason = Reason(code, by=actor.name)
        return waiting.update(
            status=Task.Status.CANCELLED,
            completed_at=now,
            ended=next_ended(),
            error=str(reason),
            error_reason=reason.as_json(),
            result={"success": False, "results": []},
            secret_values=None,
            **wish,
        )

    return bool(
        end(waiting.filter(attempt=1), "cancelled-before-start")
        or end(waiting, "cancelled")  # it had started once
        or running.filter(cancel_requested_at=None).update(cancel_forced=force, **wish)
        or (force and running.filter(cancel_forced=False).update(cancel_forced=True))
    )


def pin(task: Task, actor: Actor, *, pinned: bool = True) -> bool:
    """A pinned task is kept however many follow it. False where it was so before.

    Raises ScopeTooSmall.
    """
    actor.needs(_scope_for(actor, task), has_it=actor.may_pin(task))
    with transaction.atomic():
        others = Task.objects.filter(pk=task.pk, pinned=not pinned)
        if not others.update(pinned=pinned):
            return False
        action = AuditEvent.Action.PIN if pinned else AuditEvent.Action.UNPIN
        _audit(actor, action, task)
    task.pinned = pinned
    return True


def let_cancel(actor: Actor, task: Task) -> None:
    """Raise ScopeTooSmall unless they may cancel it: one's own tasks, or with the scope
    admin or cancel anybody's."""
    actor.needs(_scope_for(actor, task), has_it=actor.may_cancel(task))


def _scope_for(actor: Actor, task: Task) -> Scope:
    return Scope.START if actor.owns(task) else Scope.ADMIN


def _action_of(kind: TaskType, rerun_of: Task | None) -> str:
    """Return the name of the act in the audit trail: the type's own, for one that
    asks for a confirmation."""
    if kind.confirm:
        return kind.name
    return AuditEvent.Action.RERUN if rerun_of else AuditEvent.Action.CREATE


def _as_rerun(task: Task, first: Task) -> dict[str, Any]:
    """Return what the audit trail has of a rerun: of which task, and the names of the
    parameters that are others."""
    names = task.params.keys() | first.params.keys()
    changed = [n for n in sorted(names) if task.params.get(n) != first.params.get(n)]
    details: dict[str, Any] = {"rerunOf": str(first.pk)}
    if changed:
        details["changed"] = changed
    return details if task.from_step == 1 else {**details, "fromStep": task.from_step}


def as_override(frozen: Window, reason: str | None) -> dict[str, Any]:
    """Return what the audit trail has of a start in spite of a freeze."""
    return {
        "reason": reason,
        "frozenBecause": frozen.reason,
        "until": iso(frozen.ends_at),
    }


def _audit(actor: Actor, action: str, task: Task, **details: Any) -> None:
    params = shown_params(task)
    record(actor, action, task.pk, type=task.type, params=params, **details)
