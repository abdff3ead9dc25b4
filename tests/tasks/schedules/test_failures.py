"""Schedules whose runs fail again and again say so, once."""

import logging

import pytest

from tasks.models import Schedule, Task
from tasks.schedules.due import start_due
from tasks.schedules.failures import schedule_keeps_failing, settle
from tests.factories import TaskFactory
from tests.tasks.schedules.conftest import THREE
from tests.tasks.schedules.test_due import DAY, MINUTE

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def ended(schedule):
    """Lets a schedule's tasks end, one a day."""
    made = schedule(next_run_at=THREE + 100 * DAY)

    def end(*statuses):
        for status in statuses:
            day = made.runs.count()
            task = TaskFactory(status=status)
            made.runs.create(due_at=THREE + day * DAY, outcome="started", task=task)
        settle()
        made.refresh_from_db()
        return made

    return end


@pytest.mark.parametrize(
    ("statuses", "failures"),
    [
        ((), 0),
        (("failed", "failed"), 2),
        (("failed", "failed", "failed"), 3),
        (("failed", "completed", "failed"), 1),
        (("failed", "cancelled", "failed"), 2),
        (("failed", "running", "failed"), 2),
    ],
    ids=["none", "two", "three", "completed", "cancelled", "running"],
)
def test_failures_in_a_row_are_counted(ended, statuses, failures):
    assert ended(*statuses).failures == failures


def test_three_in_a_row_are_told_once_and_again_after_a_success(
    ended, caplog, django_capture_on_commit_callbacks
):
    told = []

    def hear(schedule, **_):
        told.append(schedule.name)

    schedule_keeps_failing.connect(hear)
    try:
        with (
            caplog.at_level(logging.WARNING),
            django_capture_on_commit_callbacks(execute=True),
        ):
            ended("failed", "failed")
            assert ended("failed").failures == 3
            ended("failed", "failed")
        assert told == ["nightly"]
        with django_capture_on_commit_callbacks(execute=True):
            ended("completed", *["failed"] * 3)
    finally:
        schedule_keeps_failing.disconnect(hear)
    assert told == ["nightly"] * 2
    assert "name=nightly failed 3 times in a row" in caplog.text


def test_whoever_fails_to_tell_fails_nothing_else(
    ended, caplog, django_capture_on_commit_callbacks
):
    def fail(**_):
        raise RuntimeError("no network")

    schedule_keeps_failing.connect(fail)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            assert ended("failed", "failed", "failed").keeps_failing
    finally:
        schedule_keeps_failing.disconnect(fail)
    assert "no network" in caplog.text


def test_a_run_that_could_not_start_has_failed(schedule):
    schedule(type="gone", cron="* * * * *")
    for minutes in range(3):
        start_due(THREE + minutes * MINUTE)
    assert Schedule.objects.get().keeps_failing


def test_how_a_task_ended_is_known_when_it_is_deleted(ended):
    made = ended("failed")
    Task.objects.forget(list(Task.objects.values_list("pk", flat=True)))
    run = made.runs.get()
    assert (run.task, run.status) == (None, "failed")
    assert settle() == 0
