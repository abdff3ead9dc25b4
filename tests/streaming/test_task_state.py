"""From one state of a task to the next: lines and changes in the right order."""

import json

import pytest

from streaming.task_state import (
    Version,
    as_it_was,
    changed,
    state_of,
    version_of_newcomer,
    with_more_lines,
)
from tests.factories import NOON, TaskFactory, write_log

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def story(batch):
    """The batch as messages and (status, step, progress)."""
    parts = []
    for block in batch.data.decode().split("\n\n")[:-1]:
        data = json.loads(block.rpartition("data: ")[2])
        if data["type"] == "log":
            parts.append(data["log"]["message"])
        else:
            task = data["task"]
            parts.append((task["status"], task["step"]["index"], task["progress"]))
    return parts


def test_a_task_in_an_event_carries_no_urls():
    """Whoever watches it has them; so the bytes are the same for all."""
    task = running()
    known = state_of(task)
    task.progress, task.trail = 50, [*task.trail, [0, 1, "first", 50]]
    for data in (known.update, changed(known, task).batch.data):
        assert b"statusUrl" not in data
        assert b"streamUrl" not in data


def running(**fields):
    return TaskFactory(
        status="running", step_index=1, trail=[[0, 1, "first", 0]], **fields
    )


def test_each_change_stands_behind_the_lines_that_led_to_it():
    task = running()
    known = state_of(task)
    write_log(task, "a", "b", "c", "d")
    task.trail += [[2, 2, "second", 33], [3, 3, "third", 67]]
    task.step_index, task.progress = 3, 67
    state = changed(known, task)
    assert story(state.batch) == [
        "a",
        "b",
        ("running", 2, 33),
        "c",
        ("running", 3, 67),
        "d",
    ]


def test_the_end_state_comes_last_even_where_all_was_stored_at_once():
    task = running()
    known = state_of(task)
    write_log(task, "a", "b")
    task.trail += [[1, 2, "second", 50]]
    task.status, task.step_index, task.progress = "completed", 2, 100
    task.completed_at = task.started_at
    state = changed(known, task)
    assert story(state.batch) == [
        "a",
        ("running", 2, 50),
        "b",
        ("completed", 2, 100),
    ]
    assert b'"logCount":2' in state.end


def test_a_start_is_told_once():
    task = TaskFactory(status="pending")
    known = state_of(task)
    task.status, task.step_index, task.trail = "running", 1, [[0, 1, "first", 0]]
    assert story(changed(known, task).batch) == [("running", 1, 0)]


def test_lines_alone_are_a_batch_without_an_update():
    task = running()
    known = state_of(task)
    write_log(task, "a")
    state = with_more_lines(known, task.pk, 1)
    assert story(state.batch) == ["a"]
    assert state.version == known.version


def test_a_wish_to_cancel_is_a_change():
    task = running()
    known = state_of(task)
    task.cancel_requested_at = task.started_at
    state = changed(known, task)
    assert story(state.batch) == [("running", 1, 0)]
    assert known.version < state.version


def test_a_summary_is_a_change_that_is_told_by_its_length():
    task = running()
    known = state_of(task)
    task.summary, task.summary_bytes = "# v885", 6
    state = changed(known, task)
    assert story(state.batch) == [("running", 1, 0)]
    assert b'"summary":null,"summaryBytes":6' in state.batch.data
    assert known.version < state.version


def test_a_summary_that_is_written_anew_is_a_change_though_it_is_shorter():
    before = running(summary_bytes=100)
    again = [*before.trail, [1, 1, "first", 0]]
    now = running(summary_bytes=None)
    now.trail = again
    assert Version.of_task(before) < Version.of_task(now)


def test_a_great_step_forward_is_left_to_the_pages():
    task = running()
    known = state_of(task)
    write_log(task, *(str(n) for n in range(3000)))
    state = with_more_lines(known, task.pk, 3000)
    assert state.batch is None
    assert state.last_seq == 3000


def test_stamps_only_grow_along_a_tasks_life():
    life = [
        TaskFactory.build(status="pending"),
        TaskFactory.build(status="running", trail=[[0, 1, "a", 0]]),
        TaskFactory.build(status="running", trail=[[0, 1, "a", 0], [1, 2, "b", 50]]),
        TaskFactory.build(status="failed", trail=[[0, 1, "a", 0], [1, 2, "b", 50]]),
    ]
    versions = [Version.of_task(task) for task in life]
    assert versions == sorted(set(versions))


def test_stamps_only_grow_where_a_task_goes_back_to_the_queue():
    once = [[0, 1, "a", 0]]
    twice = [*once, [3, 1, "a", 0]]
    asked = {"cancel_requested_at": NOON}
    life = [
        TaskFactory.build(status="running", trail=once),
        TaskFactory.build(status="pending", trail=once, attempt=2),
        TaskFactory.build(status="running", trail=twice, attempt=2),
        TaskFactory.build(status="running", trail=twice, attempt=2, **asked),
        TaskFactory.build(
            status="running", trail=twice, attempt=2, **asked, cancel_forced=True
        ),
        TaskFactory.build(status="cancelled", trail=twice, attempt=2, **asked),
    ]
    versions = [Version.of_task(task) for task in life]
    assert versions == sorted(set(versions))
    for task, version in zip(life, versions, strict=True):
        assert (version_of_newcomer(task) < version) == task.has_ended


def test_a_task_that_goes_back_to_the_queue_is_shown_waiting_with_the_line_before():
    task = running()
    known = state_of(task)
    task.trail += [[1, 2, "second", 50]]
    write_log(task, "a", ("info", "The task goes back to the queue."))
    task.status, task.attempt, task.step_index, task.progress = "pending", 2, 0, 50
    state = changed(known, task)
    assert story(state.batch) == [
        "a",
        ("running", 2, 50),
        "The task goes back to the queue.",
        ("pending", 0, 50),
    ]
    assert known.version < state.version
    task.status, task.step_index = "running", 1
    task.trail += [[2, 1, "first", 50]]
    write_log(task, "again")
    assert story(changed(state, task).batch) == [("running", 1, 50), "again"]


def test_a_change_says_since_when_the_step_is_silent():
    task = running()
    ms = int(NOON.timestamp() * 1000)
    task.trail += [[0, 1, "first", 0, ms], [0, 1, "first", 0, None]]
    shown = [as_it_was(task, number).stalled_since for number in range(3)]
    assert shown == [None, NOON, None]


def test_nobody_has_seen_the_end_state_by_being_connected():
    task = TaskFactory.build(status="completed")
    assert version_of_newcomer(task) < Version.of_task(task)


def test_stamps_only_grow_where_a_task_awaits_approvals():
    planned = [[0, 1, "Plan", 0]]
    asked = [*planned, [3, 2, "Agree", 50]]
    goes_on = [*asked, [5, 3, "Roll out", 50]]
    again = [*goes_on, [7, 4, "Agree", 90]]
    began = {"started_at": NOON}
    life = [
        TaskFactory.build(status="pending"),
        TaskFactory.build(status="running", trail=planned),
        TaskFactory.build(status="running", trail=asked),
        TaskFactory.build(status="blocked", trail=asked, approvals_asked=1),
        TaskFactory.build(status="pending", trail=asked, approvals_asked=1, **began),
        TaskFactory.build(status="running", trail=goes_on, approvals_asked=1),
        TaskFactory.build(status="blocked", trail=again, approvals_asked=2),
        TaskFactory.build(status="cancelled", trail=again, approvals_asked=2),
    ]
    versions = [Version.of_task(task) for task in life]
    assert versions == sorted(set(versions))


def test_a_task_that_is_blocked_is_told_of_and_its_stream_stays():
    task = running()
    known = state_of(task)
    write_log(task, "planned", "Awaiting approval by leads.")
    task.trail = [*task.trail, [1, 2, "Agree", 50]]
    task.status, task.step_index, task.progress = "blocked", 2, 50
    task.approvals_asked = 1
    state = changed(known, task)
    assert story(state.batch) == [
        "planned",
        ("running", 2, 50),
        "Awaiting approval by leads.",
        ("blocked", 2, 50),
    ]
    assert (state.end, state.is_final) == (None, False)


def test_a_task_that_was_approved_is_queued_and_then_goes_on():
    blocked = TaskFactory(
        status="blocked",
        step_index=2,
        progress=50,
        trail=[[0, 1, "Plan", 0], [1, 2, "Agree", 50]],
        approvals_asked=1,
    )
    known = state_of(blocked)
    blocked.status = "pending"
    state = changed(known, blocked)
    assert story(state.batch) == [("pending", 2, 50)]
    blocked.status = "running"
    blocked.trail = [*blocked.trail, [1, 3, "Roll out", 50]]
    blocked.step_index = 3
    assert story(changed(state, blocked).batch) == [("running", 3, 50)]
