"""Forgetting what is old: in small steps, from wherever it was left."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import DatabaseError, connection

from tasks import pruning
from tasks.access.actor import Actor
from tasks.logs import removal
from tasks.models import AuditEvent, LogLine, PrunedLog, Runner, Task
from tasks.pruning import Pruned, prune, prune_at_leisure
from tests.factories import (
    KEEP_NONE,
    NOON,
    RunnerFactory,
    TaskFactory,
    keep,
    write_log,
)

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
CRON = Actor("shell:cron")


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch):
    monkeypatch.setattr(pruning, "TASKS_AT_ONCE", 3)
    monkeypatch.setattr(pruning, "MAX_REST_SECONDS", 0)
    monkeypatch.setattr(removal, "LINES_AT_ONCE", 10)


def finished(count, lines=0):
    tasks = TaskFactory.create_batch(count, status="completed")
    for task in tasks:
        write_log(task, *["line"] * lines)
    return tasks


def test_the_newest_stay_and_of_the_others_no_line_is_left():
    old, new = finished(7, lines=4), finished(2, lines=4)
    assert prune_at_leisure(keep(2), CRON).tasks == 7
    assert set(Task.objects.all()) == set(new)
    assert not LogLine.objects.filter(task__in=old).exists()
    assert LogLine.objects.count() == 8
    assert not PrunedLog.objects.exists()


def end(task, at):
    Task.objects.move(task.pk, "running", "completed", completed_at=at)


def test_the_newest_are_those_that_ended_last_whatever_their_clocks_said():
    running = TaskFactory.create_batch(5, status="running")
    for hours, task in zip((9, 8, 0, -1, 1), running, strict=True):
        end(task, NOON + timedelta(hours=hours))
    assert prune_at_leisure(keep(2), CRON).tasks == 3
    assert set(Task.objects.all()) == set(running[3:])


def test_a_task_that_ran_for_long_is_new_when_it_ends():
    long = TaskFactory(status="running")
    for task in TaskFactory.create_batch(3, status="running"):
        end(task, NOON)
    end(long, NOON)
    assert prune_at_leisure(keep(1), CRON).tasks == 3
    assert Task.objects.get() == long


def test_tasks_of_a_program_that_knows_no_numbers_are_numbered_by_their_times():
    new, old, newest = [
        TaskFactory(status="completed", completed_at=NOON + timedelta(hours=hours))
        for hours in (2, 1, 3)
    ]
    Task.objects.update(number=0, ended=None)
    assert prune_at_leisure(keep(2), CRON).tasks == 1
    assert set(Task.objects.all()) == {new, newest}
    new.refresh_from_db()
    newest.refresh_from_db()
    assert 0 < new.ended < newest.ended
    assert new.number > 0
    assert old not in Task.objects.all()


def test_what_has_not_ended_and_what_is_pinned_stays():
    (old,) = finished(1)
    kept = {TaskFactory(), TaskFactory(status="running")}
    kept |= {TaskFactory(status="failed", pinned=True)}
    assert prune_at_leisure(KEEP_NONE, CRON).tasks == 1
    assert set(Task.objects.all()) == kept
    assert old not in kept


def test_who_keeps_all_still_forgets_the_lines_of_what_was_deleted():
    finished(2)
    (gone,) = finished(1, lines=25)
    Task.objects.forget([gone.pk])
    assert PrunedLog.objects.get().task_id == gone.pk
    gone = [part.lines for part in prune([], CRON)]
    assert gone == [10, 10, 5]
    assert Task.objects.count() == 2
    assert not LogLine.objects.exists()


def lines_of(*tasks):
    ids = [task.pk for task in tasks]
    return LogLine.objects.filter(task_id__in=ids).count()


def test_no_step_deletes_more_than_a_few_lines():
    tasks = [*finished(5, lines=3), *finished(2, lines=35)]
    left = [lines_of(*tasks)]
    for _ in prune(KEEP_NONE, CRON):
        left.append(lines_of(*tasks))  # noqa: PERF401 (it is counted in between)
    assert left[0] == 85
    assert left[-1] == 0
    assert all(0 <= before - after <= 10 for before, after in pairwise(left))


def test_a_long_log_is_out_of_sight_at_once_and_goes_bit_by_bit():
    (task,) = finished(1, lines=25)
    steps = prune(KEEP_NONE, CRON)
    assert next(steps) == Pruned(tasks=1)
    assert not Task.objects.exists()
    assert lines_of(task) == 25
    next(steps)
    assert lines_of(task) == 15


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_what_was_left_in_the_middle_is_finished_by_the_next_one(step):
    tasks = finished(2, lines=25)
    steps = prune(KEEP_NONE, CRON)
    for _ in range(step):
        next(steps)
    steps.close()  # whoever did this is dead
    assert PrunedLog.objects.exists()
    assert prune_at_leisure(KEEP_NONE, CRON).tasks == 0
    assert lines_of(*tasks) == 0
    assert not PrunedLog.objects.exists()


def test_a_task_that_is_pinned_at_the_last_moment_stays():
    (task,) = finished(1, lines=1)

    def pin(execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        if sql.startswith("SELECT") and not pinned:
            pinned.append(True)
            Task.objects.filter(pk=task.pk).update(pinned=True)
        return answer

    pinned = []
    with connection.execute_wrapper(pin):
        assert prune_at_leisure(KEEP_NONE, CRON).tasks == 0
    assert lines_of(task) == 1


def told():
    events = AuditEvent.objects.order_by("pk").values_list("action", "actor", "details")
    return [(action, actor, details) for action, actor, details in events]


def test_the_audit_trail_says_how_many_went_and_when_they_had_ended():
    for hour, count in ((8, 2), (9, 2), (10, 1)):
        at = NOON.replace(hour=hour)
        TaskFactory.create_batch(count, status="failed", completed_at=at)
    TaskFactory(status="completed", completed_at=NOON.replace(hour=1), pinned=True)
    prune_at_leisure(keep(1), CRON)
    # Three in a transaction, the newest of the old first.
    said = [
        {
            "deleted": count,
            "lines": 0,
            "kept": 1,
            "firstEnded": first,
            "lastEnded": last,
        }
        for count, first, last in (
            (3, "2025-11-26T08:00:00.000Z", "2025-11-26T09:00:00.000Z"),
            (1, "2025-11-26T08:00:00.000Z", "2025-11-26T08:00:00.000Z"),
        )
    ]
    assert told() == [("tasks.prune", "shell:cron", details) for details in said]


def test_where_nothing_goes_nothing_is_said():
    finished(2, lines=3)
    assert prune_at_leisure(keep(2), CRON).tasks == 0
    assert told() == []


def test_what_the_audit_trail_does_not_take_is_not_deleted(monkeypatch):
    (task,) = finished(1, lines=3)

    def refuse(*_args, **_details):
        raise DatabaseError("The disk is full.")

    monkeypatch.setattr(pruning, "record", refuse)
    with pytest.raises(DatabaseError):
        prune_at_leisure(KEEP_NONE, CRON)
    assert Task.objects.filter(pk=task.pk).exists()
    assert lines_of(task) == 3


def test_a_rerun_outlives_what_it_was_a_rerun_of():
    (first,) = finished(1)
    again = TaskFactory(rerun_of=first)
    assert prune_at_leisure(KEEP_NONE, CRON).tasks == 1
    again.refresh_from_db()
    assert again.rerun_of is None


def test_runners_that_stopped_long_ago_are_forgotten_unless_a_task_names_them():
    living = RunnerFactory()

    def stopped(days):
        return RunnerFactory(stopped_at=living.heartbeat_at - timedelta(days=days))

    old, named, recent = stopped(8), stopped(8), stopped(6)
    TaskFactory(status="completed", runner=named)
    prune_at_leisure(keep(9), CRON)
    assert set(Runner.objects.all()) == {living, named, recent}
    assert old not in Runner.objects.all()
