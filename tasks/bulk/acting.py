"""Carrying out an act on several tasks: each by itself, and each with what came of it.

Every task has a transaction of its own. One for all would keep runners from claiming
and storing for as long as it takes, and on PostgreSQL could deadlock with theirs.
"""

import hashlib
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from tasks import lifecycle
from tasks.access.actor import Actor, record
from tasks.bulk.selection import (
    REFUSALS,
    SEEN,
    Act,
    MoreThanConfirmed,
    Selection,
    asks_first,
    numbers_seen,
    selection,
)
from tasks.catalog.task_type import ParameterErrors
from tasks.models import AuditEvent, IdempotencyKey, StatusConflict, Task
from tasks.task_filter import TaskFilter

ACTIONS = {
    Act.CANCEL: AuditEvent.Action.CANCEL_SEVERAL,
    Act.RERUN: AuditEvent.Action.RERUN_SEVERAL,
}


class Outcome(StrEnum):
    """What came of the act for one task."""

    CANCELLED = "cancelled"
    CANCELLING = "cancelling"  # its processes are being stopped
    RERUN = "rerun"
    ENDED = "ended"  # before it could be cancelled
    CHANGED = "changed"  # it fits the filter no more
    REFUSED = "refused"  # to this person, or now


@dataclass(frozen=True)
class Result:
    """One task and what came of it."""

    task: Task
    outcome: Outcome
    reason: str = ""  # why nothing was done; "" where it was
    made: Task | None = None  # by a rerun


@dataclass(frozen=True)
class Confirmed:
    """What somebody agreed to: how many tasks, and which they are where an answer's
    ``seen`` is given back; ``key``: of a request that may be sent again."""

    count: int
    seen: str | None = None
    key: str | None = None


def carry_out(
    act: Act,
    wanted: TaskFilter,
    actor: Actor,
    confirmed: Confirmed,
    filters: Mapping[str, Any],
) -> list[Result]:
    """Do it to each of the tasks that were agreed to, and return what came of it.

    ``filters``: what was asked for, as the audit trail keeps it. Raises what
    ``selection()`` does, MoreThanConfirmed, IdempotencyConflict and ParameterErrors;
    then nothing was done.
    """
    found = selection(act, wanted, actor)
    numbers = _numbers(act, confirmed)
    with transaction.atomic():
        if _is_first(act, actor, confirmed, filters):
            check(found, confirmed, numbers)
            count = len(found.tasks)
            details = {"filter": dict(filters), "count": count}
            record(actor, ACTIONS[act], "tasks", **details)
    tasks = [task for task in found.tasks if numbers is None or task.number in numbers]
    do = _cancel if act == Act.CANCEL else _rerun
    results = []
    for task in tasks:
        since = time.monotonic()
        results.append(do(task, actor, confirmed.key))
        give_way(time.monotonic() - since)
    return results + _left_out(act, actor, numbers, tasks)


def give_way(seconds: float) -> None:
    """Leave others as much time as one task took, where there is one writer at a time.

    Whoever waits for SQLite looks again only now and then, and meets a row of
    transactions without pauses always at work: a claim took up to 1,030 ms then, and
    with them at most 55 ms.
    """
    if connection.vendor == "sqlite":
        time.sleep(seconds)


def check(found: Selection, confirmed: Confirmed, numbers: set[int] | None) -> None:
    """Raise MoreThanConfirmed where there are tasks that nobody agreed to."""
    count = len(found.tasks)
    is_new = numbers is not None and any(t.number not in numbers for t in found.tasks)
    if count > confirmed.count or is_new:
        raise MoreThanConfirmed(confirmed.count, count)


def _numbers(act: Act, confirmed: Confirmed) -> set[int] | None:
    """Return the numbers of the tasks that were seen; None where only their count is
    known. Raises ParameterErrors."""
    if confirmed.seen is not None:
        return numbers_seen(act, confirmed.seen)
    if confirmed.key is not None:
        text = _("Required with an Idempotency-Key: it says which tasks are meant.")
        raise ParameterErrors({SEEN: [text]})
    return None


def _is_first(
    act: Act, actor: Actor, confirmed: Confirmed, filters: Mapping[str, Any]
) -> bool:
    """Return whether no request with this key came before. One that is sent again goes
    on where the first was cut, whatever the filter finds by now."""
    if confirmed.key is None:
        return True
    request = [act, dict(filters), confirmed.count, confirmed.seen]
    mine = uuid.uuid4()
    first = IdempotencyKey.objects.claim(actor.name, confirmed.key, request, mine)
    if not first.is_of(request):
        raise lifecycle.IdempotencyConflict
    return first.task_id == mine


def _cancel(task: Task, actor: Actor, _key: str | None) -> Result:
    try:
        now = lifecycle.request_cancel(task.pk, actor, status=task.status)
    except (StatusConflict, Task.DoesNotExist):
        tasks = Task.objects.defer("result", "trail").filter(pk=task.pk)
        now = tasks.first() or task
        return _as_it_is(now, actor) if now is not task else _deleted(task)
    except REFUSALS as refused:
        return Result(task, Outcome.REFUSED, str(refused))
    if now.has_ended:
        return Result(now, Outcome.CANCELLED)
    return _as_it_is(now, actor)


def _rerun(task: Task, actor: Actor, key: str | None) -> Result:
    with transaction.atomic():
        # Held until its rerun names it: old tasks are deleted all the while.
        if not Task.objects.select_for_update().filter(pk=task.pk).exists():
            return _deleted(task)
        try:
            kind = lifecycle.startable(task.type, actor)
            if kind.confirm:
                reason = asks_first(kind.local(kind.title))
                return Result(task, Outcome.REFUSED, reason)
            made = lifecycle.rerun(task, actor, idempotency_key=_key_of(task, key))
        except REFUSALS as refused:
            return Result(task, Outcome.REFUSED, str(refused))
    return Result(task, Outcome.RERUN, made=made)


def _key_of(task: Task, key: str | None) -> str | None:
    """Return the idempotency key of one task's rerun, under that of the request."""
    if key is None:
        return None
    return "bulk:" + hashlib.sha256(f"{key}\0{task.pk}".encode()).hexdigest()


def _left_out(
    act: Act, actor: Actor, numbers: Collection[int] | None, taken: Collection[Task]
) -> list[Result]:
    """Return what became of those that were agreed to, and fit no more."""
    if act != Act.CANCEL or numbers is None:
        return []
    left = set(numbers) - {task.number for task in taken}
    tasks = Task.objects.defer("result", "trail").filter(number__in=left)
    return [_as_it_is(task, actor) for task in tasks.order_by("number", "id")]


def _as_it_is(task: Task, actor: Actor) -> Result:
    """Return what is true of a task that can't be cancelled now, or is already."""
    is_ours = task.cancel_requested_by == actor.name
    status = str(task.get_status_display())
    if task.status == Task.Status.CANCELLED and is_ours:  # by the same request before
        return Result(task, Outcome.CANCELLED)
    if task.has_ended:
        text = _("It has already ended: %(status)s.") % {"status": status}
        return Result(task, Outcome.ENDED, text)
    if task.cancel_requested_at is not None:
        return Result(task, Outcome.CANCELLING)
    text = _("It no longer fits the filter: it is %(status)s by now.")
    return Result(task, Outcome.CHANGED, text % {"status": status})


def _deleted(task: Task) -> Result:
    return Result(task, Outcome.ENDED, _("It was deleted."))
