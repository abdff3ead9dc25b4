"""What people and programs may ask of schedules, and where it is written down."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tasks.access.actor import Actor, Scope, record
from tasks.catalog.cron import NotCron, UnknownZone, cron_of
from tasks.catalog.loader import catalog
from tasks.lifecycle import as_override, new_task, startable, supersede, task_of
from tasks.models import (
    AuditEvent,
    IdempotencyKey,
    Schedule,
    ScheduleRun,
    Task,
    next_numbers,
)
from tasks.notifications import announce
from tasks.queue import order
from tasks.queue.freezes import check_frozen
from tasks.schedules.validity import startable_now

Action = AuditEvent.Action
# What the audit trail has of a schedule before and after a change.
TOLD = ("name", "type", "cron", "timezone", "params", "overlap", "catch_up")


class ScheduleRetired(Exception):
    """A schedule that its file has no more is neither paused nor run."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        super().__init__(schedule.name)

    def __str__(self) -> str:
        return _("The schedule %(name)s is retired: its file has it no more.") % {
            "name": self.schedule.name
        }


def may_pause(actor: Actor, schedule: Schedule) -> bool:
    """Return whether somebody pauses and resumes it: whoever starts its type; of a type
    that is gone, whoever starts anything."""
    kind = catalog().get(schedule.type)
    return actor.may_start(kind) if kind else actor.rights.starts_something


def let_pause(actor: Actor, schedule: Schedule) -> None:
    """Raise ScopeTooSmall unless they may pause and resume it."""
    actor.needs(Scope.START, has_it=may_pause(actor, schedule))


def let_run(actor: Actor, schedule: Schedule) -> None:
    """Raise ScopeTooSmall, UnknownTaskType or ScheduleRetired unless they may run it
    now."""
    startable(schedule.type, actor)
    if schedule.retired_at:
        raise ScheduleRetired(schedule)


def pause(schedule: Schedule, actor: Actor) -> Schedule:
    """Have it start nothing until it is resumed; doing it twice is no error.

    Raises ScopeTooSmall and ScheduleRetired.
    """
    with _changing(schedule, actor) as row:
        if row.paused_at is None:
            row.paused_at, row.paused_by = timezone.now(), actor.name[:200]
            row.save(update_fields=["paused_at", "paused_by"])
            told = {"before": {"paused": False}, "after": {"paused": True}}
            note(actor, Action.SCHEDULE_PAUSED, row, **told)
    return row


def resume(schedule: Schedule, actor: Actor) -> Schedule:
    """Have it start what comes from now on; what came meanwhile is not caught up.

    Raises ScopeTooSmall and ScheduleRetired.
    """
    with _changing(schedule, actor) as row:
        if row.paused_at is not None:
            row.paused_at, row.paused_by = None, ""
            row.next_run_at = next_run(row, timezone.now())
            row.save(update_fields=["paused_at", "paused_by", "next_run_at"])
            told = {"before": {"paused": True}, "after": {"paused": False}}
            note(actor, Action.SCHEDULE_RESUMED, row, **told)
    return row


@contextmanager
def _changing(schedule: Schedule, actor: Actor) -> Iterator[Schedule]:
    """Lock its row, for those who may."""
    let_pause(actor, schedule)
    with transaction.atomic():
        row = Schedule.objects.select_for_update().get(pk=schedule.pk)
        if row.retired_at:
            raise ScheduleRetired(row)
        yield row


def run_now(
    schedule: Schedule,
    actor: Actor,
    *,
    override_freeze: str | None = None,
    idempotency_key: str | None = None,
) -> Task:
    """Start its task at once, whatever else of it runs; when it is due next stays.

    ``override_freeze``: the reason for which it starts though its type is frozen. A
    repeated Idempotency-Key returns the first one's task.

    Raises ScopeTooSmall, UnknownTaskType, Unstartable, ScheduleRetired, Frozen,
    IdempotencyConflict and TaskDeleted.
    """
    let_run(actor, schedule)
    kind, params = startable_now(schedule)
    now, task_id = timezone.now(), uuid.uuid4()
    with transaction.atomic():
        if idempotency_key is not None:
            asked = ["schedule", str(schedule.pk)]
            first = IdempotencyKey.objects.claim(
                actor.name, idempotency_key, asked, task_id
            )
            if first.task_id != task_id:
                return task_of(first, asked)
        frozen = check_frozen(kind.name, actor, override_freeze)
        order.hold_place(kind, kind.lock_for(params))
        by = Actor(schedule.actor_name, actor.address)
        task = new_task(kind, params, by, task_id=task_id)
        (task.number,) = next_numbers(1)
        task.save(force_insert=True)
        ScheduleRun.objects.create(
            schedule=schedule,
            due_at=now,
            at=now,
            outcome=ScheduleRun.Outcome.STARTED,
            cause=ScheduleRun.Cause.BY_HAND,
            task=task,
        )
        details: dict[str, Any] = {"task": str(task.pk)}
        if frozen is not None:
            details["overrideFreeze"] = as_override(frozen, override_freeze)
        note(actor, Action.SCHEDULE_RUN, schedule, **details)
        announce([task.pk], queue=True)
        supersede(task, kind, actor)
    return task


def next_run(schedule: Schedule, now: datetime) -> datetime | None:
    """Return when it is due next; None where its cron text or zone is no good here."""
    try:
        return cron_of(schedule.cron, schedule.timezone).next_after(now)
    except (NotCron, UnknownZone):
        return None


def make(schedule: Schedule, actor: Actor) -> None:
    """Store a new one. Raises ScopeTooSmall."""
    actor.needs(Scope.ADMIN, has_it=actor.rights.is_admin)
    schedule.next_run_at = next_run(schedule, timezone.now())
    schedule.created_by = actor.name[:200]
    with transaction.atomic():
        schedule.save(force_insert=True)
        note(actor, Action.SCHEDULE_MADE, schedule, after=told_of(schedule))


def change(schedule: Schedule, actor: Actor) -> None:
    """Store what was changed of one; where that is when it runs, its next run is of
    the new time. Raises ScopeTooSmall."""
    actor.needs(Scope.ADMIN, has_it=actor.rights.is_admin)
    with transaction.atomic():
        old = Schedule.objects.select_for_update().get(pk=schedule.pk)
        before, after = told_of(old), told_of(schedule)
        if before == after:
            return
        # A runner may have moved it on since the caller read it.
        schedule.next_run_at = old.next_run_at
        if (old.cron, old.timezone) != (schedule.cron, schedule.timezone):
            schedule.next_run_at = next_run(schedule, timezone.now())
        schedule.save(update_fields=[*TOLD, "next_run_at"])
        note(actor, Action.SCHEDULE_CHANGED, schedule, **_differing(before, after))


def delete(schedule: Schedule, actor: Actor) -> None:
    """Delete it with its runs; the tasks that it started stay. Raises ScopeTooSmall."""
    actor.needs(Scope.ADMIN, has_it=actor.rights.is_admin)
    with transaction.atomic():
        row = Schedule.objects.select_for_update().get(pk=schedule.pk)
        note(actor, Action.SCHEDULE_DELETED, row, before=told_of(row))
        row.delete()


def told_of(schedule: Schedule) -> dict[str, Any]:
    return {name: getattr(schedule, name) for name in TOLD}


def _differing(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    names = [name for name in TOLD if before[name] != after[name]]
    return {
        "before": {name: before[name] for name in names},
        "after": {name: after[name] for name in names},
    }


def note(actor: Actor, action: str, schedule: Schedule, **details: Any) -> None:
    record(actor, action, schedule.pk, name=schedule.name, **details)
