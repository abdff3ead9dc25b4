"""Tasks of runners that died: ended, with the reason, exactly once."""

import os
import signal
import socket
import subprocess
import time
import uuid
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from tasks import reaper
from tasks.liveness.lock_file import LockFile
from tasks.liveness.processes import process_space, process_started
from tasks.logs import store as log_store
from tasks.models import LEASE_SECONDS, Runner, Task
from tasks.reaper import WATCH_SECONDS, Reaper, is_gone, reap, take_from_its_runner
from tasks.shim.client import ForkServer, Program
from tests.factories import NOON, RunnerFactory, TaskFactory, write_log

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture
def lost():
    """A runner that was declared dead."""
    return RunnerFactory(name="mac-1", stopped_at=timezone.now(), crashed=True)


def test_a_task_of_a_lost_runner_fails_with_the_reason_as_its_last_line(lost):
    task = TaskFactory(status="running", runner=lost)
    write_log(task, "one", "two")
    assert reap() == 1
    task.refresh_from_db()
    assert task.status == "failed"
    assert "The runner mac-1 stopped at about 20" in task.error
    assert task.error.endswith("; 2 lines were kept.")
    lines = log_store.page(task.pk, 0, 10).lines
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
    Task.objects.update(summary="half", summary_bytes=4)
    trail = task.trail
    assert reap() == 1
    task.refresh_from_db()
    assert (task.status, task.attempt, task.runner) == ("pending", 2, None)
    assert (task.slot, task.started_at, task.stalled_since) == (None, None, None)
    assert (task.step_index, task.step_name) == (0, "")
    assert (task.summary, task.summary_bytes) == (None, None)
    assert (task.trail, task.progress, task.error) == (trail, 50, None)
    *kept, last = log_store.page(task.pk, 0, 10).lines
    assert [line["message"] for line in kept] == ["a", "b"]
    assert last["level"] == "info"
    assert last["message"].startswith("The runner mac-1 stopped at about 20")
    assert last["message"].endswith(
        "; 2 lines were kept. The task goes back to the queue."
    )
    assert task.last_seq == last["seq"] == 3


def test_it_goes_back_once_only(lost, idempotent):
    task = half_done(lost, attempt=2, summary="half", summary_bytes=4)
    assert reap() == 1
    task.refresh_from_db()
    assert (task.status, task.summary) == ("failed", "half")
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


def test_reaping_again_changes_nothing(lost):
    TaskFactory(status="running", runner=lost)
    assert reap() == 1
    assert reap() == 0


def test_a_task_whose_runner_is_not_known_any_more_ends_too():
    TaskFactory(status="running", runner=None)
    assert reap() == 1


# --- Who is dead ------------------------------------------------------------------


class Watch:
    """A reaper, and a clock that goes only as he looks."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr(reaper, "time", clock)
        self.man = Reaper()
        self.man.look()

    def look_for(self, seconds, meanwhile=lambda: None):
        """Look as often as he does, until more than so many seconds are over."""
        until = self.now + seconds
        while self.now <= until:
            self.now += WATCH_SECONDS
            meanwhile()
            self.man.look()


@pytest.fixture
def watch(monkeypatch):
    return lambda: Watch(monkeypatch)


def process_of(pid):
    """The columns of a runner that is this process."""
    return {
        "process_space": process_space(),
        "pid": pid,
        "process_started": process_started(pid),
    }


def task_of(runner):
    return TaskFactory(status="running", runner=runner)


def status_of(task):
    task.refresh_from_db()
    return task.status


def beat(runner):
    Runner.objects.filter(pk=runner.pk).update(beats=F("beats") + 1)


@pytest.fixture
def sleeper():
    """A process that could be a runner."""
    process = subprocess.Popen(["sleep", "1000"])
    yield process
    process.kill()
    process.wait()


def stop(process):
    """As a terminal or a debugger does."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


def test_a_runner_elsewhere_whose_heartbeat_does_not_change_is_dead(watch):
    task = task_of(RunnerFactory())
    watching = watch()
    watching.look_for(LEASE_SECONDS - 2 * WATCH_SECONDS)
    assert status_of(task) == "running"
    watching.look_for(2 * WATCH_SECONDS)
    assert status_of(task) == "failed"


def test_a_runner_elsewhere_is_given_the_patience_that_it_has_itself(watch):
    runner = RunnerFactory(patience_seconds=60)
    task = task_of(runner)
    watching = watch()
    watching.look_for(60 - 2 * WATCH_SECONDS)
    assert status_of(task) == "running"
    assert not Runner.objects.alive().exists()  # but nobody counts on it
    watching.look_for(2 * WATCH_SECONDS)
    assert status_of(task) == "failed"


@pytest.mark.parametrize("hours", [-1, 1, 24 * 365])
def test_a_clock_that_is_set_makes_no_living_runner_dead_or_silent(watch, hours):
    runner = RunnerFactory()
    task = task_of(runner)
    watching = watch()
    watching.look_for(LEASE_SECONDS / 2, lambda: beat(runner))
    seen = runner.heartbeat_at + timedelta(hours=hours)
    Runner.objects.filter(pk=runner.pk).update(heartbeat_at=seen)

    def is_alive():
        assert Runner.objects.alive().exists()
        beat(runner)

    watching.look_for(5 * LEASE_SECONDS, is_alive)
    assert status_of(task) == "running"


def test_a_dead_runner_whose_clock_was_ahead_is_dead_all_the_same(watch):
    task = task_of(RunnerFactory(heartbeat_at=timezone.now() + timedelta(hours=1)))
    watch().look_for(LEASE_SECONDS)
    assert status_of(task) == "failed"


def test_a_heartbeat_with_the_same_time_as_the_last_is_one(watch):
    runner = RunnerFactory(heartbeat_at=NOON)
    task = task_of(runner)
    watch().look_for(3 * LEASE_SECONDS, lambda: beat(runner))
    assert status_of(task) == "running"


def test_who_was_stopped_or_had_no_database_himself_has_seen_nothing(watch):
    task = task_of(RunnerFactory())
    watching = watch()
    watching.look_for(LEASE_SECONDS - 2 * WATCH_SECONDS)
    watching.now += 40
    watching.look_for(LEASE_SECONDS - 2 * WATCH_SECONDS)
    assert status_of(task) == "running"


def test_a_look_that_hung_shows_nothing(watch, monkeypatch):
    task = task_of(RunnerFactory())
    watching = watch()
    watching.look_for(LEASE_SECONDS - 2 * WATCH_SECONDS)
    order_by = reaper.Runner.objects.all().order_by

    def hang(self, *fields):
        watching.now += 20
        return order_by(*fields)

    with monkeypatch.context() as slow:
        slow.setattr(type(Runner.objects.all()), "order_by", hang)
        watching.man.look()
    watching.look_for(WATCH_SECONDS)
    assert status_of(task) == "running"


def test_a_heartbeat_after_the_look_is_not_too_late(watch, monkeypatch):
    runner = RunnerFactory()
    task = task_of(runner)
    watching = watch()
    is_over = reaper._is_over

    def beat_first(found):
        beat(runner)
        return is_over(found)

    monkeypatch.setattr(reaper, "_is_over", beat_first)
    watching.look_for(LEASE_SECONDS)
    assert status_of(task) == "running"
    assert Runner.objects.alive().exists()


def test_a_runner_here_lives_for_as_long_as_its_process_and_its_patience(
    watch, sleeper
):
    runner = RunnerFactory(patience_seconds=60, **process_of(sleeper.pid))
    task = task_of(runner)
    watching = watch()
    watching.look_for(60 - 2 * WATCH_SECONDS)
    assert Runner.objects.alive().exists()
    assert status_of(task) == "running"
    assert not is_gone(runner)
    watching.look_for(2 * WATCH_SECONDS)
    assert status_of(task) == "failed"


def test_a_runner_here_that_was_stopped_for_a_lease_is_dead(watch, sleeper):
    runner = RunnerFactory(patience_seconds=3600, **process_of(sleeper.pid))
    task = task_of(runner)
    stop(sleeper)
    watching = watch()
    watching.look_for(LEASE_SECONDS - 2 * WATCH_SECONDS)
    assert status_of(task) == "running"
    watching.look_for(2 * WATCH_SECONDS)
    assert status_of(task) == "failed"


@pytest.mark.parametrize("is_waited_for", [True, False])
def test_a_runner_here_whose_process_is_gone_need_not_be_waited_for(
    sleeper, is_waited_for
):
    runner = RunnerFactory(patience_seconds=3600, **process_of(sleeper.pid))
    task = task_of(runner)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # a zombie stays
    if is_waited_for:
        sleeper.wait()
    Reaper().look()
    assert status_of(task) == "failed"


def test_another_process_with_the_same_pid_is_not_the_runner():
    is_another = {**process_of(os.getpid()), "process_started": 1.0}
    task = task_of(RunnerFactory(**is_another))
    Reaper().look()
    assert status_of(task) == "failed"


def test_a_runner_in_another_container_of_the_same_host_name_is_not_asked_here():
    elsewhere = process_space().rpartition(" ")[0] + " pid:[1]"
    runner = RunnerFactory(
        host=socket.gethostname(), process_space=elsewhere, pid=2**22 - 1
    )
    task = task_of(runner)
    Reaper().look()
    assert status_of(task) == "running"
    assert not is_gone(runner)


def test_a_runner_in_another_container_is_dead_when_nobody_holds_its_lock(
    settings, tmp_path
):
    settings.DATA_DIR = tmp_path
    lock = LockFile(uuid.uuid4())
    runner = RunnerFactory(
        id=lock.runner_id,
        process_space=process_space().rpartition(" ")[0] + " pid:[1]",
        lock_file=lock.identity,
        patience_seconds=3600,
    )
    task = task_of(runner)
    Reaper().look()
    assert status_of(task) == "running"
    assert not is_gone(runner)
    lock.close()
    assert is_gone(runner)
    Reaper().look()
    assert status_of(task) == "failed"
    runner.refresh_from_db()
    assert runner.crashed


def test_a_clock_that_is_set_while_a_runner_runs_does_not_make_it_dead(monkeypatch):
    task = task_of(RunnerFactory(**process_of(os.getpid())))
    boot_time = psutil._psplatform.boot_time
    monkeypatch.setattr(psutil._psplatform, "boot_time", lambda: boot_time() + 3600)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    Reaper().look()
    assert status_of(task) == "running"


def test_nobody_declares_himself_dead(watch, monkeypatch):
    runner = RunnerFactory()
    task = task_of(runner)
    watching = watch()
    watching.man = Reaper(runner.pk)
    watching.look_for(3 * LEASE_SECONDS)
    assert status_of(task) == "running"


def test_a_dead_runner_counts_as_crashed_and_one_that_said_goodbye_does_not(watch):
    stopped = RunnerFactory(stopped_at=Now())
    silent = RunnerFactory()
    watch().look_for(LEASE_SECONDS)
    assert set(Runner.objects.crashed_lately()) == {silent}
    assert stopped not in Runner.objects.alive()


# --- What pages say of a runner -----------------------------------------------------


def test_a_runner_that_was_silent_before_anybody_looked_is_not_counted_on(watch):
    runner = RunnerFactory(heartbeat_at=NOON, patience_seconds=3600)
    watching = watch()
    assert not Runner.objects.alive().exists()
    beat(runner)
    Runner.objects.update(is_silent=False)  # as a runner does with its heartbeat
    watching.look_for(WATCH_SECONDS)
    assert Runner.objects.alive().exists()


def test_a_runner_here_is_not_called_silent_while_the_database_takes_no_heartbeat(
    watch, sleeper
):
    RunnerFactory(heartbeat_at=NOON, patience_seconds=3600, **process_of(sleeper.pid))
    watch().look_for(3 * LEASE_SECONDS)
    assert Runner.objects.alive().exists()


# --- What is left of its programs ---------------------------------------------------


@pytest.fixture
def helped():
    """A runner with a process of its own (not its fork server's parent), and what it
    started: ``start`` gives the process of a program."""
    made = []

    def make(runner_id):
        made.append(ForkServer(runner_id))
        return made[-1]

    yield make
    for fork_server in made:
        psutil.Process(fork_server._process.pid).resume()
        fork_server.close()


def program_of(fork_server):
    """A program that a fork server started, and the connection that it hangs on."""
    with Path(os.devnull).open("w") as out:
        script = "echo; exec sleep 1000"
        program = Program(["sh", "-c", script], "/", dict(os.environ))
        connection = fork_server.start(program, out.fileno(), out.fileno())
    connection.setblocking(True)
    pid = int(connection.recv(100).decode().partition(":")[2].strip("} \n"))
    return psutil.Process(pid), connection


def is_running(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("are_stopped", [False, True])
def test_before_the_tasks_of_a_stopped_runner_are_taken_its_programs_are_ended(
    watch, sleeper, helped, are_stopped
):
    runner = RunnerFactory(**process_of(sleeper.pid))
    task = task_of(runner)
    fork_server = helped(runner.pk)
    program, connection = program_of(fork_server)
    stop(sleeper)
    if are_stopped:  # with it, as by a kill of the whole tree
        for process in psutil.Process(fork_server._process.pid).children(
            recursive=True
        ):
            process.suspend()
        psutil.Process(fork_server._process.pid).suspend()
    watching = watch()
    watching.look_for(LEASE_SECONDS - 2 * WATCH_SECONDS)
    assert is_running(program)
    watching.look_for(2 * WATCH_SECONDS)
    assert not is_running(program)
    assert status_of(task) == "failed"
    connection.close()


def test_a_task_is_not_taken_while_a_program_of_its_runner_can_not_be_killed(
    helped, sleeper, monkeypatch
):
    runner = RunnerFactory(**process_of(sleeper.pid))
    task = task_of(runner)
    program, connection = program_of(helped(runner.pk))
    sleeper.kill()
    sleeper.wait()
    with monkeypatch.context() as refused:
        refused.setattr(psutil.Process, "kill", lambda _: None)
        refused.setattr("tasks.liveness.processes.KILL_SECONDS", 0.1)
        Reaper().look()
    assert status_of(task) == "running"
    assert not is_gone(runner)
    Reaper().look()
    assert status_of(task) == "failed"
    assert not is_running(program)
    connection.close()


def test_the_programs_of_another_runner_are_left_alone(helped, sleeper):
    runner = RunnerFactory(**process_of(sleeper.pid))
    program, connection = program_of(helped(uuid.uuid4()))
    sleeper.kill()
    sleeper.wait()
    Reaper().look()
    assert not Runner.objects.alive().exists()
    assert is_running(program)
    assert runner
    connection.close()


# --- A reaper who is hindered -----------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_reaper_that_can_look_at_nothing_says_so_once_and_goes_on(
    lost, monkeypatch, caplog
):
    task = TaskFactory(status="running", runner=lost)
    own = Reaper()
    with monkeypatch.context() as away:
        away.setattr(reaper, "reap", lambda: 1 / 0)
        for _ in range(3):
            own.look_or_log()
    assert len(caplog.records) == 1
    own.look_or_log()
    assert status_of(task) == "failed"
