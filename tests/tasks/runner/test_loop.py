"""What a runner does with lines that the database does not take."""

import errno
import itertools
import math
import os
import resource
import signal
import time
import tomllib
from contextlib import suppress
from types import SimpleNamespace

import psutil
import pytest
from django.core.management import CommandError, call_command
from django.db import Error, connection
from django.db.models.functions import Now

from tasks import reaper
from tasks.lifecycle import Actor, request_cancel, submit
from tasks.logs import store as log_store
from tasks.logs.table import TABLE
from tasks.models import AuditEvent, PrunedLog, Runner, Task
from tasks.reaper import reap
from tasks.reasons import Reason
from tasks.runner.claim import claim
from tasks.runner.loop import TaskRunner
from tasks.runner.output import log
from tasks.runner.output.pipes import MOST_BYTES
from tasks.runner.registration import FENCE_SECONDS
from tasks.shim.client import LeaseLost
from tasks.waiting import waiting_for
from tests.factories import RunnerFactory, TaskFactory, write_log

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
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

[two-at-once]
max_running = 2
stop_grace = "1s"
[[two-at-once.steps]]
command = ["sh", "-c", "trap '' TERM; echo ready; sleep 1000; sleep 1000"]

[endless]
[[endless.steps]]
command = ["sh", "-c", "while echo line; do sleep 0.01; done"]

[flood]
[[flood.steps]]
command = ["sh", "-c", "echo line; exec yes $(printf %01000d 0)"]
"""
FLOOD_LINES = 60_000  # many times what a pipe holds
# Written by blocks that end anywhere, as programs do whose output is no terminal.
FLOOD = """
[flood]
[[flood.steps]]
pty = {pty}
command = ["{{python}}", "-c", '''
import os
data = "".join(f"{{{{number}}}} {filling}\\r\\n" for number in range({count})).encode()
while data:
    data = data[os.write(1, data[:4096]):]
''']
"""
FILLING = "版本资源同步" * 3
AWAY = "table_is_away"
PAUSE_SECONDS = 2.0  # longer than an unfinished line waits to be shown


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


class TableThatGoes:
    def __init__(self, name):
        self.name, self.is_away = name, False

    def take_away(self):
        self._rename(self.name, AWAY)
        self.is_away = True

    def bring_back(self):
        if self.is_away:
            self._rename(AWAY, self.name)
            self.is_away = False

    def _rename(self, old, new):
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")


@pytest.fixture
def lines_table():
    """Takes the table of lines away, and brings it back."""
    table = TableThatGoes(TABLE)
    yield table
    table.bring_back()


def work(runner, until):
    """Let the runner work until a condition holds."""
    deadline = time.monotonic() + 30
    while not until():
        assert time.monotonic() < deadline, "waited in vain"
        runner.step()


def work_for(runner, seconds):
    until = time.monotonic() + seconds
    work(runner, lambda: time.monotonic() >= until)


def beat(runner):
    """Let the runner give a sign of life at once, in its next round."""
    runner._beat_at = 0.0
    runner.step()


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
    monkeypatch.setattr(log, "now_ms", lambda: -1)  # a clock before 1970
    assert runner.claim()
    monkeypatch.undo()
    assert runner.claim()
    work(runner, until=ended(bad, good))
    assert good.status == "completed"
    assert messages(good)[:3] == [r"Executing: printf $'one\ntwo\n'", "one", "two"]
    assert bad.status == "failed"
    assert "after line 0 could not be stored: " in bad.error
    assert messages(bad) == [bad.error]
    assert bad.last_seq == 1
    assert bad.log_sha256 == log_store.sha256(bad.pk)
    assert bad.error_reason["code"] == "lines-lost"


def test_while_lines_cannot_be_stored_little_is_read_and_then_nothing_is_missing(
    new_runner, lines_table
):
    task = TaskFactory(type="flood", params={})
    runner = new_runner()
    work(runner, until=lambda: "line" in messages(task))
    lines_table.take_away()
    work(runner, until=lambda: runner._not_stored_since is not None)
    work(runner, until=lambda: not runner._may_read())
    run = runner.runs[task.pk]
    held = run.execution
    count = held.line_count
    assert run.unstored_bytes < 2 * MOST_BYTES
    runner.step()
    assert held.line_count == count
    lines_table.bring_back()
    work(runner, until=lambda: runner._not_stored_since is None)
    held.stop("cancelled", Reason("cancelled", by="alice"))
    work(runner, until=ended(task))
    lines = log_store.read(task.pk, 0, limit=10**9)
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


def test_a_runner_never_reaps_itself(new_runner, monkeypatch):
    runner = new_runner(store_patience_seconds=0)
    task, _ = silent_task(runner)
    runner._beat_at = math.inf
    frozen = {"patience_seconds": 1, "process_space": "elsewhere"}
    Runner.objects.filter(pk=runner.row.pk).update(**frozen)
    now = 0
    monkeypatch.setattr(reaper, "time", SimpleNamespace(monotonic=lambda: now))
    for _ in range(10):
        now += 5
        runner.reap()
    task.refresh_from_db()
    assert task.status == "running"


@pytest.fixture
def runners_table():
    """Takes the table of runners away, and brings it back."""
    table = TableThatGoes(Runner._meta.db_table)
    yield table
    table.bring_back()


def test_a_runner_that_can_not_beat_keeps_its_silent_task_for_its_patience(
    new_runner, runners_table
):
    runner = new_runner(store_patience_seconds=3600)
    task, child = silent_task(runner)
    runners_table.take_away()
    runner._confirmed_at -= 3500
    runner._beat_or_give_up()
    assert runner.runs[task.pk].execution.outcome is None
    runner._confirmed_at -= 200
    runner._beat_or_give_up()
    runners_table.bring_back()
    work(runner, until=ended(task))
    assert task.status == "failed"
    assert task.error.startswith(
        "Stopped, because its output could not be stored for 3600 s: "
    )
    assert not psutil.pid_exists(child.pid)


def test_a_runner_says_for_how_long_it_keeps_its_tasks_without_a_heartbeat(
    new_runner, use_task_types
):
    use_task_types(TYPES.replace("[silent]", '[silent]\nstop_grace = "90s"'))
    row = new_runner(store_patience_seconds=50).row
    assert row.patience_seconds == 50 + 90 + FENCE_SECONDS


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
    beat(runner)
    assert psutil.pid_exists(child.pid)
    loss(task)
    beat(runner)
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
    there, safe = log_store.read(task.pk, 0), run.unflushed[0].last_seq
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
    Runner.objects.filter(pk=runner.row.pk).update(stopped_at=Now(), crashed=True)
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
    late.runs[task.pk].execution.log.say("stdout", "late")
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
    run.execution.log.say("stdout", "late")
    run.execution.stop("failed", Reason("timed-out", seconds=1))
    late.flush()
    assert not late.runs
    if speaks_after == "the requeue":
        other = new_runner()
        work(other, until=lambda: messages(task).count("ready") == 2)
    gate.touch()
    other.runs[task.pk].execution.child.stop(grace_seconds=10)
    work(other, until=ended(task))
    assert messages(task)[: len(before)] == before
    assert not {"late", "Timed out after 1 s."} & set(messages(task))
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
    beat(runner)
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
    assert signal.getsignal(signal.SIGTERM) == runner._shutdown.on_stop_signal
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


def test_the_descriptor_of_a_lost_connection_is_watched_no_longer(new_runner):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's news come by a socket that nobody cuts off")
    runner = new_runner()
    runner._wait()
    number = runner._news.fileno()
    assert number in runner._events._all.get_map()
    with connection.cursor() as cursor:
        backend = runner._news._connection.info.backend_pid
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [backend])
    while runner._news.fileno() >= 0:
        runner.hear()
    # The next child's pipe may have it.
    for selector in runner._events._selectors:
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
    work(runner, until=lambda: runner._side_jobs._pruner.due_at is None)
    lines_table.bring_back()
    runner._side_jobs._pruner._rests_until = 0.0
    work(runner, until=lambda: not PrunedLog.objects.exists())
    assert not old.lines.exists()


# --- Limits of the system -----------------------------------------------------------


@pytest.mark.parametrize("part", ["beat", "reap", "hear", "claim"])
def test_a_runner_outlives_a_limit_that_it_meets_itself(new_runner, monkeypatch, part):
    def refuse():
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    task, runner = TaskFactory(type="two-lines", params={}), new_runner()
    with monkeypatch.context() as patch:
        patch.setattr(runner, part, refuse)
        runner._beat_at = runner._reap_at = runner._poll_at = 0.0
        runner._do_what_is_due()
    work(runner, ended(task))
    assert task.status == "completed"


def test_lines_wait_where_storing_them_meets_a_limit(new_runner, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    task, runner = TaskFactory(type="two-lines", params={}), new_runner()
    with monkeypatch.context() as patch:
        patch.setattr("tasks.runner.loop.store", refuse)
        work(runner, lambda: runner._not_stored_since is not None)
    work(runner, ended(task))
    assert messages(task)[1:3] == ["one", "two"]


def test_a_task_that_finds_no_file_to_open_fails_alone(new_runner):
    first = TaskFactory(type="endless", params={})
    runner = new_runner()
    work(runner, lambda: runner.runs)
    second = TaskFactory(type="two-lines", params={})
    opened, spare = [], connection.ensure_connection
    spare()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
    resource.setrlimit(resource.RLIMIT_NOFILE, (used, hard))
    try:
        with suppress(OSError):
            while True:
                opened.append(os.dup(0))
        assert runner.claim()
    finally:
        for fd in opened:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    work(runner, ended(second))
    assert second.status == "failed"
    assert "no more files can be opened (ulimit -n)" in second.error
    assert first.pk in runner.runs
    third = TaskFactory(type="two-lines", params={})
    work(runner, ended(third))
    assert third.status == "completed"


# --- Pauses -------------------------------------------------------------------------


@pytest.fixture(params=["false", "true"], ids=["pipes", "terminal"])
def flooding(request, use_task_types, new_runner):
    """A runner in the middle of a flood, and its task; whose lines are whole."""
    text = FLOOD.format(pty=request.param, filling=FILLING, count=FLOOD_LINES)
    use_task_types(text)
    task, runner = TaskFactory(type="flood", params={}), new_runner()

    def has_begun():
        task.refresh_from_db()
        return task.last_seq > 100

    work(runner, has_begun)
    yield runner, task
    work(runner, ended(task))
    assert task.status == "completed", task.error
    expected = [f"{number} {FILLING}" for number in range(FLOOD_LINES)]
    assert printed(task) == expected


def printed(task):
    """What the program said, as the log has it."""
    rows = log_store.read(task.pk, 0, limit=2 * FLOOD_LINES)
    return [row.message for row in rows if row.level == "stdout"]


def test_lines_are_whole_when_nothing_could_be_stored_for_a_while(
    flooding, lines_table
):
    runner, _ = flooding
    for _ in range(2):
        lines_table.take_away()
        work(runner, lambda: runner._not_stored_since is not None)
        work_for(runner, PAUSE_SECONDS)
        lines_table.bring_back()
        work(runner, lambda: runner._not_stored_since is None)


def test_lines_are_whole_when_the_runner_stood_still_for_a_while(flooding):
    runner, _ = flooding
    for _ in range(3):
        time.sleep(PAUSE_SECONDS)  # as a stopped process does, or one that waits
        runner.step()


# --- As it was accepted -------------------------------------------------------------

DEPLOY = """
[deploy]
[deploy.params.token]
secret = true
[deploy.params.where]
choices = ["staging", "production"]
[[deploy.steps]]
name = "use"
command = ["sh", "-c", 'echo "$0 at $1"; exit $2', "{token}", "{where}", "{code}"]
[deploy.params.code]
default = "0"
"""
GIVEN = {"token": "it's $PECIAL", "where": "production"}


@pytest.mark.parametrize("code", ["0", "3"])
def test_a_task_runs_with_its_secrets_and_forgets_them(
    new_runner, use_task_types, code
):
    use_task_types(DEPLOY)
    task = submit("deploy", {**GIVEN, "code": code}, Actor("alice"))
    use_task_types(DEPLOY.replace("token", "password"))
    work(new_runner(), ended(task))
    assert "*** at production" in messages(task)
    assert f" *** production {code}" in messages(task)[0]
    assert task.secret_values is None
    assert "PECIAL" not in str((messages(task), task.result, task.error))


def test_a_choice_that_was_taken_away_does_not_run(new_runner, use_task_types):
    use_task_types(DEPLOY)
    task = submit("deploy", GIVEN, Actor("alice"))
    use_task_types(DEPLOY.replace(', "production"', ""))
    work(new_runner(), ended(task))
    says = "The parameter where is not accepted any more: Must be one of: staging."
    assert (task.status, task.error, messages(task)) == ("failed", says, [says])
    assert task.secret_values is None


def test_a_changed_secret_key_fails_the_task_with_that_reason(
    new_runner, use_task_types, settings
):
    use_task_types(DEPLOY)
    task = submit("deploy", GIVEN, Actor("alice"))
    settings.SECRET_KEY = "another-secret-key-of-thirty-two-characters"
    work(new_runner(), ended(task))
    assert "SECRET_KEY has changed" in task.error
    assert task.secret_values is None


def test_a_task_cancelled_while_it_runs_forgets_its_secrets(new_runner, use_task_types):
    use_task_types(DEPLOY.replace("exit $2", "sleep 1000"))
    task = submit("deploy", GIVEN, Actor("alice"))
    runner = new_runner()
    work(runner, lambda: "*** at production" in messages(task))
    request_cancel(task.pk, Actor("bob"))
    work(runner, ended(task))
    assert (task.status, task.secret_values) == ("cancelled", None)


def test_a_step_whose_parameter_has_no_value_is_not_started(
    new_runner, use_task_types, tmp_path
):
    """As of a task from before, to whose type a parameter was added."""
    use_task_types(
        "[remove]\n[remove.params.dir]\n[[remove.steps]]\nname = 'remove'\n"
        f"command = ['touch', '{tmp_path}/{{dir}}x']\ncontinue_on_error = true\n"
    )
    task = TaskFactory(type="remove", params={})
    work(new_runner(), ended(task))
    says = "Step “remove” was not started: The parameter dir has no value."
    assert (task.status, task.error) == ("failed", says)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("where", ["cwd = '/srv/{dir}'", "env = {D = '/srv/{dir}'}"])
def test_a_missing_value_is_missed_wherever_it_stands(
    new_runner, use_task_types, where
):
    use_task_types(
        f"[a]\n[a.params.dir]\n[[a.steps]]\nname = 's'\ncommand = ['true']\n{where}\n"
    )
    task = TaskFactory(type="a", params={})
    work(new_runner(), ended(task))
    assert task.error == "Step “s” was not started: The parameter dir has no value."


def test_what_may_be_left_out_is_empty(new_runner, use_task_types):
    use_task_types(
        "[a]\n[a.params.note]\nrequired = false\n[[a.steps]]\n"
        "command = ['echo', '<{note}>']\n"
    )
    task = submit("a", {}, Actor("alice"))
    work(new_runner(), ended(task))
    assert "<>" in messages(task)


def test_a_task_of_a_type_that_a_runner_does_not_know_waits_for_one_that_does(
    new_runner, use_task_types
):
    use_task_types(DEPLOY)
    theirs = submit("deploy", GIVEN, Actor("alice"))
    use_task_types(TYPES)
    mine = submit("two-lines", {}, Actor("alice"))
    runner = new_runner()
    work(runner, ended(mine))
    theirs.refresh_from_db()
    assert theirs.status == "pending"
    assert waiting_for(theirs).reason == "runner"
    RunnerFactory(known_types=["deploy"])
    assert waiting_for(theirs).reason == "turn"
    use_task_types(DEPLOY)
    work(new_runner(), ended(theirs))
    assert (theirs.status, theirs.error) == ("completed", None)


def test_a_runner_says_which_types_it_knows(new_runner):
    everything = new_runner()
    assert everything.row.known_types == sorted(tomllib.loads(TYPES))
    assert new_runner(types=["silent"]).row.known_types == ["silent"]


LABELLED = """
[ios]
labels = ["mac"]
[[ios.steps]]
command = ["true"]
[any]
[[any.steps]]
command = ["true"]
"""


def test_a_runner_takes_what_needs_no_label_that_it_lacks(new_runner, use_task_types):
    use_task_types(LABELLED)
    first = submit("ios", {}, Actor("alice"))
    second = submit("any", {}, Actor("alice"))
    plain = new_runner()
    work(plain, ended(second))
    first.refresh_from_db()
    assert (plain.row.takes, first.status) == (["any"], "pending")
    mac = new_runner(labels=["mac", "gpu"])
    assert mac.row.takes == ["any", "ios"]
    work(mac, ended(first))
    assert first.status == "completed"


@pytest.mark.parametrize(
    ("types", "options", "problem"),
    [
        (LABELLED, ["--labels", "a b"], "'a b' is no label; expected up to 63 letters"),
        (
            LABELLED,
            ["--types", "ios"],
            "--types: ios needs a runner with --labels mac.",
        ),
        (
            LABELLED.partition("[any]")[0],
            ["--labels", "gpu"],
            "--labels: each task type needs a label that this runner does not have.",
        ),
    ],
)
def test_a_runner_that_could_take_nothing_does_not_start(
    use_task_types, types, options, problem
):
    use_task_types(types)
    with pytest.raises(CommandError) as refusal:
        call_command("run_tasks", "--once", *options)
    assert problem in str(refusal.value)
    assert not Runner.objects.exists()


# --- Places of a type ---------------------------------------------------------------

STORM_ROUNDS = 4


def by_cancel(task_id, _child):
    request_cancel(task_id, Actor("alice"))


def by_force(task_id, _child):
    request_cancel(task_id, Actor("alice"), force=True)


def by_kill(_task_id, child):
    os.kill(child.pid, signal.SIGKILL)


def test_a_storm_of_ends_leaves_no_place_empty_and_fills_none_twice(new_runner):
    runner = new_runner(concurrency=8)
    running = Task.objects.running().filter(type="two-at-once")

    def started():
        """The tasks that run, each with its child."""
        assert running.count() <= 2
        runs = [run.execution for run in runner.runs.values()]
        return [(run.task_id, run.child) for run in runs if run.child and run.child.pid]

    def are(count):
        return lambda: len(started()) == count

    for _ in range(STORM_ROUNDS):
        tasks = TaskFactory.create_batch(6, type="two-at-once", params={})
        ways = itertools.cycle([by_force, by_kill, by_cancel, by_force, by_kill])
        while left := Task.objects.filter(pk__in=[task.pk for task in tasks]).exclude(
            status__in=Task.ENDED
        ):
            work(runner, until=are(min(2, left.count())))
            doomed = started()
            for (task_id, child), end in zip(doomed, ways, strict=False):
                end(task_id, child)
            work(
                runner,
                until=lambda ids={i for i, _ in doomed}: not ids & {*runner.runs},
            )
    work(runner, until=are(0))
    assert not running.exists()
