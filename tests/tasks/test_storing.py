"""Storing what running tasks print: all or nothing, once, and only one's own."""

import uuid

import pytest

from tasks import log_store
from tasks.execution import Execution
from tasks.models import Task
from tasks.storing import Run, store
from tasks.task_types import Step, TaskType
from tests.factories import RunnerFactory, TaskFactory

pytestmark = pytest.mark.django_db
KIND = TaskType("job", "Job", "", (), (Step("one", ("true",)), Step("two", ("true",))))


@pytest.fixture
def runner():
    return RunnerFactory()


@pytest.fixture
def task(runner):
    return TaskFactory(status="running", runner=runner)


def run_of(task, *messages):
    run = Run(Execution(task.pk, KIND, {}))
    say(run, *messages)
    return run


def say(run, *messages):
    for message in messages:
        run.execution._say("stdout", message)


def stored(task):
    return [line.message for line in log_store.read(task.pk, 0)]


def test_lines_get_the_next_numbers_and_the_task_knows_the_last(task, runner):
    run = run_of(task, "a", "b")
    assert store([run], runner) == []
    say(run, "c")
    assert store([run], runner) == []
    assert [line.seq for line in log_store.read(task.pk, 0)] == [1, 2, 3]
    task.refresh_from_db()
    assert task.last_seq == 3
    assert not run.is_dirty


def test_the_end_comes_with_its_last_lines_and_the_digest(task, runner):
    run = run_of(task, "a")
    store([run], runner)
    run.execution.stop("failed", "It burned.")
    run.execution.advance()
    store([run], runner)
    task.refresh_from_db()
    assert (task.status, task.error) == ("failed", "It burned.")
    assert task.completed_at
    assert stored(task) == ["a", "It burned."]
    assert task.log_sha256 == log_store.sha256(task.pk)


def test_a_runner_that_lost_a_task_writes_nothing_of_it(task, runner):
    mine = TaskFactory(status="running", runner=runner)
    Task.objects.filter(pk=task.pk).update(runner=RunnerFactory())
    lost, kept = run_of(task, "late"), run_of(mine, "fine")
    assert store([lost, kept], runner) == [lost]
    assert stored(task) == []
    assert stored(mine) == ["fine"]


def test_a_task_that_has_ended_takes_no_more_lines(task, runner):
    Task.objects.move(
        task.pk, "running", "failed", completed_at=task.created_at, error="Reaped."
    )
    run = run_of(task, "late")
    assert store([run], runner) == [run]
    assert stored(task) == []


def test_a_deleted_task_is_lost(runner):
    ghost = Task(pk=uuid.uuid4())
    run = run_of(ghost, "late")
    assert store([run], runner) == [run]


@pytest.mark.parametrize("ends", [False, True])
def test_a_batch_whose_commit_was_not_heard_of_is_not_written_twice(task, runner, ends):
    heard, unheard = run_of(task, "a", "b"), run_of(task, "a", "b")
    if ends:
        for run in (heard, unheard):
            run.execution.stop("cancelled", "Cancelled by alice.")
            run.execution.advance()
    store([heard], runner)
    assert store([unheard], runner) == []
    assert not unheard.execution.lines
    assert stored(task)[:2] == ["a", "b"]
    if not ends:
        say(unheard, "c")
        assert store([unheard], runner) == []
        assert stored(task) == ["a", "b", "c"]
