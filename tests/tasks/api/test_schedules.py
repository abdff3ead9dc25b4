"""/api/schedules: what starts by itself, and the acts on it."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from tasks.access.actor import Actor
from tasks.models import AuditEvent, Schedule, Task
from tasks.queue.freezes import freeze
from tasks.schedules.due import start_due
from tests.factories import ApiKeyFactory, TaskFactory
from tests.tasks.api.answers import problem_of

pytestmark = pytest.mark.django_db
JSON = "application/json"
SOON = timedelta(minutes=1)


@pytest.fixture
def nightly():
    return made("nightly")


def made(name, **fields):
    given = {
        "type": "check-integrity",
        "params": {"version": "v885"},
        "cron": "0 3 * * *",
        "timezone": "Europe/Berlin",
        "next_run_at": timezone.now() + SOON,
    }
    return Schedule.objects.create(name=name, **{**given, **fields})


def path(schedule, act=""):
    return f"/api/schedules/{schedule.pk}{act and '/'}{act}"


def test_each_is_listed_with_its_next_five_runs_in_both_zones(program, nightly):
    body = program.get("/api/schedules").json()
    assert body["next"] is None
    (shown,) = body["schedules"]
    assert (shown["name"], shown["state"], shown["lastRun"]) == (
        "nightly",
        "active",
        None,
    )
    runs = shown["nextRuns"]
    assert len(runs) == 5
    assert {run["local"][10:19] for run in runs[1:]} == {"T03:00:00"}
    assert all(run["local"][19:] in {"+01:00", "+02:00"} for run in runs)
    assert all(run["at"].endswith("Z") for run in runs)


def test_the_last_run_has_its_task_and_how_it_ended(program, nightly):
    task = TaskFactory(status="failed")
    nightly.runs.create(due_at=timezone.now(), outcome="started", task=task)
    last = program.get("/api/schedules").json()["schedules"][0]["lastRun"]
    assert (last["taskId"], last["status"]) == (str(task.pk), "failed")


def test_a_skipped_run_says_why(program, nightly):
    task = TaskFactory(status="running")
    nightly.runs.create(due_at=timezone.now(), outcome="started", task=task)
    start_due(nightly.next_run_at)
    run = program.get(path(nightly)).json()["runs"][0]
    assert run["outcome"] == "skipped"
    assert run["reason"]["code"] == "schedule-overlap"
    assert str(task.pk) in run["reason"]["message"]


def test_pages_follow_each_other_by_name(program):
    for name in "cab":
        made(name)
    first = program.get("/api/schedules?limit=2").json()
    second = program.get(f"/api/schedules?limit=2&after={first['next']}").json()
    names = [s["name"] for s in [*first["schedules"], *second["schedules"]]]
    assert (names, second["next"]) == (["a", "b", "c"], None)


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "after=x"])
def test_a_wrong_query_is_named(program, query):
    errors = problem_of(program.get(f"/api/schedules?{query}"), 400)["errors"]
    assert list(errors) == [query.partition("=")[0]]


def test_a_paused_one_has_no_next_run_and_goes_on_from_now(program, nightly):
    Schedule.objects.update(next_run_at=timezone.now() - SOON)
    paused = program.post(path(nightly, "pause")).json()
    assert (paused["state"], paused["nextRuns"]) == ("paused", [])
    assert paused["pausedBy"] == "key:unity-editor"
    assert program.post(path(nightly, "pause")).status_code == 200
    assert program.post(path(nightly, "resume")).json()["state"] == "active"
    nightly.refresh_from_db()
    assert nightly.next_run_at > timezone.now()
    events = AuditEvent.objects.order_by("pk").values_list("action", "details__after")
    assert list(events) == [
        ("schedule.pause", {"paused": True}),
        ("schedule.resume", {"paused": False}),
    ]


def test_run_now_starts_its_task_and_leaves_its_next_run(program, nightly):
    response = program.post(path(nightly, "run-now"))
    assert response.status_code == 202
    body = response.json()
    assert body["createdBy"] == "schedule:nightly"
    assert response["Location"] == body["statusUrl"]
    before = nightly.next_run_at
    nightly.refresh_from_db()
    assert nightly.next_run_at == before
    run = nightly.runs.get()
    assert (run.cause, str(run.task_id)) == ("by-hand", body["taskId"])
    event = AuditEvent.objects.get()
    assert (event.actor, event.action) == ("key:unity-editor", "schedule.run-now")
    assert event.details["task"] == body["taskId"]


@pytest.mark.parametrize("act", ["pause", "resume", "run-now"])
def test_a_key_that_only_reads_does_none_of_it(client, nightly, act):
    key = ApiKeyFactory(scope="read")
    headers = {"X-API-Key": key.secret}
    assert client.get(path(nightly), headers=headers).status_code == 200
    problem_of(client.post(path(nightly, act), headers=headers), 403)
    assert not Task.objects.exists()


def test_what_asks_first_is_run_by_nobody_who_could_not_start_it(client):
    nightly = made("r", type="rollback")
    headers = {"X-API-Key": ApiKeyFactory(scope="start").secret}
    problem_of(client.post(path(nightly, "run-now"), headers=headers), 403)


@pytest.mark.parametrize("act", ["", "pause", "resume", "run-now"])
@pytest.mark.parametrize("name", ["x", "00000000-0000-4000-8000-000000000000"])
def test_one_that_is_not_there_is_404(program, act, name):
    address = f"/api/schedules/{name}{act and '/'}{act}"
    problem_of(program.post(address) if act else program.get(address), 404)


@pytest.mark.parametrize("act", ["pause", "resume", "run-now"])
def test_a_retired_one_is_409(program, act):
    retired = made("old", retired_at=timezone.now())
    problem_of(program.post(path(retired, act)), 409)


def test_one_that_is_no_longer_valid_says_so_and_is_409(program):
    bad = made("bad", params={"version": "885"})
    problem = program.get(path(bad)).json()["problem"]
    assert problem["code"] == "parameter-refused"
    assert "version" in problem_of(program.post(path(bad, "run-now")), 409)["detail"]


@pytest.mark.parametrize("act", ["pause", "resume", "run-now"])
def test_a_body_that_nobody_reads_is_refused(program, nightly, act):
    body = {"until": "noon"}
    answer = program.post(path(nightly, act), body, content_type="application/json")
    problem_of(answer, 400)


def test_a_task_that_a_schedule_made_belongs_to_nobody_else(program, nightly):
    task_id = program.post(path(nightly, "run-now")).json()["taskId"]
    assert not Actor("key:unity-editor").owns(Task.objects.get(pk=task_id))


@pytest.fixture
def frozen():
    now, hour = timezone.now(), timedelta(hours=1)
    freeze(["check-*"], now - hour, now + hour, "Nobody on Fridays", Actor("alice"))


def test_in_a_freeze_run_now_takes_a_reason_of_an_admin(client, nightly, frozen):
    headers = {"X-API-Key": ApiKeyFactory(scope="admin").secret}
    asked = partial(
        client.post, path(nightly, "run-now"), content_type=JSON, headers=headers
    )
    refused = asked()
    assert (refused.status_code, refused.json()["reason"]) == (409, "Nobody on Fridays")
    assert list(problem_of(asked({"overrideFreeze": ""}), 400)["errors"]) == [
        "overrideFreeze"
    ]
    assert not Task.objects.exists()
    assert asked({"overrideFreeze": "The store is broken"}).status_code == 202
    details = AuditEvent.objects.get(action="schedule.run-now").details
    assert details["overrideFreeze"]["reason"] == "The store is broken"


def test_a_freeze_is_overridden_by_nobody_else(client, nightly, frozen):
    headers = {"X-API-Key": ApiKeyFactory(scope="start").secret}
    body = {"overrideFreeze": "The store is broken"}
    address = path(nightly, "run-now")
    answer = client.post(address, body, content_type=JSON, headers=headers)
    assert answer.status_code == 403
    assert not Task.objects.exists()


def test_a_repeated_run_now_returns_the_first_task(program, nightly):
    other = made("other")
    headers = {"Idempotency-Key": "tonight"}
    first, second = (
        program.post(path(nightly, "run-now"), headers=headers).json() for _ in "ab"
    )
    assert first["taskId"] == second["taskId"]
    assert Task.objects.count() == nightly.runs.count() == 1
    answer = program.post(path(other, "run-now"), headers=headers)
    assert answer.status_code == 422
