"""What will happen if a form is sent: what it waits for, how long it takes."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.models import Task
from tests.factories import RunnerFactory, TaskFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

TWO_AT_A_TIME = """
[probe]
description = "Two at a time"
max_running = 2
steps = [{ name = "probe", command = ["true"] }]
"""


def sentences(client, **query):
    answer = client.get("/live/plan", query)
    assert answer.status_code == 200, answer.status_code
    items = re.findall(r"<li>(.*?)</li>", answer.text)
    return [item.strip() for item in items]


def full_sync(status, **values):
    return TaskFactory(type="full-sync", lock="publish", status=status, **values)


def test_with_nothing_before_it_a_task_starts_at_once(staff):
    RunnerFactory()
    assert sentences(staff, type="full-sync", version="v885") == ["Starts at once"]


def test_the_holder_of_its_lock_and_the_queue_before_it_are_said(staff):
    RunnerFactory()
    began = timezone.now() - timedelta(days=1)
    for _ in range(3):
        end = began + timedelta(seconds=100)
        full_sync(Task.Status.COMPLETED, started_at=began, completed_at=end)
    started = timezone.now() - timedelta(seconds=40)
    full_sync(Task.Status.RUNNING, version="v884", started_at=started)
    full_sync(Task.Status.PENDING)
    TaskFactory(lock="another")  # it is not in the way
    waits, takes = sentences(staff, type="full-sync", version="v885")
    assert re.fullmatch(
        r"Waits for Full sync v884 \(about (1 m 0|59) s left\) · "
        "1 task is queued before it",
        waits,
    )
    assert takes == "Usually takes 1 m 40 s"


def test_without_a_runner_it_says_what_is_missing(staff):
    found = sentences(staff, type="full-sync", version="v885")
    assert found == ["Waits until a runner that accepts this type is active"]


def test_a_runner_that_does_not_take_the_type_is_none_for_it(staff):
    RunnerFactory(types=["sync-native"])
    found = sentences(staff, type="full-sync", version="v885")
    assert found == ["Waits until a runner that accepts this type is active"]


def test_busy_slots_are_said_before_it_is_sent(staff):
    runner = RunnerFactory(concurrency=1)
    TaskFactory(type="sync-native", status=Task.Status.RUNNING)
    query = {"type": "full-sync", "version": "v885"}
    assert sentences(staff, **query) == ["Waits: the only runner slot is busy"]
    runner.concurrency = 2
    runner.save()
    assert sentences(staff, **query) == ["Starts at once"]
    TaskFactory(type="sync-native", status=Task.Status.RUNNING)
    assert sentences(staff, **query) == ["Waits: all 2 runner slots are busy"]


def test_the_limit_of_a_type_is_said_before_it_is_sent(staff, use_task_types):
    use_task_types(TWO_AT_A_TIME)
    RunnerFactory(concurrency=8)
    assert sentences(staff, type="probe") == ["Starts at once"]
    for _ in range(2):
        TaskFactory(type="probe", status=Task.Status.RUNNING)
    full = "Waits: limit of 2 concurrent tasks of this type reached"
    assert sentences(staff, type="probe") == [full]


def test_of_a_form_that_is_not_filled_in_no_start_is_said(staff):
    RunnerFactory()
    assert sentences(staff, type="full-sync", version="885") == []


@pytest.mark.parametrize("name", ["", "nothing"])
def test_a_type_that_does_not_exist_is_not_found(staff, name):
    assert staff.get("/live/plan", {"type": name}).status_code == 404


def test_what_one_may_not_start_is_not_planned(person):
    query = {"type": "rollback", "version": "v884"}
    answer = person("operator").get("/live/plan", query)
    assert answer.status_code == 404
