"""Storing what running tasks print: all or nothing, once, and only one's own."""

import time
import uuid
from contextlib import closing

import pytest
from django.db import connection

from tasks.catalog.task_type import Step, TaskType
from tasks.logs import store as log_store
from tasks.models import Task
from tasks.notifications import subscribe, wait
from tasks.reasons import Reason
from tasks.runner import writer as storing
from tasks.runner.execution import Execution
from tasks.runner.run import Run
from tasks.runner.writer import FEW_LINES, settle, store
from tests.factories import NOON, RunnerFactory, TaskFactory, fork_server, write_log

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
KIND = TaskType("job", "Job", "", (), (Step("one", ("true",)), Step("two", ("true",))))


@pytest.fixture
def runner():
    return RunnerFactory()


@pytest.fixture
def task(runner):
    return TaskFactory(status="running", runner=runner)


def run_of(task, *messages):
    run = Run(Execution(task.pk, KIND, {}, fork_server()))
    say(run, *messages)
    return run


def say(run, *messages):
    for message in messages:
        run.execution.log.say("stdout", message)


def stored(task):
    return [line.message for line in log_store.read(task.pk, 0)]


def lines_of(task):
    return log_store.read(task.pk, 0)


def change_progress(run):
    run.execution.trail.append((run.execution.line_count, 1, "one", 50, None))


def end(run):
    run.execution.stop("cancelled", Reason("cancelled", by="alice"))
    run.execution.advance()


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
    run.execution.stop("failed", Reason("timed-out", seconds=1))
    run.execution.advance()
    store([run], runner)
    task.refresh_from_db()
    assert (task.status, task.error) == ("failed", "Timed out after 1 s.")
    assert task.completed_at
    assert stored(task) == ["a", "Timed out after 1 s."]
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
    assert settle([run], runner) == [run]


@pytest.mark.parametrize("last_seq", [1, 7])
def test_a_task_that_stands_where_this_runner_never_brought_it_is_lost(
    task, runner, last_seq
):
    run = run_of(task, "a", "b")
    store([run], runner)
    Task.objects.filter(pk=task.pk).update(last_seq=last_seq)
    say(run, "c")
    assert store([run], runner) == [run]
    assert settle([run], runner) == [run]
    assert stored(task) == ["a", "b"]


@pytest.mark.parametrize("ends", [False, True])
def test_a_batch_whose_commit_was_not_heard_of_is_not_written_twice(task, runner, ends):
    heard, unheard = run_of(task, "a", "b"), run_of(task, "a", "b")
    if ends:
        for run in (heard, unheard):
            end(run)
    store([heard], runner)
    assert store([unheard], runner) == []
    assert not unheard.execution.lines
    assert stored(task)[:2] == ["a", "b"]
    if not ends:
        say(unheard, "c")
        assert store([unheard], runner) == []
        assert stored(task) == ["a", "b", "c"]


@pytest.mark.parametrize("notices", [store, settle])
def test_what_came_behind_a_batch_whose_commit_was_not_heard_of_follows_it(
    task, runner, notices
):
    heard, unheard = run_of(task, "a", "b"), run_of(task, "a", "b")
    for run in (heard, unheard):
        change_progress(run)
    store([heard], runner)
    say(unheard, "c")
    change_progress(unheard)
    end(unheard)
    assert notices([unheard], runner) == []
    assert unheard.stored_trail == 2
    assert not unheard.is_over
    assert store([unheard], runner) == []
    assert unheard.is_over
    assert stored(task) == ["a", "b", "c", "Cancelled by alice."]
    task.refresh_from_db()
    assert task.status == "cancelled"
    assert task.log_sha256 == log_store.sha256(task.pk)


def test_an_end_whose_commit_was_not_heard_of_is_noticed(task, runner):
    heard, unheard = run_of(task, "a"), run_of(task, "a")
    for run in (heard, unheard):
        end(run)
    store([heard], runner)
    assert settle([unheard], runner) == []
    assert unheard.is_over
    assert not unheard.is_dirty


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("count", [1, 3 * FEW_LINES])
def test_viewers_are_told_how_far_the_lines_are(task, runner, count):
    run = run_of(task, *(str(n) for n in range(count)))
    with closing(subscribe("viewers")) as news:
        news.receive()
        store([run], runner)
        assert wait(news, 5) == {str(task.pk): count}


@pytest.mark.parametrize("count", [1, FEW_LINES, 3 * FEW_LINES])
def test_any_text_is_stored_as_it_was_said(task, runner, count):
    awkward = ["tab\there", "back\\slash \\N \\.", "版本 \u2028", "", "'\";--", "%s"]
    said = [awkward[n % len(awkward)] for n in range(count)]
    store([run_of(task, *said)], runner)
    assert stored(task) == said


# --- The summary ---------------------------------------------------------------------


def summary_in(task):
    rows = Task.objects.filter(pk=task.pk).values_list("summary", "summary_bytes")
    return rows.get()


def test_a_summary_is_stored_while_the_task_runs(task, runner):
    run = run_of(task)
    assert not run.is_dirty
    run.execution.summary.add("# 版本")
    assert run.is_dirty
    assert store([run], runner) == []
    assert not run.is_dirty
    assert summary_in(task) == ("# 版本", 8)
    run.execution.summary.add("fine")
    end(run)
    store([run], runner)
    assert summary_in(task) == ("# 版本\nfine", 13)


@pytest.mark.django_db(transaction=True)
def test_viewers_are_told_of_a_summary_without_lines(task, runner):
    run = run_of(task)
    run.execution.summary.add("# v885")
    with closing(subscribe("viewers")) as news:
        news.receive()
        store([run], runner)
        assert wait(news, 5) == {str(task.pk): None}


def test_a_summary_whose_commit_was_not_heard_of_is_stored_again(task, runner):
    heard, unheard = run_of(task, "a"), run_of(task, "a")
    for run in (heard, unheard):
        run.execution.summary.add("# v885")
    store([heard], runner)
    unheard.execution.summary.add("fine")
    for _ in range(2):  # first it notices what is stored
        assert store([unheard], runner) == []
    assert not unheard.is_dirty
    assert summary_in(task) == ("# v885\nfine", 11)


def test_tasks_are_loaded_without_their_summaries(task, runner):
    run = run_of(task)
    run.execution.summary.add("# v885")
    store([run], runner)
    for found in (Task.objects.get(pk=task.pk), Task.objects.short().get(pk=task.pk)):
        assert "summary" in found.get_deferred_fields()
        assert found.summary == "# v885"


# --- A second attempt ----------------------------------------------------------------


def came_back(task, runner):
    """The task, claimed by a runner after the death of the one before."""
    trail = [[0, 1, "one", 0], [1, 2, "two", 50], [2, 1, "one", 50]]
    columns = {"runner": runner, "attempt": 2, "trail": trail, "progress": 50}
    Task.objects.filter(pk=task.pk).update(**columns)
    task.refresh_from_db()
    return Run.begun(task, KIND, fork_server())


def test_a_second_attempt_goes_on_with_numbers_digest_trail_and_progress(task, runner):
    write_log(task, "a", "b")
    run = came_back(task, runner)
    assert not run.is_dirty
    run.execution._set_progress(10)  # 5 % of the whole: less than there was
    assert not run.is_dirty
    run.execution._set_progress(90)
    assert run.execution.progress == 50
    run.execution._step_index = 1
    run.execution._set_progress(50)
    say(run, "c")
    end(run)
    assert store([run], runner) == []
    assert stored(task) == ["a", "b", "c", "Cancelled by alice."]
    task.refresh_from_db()
    assert task.log_sha256 == log_store.sha256(task.pk)
    assert [change[3] for change in task.trail] == [0, 50, 50, 75]
    assert task.progress == 75


def test_a_runner_that_comes_back_writes_no_line_and_no_status_of_a_task_that_went_on(
    task, runner
):
    late = run_of(task, "a", "b")
    store([late], runner)
    Task.objects.filter(pk=task.pk).update(status="pending", runner=None, attempt=2)
    say(late, "late")
    assert store([late], runner) == [late]
    change_progress(late)
    end(late)
    assert store([late], runner) == [late]
    other = RunnerFactory()
    Task.objects.filter(pk=task.pk).update(status="running")
    now = came_back(task, other)
    assert store([late], runner) == [late]
    assert settle([late], runner) == [late]
    say(now, "c")
    assert store([now], other) == []
    assert stored(task) == ["a", "b", "c"]
    task.refresh_from_db()
    assert (task.status, task.runner) == ("running", other)


def test_since_when_a_step_is_silent_is_stored_with_the_change_that_says_so(
    task, runner
):
    run = run_of(task, "a")
    run.execution.trail.append((1, 1, "one", 0, 1_764_158_400_000))
    store([run], runner)
    task.refresh_from_db()
    assert task.stalled_since == NOON
    run.execution.trail.append((1, 1, "one", 0, None))
    store([run], runner)
    task.refresh_from_db()
    assert task.stalled_since is None


# --- A crash of PostgreSQL takes back what was not on its disk ------------------------


def needs_postgresql():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's commits survive the death of any process")


def crash(run):
    """Take back all that a crash may; returns the lines that were there."""
    task = Task.objects.get(pk=run.execution.task_id)
    there = lines_of(task)
    safe = run.unflushed[0].last_seq
    task.lines.filter(seq__gt=safe).delete()
    Task.objects.filter(pk=task.pk).update(last_seq=safe)
    assert len(lines_of(task)) < len(there)
    return there


# With real commits: those of the crash wait for the disk, so that the log has passed
# the places of the lines that are gone.
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("count", [1, 3 * FEW_LINES])
@pytest.mark.parametrize("notices", [store, settle])
def test_lines_that_a_crash_took_back_are_stored_again_under_the_same_numbers(
    task, runner, count, notices
):
    needs_postgresql()
    run = run_of(task, "first")
    store([run], runner)
    for letter in "abc":
        say(run, *[letter] * count)
        store([run], runner)
    viewers_have = crash(run)
    if notices is store:
        say(run, "next")
    assert notices([run], runner) == []
    assert run.is_dirty
    assert store([run], runner) == []
    assert lines_of(task)[: len(viewers_have)] == viewers_have
    assert stored(task)[len(viewers_have) :] == (["next"] if notices is store else [])
    end(run)
    store([run], runner)
    task.refresh_from_db()
    assert task.log_sha256 == log_store.sha256(task.pk)


def test_an_end_behind_lines_that_a_crash_took_back_comes_after_them(task, runner):
    needs_postgresql()
    run = run_of(task, "a")
    store([run], runner)
    crash(run)
    end(run)
    assert store([run], runner) == []
    assert not run.is_over
    assert store([run], runner) == []
    assert run.is_over
    assert stored(task) == ["a", "Cancelled by alice."]
    task.refresh_from_db()
    assert task.log_sha256 == log_store.sha256(task.pk)


def test_lines_may_be_taken_back_twice(task, runner):
    needs_postgresql()
    run = run_of(task, "a", "b")
    for _ in "twice":
        store([run], runner)
        crash(run)
        assert settle([run], runner) == []
        assert run.last_seq == 0
    store([run], runner)
    assert stored(task) == ["a", "b"]


def test_a_crash_that_costs_one_task_its_lines_leaves_another_alone(task, runner):
    needs_postgresql()
    other = TaskFactory(status="running", runner=runner)
    hit, spared = run_of(task, "a"), run_of(other, "A")
    store([hit, spared], runner)
    crash(hit)
    say(hit, "b")
    say(spared, "B")
    assert store([hit, spared], runner) == []
    assert stored(other) == ["A", "B"]
    store([hit], runner)
    assert stored(task) == ["a", "b"]


@pytest.mark.parametrize("change", [change_progress, end])
def test_a_change_waits_for_the_disk_so_nothing_before_it_is_kept(task, runner, change):
    run = run_of(task, "a")
    store([run], runner)
    assert bool(run.unflushed) == (connection.vendor == "postgresql")
    change(run)
    store([run], runner)
    assert not run.unflushed


def test_what_a_heartbeat_has_brought_to_the_disk_is_not_kept(task, runner):
    run = run_of(task, "a")
    store([run], runner)
    assert settle([run], runner) == []
    assert not run.unflushed
    assert run.last_seq == 1


@pytest.mark.django_db(transaction=True)
def test_in_a_flood_lines_are_let_go_once_they_are_on_the_disk(task, runner):
    needs_postgresql()
    run = run_of(task)
    for _ in range(100):
        say(run, *["line"] * 100)
        store([run], runner)
    flood, deadline = run.last_seq, time.monotonic() + 20
    while run.unflushed[0].last_seq < flood:
        assert time.monotonic() < deadline, f"{len(run.unflushed)} batches are kept"
        say(run, "one more")
        store([run], runner)


def test_commits_wait_for_the_disk_where_too_much_would_be_kept(
    task, runner, monkeypatch
):
    needs_postgresql()
    monkeypatch.setattr(storing, "MOST_UNFLUSHED_BYTES", 1_000)
    run = run_of(task)
    kept = []
    for _ in range(4):
        say(run, "x" * 2_000)
        store([run], runner)
        kept.append(len(run.unflushed))
    assert kept == [1, 0, 1, 0]


def test_on_sqlite_nothing_is_kept(task, runner):
    if connection.vendor == "postgresql":
        pytest.skip("this is SQLite's own")
    run = run_of(task, "a")
    store([run], runner)
    assert not run.unflushed
