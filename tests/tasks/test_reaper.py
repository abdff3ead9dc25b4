"""Tasks of runners that died: ended, with the reason, exactly once."""

import math
import os
import socket
import time
from datetime import timedelta

import psutil
import pytest
from django.db.models.functions import Now
from django.utils import timezone

from tasks import log_store, reaper
from tasks.models import LEASE_SECONDS, Runner, Task
from tasks.reaper import (
    Watchman,
    process_space,
    process_started,
    reap,
    take_from_its_runner,
)
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
    assert task.error.endswith("; 2 lines were kept.")
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


@pytest.mark.parametrize(
    ("count", "says"),
    [(0, "; no line was kept."), (1, "; 1 line was kept."), (1234, "; 1,234 lines ")],
)
def test_the_reason_says_how_many_lines_there_are(lost, count, says):
    task = TaskFactory(status="running", runner=lost)
    write_log(task, *["line"] * count)
    reap()
    task.refresh_from_db()
    assert says in task.error


TYPES = """
[check-integrity]
idempotent = true
[[check-integrity.steps]]
command = ["true"]
"""


@pytest.fixture
def idempotent(use_task_types):
    """The type of the factory's tasks may be run again."""
    use_task_types(TYPES)


def half_done(lost, **more):
    """A task whose runner died in its second step."""
    trail = [[0, 1, "one", 0], [1, 2, "two", 50]]
    task = TaskFactory(
        status="running", runner=lost, trail=trail, slot=0, progress=50, **more
    )
    write_log(task, "a", "b")
    return task


def test_a_task_that_may_run_again_goes_back_to_the_queue_with_all_it_has(
    lost, idempotent
):
    task = half_done(lost, stalled_since=lost.started_at, step_index=2, step_name="two")
    trail = task.trail
    assert reap() == 1
    task.refresh_from_db()
    assert (task.status, task.attempt, task.runner) == ("pending", 2, None)
    assert (task.slot, task.started_at, task.stalled_since) == (None, None, None)
    assert (task.step_index, task.step_name) == (0, "")
    assert (task.trail, task.progress, task.error) == (trail, 50, None)
    *kept, last = log_store.page(task.pk, 0, 10)
    assert [line["message"] for line in kept] == ["a", "b"]
    assert last["level"] == "info"
    assert last["message"].startswith("The runner mac-1 stopped at about 20")
    assert last["message"].endswith(
        "; 2 lines were kept. The task goes back to the queue."
    )
    assert task.last_seq == last["seq"] == 3


def test_it_goes_back_once_only(lost, idempotent):
    task = half_done(lost, attempt=2)
    assert reap() == 1
    task.refresh_from_db()
    assert task.status == "failed"
    assert task.error.endswith("; 2 lines were kept.")
    assert task.log_sha256 == log_store.sha256(task.pk)


def test_it_does_not_go_back_where_its_cancel_was_asked_for(lost, idempotent):
    task = half_done(lost, cancel_requested_at=lost.started_at)
    reap()
    task.refresh_from_db()
    assert task.status == "cancelled"


def test_a_wish_to_cancel_that_comes_meanwhile_is_seen_the_next_time(lost, idempotent):
    task = half_done(lost)
    as_read = Task.objects.select_related("runner").get(pk=task.pk)
    Task.objects.filter(pk=task.pk).update(cancel_requested_at=lost.started_at)
    assert not take_from_its_runner(as_read)
    assert reap() == 1
    task.refresh_from_db()
    assert task.status == "cancelled"


def test_a_runner_that_gave_a_sign_of_life_meanwhile_is_not_declared_dead(lost):
    found = list(Runner.objects.lost())
    Runner.objects.filter(pk=lost.pk).update(heartbeat_at=Now())
    for runner in found:
        reaper._declare_dead(runner, Runner.objects.lost())
    assert list(Runner.objects.alive()) == [lost]


def test_reaping_again_changes_nothing(lost):
    TaskFactory(status="running", runner=lost)
    assert reap() == 1
    assert reap() == 0


def test_a_living_runner_keeps_its_tasks():
    here = RunnerFactory(
        process_space=process_space(),
        pid=os.getpid(),
        process_started=psutil.Process().create_time(),
    )
    for runner in (RunnerFactory(), here):
        TaskFactory(status="running", runner=runner)
    assert reap() == 0


def test_a_runner_in_another_container_of_the_same_host_name_is_not_taken_for_dead():
    elsewhere = process_space().rpartition(" ")[0] + " pid:[1]"
    runner = RunnerFactory(
        host=socket.gethostname(), process_space=elsewhere, pid=2**22 - 1
    )
    TaskFactory(status="running", runner=runner)
    assert reap() == 0
    assert not reaper.is_gone(runner)


def test_a_process_that_is_gone_on_this_host_need_not_be_waited_for():
    runner = RunnerFactory(process_space=process_space(), pid=2**22 - 1)
    TaskFactory(status="running", runner=runner)
    assert reap() == 1


def test_a_dead_runner_counts_as_crashed_and_one_that_said_goodbye_does_not(lost):
    stopped = RunnerFactory(stopped_at=lost.started_at)
    gone = RunnerFactory(process_space=process_space(), pid=2**22 - 1)
    reap()
    crashed = dict(Runner.objects.values_list("pk", "crashed"))
    assert crashed == {lost.pk: True, gone.pk: True, stopped.pk: False}
    assert set(Runner.objects.crashed_lately()) == {lost, gone}


@pytest.mark.parametrize("hours", [-9, 9])
def test_what_this_hosts_clock_says_does_not_matter(lost, monkeypatch, hours):
    living = TaskFactory(status="running", runner=RunnerFactory())
    orphan = TaskFactory(status="running", runner=lost)
    now, clock = timezone.now, time.time
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(hours=hours))
    monkeypatch.setattr(time, "time", lambda: clock() + hours * 3600)
    assert reap() == 1
    living.refresh_from_db()
    orphan.refresh_from_db()
    assert (living.status, orphan.status) == ("running", "failed")
    assert not reaper.is_gone(living.runner)


def test_a_clock_that_is_set_while_a_runner_runs_does_not_make_it_dead(monkeypatch):
    runner = RunnerFactory(
        process_space=process_space(),
        pid=os.getpid(),
        process_started=process_started(os.getpid()),
    )
    boot_time = psutil._psplatform.boot_time
    monkeypatch.setattr(psutil._psplatform, "boot_time", lambda: boot_time() + 3600)
    assert reaper.is_alive(runner)


def test_another_process_with_the_same_pid_is_not_the_runner():
    runner = RunnerFactory(
        process_space=process_space(), pid=os.getpid(), process_started=1.0
    )
    TaskFactory(status="running", runner=runner)
    assert reap() == 1


def test_a_watchman_believes_in_silence_after_a_lease_of_his_own(lost, monkeypatch):
    task = TaskFactory(status="running", runner=lost)
    now = 1000.0
    monkeypatch.setattr(reaper.time, "monotonic", lambda: now)
    watchman = Watchman()

    def seconds_pass(seconds):
        nonlocal now
        for _ in range(seconds):
            now += 1
            watchman.look()
        task.refresh_from_db()
        return task.status

    watchman.look()
    assert seconds_pass(int(LEASE_SECONDS) - 1) == "running"
    now += 7  # his database was away
    assert seconds_pass(int(LEASE_SECONDS)) == "running"
    assert seconds_pass(1) == "failed"


def test_a_watchman_knows_at_once_of_what_is_dead_on_his_own_host():
    runner = RunnerFactory(process_space=process_space(), pid=2**22 - 1)
    task = TaskFactory(status="running", runner=runner)
    Watchman().look()
    task.refresh_from_db()
    assert task.status == "failed"


@pytest.mark.django_db(transaction=True)
def test_a_watchman_who_can_look_at_nothing_says_so_once_and_goes_on(
    lost, monkeypatch, caplog
):
    task = TaskFactory(status="running", runner=lost)
    watchman = Watchman()
    with monkeypatch.context() as away:
        away.setattr(reaper, "reap", lambda **_: 1 / 0)
        for _ in range(3):
            watchman.look_or_log()
    assert len(caplog.records) == 1
    watchman._open_since = -math.inf
    watchman.look_or_log()
    task.refresh_from_db()
    assert task.status == "failed"


def test_a_task_whose_runner_is_not_known_any_more_ends_too():
    TaskFactory(status="running", runner=None)
    assert reap() == 1
