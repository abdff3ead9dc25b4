"""GET /api/tasks."""

from datetime import timedelta
from itertools import chain

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks import search
from tasks.models import Task
from tasks.representation import describe
from tests.factories import NOON, TaskFactory, write_log
from tests.tasks.api.answers import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def ids(response):
    assert response.status_code == 200, response.content
    return [task["id"] for task in response.json()["tasks"]]


def made(count, **more):
    """Tasks as ids, newest first; each was made by a clock that went back."""
    moments = [NOON - timedelta(seconds=n) for n in range(count)]
    tasks = [TaskFactory(created_at=at, **more) for at in moments]
    return [str(task.pk) for task in reversed(tasks)]


def test_there_are_none_at_first(program):
    body = program.get("/api/tasks").json()
    assert body == {"tasks": [], "next": None, "previous": None, "count": 0}


def test_the_newest_come_first_twenty_at_a_time(program):
    expected = made(25)
    response = program.get("/api/tasks")
    assert ids(response) == expected[:20]
    assert response.json()["count"] == 25
    assert response.json()["previous"] is None


def test_pages_lead_to_every_task_and_back(program):
    expected = made(23)
    response = program.get("/api/tasks?limit=5")
    forward = [ids(response)]
    while url := response.json()["next"]:
        assert url.startswith("http://testserver/api/tasks?")
        response = program.get(url)
        forward.append(ids(response))
    assert list(chain(*forward)) == expected
    assert [len(page) for page in forward] == [5, 5, 5, 5, 3]
    backward = [ids(response)]
    while url := response.json()["previous"]:
        response = program.get(url)
        backward.append(ids(response))
    assert backward == forward[::-1]


def test_a_last_page_that_is_full_has_no_next(program):
    made(5)
    assert program.get("/api/tasks?limit=5").json()["next"] is None


def test_new_tasks_move_no_page(program):
    expected = made(10)
    first = program.get("/api/tasks?limit=5").json()
    newer = str(TaskFactory().pk)
    second = program.get(first["next"])
    assert ids(second) == expected[5:]
    back = program.get(second.json()["previous"])
    assert ids(back) == expected[:5]
    assert ids(program.get(back.json()["previous"])) == [newer]


def test_pages_keep_the_filters(program):
    expected = made(4, status="failed")
    made(4)
    first = program.get("/api/tasks?limit=2&status=failed").json()
    assert first["count"] == 4
    assert ids(program.get(first["next"])) == expected[2:]


def test_entries_have_no_lines_and_cost_no_query_each(
    program, django_assert_num_queries
):
    for _ in range(5):
        write_log(TaskFactory(rerun_of=TaskFactory()), "one")
    program.get("/api/tasks")  # writes when the key was last used
    # The key, the page, the count; and what they all wait for.
    with django_assert_num_queries(3 + 5):
        response = program.get("/api/tasks")
    assert all(task["logs"] == [] for task in response.json()["tasks"])
    assert all(task["waitingFor"] for task in response.json()["tasks"])
    Task.objects.update(status="running")
    with django_assert_num_queries(3):
        program.get("/api/tasks")


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("type=check-integrity", True),
        ("type=check", False),
        ("version=v885", True),
        ("version=v88", False),
        ("status=running", True),
        ("status=pending,running", True),
        ("status=pending&status=running", True),
        ("status=pending", False),
        ("q=V885", True),
        ("q=integr", True),
        ("q=ALICE", True),
        ("q=nothing like it", False),
        ("q=", True),
        ("unknown=1", True),
    ],
)
def test_filters(program, query, matches):
    task = TaskFactory(status="running")
    assert ids(program.get(f"/api/tasks?{query}")) == (
        [str(task.pk)] if matches else []
    )


@pytest.mark.parametrize("status", ["failed", "cancelled"])
@pytest.mark.parametrize(
    ("text", "matches"),
    [("DISK is full", True), ("100%", True), ("1_0", False), ("v885", True)],
)
def test_q_finds_what_failed(program, status, text, matches):
    task = TaskFactory(status=status, error="The disk is full: 100%.")
    TaskFactory(status=status, error="No space.", version="v1")
    found = ids(program.get("/api/tasks", {"q": text}))
    assert found == ([str(task.pk)] if matches else [])


def test_q_finds_more_names_and_errors_than_are_looked_up(program, monkeypatch):
    monkeypatch.setattr(search, "MOST_LOOKED_UP", 2)
    for n in range(4):
        TaskFactory(version=f"v{n}", status="failed", error=f"Part {n} is missing.")
    for text in ("v", "is missing"):
        assert len(ids(program.get("/api/tasks", {"q": text}))) == 4
    assert len(ids(program.get("/api/tasks", {"q": "part 3"}))) == 1


@pytest.mark.parametrize("length", [1, 8, 13, 36])
def test_q_finds_the_start_of_an_id(program, length):
    task = TaskFactory()
    start = str(task.pk)[:length]
    assert str(task.pk) in ids(program.get("/api/tasks", {"q": start}))
    assert str(task.pk) in ids(program.get("/api/tasks", {"q": start.upper()}))


def test_created_after_and_before(program):
    old, new = TaskFactory(created_at=NOON), TaskFactory(created_at=timezone.now())
    moment = "2025-11-26T13:00:00.000Z"
    assert ids(program.get("/api/tasks", {"createdAfter": moment})) == [str(new.pk)]
    assert ids(program.get("/api/tasks", {"createdBefore": moment})) == [str(old.pk)]


def test_a_time_that_an_answer_showed_leaves_out_the_task_it_came_from(program):
    TaskFactory(created_at=NOON + timedelta(microseconds=1999))
    shown = program.get("/api/tasks").json()["tasks"][0]["createdAt"]
    assert shown == "2025-11-26T12:00:00.001Z"
    assert ids(program.get("/api/tasks", {"createdAfter": shown})) == []
    assert ids(program.get("/api/tasks", {"createdBefore": shown})) == []


@pytest.mark.parametrize(
    "moment",
    [
        "2025-11-26",
        "2025-11-26T11:59:59",
        "2025-11-26T11:59:59Z",
        "2025-11-26T12:59:59+01:00",
        "2025-11-26T12:59:59%2B01:00",
    ],
)
def test_times_may_be_written_as_iso_8601_allows(program, moment):
    task = TaskFactory(created_at=NOON)
    response = program.get(f"/api/tasks?createdAfter={moment}")
    assert ids(response) == [str(task.pk)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "-1"),
        ("limit", "ten"),
        ("limit", "١"),
        ("limit", "9" * 5000),
        ("status", "done"),
        ("status", "pending,done"),
        ("createdAfter", "yesterday"),
        ("createdAfter", "2025-13-01"),
        ("createdAfter", "2025-02-30T00:00:00Z"),
        ("createdAfter", "9999-12-31T23:59:59.999Z"),
        ("createdBefore", "0001-01-01T00:00:00+14:00"),
        ("q", "x" * 201),
        ("q", "nul\0"),
        ("type", "nul\0"),
        ("cursor", "nonsense"),
        ("cursor", "钥匙"),
        ("cursor", "ZiAyMDI1"),
    ],
)
def test_a_wrong_value_is_400_naming_it(program, name, value):
    body = problem_of(program.get("/api/tasks", {name: value}), 400)
    assert set(body["errors"]) == {name}


def test_a_wrong_status_is_told_those_there_are(program):
    body = problem_of(program.get("/api/tasks?status=done"), 400)
    assert "pending, running, blocked, completed, failed, cancelled" in body["detail"]


def test_every_wrong_value_is_named(program):
    body = problem_of(program.get("/api/tasks?status=done&limit=0"), 400)
    assert set(body["errors"]) == {"status", "limit"}


def test_a_list_leaves_summaries_out_and_says_how_long_they_are(program):
    for _ in range(3):
        TaskFactory(status="completed", summary="# v885", summary_bytes=6)
    program.get("/api/tasks")  # writes when the key was last used
    with CaptureQueriesContext(connection) as asked:
        listed = program.get("/api/tasks").json()["tasks"]
    assert [(task["summary"], task["summaryBytes"]) for task in listed] == [
        (None, 6)
    ] * 3
    assert not [query for query in asked if '"summary"' in query["sql"]]


# --- Large results ------------------------------------------------------------------

LARGE = {
    "success": True,
    "results": [{"name": "s", "command": "c", "exitCode": 0, "durationMs": 1}],
    "outputs": {"notes": "x" * 70_000},
}


def test_a_list_leaves_large_outputs_out_and_says_so(program):
    task = TaskFactory(status="completed", result=LARGE)
    (listed,) = program.get("/api/tasks").json()["tasks"]
    short = {key: LARGE[key] for key in ("success", "results")}
    assert listed["result"] == {**short, "outputsOmitted": True}
    assert program.get(f"/api/tasks/{task.pk}/status").json()["result"] == LARGE


def test_small_outputs_and_no_result_are_listed_as_they_are(program):
    small = {**LARGE, "outputs": {"notes": "版本", "ios": {"new": 12}}}
    without = {"success": True, "results": LARGE["results"] * 1_500}
    for result in (small, without, None):
        TaskFactory(status="completed", result=result)
    listed = program.get("/api/tasks").json()["tasks"]
    assert [task["result"] for task in listed] == [None, without, small]


def test_an_event_leaves_large_outputs_out_too():
    task = Task.objects.short().get(pk=TaskFactory(result=LARGE).pk)
    assert task.result["outputsOmitted"] is True
    assert describe(task)["result"] == task.result
