"""Who is told of what: events of real acts on tasks, and what is made of them."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks.lifecycle import Actor, request_cancel, submit
from tasks.models import Event, Runner, Task, WebhookDelivery, WebhookEvent
from tasks.notify import fan_out as fanning_out
from tasks.notify.fan_out import SINGLE_FAILURES, fan_out
from tasks.reaper import reap
from tasks.reasons import Reason
from tasks.runner.claim import claim
from tasks.runner.registration import deregister
from tests.factories import RunnerFactory, TaskFactory
from tests.tasks.notify.conftest import deliveries

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
LIN = Actor("lin")
NOWHERE = "https://hooks.example.com/services/T0/B0/abcdefghijkl"
KEY_ERROR = "KeyError: 'sprites'"


@pytest.fixture(autouse=True)
def _types(pack):
    pass


@pytest.fixture
def told(webhook):
    """Return what a program would be told, since the last time that this was asked."""
    webhook(NOWHERE)
    seen = set()

    def told():
        fan_out(timezone.now())
        new = [one for one in deliveries() if one.pk not in seen]
        seen.update(one.pk for one in new)
        return [one.payload for one in new]

    return told


def emit(event, *tasks):
    with transaction.atomic():
        WebhookEvent.objects.emit(event, [task.pk for task in tasks])


def failed(version="v885", **fields):
    reason = Reason("step-failed", step="atlas", exitCode=1, reason=KEY_ERROR)
    result = {"results": [], "firstError": {"seq": 6, "message": KEY_ERROR}}
    return TaskFactory(
        type="pack",
        status="failed",
        version=version,
        params={"version": version, "quality": "high", "token": "***"},
        error=str(reason),
        error_reason=reason.as_json(),
        result=result,
        **fields,
    )


def fail(*versions):
    for version in versions:
        emit(Event.TASK_FAILED, failed(version))


# --- What happens, and that it is told ----------------------------------------------


def test_a_claim_tells_that_a_task_started(told):
    task = submit("pack", {"version": "v1"}, LIN)
    assert told() == []
    assert claim(RunnerFactory()).pk == task.pk
    [body] = told()
    assert body["type"] == "task.started"
    assert body["data"]["id"] == str(task.pk)
    assert body["data"]["status"] == "running"


def test_a_cancel_of_a_waiting_task_tells_of_it_once(told):
    task = submit("pack", {"version": "v1"}, LIN)
    request_cancel(task.pk, LIN)
    [body] = told()
    assert (body["type"], body["data"]["status"]) == ("task.cancelled", "cancelled")
    assert body["data"]["error"] == "Cancelled by lin before it started."


def test_a_wish_to_cancel_what_runs_tells_nothing_yet(told):
    task = TaskFactory(status="running", runner=RunnerFactory())
    request_cancel(task.pk, LIN)
    assert told() == []


@pytest.mark.parametrize(
    ("idempotent", "event", "status"),
    [
        ("true", "task.recovered", "pending"),
        ("false", "task.failed", "failed"),
    ],
)
def test_a_task_of_a_dead_runner_tells_what_became_of_it(
    told, use_task_types, idempotent, event, status
):
    use_task_types(
        f'[pack]\nidempotent = {idempotent}\n[[pack.steps]]\ncommand = ["true"]\n'
    )
    runner = RunnerFactory(stopped_at=timezone.now())
    TaskFactory(type="pack", status="running", runner=runner)
    assert reap() == 1
    [body] = told()
    assert (body["type"], body["data"]["status"]) == (event, status)


def test_a_runner_that_ends_by_an_error_is_lost_and_one_that_stops_is_not(told):
    deregister(RunnerFactory(), has_crashed=False)
    assert told() == []
    runner = RunnerFactory(name="mac-1")
    deregister(runner, has_crashed=True)
    [body] = told()
    assert body["type"] == "runner.lost"
    assert body["data"]["name"] == "mac-1"


def test_a_newer_task_tells_of_those_whose_place_it_takes(told, use_task_types):
    use_task_types(
        '[pack]\nlock = "one"\nlock_order = "latest-only"\n'
        '[[pack.steps]]\ncommand = ["true"]\n'
    )
    first = submit("pack", {}, LIN)
    submit("pack", {}, LIN)
    [body] = told()
    assert (body["type"], body["data"]["id"]) == ("task.cancelled", str(first.pk))


def test_what_is_taken_back_is_not_told(told):
    task = TaskFactory()
    with transaction.atomic():
        WebhookEvent.objects.emit(Event.TASK_BLOCKED, [task.pk])
        transaction.set_rollback(True)
    assert told() == []


def test_without_an_active_webhook_nothing_is_written(webhook):
    task = TaskFactory()
    emit(Event.TASK_STARTED, task)
    made = webhook(NOWHERE)
    made.disabled_at = timezone.now()
    made.save()
    emit(Event.TASK_STARTED, task)
    assert not WebhookEvent.objects.exists()


def test_an_event_costs_one_statement(webhook, django_assert_num_queries):
    webhook(NOWHERE)
    tasks = [TaskFactory() for _ in range(3)]
    with django_assert_num_queries(1):
        WebhookEvent.objects.emit(Event.TASK_STARTED, [task.pk for task in tasks])
    assert WebhookEvent.objects.count() == 3


# --- What is said -------------------------------------------------------------------


def test_a_failure_is_told_with_its_first_error_and_without_secrets(told, settings):
    settings.ALLOWED_HOSTS, settings.HTTPS = ["sync.example.com"], True
    task = failed(created_by="alice")
    emit(Event.TASK_FAILED, task)
    [body] = told()
    data = body["data"]
    assert body["type"] == "task.failed"
    assert data["params"] == {"version": "v885", "quality": "high", "token": "***"}
    assert data["firstError"] == {"seq": 6, "message": KEY_ERROR}
    assert data["errorCode"] == "step-failed"
    assert data["durationMs"] == 1000
    assert data["url"] == f"https://sync.example.com/tasks/{task.pk}#L6"


@pytest.mark.parametrize(
    ("language", "headline", "lines", "link"),
    [
        (
            "en",
            "✕ Pack v885: failed",
            ["Step “atlas” failed with exit code 1.", "Quality: high"],
            "Open line 6 in Resource Sync",
        ),
        (
            "zh-hans",
            "✕ 打包 v885：失败",
            ["步骤“atlas”失败，退出码 1。", "质量：high"],
            "在 Resource Sync 中打开第 6 行",
        ),
    ],
)
def test_a_chat_is_told_in_its_language(webhook, language, headline, lines, link):
    webhook(NOWHERE, format="slack", language=language)
    task = failed()
    Task.objects.update(params={"version": "v885", "quality": "high"})
    emit(Event.TASK_FAILED, task)
    fan_out(timezone.now())
    [delivery] = deliveries()
    payload = delivery.payload
    assert payload["headline"] == headline
    assert payload["quote"] == KEY_ERROR
    assert payload["lines"][:2] == lines
    assert payload["link"] == link


def test_a_task_that_was_deleted_meanwhile_is_told_by_what_is_known(told, webhook):
    webhook(NOWHERE, format="wecom")
    task = failed()
    emit(Event.TASK_FAILED, task)
    Task.objects.filter(pk=task.pk).delete()
    chat, body = sorted(told(), key=lambda one: "type" in one)
    assert body["data"] == {"id": str(task.pk), "type": "pack", "status": "failed"}
    assert chat["headline"] == "pack: failed"


def test_a_publish_tells_of_each_pointer_that_moved(told):
    outputs = {
        "ios": {"served": "v2", "previous": "v1", "serial": 3},
        "android": {"served": "v2"},  # there was nothing to do
        "facebook": {"served": "v2", "previous": "v2"},  # renewed
        "filesChecked": 7,
    }
    result = {"results": [], "outputs": outputs}
    task = TaskFactory(status="completed", result=result, created_by="lin")
    emit(Event.TASK_COMPLETED, task)
    completed, published = told()
    assert completed["type"] == "task.completed"
    assert published["type"] == "release.published"
    assert published["data"].items() >= {
        ("platform", "ios"),
        ("channel", "live"),
        ("version", "v2"),
        ("previous", "v1"),
        ("taskId", str(task.pk)),
        ("by", "lin"),
    }


def test_testers_are_served_first_and_both_pointers_are_told_of(told):
    outputs = {
        "ios": {
            "channel": "beta",
            "onChannel": "v2",
            "served": "v2",
            "previous": "v1",
        }
    }
    task = TaskFactory(status="failed", result={"results": [], "outputs": outputs})
    emit(Event.TASK_FAILED, task)
    _failed, beta, live = told()
    assert (beta["data"]["channel"], beta["data"]["previous"]) == ("beta", None)
    assert (live["data"]["channel"], live["data"]["previous"]) == ("live", "v1")


def test_a_rollout_that_has_begun_moves_nothing(told):
    outputs = {"ios": {"served": "v1", "previous": "v0", "rollout": "v2", "percent": 5}}
    task = TaskFactory(status="completed", result={"results": [], "outputs": outputs})
    emit(Event.TASK_COMPLETED, task)
    assert [body["type"] for body in told()] == ["task.completed"]


def test_a_rollback_is_told_as_what_it_is(told, use_task_types):
    use_task_types(
        '[back]\n[[back.steps]]\ncommand = ["{python}", "-m", "resources", "rollback"]'
    )
    outputs = {"ios": {"served": "v1", "previous": "v2"}}
    task = TaskFactory(
        type="back", status="completed", result={"results": [], "outputs": outputs}
    )
    emit(Event.TASK_COMPLETED, task)
    assert [body["type"] for body in told()] == [
        "task.completed",
        "release.rolled_back",
    ]


# --- Who is told --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"task.started", "task.failed", "runner.lost"}),
        ({"events": ["task.failed"]}, {"task.failed"}),
        ({"events": ["task.*"]}, {"task.started", "task.failed"}),
        ({"types": ["pa*"]}, {"task.started", "task.failed", "runner.lost"}),
        ({"types": ["sync-*"]}, {"runner.lost"}),
        ({"types": ["sync-*"], "events": ["task.*"]}, set()),
    ],
)
def test_a_webhook_is_told_of_what_it_asks_for(webhook, given, expected):
    webhook(NOWHERE, **given)
    task = failed()
    emit(Event.TASK_STARTED, task)
    emit(Event.TASK_FAILED, task)
    WebhookEvent.objects.emit_lost(RunnerFactory().pk)
    fan_out(timezone.now())
    assert {one.event for one in deliveries()} == expected


def test_nobody_is_told_of_what_was_before(webhook):
    webhook(NOWHERE)
    fail("v1")
    second = webhook(NOWHERE)
    WebhookEvent.objects.update(at=second.created_at - timedelta(seconds=1))
    fan_out(timezone.now())
    assert not deliveries(webhook=second)


def test_what_can_t_be_put_into_words_keeps_nobody_from_the_rest(told, caplog):
    broken = failed()
    Task.objects.filter(pk=broken.pk).update(result={"firstError": {"seq": 1}})
    emit(Event.TASK_FAILED, broken)
    emit(Event.TASK_FAILED, failed("v2"))
    assert [body["data"]["version"] for body in told()] == ["v2"]
    assert "was not told" in caplog.text


def test_the_order_of_events_is_that_of_the_deliveries(told, monkeypatch):
    monkeypatch.setattr(fanning_out, "EVENTS_AT_ONCE", 2)
    task = failed()
    events = (Event.TASK_STARTED, Event.TASK_STALLED, Event.TASK_FAILED)
    for event in events:
        emit(event, task)
    assert fan_out(timezone.now(), 2) == 2
    assert [body["type"] for body in told()] == list(events)


def test_a_runner_without_webhooks_asks_one_question_a_look(house, connection_queries):
    with connection_queries() as queries:
        house.sender.look()
    assert len(queries) == 1


@pytest.fixture
def connection_queries():
    from django.db import connection

    return lambda: CaptureQueriesContext(connection)


# --- Storms -------------------------------------------------------------------------


def test_a_chat_hears_of_many_failures_in_one_message(webhook):
    webhook(NOWHERE, format="feishu")
    fail(*(f"v{number}" for number in range(SINGLE_FAILURES + 20)))
    fan_out(timezone.now())
    *single, storm = deliveries()
    assert len(single) == SINGLE_FAILURES
    assert {one.failures for one in single} == {0}
    assert storm.failures == storm.payload["count"] == 20
    assert [one["headline"] for one in storm.payload["first"]] == [
        f"✕ Pack v{number}: failed" for number in range(5, 10)
    ]
    assert storm.next_at > timezone.now()


def test_a_program_hears_of_each(webhook):
    webhook(NOWHERE)
    fail(*(f"v{number}" for number in range(SINGLE_FAILURES + 20)))
    fan_out(timezone.now())
    assert len(deliveries(failures=0)) == SINGLE_FAILURES + 20


def test_a_second_storm_waits_its_turn_and_calm_ends_it(webhook):
    webhook(NOWHERE, format="feishu")
    now = timezone.now()
    fail(*"123456")
    fan_out(now)
    *_, first = deliveries()
    assert first.failures == 1
    WebhookDelivery.objects.update(state="delivered", next_at=None, ended_at=now)
    fail("7", "8")
    fan_out(now + timedelta(seconds=20))
    [second] = deliveries(state="waiting")
    assert second.failures == 2
    assert second.next_at >= first.created_at + timedelta(minutes=1)
    WebhookDelivery.objects.update(state="delivered", next_at=None, ended_at=now)
    fail("9")
    fan_out(now + timedelta(minutes=2))
    [single] = deliveries(state="waiting")
    assert single.failures == 0


def test_runners_are_told_of_by_name(webhook):
    webhook(NOWHERE, format="wecom", events=["runner.lost"])
    runner = RunnerFactory(name="mac-1", host="studio-7")
    WebhookEvent.objects.emit_lost(runner.pk)
    fan_out(timezone.now())
    [delivery] = deliveries()
    assert delivery.payload["headline"] == "✕ Runner mac-1: lost"
    assert delivery.payload["lines"] == ["Its host was studio-7."]
    assert Runner.objects.filter(pk=runner.pk).exists()
