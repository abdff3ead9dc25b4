"""Starts what is due: each moment of each schedule once, whoever else looks.

The run and its task are written in one transaction, in which the schedule's row is
locked and its next moment set; a unique constraint on schedule and moment stands behind
that. So two runners, a restart, and one that is killed between the two change nothing.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from tasks.access.actor import Actor
from tasks.catalog.cron import NotCron, UnknownZone, cron_of
from tasks.catalog.definitions import keep
from tasks.catalog.task_type import TaskType
from tasks.lifecycle import new_task, supersede
from tasks.models import (
    AuditEvent,
    Schedule,
    ScheduleRun,
    Task,
    next_numbers,
)
from tasks.notifications import announce
from tasks.queue import order
from tasks.queue.freezes import Window, active_freezes, freeze_of
from tasks.reasons import Reason
from tasks.schedules.failures import count_failures
from tasks.schedules.validity import Unstartable, startable_now
from tasks.timestamps import iso

# What goes in one transaction: on SQLite some 40 ms, in which nothing else is written.
SCHEDULES_AT_ONCE = 100
# A run that comes later than this was missed. A restart, or ten thousand that are due
# in one minute, take less.
ON_TIME = timedelta(minutes=5)

LIVE = tuple(status for status in Task.Status.values if status not in Task.ENDED)
Outcome, Cause = ScheduleRun.Outcome, ScheduleRun.Cause


@dataclass
class Turn:
    """What becomes of one schedule that is due. ``missed``: the first of the moments
    that passed before the one that counts, where some did."""

    schedule: Schedule
    run: ScheduleRun
    missed: ScheduleRun | None = None
    task: Task | None = None
    kind: TaskType | None = None  # the task's


def start_due(now: datetime, most: int = SCHEDULES_AT_ONCE) -> int:
    """Start what is due, at most so many schedules, the oldest first; returns how many
    were. ``now``: the moment that counts as now."""
    if not Schedule.objects.due(now).exists():
        return 0
    with transaction.atomic():
        due = list(Schedule.objects.due(now).for_update()[:most])
        turns = _not_yet_taken([_turn(schedule, now) for schedule in due])
        _look_for_overlaps(turns)
        digests, freezes = _Digests(), active_freezes(now)
        for turn in turns:
            _make_task(turn, digests, freezes)
        _store(due, turns)
    return len(due)


# --- Deciding -----------------------------------------------------------------------


def _turn(schedule: Schedule, now: datetime) -> Turn:
    """Decide about one that is due, and set when it is due again."""
    first = schedule.next_run_at or now
    run = ScheduleRun(schedule=schedule, due_at=first, at=now, outcome=Outcome.STARTED)
    try:
        cron = cron_of(schedule.cron, schedule.timezone)
    except (NotCron, UnknownZone):
        schedule.next_run_at = None
        return Turn(_refused(run, Reason("schedule-not-understood")).schedule, run)
    run.due_at = cron.latest(first, now)
    schedule.next_run_at = cron.next_after(now)
    if now - run.due_at > ON_TIME:
        if schedule.catch_up == Schedule.CatchUp.LATEST:
            run.cause = Cause.CAUGHT_UP
        else:
            _missed(run)
    turn = Turn(schedule, run)
    if run.due_at != first:
        earlier = ScheduleRun(schedule=schedule, due_at=first, at=now)
        turn.missed = _missed(earlier)
    return turn


def _missed(run: ScheduleRun) -> ScheduleRun:
    run.outcome = Outcome.MISSED
    run.reason = Reason("schedule-missed").as_json()
    return run


def _refused(run: ScheduleRun, reason: Reason) -> ScheduleRun:
    run.outcome, run.reason = Outcome.REFUSED, reason.as_json()
    return run


def _not_yet_taken(turns: Sequence[Turn]) -> list[Turn]:
    """Return those whose moment was not dealt with before, as it was where the clock
    went back and somebody resumed the schedule since."""
    moments = {run.due_at for turn in turns for run in _runs(turn)}
    found = ScheduleRun.objects.filter(
        schedule__in=[turn.schedule.pk for turn in turns], due_at__in=moments
    )
    taken = set(found.values_list("schedule_id", "due_at"))
    left = []
    for turn in turns:
        if turn.missed and (turn.schedule.pk, turn.missed.due_at) in taken:
            turn.missed = None
        if (turn.schedule.pk, turn.run.due_at) not in taken:
            left.append(turn)
    return left


def _runs(turn: Turn) -> list[ScheduleRun]:
    return [turn.missed, turn.run] if turn.missed else [turn.run]


def _look_for_overlaps(turns: Iterable[Turn]) -> None:
    """Leave out what the schedule's own tasks are in the way of."""
    starting = {t.schedule.pk: t for t in turns if t.run.outcome == Outcome.STARTED}
    live = ScheduleRun.objects.unsettled().filter(
        schedule__in=starting, task__status__in=LIVE
    )
    found: dict[uuid.UUID, list[tuple[uuid.UUID, str]]] = {}
    rows = live.order_by("due_at").values_list("schedule_id", "task_id", "task__status")
    for schedule_id, task_id, status in rows:
        found.setdefault(schedule_id, []).append((task_id, status))
    for schedule_id, tasks in found.items():
        turn = starting[schedule_id]
        pending = [pk for pk, status in tasks if status == Task.Status.PENDING]
        if turn.schedule.overlap == Schedule.Overlap.SKIP:
            _skipped(turn.run, Reason("schedule-overlap", task=str(tasks[0][0])))
        elif pending:
            _skipped(turn.run, Reason("schedule-one-queued", task=str(pending[0])))


def _skipped(run: ScheduleRun, reason: Reason) -> None:
    run.outcome, run.reason = Outcome.SKIPPED, reason.as_json()


# --- Storing ------------------------------------------------------------------------


class _Digests(dict[str, str]):
    """Of the definitions of types, each stored once."""

    def of(self, kind: TaskType) -> str:
        if kind.name not in self:
            self[kind.name] = keep(kind)
        return self[kind.name]


def _make_task(turn: Turn, digests: _Digests, freezes: Sequence[Window]) -> None:
    if turn.run.outcome != Outcome.STARTED:
        return
    try:
        kind, params = startable_now(turn.schedule)
    except Unstartable as error:
        _refused(turn.run, error.reason)
        return
    if window := freeze_of(kind.name, freezes):
        until = str(iso(window.ends_at))
        reason = Reason("schedule-frozen", until=until, reason=window.reason)
        _skipped(turn.run, reason)
        return
    order.hold_place(kind, kind.lock_for(params))
    turn.kind = kind
    turn.task = new_task(
        kind, params, Actor(turn.schedule.actor_name), definition_of=digests.of
    )
    turn.run.task = turn.task


def _store(due: Sequence[Schedule], turns: Sequence[Turn]) -> None:
    tasks = [turn.task for turn in turns if turn.task]
    for new, number in zip(tasks, next_numbers(len(tasks)), strict=True):
        new.number = number
    Task.objects.bulk_create(tasks)
    ScheduleRun.objects.bulk_create([run for turn in turns for run in _runs(turn)])
    Schedule.objects.bulk_update(due, ["next_run_at"])
    AuditEvent.objects.bulk_create(
        AuditEvent(
            actor=task.created_by[:200],
            action=AuditEvent.Action.CREATE,
            target=str(task.pk),
            details={
                "type": task.type,
                "params": task.params,
                "schedule": str(turn.schedule.pk),
            },
        )
        for turn in turns
        if (task := turn.task)
    )
    refused = [turn.run for turn in turns if turn.run.outcome == Outcome.REFUSED]
    count_failures(refused)
    if tasks:
        announce([task.pk for task in tasks], queue=True)
    for turn in turns:
        if turn.task and turn.kind:
            supersede(turn.task, turn.kind, Actor(turn.schedule.actor_name))
