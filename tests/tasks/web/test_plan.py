"""What will happen if a form is sent: what it waits for, how long it takes."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.models import Task
from tests.factories import RunnerFactory, TaskFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


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
    waits, takes = sentences(staff, type="full-sync", version="v885")
    assert re.fullmatch(
        r"Waits for Full sync v884 \(about (1 m 0|59) s left\) · "
        "1 task is queued before it",
        waits,
    )
    assert takes == "Usually takes 1 m 40 s"


def test_without_a_runner_it_says_what_is_missing(staff):
    found = sentences(staff, type="full-sync", version="v885")
    assert found == ["Waits until a runner is active"]


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
