"""A schedule and its runs as the API and the commands' ``--json`` show them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from tasks.catalog.cron import NotCron, UnknownZone, cron_of
from tasks.models import Schedule, ScheduleRun
from tasks.reasons import Reason
from tasks.schedules.validity import problem_of
from tasks.timestamps import iso

NEXT_RUNS = 5


def next_runs_of(schedule: Schedule, count: int = NEXT_RUNS) -> list[datetime]:
    """Return when it is due next; nothing of one that is paused or retired."""
    if schedule.state != Schedule.State.ACTIVE or schedule.next_run_at is None:
        return []
    try:
        cron = cron_of(schedule.cron, schedule.timezone)
    except (NotCron, UnknownZone):
        return []
    later = cron.next_runs(schedule.next_run_at, count - 1)
    return [schedule.next_run_at, *later]


def last_runs_of(schedules: Sequence[Any]) -> dict[Any, ScheduleRun]:
    """Return the newest run of each, of schedules ``with_last_run()``."""
    ids = [schedule.last_run_id for schedule in schedules]
    runs = ScheduleRun.objects.select_related("task").filter(pk__in=ids)
    return {run.schedule_id: run for run in runs}


def describe_all(schedules: Sequence[Any]) -> list[dict[str, Any]]:
    """Return what ``describe`` does of several ``with_last_run()``."""
    last = last_runs_of(schedules)
    return [describe(schedule, last.get(schedule.pk)) for schedule in schedules]


def describe(schedule: Schedule, last_run: ScheduleRun | None) -> dict[str, Any]:
    problem = problem_of(schedule)
    return {
        "id": str(schedule.pk),
        "name": schedule.name,
        "type": schedule.type,
        "cron": schedule.cron,
        "timezone": schedule.timezone,
        "params": dict(schedule.params),
        "overlap": schedule.overlap,
        "catchUp": schedule.catch_up,
        "origin": schedule.origin,
        "state": str(schedule.state),
        "pausedAt": iso(schedule.paused_at),
        "pausedBy": schedule.paused_by or None,
        "retiredAt": iso(schedule.retired_at),
        "nextRuns": [
            {"at": iso(at), "local": _local(at, schedule)}
            for at in next_runs_of(schedule)
        ],
        "lastRun": describe_run(last_run) if last_run else None,
        "failuresInARow": schedule.failures,
        "keepsFailing": schedule.keeps_failing,
        "problem": _reason(problem and problem.as_json()),
    }


def _local(at: datetime, schedule: Schedule) -> str:
    return timezone.localtime(at, ZoneInfo(schedule.timezone)).isoformat("T", "seconds")


def describe_runs(runs: Iterable[ScheduleRun]) -> list[dict[str, Any]]:
    return [describe_run(run) for run in runs]


def describe_run(run: ScheduleRun) -> dict[str, Any]:
    return {
        "dueAt": iso(run.due_at),
        "outcome": run.outcome,
        "cause": run.cause,
        "reason": _reason(run.reason),
        "taskId": str(run.task_id) if run.task_id else None,
        "status": status_of(run) or None,
    }


def status_of(run: ScheduleRun) -> str:
    """Return how the run's task is, or was where it is deleted; "" of no task."""
    return run.task.status if run.task else run.status


def _reason(stored: Any) -> dict[str, Any] | None:
    if not stored:
        return None
    return {**stored, "message": str(Reason.of(stored))}
