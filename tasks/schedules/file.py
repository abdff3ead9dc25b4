"""The schedules of the task types file, brought into the database."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from tasks.access.actor import Actor
from tasks.catalog.task_type import PlannedRuns, TaskType
from tasks.models import AuditEvent, Schedule
from tasks.schedules import acts


def take_over(kinds: Mapping[str, TaskType], actor: Actor, now: datetime) -> None:
    """Make the schedules of the file as it says: new ones come, changed ones change,
    and those it has no more are retired; paused ones stay so.

    Each runner does this as it starts.
    """
    of_file = Schedule.Origin.FILE
    with transaction.atomic():
        rows = Schedule.objects.select_for_update().filter(origin=of_file)
        there = {row.name: row for row in rows}
        for kind in kinds.values():
            for planned in kind.schedules:
                row = there.pop(planned.name, None)
                _take_over_one(row, kind.name, planned, actor, now)
        for row in there.values():
            if row.retired_at is None:
                _retire(row, actor, now)


def _take_over_one(
    row: Schedule | None,
    type_name: str,
    planned: PlannedRuns,
    actor: Actor,
    now: datetime,
) -> None:
    if row is None:
        row = Schedule(name=planned.name, origin=Schedule.Origin.FILE)
        _as_planned(row, type_name, planned)
        acts.make(row, actor)
        return
    was_retired = row.retired_at is not None
    _as_planned(row, type_name, planned)
    acts.change(row, actor)
    if was_retired:
        row.retired_at, row.next_run_at = None, acts.next_run(row, now)
        row.save(update_fields=["retired_at", "next_run_at"])
        told = {"before": {"retired": True}, "after": {"retired": False}}
        acts.note(actor, AuditEvent.Action.SCHEDULE_CHANGED, row, **told)


def _as_planned(row: Schedule, type_name: str, planned: PlannedRuns) -> None:
    row.type = type_name
    row.cron, row.timezone = planned.cron, planned.timezone
    row.params = dict(planned.params)
    row.overlap, row.catch_up = planned.overlap, planned.catch_up


def _retire(row: Schedule, actor: Actor, now: datetime) -> None:
    row.retired_at = now
    row.save(update_fields=["retired_at"])
    before = acts.told_of(row)
    acts.note(actor, AuditEvent.Action.SCHEDULE_RETIRED, row, before=before)
