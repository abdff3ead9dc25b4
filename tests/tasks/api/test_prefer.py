"""``Prefer: wait=SECONDS``: the answer is held until the task has ended."""

import threading
import time

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from tasks.api import prefer
from tasks.models import Task
from tasks.news import announce
from tests.factories import ApiKeyFactory, TaskFactory

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


def submit_in_background(path, headers):
    """POST in a thread; returns the thread and where its answer will be."""
    answers = []

    def post():
        try:
            answers.append(Client().post(path, **NEW, headers=headers))
        finally:
            connection.close()

    thread = threading.Thread(target=post)
    thread.start()
    return thread, answers


def wait_for_task():
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if task := Task.objects.exclude(rerun_of=None).first() or Task.objects.first():
            return task
    raise AssertionError("No task was made within 20 s.")


@pytest.mark.django_db(transaction=True)
def test_the_answer_is_held_until_the_task_has_ended():
    headers = {"X-API-Key": ApiKeyFactory().secret, "Prefer": "wait=60"}
    thread, answers = submit_in_background(PATH, headers)
    task = wait_for_task()
    assert not answers
    Task.objects.move(task.pk, "pending", "running", started_at=timezone.now())
    result = {"success": True, "results": []}
    now = timezone.now()
    Task.objects.move(task.pk, "running", "completed", completed_at=now, result=result)
    announce([task.pk])
    thread.join(20)
    (response,) = answers
    assert response.status_code == 200
    assert response["Preference-Applied"] == "wait=60"
    body = response.json()
    assert body["taskId"] == str(task.pk)
    assert (body["status"], body["result"]) == ("completed", result)
    assert response["Location"] == body["statusUrl"]


@pytest.mark.django_db(transaction=True)
def test_a_server_that_stops_answers_whoever_waits():
    headers = {"X-API-Key": ApiKeyFactory().secret, "Prefer": "wait=60"}
    thread, answers = submit_in_background(PATH, headers)
    wait_for_task()
    prefer.stop_waiting()
    try:
        thread.join(20)
    finally:
        prefer._stopping.clear()
    (response,) = answers
    assert response.status_code == 202
    assert "Preference-Applied" not in response


@pytest.mark.django_db
def test_when_the_time_is_over_the_answer_is_202(program):
    response = program.post(PATH, **NEW, headers={"Prefer": "wait=0"})
    assert response.status_code == 202
    assert response["Preference-Applied"] == "wait=0"
    assert response.json()["status"] == "pending"


@pytest.mark.django_db
def test_a_task_that_has_ended_already_is_answered_at_once(program):
    TaskFactory(status="failed", created_by="key:unity-editor", idempotency_key="k")
    headers = {"Prefer": "wait=60", "Idempotency-Key": "k"}
    response = program.post(PATH, **NEW, headers=headers)
    assert response.status_code == 200
    assert response.json()["status"] == "failed"


@pytest.mark.django_db
def test_a_preference_that_is_none_is_ignored(program):
    response = program.post(PATH, **NEW, headers={"Prefer": "wait=soon"})
    assert response.status_code == 202
    assert "Preference-Applied" not in response


@pytest.mark.django_db
def test_when_too_many_wait_the_next_is_answered_at_once(program):
    taken = [prefer._places.acquire(blocking=False) for _ in range(prefer.MAX_WAITING)]
    try:
        assert all(taken)
        response = program.post(PATH, **NEW, headers={"Prefer": "wait=60"})
    finally:
        prefer._places.release(len(taken))
    assert response.status_code == 202
    assert "Preference-Applied" not in response


@pytest.mark.django_db
def test_a_rerun_can_be_waited_for_too(program):
    first = TaskFactory(status="failed")
    response = program.post(
        f"/api/tasks/{first.pk}/rerun", headers={"Prefer": "wait=0"}
    )
    assert response["Preference-Applied"] == "wait=0"
