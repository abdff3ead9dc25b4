"""POST /api/tasks/cancel and /api/tasks/rerun: all tasks that a filter finds."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core import signing
from django.db import OperationalError, connection
from django.utils import timezone

from tasks.bulk import selection
from tasks.lifecycle import Actor
from tasks.models import AuditEvent, IdempotencyKey, Task
from tasks.queue.freezes import freeze
from tests.factories import ApiKeyFactory, RunnerFactory, TaskFactory
from tests.tasks.api.answers import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
JSON = "application/json"


def ask(client, act, key=None, **body):
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"/api/tasks/{act}", body, JSON, headers=headers)


def agreed(client, act, key=None, **filters):
    """The answer where somebody asks, and agrees to what was found."""
    found = ask(client, act, **filters).json()
    return ask(client, act, key, **filters, count=found["count"], seen=found["seen"])


def outcomes(answer):
    assert answer.status_code == 202, answer.content
    return [(one["taskId"], one["outcome"]) for one in answer.json()["results"]]


@contextmanager
def before(statement, nth, act):
    """What another does at the moment when a statement is sent for the nth time."""
    sent = []

    def wrapper(execute, sql, params, many, context):
        if sql.startswith(statement):
            sent.append(sql)
            if len(sent) == nth:
                act()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield


def scoped(client, scope):
    client.defaults["HTTP_X_API_KEY"] = ApiKeyFactory(name="other", scope=scope).secret
    return client


# --- The question -------------------------------------------------------------------


def test_without_a_count_nothing_is_done_but_counting(program):
    tasks = [TaskFactory(version=f"v{n}") for n in range(7)]
    TaskFactory(type="full-sync")
    answer = ask(program, "cancel", type="check-integrity", status="pending")
    assert answer.status_code == 200
    body = answer.json()
    assert body["count"] == 7
    assert [one["id"] for one in body["examples"]] == [str(t.pk) for t in tasks[:5]]
    assert body["refused"] == []
    assert set(Task.objects.values_list("status", flat=True)) == {"pending"}
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("act", ["cancel", "rerun"])
@pytest.mark.parametrize("body", [{}, {"type": "", "status": [], "ids": []}])
@pytest.mark.parametrize("more", [{}, {"count": 1}])
def test_nothing_is_never_taken_for_all(program, act, body, more):
    TaskFactory()
    problem = problem_of(ask(program, act, **body, **more), 400)
    assert problem["type"] == "urn:resource-sync:problem:no-filter"
    assert "nothing is never taken for all" in problem["detail"]
    assert Task.objects.get().status == "pending"


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"status": "waiting"}, "status", "pending"),
        ({"status": 3}, "status", "a status, or a list"),
        ({"status": [3]}, "status", "a status, or a list"),
        ({"type": ["x"]}, "type", "a string"),
        ({"createdAfter": "yesterday"}, "createdAfter", "ISO 8601"),
        ({"ids": ["one"]}, "ids", "ids of tasks"),
        ({"ids": "one"}, "ids", "ids of tasks"),
        ({"created_after": "2025-11-26"}, "created_after", "no such parameter"),
        ({"type": "x", "count": "3"}, "count", "the number of tasks"),
        ({"type": "x", "count": True}, "count", "the number of tasks"),
        ({"type": "x", "count": -1}, "count", "the number of tasks"),
        ({"type": "x", "count": 1, "seen": 3}, "seen", "a string"),
        ({"type": "x", "count": 1, "seen": "forged"}, "seen", "without “count”"),
        ({"type": "x", "seen": "…"}, "count", "Required"),
    ],
)
def test_what_is_not_understood_is_named_and_nothing_is_done(
    program, body, field, says
):
    TaskFactory(type="x")
    problem = problem_of(ask(program, "cancel", **body), 400)
    assert says in problem["errors"][field][0]
    assert Task.objects.get().status == "pending"


def test_more_than_go_at_once_are_refused_with_their_number(program, monkeypatch):
    monkeypatch.setattr(selection, "MOST_AT_ONCE", 2)
    for _ in range(3):
        TaskFactory()
    problem = problem_of(ask(program, "cancel", status="pending", count=3), 400)
    assert "finds 3 tasks; at most 2 go at once" in problem["detail"]
    assert Task.objects.pending().count() == 3


def test_filters_mean_what_they_mean_in_the_list(program):
    now = timezone.now()
    old = TaskFactory(created_at=now - timedelta(days=2))
    new = TaskFactory(type="full-sync", version="v9")
    for filters, found in [
        ({"type": "full-sync"}, [new]),
        ({"version": "v9"}, [new]),
        ({"q": "v88"}, [old]),
        ({"ids": [str(old.pk)]}, [old]),
        ({"createdBefore": (now - timedelta(days=1)).isoformat()}, [old]),
        ({"createdAfter": (now - timedelta(days=1)).isoformat()}, [new]),
        ({"status": "pending,running"}, [old, new]),
        ({"status": ["pending", "running"]}, [old, new]),
        ({"status": "failed"}, []),
    ]:
        body = ask(program, "cancel", **filters).json()
        ids = [one["id"] for one in body["examples"]]
        assert ids == [str(task.pk) for task in found], filters


# --- Cancelling ---------------------------------------------------------------------


def test_all_that_was_agreed_to_is_cancelled_and_the_trail_has_it(program):
    waiting = [TaskFactory() for _ in range(2)]
    running = TaskFactory(status="running", runner=RunnerFactory())
    done = TaskFactory(status="completed")
    answer = agreed(program, "cancel", type="check-integrity")
    assert outcomes(answer) == [
        (str(waiting[0].pk), "cancelled"),
        (str(waiting[1].pk), "cancelled"),
        (str(running.pk), "cancelling"),
    ]
    assert answer.json()["outcomes"] == {"cancelled": 2, "cancelling": 1}
    running.refresh_from_db()
    assert (running.status, running.cancel_requested_by) == (
        "running",
        "key:unity-editor",
    )
    done.refresh_from_db()
    assert done.status == "completed"
    events = AuditEvent.objects.order_by("id")
    assert [event.action for event in events] == ["tasks.cancel", *["cancel"] * 3]
    first = events[0]
    details = {"filter": {"type": "check-integrity"}, "count": 3}
    assert (first.actor, first.target, first.details) == (
        "key:unity-editor",
        "tasks",
        details,
    )


def test_a_count_alone_is_enough_to_agree(program):
    task = TaskFactory()
    answer = ask(program, "cancel", status="pending", count=1)
    assert outcomes(answer) == [(str(task.pk), "cancelled")]


def test_where_the_filter_finds_more_by_then_nothing_is_done(program):
    TaskFactory()
    found = ask(program, "cancel", status="pending").json()
    TaskFactory()
    answer = ask(program, "cancel", status="pending", count=1, seen=found["seen"])
    problem = problem_of(answer, 409)
    assert problem["type"] == "urn:resource-sync:problem:more-than-confirmed"
    assert "(confirmed: 1, found now: 2)" in problem["detail"]
    assert Task.objects.pending().count() == 2
    assert not AuditEvent.objects.exists()


def test_as_many_but_others_are_not_what_was_agreed_to(program):
    first = TaskFactory()
    found = ask(program, "cancel", status="pending").json()
    Task.objects.filter(pk=first.pk).update(status="running")
    other = TaskFactory()
    answer = ask(program, "cancel", status="pending", count=1, seen=found["seen"])
    problem_of(answer, 409)
    other.refresh_from_db()
    assert other.status == "pending"


def test_what_ended_or_started_meanwhile_is_told_and_left_alone(program):
    ended, started, waiting = (TaskFactory() for _ in range(3))
    found = ask(program, "cancel", status="pending").json()
    Task.objects.filter(pk=ended.pk).update(
        status="completed", completed_at=timezone.now()
    )
    Task.objects.filter(pk=started.pk).update(status="running", runner=RunnerFactory())
    answer = ask(program, "cancel", status="pending", count=3, seen=found["seen"])
    assert outcomes(answer) == [
        (str(waiting.pk), "cancelled"),
        (str(ended.pk), "ended"),
        (str(started.pk), "changed"),
    ]
    reasons = [one["reason"] for one in answer.json()["results"]]
    assert reasons[1:] == [
        "It has already ended: completed.",
        "It no longer fits the filter: it is running by now.",
    ]
    started.refresh_from_db()
    assert started.cancel_requested_at is None


def test_one_that_a_runner_takes_in_that_moment_goes_on(program):
    first, second = TaskFactory(), TaskFactory()
    runner = RunnerFactory()

    def take():
        Task.objects.filter(pk=second.pk).update(status="running", runner=runner)

    with before('UPDATE "tasks_task"', 1, take):
        answer = ask(program, "cancel", status="pending", count=2)
    assert outcomes(answer) == [
        (str(first.pk), "cancelled"),
        (str(second.pk), "changed"),
    ]
    second.refresh_from_db()
    assert second.cancel_requested_at is None


def test_each_task_needs_the_right_to_cancel_it(client):
    mine, others = TaskFactory(created_by="key:other"), TaskFactory()
    program = scoped(client, "start")
    found = ask(program, "cancel", status="pending").json()
    (refused,) = found["refused"]
    assert refused["count"] == 1
    assert "needs a key with the scope “admin”" in refused["reason"]
    answer = agreed(program, "cancel", status="pending")
    assert outcomes(answer) == [
        (str(mine.pk), "cancelled"),
        (str(others.pk), "refused"),
    ]
    assert answer.json()["results"][1]["reason"] == refused["reason"]


@pytest.mark.parametrize("act", ["cancel", "rerun"])
def test_who_may_only_read_is_refused_at_once(client, act):
    TaskFactory()
    program = scoped(client, "read")
    for more in ({}, {"count": 1}):
        answer = ask(program, act, status="pending", **more)
        assert problem_of(answer, 403)["type"].endswith("insufficient-scope")


# --- Running again ------------------------------------------------------------------


def test_all_that_ended_runs_again_the_oldest_first(program):
    ended = [TaskFactory(status=status) for status in ("failed", "completed")]
    TaskFactory()
    answer = agreed(program, "rerun", type="check-integrity")
    assert outcomes(answer) == [(str(task.pk), "rerun") for task in ended]
    made = Task.objects.filter(rerun_of__isnull=False).order_by("number")
    assert [task.rerun_of_id for task in made] == [task.pk for task in ended]
    new = [one["newTaskId"] for one in answer.json()["results"]]
    assert new == [str(task.pk) for task in made]
    actions = AuditEvent.objects.order_by("id").values_list("action", flat=True)
    assert list(actions) == ["tasks.rerun", "rerun", "rerun"]


def test_what_is_frozen_unknown_or_asks_first_is_refused_in_words(program):
    now, hour = timezone.now(), timedelta(hours=1)
    freeze(["sync-*"], now - hour, now + hour, "Friday", Actor("alice"))
    names = ("sync-facebook", "rollback", "of-last-year", "check-integrity")
    for name in names:
        TaskFactory(type=name, status="failed")
    found = ask(program, "rerun", status="failed").json()
    answer = agreed(program, "rerun", status="failed")
    results = answer.json()["results"]
    assert [one["outcome"] for one in results] == ["refused"] * 3 + ["rerun"]
    for one, says in zip(
        results, ("Friday", "asks before each start", "of-last-year"), strict=False
    ):
        assert says in one["reason"]
    assert sum(one["count"] for one in found["refused"]) == 3
    assert {one["reason"] for one in found["refused"]} == {
        one["reason"] for one in results[:3]
    }
    assert Task.objects.filter(rerun_of__isnull=False).count() == 1


def test_a_key_for_one_type_runs_only_that_again(client):
    TaskFactory(type="sync-native", status="failed")
    TaskFactory(type="check-integrity", status="failed")
    program = scoped(client, "start:check-integrity")
    answer = agreed(program, "rerun", status="failed")
    assert answer.json()["outcomes"] == {"refused": 1, "rerun": 1}
    assert Task.objects.pending().get().type == "check-integrity"


def test_one_that_is_deleted_meanwhile_is_told(program):
    first, second = TaskFactory(status="failed"), TaskFactory(status="failed")
    with before(
        'INSERT INTO "tasks_task"', 1, Task.objects.filter(pk=second.pk).delete
    ):
        answer = ask(program, "rerun", status="failed", count=2)
    assert outcomes(answer) == [(str(first.pk), "rerun"), (str(second.pk), "ended")]
    assert answer.json()["results"][1]["reason"] == "It was deleted."


# --- Sent again ---------------------------------------------------------------------


def test_a_request_that_is_sent_again_starts_nothing_twice(program):
    TaskFactory(status="failed")
    found = ask(program, "rerun", status="failed").json()
    body = {"status": "failed", "count": 1, "seen": found["seen"]}
    first = ask(program, "rerun", "once", **body)
    Task.objects.pending().update(status="failed", completed_at=timezone.now())
    again = ask(program, "rerun", "once", **body)
    assert again.json()["results"] == first.json()["results"]
    assert Task.objects.count() == 2
    assert AuditEvent.objects.filter(action="tasks.rerun").count() == 1


def test_one_that_was_cut_is_finished_when_it_is_sent_again(program):
    first, second = TaskFactory(status="failed"), TaskFactory(status="failed")
    found = ask(program, "rerun", status="failed").json()
    body = {"status": "failed", "count": 2, "seen": found["seen"]}

    def cut():
        raise OperationalError

    with before('INSERT INTO "tasks_task"', 2, cut):
        assert ask(program, "rerun", "once", **body).status_code == 503
    assert Task.objects.pending().count() == 1
    answer = ask(program, "rerun", "once", **body)
    assert outcomes(answer) == [(str(first.pk), "rerun"), (str(second.pk), "rerun")]
    assert Task.objects.pending().count() == 2


def test_a_cancel_that_is_sent_again_says_the_same(program):
    task = TaskFactory()
    found = ask(program, "cancel", status="pending").json()
    body = {"status": "pending", "count": 1, "seen": found["seen"]}
    answers = [ask(program, "cancel", "once", **body) for _ in range(2)]
    for answer in answers:
        assert outcomes(answer) == [(str(task.pk), "cancelled")]


def test_a_key_is_of_one_request(program):
    TaskFactory()
    found = ask(program, "cancel", status="pending").json()
    body = {"status": "pending", "count": 1, "seen": found["seen"]}
    ask(program, "cancel", "once", **body)
    other = {**body, "type": "check-integrity"}
    assert problem_of(ask(program, "cancel", "once", **other), 422)


def test_with_a_key_one_says_which_tasks_are_meant(program):
    TaskFactory()
    answer = ask(program, "cancel", "once", status="pending", count=1)
    assert "Required" in problem_of(answer, 400)["errors"]["seen"][0]
    assert not IdempotencyKey.objects.exists()


def test_what_was_seen_is_of_one_act_and_of_one_hour(program, monkeypatch):
    TaskFactory()
    seen = ask(program, "cancel", status="pending").json()["seen"]
    answer = ask(program, "rerun", status="pending", count=1, seen=seen)
    assert "without “count”" in problem_of(answer, 400)["errors"]["seen"][0]
    later = signing.time.time() + selection.SEEN_SECONDS + 2
    monkeypatch.setattr(signing.time, "time", lambda: later)
    answer = ask(program, "cancel", status="pending", count=1, seen=seen)
    assert "older than an hour" in problem_of(answer, 400)["errors"]["seen"][0]


def test_a_thousand_are_named_in_less_than_a_body_holds(program):
    numbers = [n * n for n in range(1, 1001)]
    tasks = [Task(number=number) for number in numbers]
    seen = selection.Selection(selection.Act.CANCEL, tasks, {}).seen
    assert len(seen) < 8_000
    assert selection.numbers_seen(selection.Act.CANCEL, seen) == set(numbers)
