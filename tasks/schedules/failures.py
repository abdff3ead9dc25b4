"""How the runs of schedules ended, and which fail again and again."""

import logging
import uuid
from collections.abc import Iterable
from functools import partial

from django.db import transaction
from django.dispatch import Signal

from tasks.models import FAILURES_TOLD, Schedule, ScheduleRun, Task

logger = logging.getLogger(__name__)

RUNS_AT_ONCE = 200
# Sent once, after the commit, when a schedule's runs have failed FAILURES_TOLD times in
# a row; ``schedule`` is the row. Whoever tells people connects here.
schedule_keeps_failing = Signal()


def settle(most: int = RUNS_AT_ONCE) -> int:
    """Write down how tasks of schedules ended, at most so many; returns how many."""
    ended = ScheduleRun.objects.unsettled().filter(task__status__in=Task.ENDED)
    if not ended.exists():
        return 0
    with transaction.atomic():
        locked = ended.select_for_update(skip_locked=True, of=("self",))
        runs = list(locked.select_related("task").order_by("due_at")[:most])
        for run in runs:
            run.status = run.task.status if run.task else ""
        ScheduleRun.objects.bulk_update(runs, ["status"])
        count_failures(runs)
    return len(runs)


def count_failures(runs: Iterable[ScheduleRun]) -> None:
    """Count what failed in a row for the schedules of some runs, oldest first; within
    the transaction in which these are stored.

    A cancelled run says nothing: a person ended it.
    """
    results: dict[uuid.UUID, list[bool]] = {}
    for run in runs:
        if run.outcome == ScheduleRun.Outcome.REFUSED or run.status in {
            Task.Status.FAILED,
            Task.Status.COMPLETED,
        }:
            has_failed = run.status != Task.Status.COMPLETED
            results.setdefault(run.schedule_id, []).append(has_failed)
    changed = []
    for schedule in Schedule.objects.select_for_update().filter(pk__in=results):
        before = schedule.failures
        for has_failed in results[schedule.pk]:
            schedule.failures = schedule.failures + 1 if has_failed else 0
            if schedule.failures == FAILURES_TOLD:
                transaction.on_commit(partial(_tell, schedule))
        if schedule.failures != before:
            changed.append(schedule)
    Schedule.objects.bulk_update(changed, ["failures"])


def _tell(schedule: Schedule) -> None:
    logger.warning(
        "schedule=%s name=%s failed %s times in a row",
        schedule.pk,
        schedule.name,
        FAILURES_TOLD,
    )
    for _, answer in schedule_keeps_failing.send_robust(Schedule, schedule=schedule):
        if isinstance(answer, Exception):
            logger.error("Telling of a failing schedule failed.", exc_info=answer)
