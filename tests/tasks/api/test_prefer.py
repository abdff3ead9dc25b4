"""``Prefer: wait=SECONDS``: the answer is held until the task has ended."""

import json
import time

import pytest
from django.utils import timezone

from tasks.api import prefer
from tasks.models import Task
from tests.factories import TaskFactory

pytestmark = pytest.mark.postgres

PATH = "/api/tasks/check-integrity"
NEW = {"data": {"version": "v885"}, "content_type": "application/json"}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=5", 5),
        ("WAIT=5", 5),
        ("wait = 5", 5),
        ('wait="5"', 5),
        ("respond-async, wait=5", 5),
        ("respond-async; x=1, wait=5; y", 5),
        ('foo="a, wait=9", wait=5', 5),
        ("handling=lenient,wait=5,wait=9", 5),
        ("wait=0", 0),
        ("wait=601", 600),
        ("wait=99999999999999999999", 600),
        ("wait", None),
        ("wait=", None),
        ("wait=abc", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait=٥", None),
        ("awaiting=5", None),
        ("respond-async", None),
        (";;;", None),
        ("", None),
    ],
)
def test_it_reads_the_header_as_rfc_7240_has_it(header, seconds):
    assert prefer.seconds_to_hold(header) == seconds


def test_it_reads_a_hostile_header_in_no_time():
    started = time.monotonic()
    for hostile in ("a;" * 4000 + '"', 'a="' + "\\" * 8000, " " * 8000, '"' * 8000):
        prefer.seconds_to_hold(hostile)
    assert time.monotonic() - started < 1


@pytest.mark.django_db
def test_an_answer_that_is_to_be_held_says_so_and_is_true_already(program):
    response = program.post(PATH, **NEW, headers={"Prefer": "wait=60"})
    assert response.status_code == 202
    assert "Preference-Applied" not in response
    task = Task.objects.get()
    assert response.held[:2] == (task.pk, 60)


@pytest.mark.django_db
def test_a_held_answer_tells_of_the_task_as_it_is_in_the_end(program):
    response = program.post(PATH, **NEW, headers={"Prefer": "wait=60"})
    task = Task.objects.get()
    Task.objects.move(task.pk, "pending", "running", started_at=timezone.now())
    result = {"success": True, "results": []}
    now = timezone.now()
    Task.objects.move(task.pk, "running", "completed", completed_at=now, result=result)
    response.held.renew(response)
    assert response.status_code == 200
    assert response["Preference-Applied"] == "wait=60"
    assert int(response["Content-Length"]) == len(response.content)
    body = json.loads(response.content)
    assert body["taskId"] == str(task.pk)
    assert (body["status"], body["result"]) == ("completed", result)
    assert response["Location"] == body["statusUrl"]


@pytest.mark.django_db
def test_when_the_time_is_over_a_held_answer_is_202_and_says_that_it_was_held(program):
    response = program.post(PATH, **NEW, headers={"Prefer": "wait=60"})
    response.held.renew(response)
    assert response.status_code == 202
    assert response["Preference-Applied"] == "wait=60"


@pytest.mark.django_db
def test_a_held_answer_whose_task_was_deleted_stays_as_it_was(program):
    response = program.post(PATH, **NEW, headers={"Prefer": "wait=60"})
    before = response.content
    Task.objects.all().delete()
    response.held.renew(response)
    assert (response.status_code, response.content) == (202, before)


@pytest.mark.django_db
def test_when_the_time_is_over_the_answer_is_202(program):
    response = program.post(PATH, **NEW, headers={"Prefer": "wait=0"})
    assert response.status_code == 202
    assert response["Preference-Applied"] == "wait=0"
    assert response.json()["status"] == "pending"


@pytest.mark.django_db
def test_a_task_that_has_ended_already_is_answered_at_once(program):
    headers = {"Prefer": "wait=60", "Idempotency-Key": "k"}
    program.post(PATH, **NEW, headers={"Idempotency-Key": "k"})
    Task.objects.update(status="failed", completed_at=timezone.now())
    response = program.post(PATH, **NEW, headers=headers)
    assert response.status_code == 200
    assert response.json()["status"] == "failed"


@pytest.mark.django_db
def test_a_preference_that_is_none_is_ignored(program):
    response = program.post(PATH, **NEW, headers={"Prefer": "wait=soon"})
    assert response.status_code == 202
    assert "Preference-Applied" not in response


@pytest.mark.django_db
def test_a_rerun_can_be_waited_for_too(program):
    first = TaskFactory(status="failed")
    response = program.post(
        f"/api/tasks/{first.pk}/rerun", headers={"Prefer": "wait=0"}
    )
    assert response["Preference-Applied"] == "wait=0"
