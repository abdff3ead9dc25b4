"""Tasks of runners that died: ended, with the reason, exactly once."""

import os
import socket
from datetime import timedelta

import psutil
import pytest

from tasks import log_store
from tasks.models import Runner, Task
from tasks.reaper import reap
from tests.factories import RunnerFactory, TaskFactory, write_log

pytestmark = pytest.mark.django_db


@pytest.fixture
def lost():
    runner = RunnerFactory(name="mac-1")
    Runner.objects.filter(pk=runner.pk).update(
        heartbeat_at=runner.heartbeat_at - timedelta(seconds=60)
    )
    return runner


def test_a_task_of_a_lost_runner_fails_with_the_reason_as_its_last_line(lost):
    task = TaskFactory(status="running", runner=lost)
    write_log(task, "one", "two")
    assert reap() == 1
    task.refresh_from_db()
    assert task.status == "failed"
    assert "The runner mac-1 stopped at about 20" in task.error
    assert "2 lines were kept" in task.error
    lines = log_store.page(task.pk, 0, 10)
    assert [line["seq"] for line in lines] == [1, 2, 3]
    assert (lines[2]["level"], lines[2]["message"]) == ("error", task.error)
    assert task.last_seq == 3
    assert task.log_sha256 == log_store.sha256(task.pk)


def test_a_task_that_was_to_be_cancelled_is_cancelled(lost):
    task = TaskFactory(status="running", runner=lost, cancel_requested_by="alice")
    Task.objects.filter(pk=task.pk).update(cancel_requested_at=task.created_at)
    reap()
    task.refresh_from_db()
    assert task.status == "cancelled"
    assert task.error.startswith("Cancelled by alice; ")


def test_reaping_again_changes_nothing(lost):
    TaskFactory(status="running", runner=lost)
    assert reap() == 1
    assert reap() == 0


def test_a_living_runner_keeps_its_tasks():
    here = RunnerFactory(
        host=socket.gethostname(),
        pid=os.getpid(),
        process_started=psutil.Process().create_time(),
    )
    for runner in (RunnerFactory(), here):
        TaskFactory(status="running", runner=runner)
    assert reap() == 0


def test_a_process_that_is_gone_on_this_host_need_not_be_waited_for():
    runner = RunnerFactory(host=socket.gethostname(), pid=2**22 - 1)
    TaskFactory(status="running", runner=runner)
    assert reap() == 1


def test_another_process_with_the_same_pid_is_not_the_runner():
    runner = RunnerFactory(
        host=socket.gethostname(), pid=os.getpid(), process_started=1.0
    )
    TaskFactory(status="running", runner=runner)
    assert reap() == 1


def test_a_task_whose_runner_is_not_known_any_more_ends_too():
    TaskFactory(status="running", runner=None)
    assert reap() == 1
