"""Counters of tasks that ended: every end, once, for good."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tasks.access.actor import Actor
from tasks.lifecycle import request_cancel
from tasks.models import Task, TaskEnd, TaskTotal, task_end
from tasks.pruning import prune_at_leisure
from tasks.reaper import reap
from tests.factories import RunnerFactory, TaskFactory, keep
from tests.tasks.api.metrics.samples import scrape

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
CRON = Actor("shell:cron")
KIND = "check-integrity"


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(task_end, "FEW_ENDS", 2)


def ended(status="completed", *, seconds=20, waited=1, **fields):
    """A task that was made, waited, ran, and ended so."""
    now = timezone.now()
    started = now - timedelta(seconds=seconds)
    task = TaskFactory(created_at=started - timedelta(seconds=waited), **fields)
    Task.objects.move(task.pk, "pending", "running", started_at=started)
    Task.objects.move(task.pk, "running", status, completed_at=now)
    return task


def finished(found):
    name = "resource_sync_tasks_finished_total"
    return {key[1:]: n for key, n in found.items() if key[0] == name and n}


def test_each_end_is_counted_by_type_and_status(stranger):
    ended(), ended(), ended("failed"), ended("cancelled", type="own")
    assert finished(scrape(stranger)) == {
        (KIND, "completed"): 2,
        (KIND, "failed"): 1,
        ("own", "cancelled"): 1,
    }


def test_counters_never_fall_while_retention_deletes(stranger):
    for _ in range(5):
        ended()
    assert prune_at_leisure(keep(1), CRON).tasks == 4
    assert Task.objects.count() == 1
    assert finished(scrape(stranger)) == {(KIND, "completed"): 5}
    ended()
    assert finished(scrape(stranger)) == {(KIND, "completed"): 6}


def test_ends_become_totals_where_they_are_many_and_nothing_else_changes(stranger):
    for seconds in (0.4, 20, 70, 100_000):
        ended(seconds=seconds)
    ended("failed", seconds=2)
    before = scrape(stranger)
    assert prune_at_leisure(keep(100), CRON).tasks == 0
    assert (TaskEnd.objects.count(), TaskTotal.objects.exists()) == (0, True)
    after = scrape(stranger)
    names = ("finished_total", "seconds_bucket", "seconds_count", "seconds_sum")
    of_tasks = [key for key in before if key[0].endswith(names) and KIND in key]
    assert len(of_tasks) > 40
    assert {key: after[key] for key in of_tasks} == {k: before[k] for k in of_tasks}


def test_one_end_alone_is_left_where_it_is():
    ended()
    prune_at_leisure(keep(100), CRON)
    assert (TaskEnd.objects.count(), TaskTotal.objects.count()) == (1, 0)


def test_durations_and_waits_are_histograms(stranger):
    ended(seconds=20, waited=2), ended(seconds=70, waited=400)
    found = scrape(stranger)
    run = ("resource_sync_task_seconds_bucket", KIND, "completed")
    bounds = ("15.0", "60.0", "300.0", "+Inf")
    assert [found[*run, bound] for bound in bounds] == [0, 1, 2, 2]
    assert found["resource_sync_task_seconds_count", KIND, "completed"] == 2
    total = found["resource_sync_task_seconds_sum", KIND, "completed"]
    assert total == pytest.approx(90, abs=0.1)
    wait = ("resource_sync_task_wait_seconds_bucket", KIND)
    assert [found[*wait, bound] for bound in ("1.0", "5.0", "900.0")] == [0, 1, 2]


def test_the_time_that_approvals_took_is_no_work(stranger):
    ended(seconds=100, approval_ms=70_000)
    total = scrape(stranger)["resource_sync_task_seconds_sum", KIND, "completed"]
    assert total == pytest.approx(30, abs=0.1)


def test_a_clock_that_was_set_back_takes_nothing_away(stranger):
    ended(seconds=-50, waited=-7)
    found = scrape(stranger)
    assert found["resource_sync_task_seconds_sum", KIND, "completed"] == 0
    assert found["resource_sync_task_wait_seconds_sum", KIND] == 0


def test_one_cancelled_in_the_queue_has_no_duration(stranger):
    task = TaskFactory()
    request_cancel(task.pk, CRON)
    found = scrape(stranger)
    assert finished(found) == {(KIND, "cancelled"): 1}
    assert ("resource_sync_task_seconds_count", KIND, "cancelled") not in found
    assert ("resource_sync_task_wait_seconds_count", KIND) not in found


def test_one_that_is_taken_from_a_dead_runner_is_counted_once(stranger):
    lost = RunnerFactory(stopped_at=timezone.now(), crashed=True)
    TaskFactory(status="running", runner=lost)
    reap(), reap()
    assert finished(scrape(stranger)) == {(KIND, "failed"): 1}


def test_an_end_that_is_rolled_back_is_none(stranger):
    with transaction.atomic():
        ended()
        transaction.set_rollback(True)
    assert finished(scrape(stranger)) == {}


def test_what_changes_of_a_task_that_has_ended_is_no_end(stranger):
    task = ended()
    Task.objects.filter(pk=task.pk).update(pinned=True, status="completed")
    task.refresh_from_db()
    task.save()
    assert finished(scrape(stranger)) == {(KIND, "completed"): 1}


def test_every_configured_type_is_there_before_its_first_failure(stranger):
    assert scrape(stranger)["resource_sync_tasks_finished_total", KIND, "failed"] == 0


def test_bounds_of_another_version_count_under_the_next(stranger):
    TaskTotal.objects.create(
        measure="run", type=KIND, status="failed", le_ms=7_000, count=3, sum_ms=9_000
    )
    found = scrape(stranger)
    run = ("resource_sync_task_seconds_bucket", KIND, "failed")
    assert [found[*run, bound] for bound in ("5.0", "15.0")] == [0, 3]


def test_the_trigger_can_be_taken_away_and_made_again(stranger):
    migration = import_module("tasks.migrations.0031_ends_of_tasks")
    with connection.cursor() as cursor:
        for statement in migration.COUNT_NO_MORE[connection.vendor]:
            cursor.execute(statement)
        ended()
        for statement in migration.COUNT[connection.vendor]:
            cursor.execute(statement)
    ended()
    assert finished(scrape(stranger)) == {(KIND, "completed"): 1}
