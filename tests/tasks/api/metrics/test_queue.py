"""What waits and why, what runs, and who has room for more."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.models import Approval, QueuePause
from tests.factories import RunnerFactory, TaskFactory
from tests.tasks.api.metrics.samples import scrape

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
KIND = "check-integrity"


def ago(seconds):
    return timezone.now() - timedelta(seconds=seconds)


def test_tasks_wait_by_type_and_reason(stranger):
    RunnerFactory(known_types=[KIND], concurrency=9)
    TaskFactory(status="running", lock="version:v885")
    TaskFactory.create_batch(2, lock="version:v885")
    TaskFactory(type="nobody-runs-it")
    TaskFactory()
    found = scrape(stranger)
    name = "resource_sync_tasks_waiting"
    assert {key[1:]: n for key, n in found.items() if key[0] == name} == {
        (KIND, "lock"): 2,
        (KIND, "turn"): 1,
        ("nobody-runs-it", "runner"): 1,
    }


def test_what_is_paused_waits_for_that(stranger):
    RunnerFactory()
    TaskFactory()
    QueuePause.objects.create(type="", paused_by="alice")
    found = scrape(stranger)
    assert found["resource_sync_queue_pauses",] == 1
    assert found["resource_sync_tasks_waiting", KIND, "paused"] == 1


def test_it_asks_no_more_queries_where_many_wait(
    stranger, django_assert_max_num_queries
):
    RunnerFactory()
    for number in range(30):
        TaskFactory(lock=f"version:v{number % 3}")
    with django_assert_max_num_queries(20):
        scrape(stranger)


def test_slots_of_runners_of_one_name_are_added(stranger):
    for concurrency in (4, 2):
        runner = RunnerFactory(name="mac", concurrency=concurrency)
    RunnerFactory(name="linux", concurrency=3)
    RunnerFactory(name="gone", stopped_at=timezone.now())
    TaskFactory(status="running", runner=runner)
    found = scrape(stranger)
    slots = {key[1]: n for key, n in found.items() if key[0].endswith("_runner_slots")}
    assert slots == {"mac": 6, "linux": 3}
    assert found["resource_sync_runner_busy_slots", "mac"] == 1
    assert found["resource_sync_runner_busy_slots", "linux"] == 0


def test_the_oldest_running_task_and_those_that_are_silent(stranger):
    nothing = scrape(stranger)
    assert nothing["resource_sync_oldest_running_seconds",] == 0
    TaskFactory(status="running", started_at=ago(500), stalled_since=ago(100))
    TaskFactory(status="running", started_at=ago(50))
    found = scrape(stranger)
    assert 500 <= found["resource_sync_oldest_running_seconds",] < 600
    assert found["resource_sync_tasks_stalled",] == 1


def test_the_oldest_approval_that_nobody_decided(stranger):
    task = TaskFactory(status="blocked")
    Approval.objects.create(
        task=task, step_index=1, step_name="ask", by=[], not_self=False,
        asked_at=ago(300), sha256="0" * 64,
    )  # fmt: skip
    found = scrape(stranger)
    assert 300 <= found["resource_sync_oldest_approval_seconds",] < 400
    assert found["resource_sync_tasks", "blocked"] == 1
