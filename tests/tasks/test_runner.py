"""What a runner does with lines that the database does not take."""

import math
import os
import signal
import time

import psutil
import pytest
from django.db import Error, connection

from tasks import execution, log_store
from tasks.claiming import claim
from tasks.lifecycle import Actor, request_cancel
from tasks.models import AuditEvent, PrunedLog, Runner, Task
from tasks.pages.sayings import said
from tasks.reaper import reap
from tasks.runner import LeaseLost, TaskRunner
from tests.factories import RunnerFactory, TaskFactory, write_log

pytestmark = pytest.mark.django_db(transaction=True)
TYPES = """
[two-lines]
[[two-lines.steps]]
command = ["printf", "one\\ntwo\\n"]

[silent]
[[silent.steps]]
command = ["sh", "-c", "echo ready; exec sleep 1000"]

[again]
idempotent = true
[[again.steps]]
name = "first"
command = ["true"]
[[again.steps]]
name = "second"
command = ["sh", "-c", "echo ready; test -e $0 && exit; exec sleep 1000", "{gate}"]
[again.params.gate]

[endless]
[[endless.steps]]
command = ["sh", "-c", "while echo line; do sleep 0.01; done"]
"""
AWAY = "lines_are_away"


@pytest.fixture(autouse=True)
def _types(use_task_types):
    use_task_types(TYPES)


@pytest.fixture
def new_runner():
    made = []

    def make(**options):
        made.append(TaskRunner(**options))
        return made[-1]

    yield make
    for runner in made:
        runner._close()


@pytest.fixture
def lines_table():
    """Takes the table of lines away, and brings it back."""

    def rename(old, new):
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    class Table:
        is_away = False

        def take_away(self):
            rename(log_store.TABLE, AWAY)
            self.is_away = True

        def bring_back(self):
            if self.is_away:
                rename(AWAY, log_store.TABLE)
                self.is_away = False

    table = Table()
    yield table
    table.bring_back()


def work(runner, until):
    """Let the runner work until a condition holds."""
    deadline = time.monotonic() + 30
    while not until():
        assert time.monotonic() < deadline, "waited in vain"
        runner._do_what_is_due()
        runner._wait()


def ended(*tasks):
    def look():
        for task in tasks:
            task.refresh_from_db()
        return all(task.has_ended for task in tasks)

    return look


def messages(task):
    return [line.message for line in log_store.read(task.pk, 0)]


def test_refused_lines_fail_their_task_alone_and_a_line_says_what_is_missing(
    new_runner, monkeypatch
):
    bad, good = [TaskFactory(type="two-lines", params={}) for _ in range(2)]
    runner = new_runner()
    monkeypatch.setattr(execution, "now_ms", lambda: -1)  # a clock before 1970
    assert runner.claim()
    monkeypatch.undo()
    assert runner.claim()
    work(runner, until=ended(bad, good))
    assert good.status == "completed"
    assert messages(good)[:3] == ["Executing: printf 'one\ntwo\n'", "one", "two"]
    assert bad.status == "failed"
    assert "after line 0 could not be stored: " in bad.error
    assert messages(bad) == [bad.error]
    assert bad.last_seq == 1
    assert bad.log_sha256 == log_store.sha256(bad.pk)
    assert said(bad.error) == bad.error


def test_while_lines_cannot_be_stored_nothing_is_read_and_then_nothing_is_missing(
    new_runner, lines_table
):
    task = TaskFactory(type="endless", params={})
    runner = new_runner()
    work(runner, until=lambda: "line" in messages(task))
    lines_table.take_away()
    work(runner, until=lambda: runner._not_stored_since is not None)
    held = runner.runs[task.pk].execution
    count = held.line_count
    runner._do_what_is_due()
    runner._wait()
    assert held.line_count == count
    lines_table.bring_back()
    work(runner, until=lambda: runner._not_stored_since is None)
    held.stop("cancelled", "Cancelled by alice.")
    work(runner, until=ended(task))
    lines = log_store.read(task.pk, 0)
    assert [line.seq for line in lines] == list(range(1, task.last_seq + 1))
    assert task.last_seq > count
    assert task.log_sha256 == log_store.sha256(task.pk)


def test_where_storing_fails_for_too_long_the_task_is_stopped_and_says_why(
    new_runner, lines_table
):
    task = TaskFactory(type="endless", params={})
    runner = new_runner(store_patience_seconds=0.6)
    work(runner, until=lambda: "line" in messages(task))
    lines_table.take_away()
    run = runner.runs[task.pk]
    work(runner, until=lambda: run.execution.outcome is not None)
    assert run.execution.child is None
    task.refresh_from_db()
    assert task.status == "running"
    lines_table.bring_back()
    work(runner, until=ended(task))
    assert task.status == "failed"
    assert task.error.startswith(
        "Stopped, because its output could not be stored for 0.6 s: "
    )
    assert messages(task)[-1] == task.error
    assert task.log_sha256 == log_store.sha256(task.pk)


def test_a_runner_that_was_not_heard_itself_ends_no_silent_one(new_runner):
    other = RunnerFactory()
    Runner.objects.filter(pk=other.pk).update(heartbeat_at="2020-01-01T00:00:00Z")
    task = TaskFactory(status="running", runner=other)
    runner = new_runner()
    runner._last_beat -= 60  # its database was away for a minute
    runner.beat()
    runner.reap()
    task.refresh_from_db()
    assert task.status == "running"
    runner._beats_since -= 60  # and has been there for the next one
    runner.reap()
    task.refresh_from_db()
    assert task.status == "failed"


def silent_task(runner):
    """A task that has said all that it will for long, and its child."""
    task = TaskFactory(type="silent", params={})
    work(runner, until=lambda: "ready" in messages(task))
    return task, runner.runs[task.pk].execution.child


def take_away(task):
    Task.objects.filter(pk=task.pk).update(runner=RunnerFactory())


def delete(task):
    Task.objects.filter(pk=task.pk).delete()


def fail(task):
    Task.objects.move(
        task.pk, "running", "failed", completed_at=task.created_at, error="Reaped."
    )


@pytest.mark.parametrize("loss", [take_away, delete, fail])
def test_a_silent_child_whose_task_is_no_longer_this_runners_is_ended_by_the_next_beat(
    new_runner, loss
):
    runner = new_runner()
    task, child = silent_task(runner)
    runner.beat()
    assert psutil.pid_exists(child.pid)
    loss(task)
    runner.beat()
    assert not runner.runs
    assert not psutil.pid_exists(child.pid)


def test_the_lines_of_a_silent_task_that_a_crash_took_back_come_with_the_next_beat(
    new_runner,
):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's commits survive the death of any process")
    runner = new_runner()
    runner._beat_at = math.inf
    task, _ = silent_task(runner)
    run = runner.runs[task.pk]
    there, safe = log_store.read(task.pk, 0), run.unsafe[0].last_seq
    task.lines.filter(seq__gt=safe).delete()
    Task.objects.filter(pk=task.pk).update(last_seq=safe)
    assert log_store.read(task.pk, 0) != there
    runner._beat_at = 0.0
    work(runner, until=lambda: log_store.read(task.pk, 0) == there)


def run_after_an_unheard_claim(runner, task):
    claim(runner.row)
    connection.connection.close()  # so the next claim fails
    with pytest.raises(Error):
        runner.claim()
    connection.close()
    work(runner, until=ended(task))


def test_a_task_whose_claim_was_committed_but_not_heard_of_is_run(new_runner):
    task = TaskFactory(type="two-lines", params={})
    run_after_an_unheard_claim(new_runner(), task)
    assert task.status == "completed"


def test_a_wish_to_cancel_is_passed_on_with_its_force(new_runner):
    runner = new_runner()
    task, _ = silent_task(runner)
    heard = []
    execution = runner.runs[task.pk].execution
    stop = execution.stop
    execution.stop = lambda *said, **how: (
        heard.append(how["force"]),
        stop(*said, **how),
    )
    for force in (False, True):
        request_cancel(task.pk, Actor("alice"), force=force)
        runner.hear()
    assert heard == [False, True]
    work(runner, until=ended(task))
    assert (task.status, task.error) == ("cancelled", "Cancelled by alice.")


# --- A lease that was lost ----------------------------------------------------------


def lose_lease(runner):
    """What others do with a runner that is silent for too long."""
    Runner.objects.filter(pk=runner.row.pk).update(heartbeat_at="2020-01-01T00:00:00Z")
    reap()


def test_a_runner_that_lost_its_lease_can_write_no_line_and_no_status(new_runner):
    task = TaskFactory(type="endless", params={})
    late = new_runner()
    work(late, until=lambda: "line" in messages(task))
    lose_lease(late)
    task.refresh_from_db()
    assert task.status == "failed"
    ended_with = messages(task)
    child = late.runs[task.pk].execution.child
    late.runs[task.pk].execution._say("stdout", "late")
    late.flush()
    assert not late.runs
    assert not psutil.pid_exists(child.pid)
    with pytest.raises(LeaseLost):
        late.beat()
    assert messages(task) == ended_with
    assert task.log_sha256 == log_store.sha256(task.pk)


@pytest.mark.parametrize("speaks_after", ["the requeue", "the second start"])
def test_a_runner_that_comes_back_cannot_touch_what_another_one_runs_again(
    new_runner, tmp_path, speaks_after
):
    gate = tmp_path / "gate"
    task = TaskFactory(type="again", params={"gate": str(gate)})
    late = new_runner()
    work(late, until=lambda: "ready" in messages(task))
    lose_lease(late)
    task.refresh_from_db()
    assert (task.status, task.attempt) == ("pending", 2)
    before = messages(task)
    assert before[-1].endswith(" The task goes back to the queue.")
    run = late.runs[task.pk]
    if speaks_after == "the second start":
        other = new_runner()
        work(other, until=lambda: messages(task).count("ready") == 2)
    run.execution._say("stdout", "late")
    run.execution.stop("failed", "Late.")
    late.flush()
    assert not late.runs
    if speaks_after == "the requeue":
        other = new_runner()
        work(other, until=lambda: messages(task).count("ready") == 2)
    gate.touch()
    other.runs[task.pk].execution.child.stop(grace_seconds=10)
    work(other, until=ended(task))
    assert messages(task)[: len(before)] == before
    assert not {"late", "Late."} & set(messages(task))
    lines = log_store.read(task.pk, 0)
    assert [line.seq for line in lines] == list(range(1, task.last_seq + 1))
    assert task.log_sha256 == log_store.sha256(task.pk)


def test_a_task_that_goes_on_keeps_its_trail_and_its_progress(new_runner, tmp_path):
    gate = tmp_path / "gate"
    task = TaskFactory(type="again", params={"gate": str(gate)})
    first = new_runner()
    work(first, until=lambda: "ready" in messages(task))
    lose_lease(first)
    gate.touch()
    work(new_runner(), until=ended(task))
    assert (task.status, task.attempt, task.progress) == ("completed", 2, 100)
    assert [change[1:4] for change in task.trail] == [
        [1, "first", 0],
        [2, "second", 50],
        [1, "first", 50],
        [2, "second", 50],
    ]
    seqs = [change[0] for change in task.trail]
    assert seqs == sorted(seqs)


def test_a_second_start_that_was_committed_but_not_heard_of_is_run(new_runner):
    task = TaskFactory(type="two-lines", params={}, attempt=2)
    write_log(task, "before")
    run_after_an_unheard_claim(new_runner(), task)
    assert (task.status, messages(task)[0]) == ("completed", "before")
    assert task.log_sha256 == log_store.sha256(task.pk)


def test_a_task_in_a_runners_name_that_it_does_not_run_is_not_running_for_ever(
    new_runner,
):
    runner = new_runner()
    task, _ = silent_task(runner)
    Task.objects.filter(pk=task.pk).update(last_seq=99)  # where it never brought it
    runner.beat()
    assert not runner.runs
    runner.reap()
    runner.reap()
    task.refresh_from_db()
    assert task.status == "failed"
    assert "The runner is gone" in task.error


# --- How it ends --------------------------------------------------------------------


def test_a_runner_that_ends_in_order_has_not_crashed():
    runner = TaskRunner()
    runner.run(once=True)
    runner.row.refresh_from_db()
    assert runner.row.stopped_at
    assert not runner.row.crashed


def test_a_runner_told_to_stop_before_its_first_round_ends_in_order():
    runner = TaskRunner()
    assert signal.getsignal(signal.SIGTERM) == runner._on_stop_signal
    os.kill(os.getpid(), signal.SIGTERM)
    runner.run()
    runner.row.refresh_from_db()
    assert runner.row.stopped_at
    assert not runner.row.crashed


def test_a_runner_that_ends_by_an_error_has_crashed(monkeypatch):
    runner = TaskRunner()
    monkeypatch.setattr(runner, "_wait", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        runner.run()
    runner.row.refresh_from_db()
    assert runner.row.crashed


def test_a_runner_that_loses_its_lease_has_crashed():
    runner = TaskRunner()
    lose_lease(runner)
    with pytest.raises(LeaseLost):
        runner.run()
    assert list(Runner.objects.crashed_lately()) == [runner.row]


def test_a_lost_connection_for_news_leaves_its_number_to_others_at_once(new_runner):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's news come by a socket that nobody cuts off")
    runner = new_runner()
    runner._wait()
    number = runner._news.fileno()
    assert number in runner._selector.get_map()
    with connection.cursor() as cursor:
        backend = runner._news._connection.info.backend_pid
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])
    while runner._news.fileno() >= 0:
        runner.hear()
    # The next child's pipe may have it.
    for selector in runner._selectors:
        assert number not in selector.get_map()


# --- What it forgets ----------------------------------------------------------------


def test_a_runner_forgets_a_long_log_while_it_stores_a_task(new_runner, settings):
    settings.TASK_RETENTION = 1
    old, new = TaskFactory.create_batch(2, status="completed")
    write_log(old, *["line"] * 9_000)
    runner = new_runner()
    task = TaskFactory(type="endless", params={})
    work(runner, until=lambda: not old.lines.exists())
    work(runner, until=lambda: not PrunedLog.objects.exists())
    assert set(Task.objects.all()) == {new, task}
    event = AuditEvent.objects.get()
    assert (event.action, event.actor) == ("tasks.prune", f"runner:{runner.row.name}")
    assert event.details["deleted"] == 1
    count = task.lines.count()
    work(runner, until=lambda: task.lines.count() > count)


def test_a_prune_that_failed_is_tried_again(new_runner, lines_table, settings):
    settings.TASK_RETENTION = 1
    old, _ = TaskFactory.create_batch(2, status="completed")
    write_log(old, *["line"] * 3_000)
    runner = new_runner()
    work(runner, until=PrunedLog.objects.exists)
    lines_table.take_away()
    work(runner, until=lambda: runner._pruning is None)
    lines_table.bring_back()
    runner._prune_at = 0.0
    work(runner, until=lambda: not PrunedLog.objects.exists())
    assert not old.lines.exists()
