"""Messages on their way: to a server on this machine, by a runner's own sender."""

import json
import threading
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from standardwebhooks.webhooks import Webhook as Verifier

from tasks.access.actor import Actor
from tasks.models import Event, Webhook, WebhookDelivery, WebhookEvent
from tasks.notify import deliveries as delivering
from tasks.notify.acts import (
    delete_webhook,
    enable,
    make_webhook,
    send_again,
    send_test,
)
from tasks.notify.deliveries import PAUSES, take
from tasks.notify.fan_out import SINGLE_FAILURES, fan_out
from tests.factories import RunnerFactory, TaskFactory
from tests.ports import free_port
from tests.tasks.notify.conftest import House, deliveries, error_of
from tests.tasks.notify.receiver import OK, answer, chat_answer

# The threads that send ask no database, so a test's own transaction is enough.
pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ALICE = Actor("alice")


@pytest.fixture(autouse=True)
def _types(pack):
    pass


def emit(task, *events):
    for event in events:
        with transaction.atomic():
            WebhookEvent.objects.emit(event, [task.pk])


def fail(count=1):
    tasks = [TaskFactory(type="pack", status="failed", error="x") for _ in range(count)]
    for task in tasks:
        emit(task, Event.TASK_FAILED)
    return tasks


def test_a_message_arrives_signed_and_is_written_down(receiver, house, loopback):
    target = receiver(answer(200, b"thanks"))
    made = make_webhook({"url": target.url}, ALICE)
    [task] = fail()
    house.send()
    [request] = target.received
    body = Verifier(made.secret).verify(request.body, request.headers)
    assert body["data"]["id"] == str(task.pk)
    [delivery] = deliveries()
    assert delivery.state == "delivered"
    assert delivery.next_at is None
    assert request.headers["webhook-id"] == str(delivery.message_id)
    [attempt] = delivery.attempts
    assert (attempt["status"], attempt["answer"]) == (200, "thanks")
    assert attempt["error"] is attempt["note"] is None


def test_what_fails_is_tried_again_with_growing_pauses_for_a_day(
    receiver, webhook, house
):
    target = receiver(answer(500, b"no"))
    webhook(target.url)
    fail()
    house.send()
    for number, pause in enumerate(PAUSES, 1):
        [delivery] = deliveries()
        assert delivery.state == "waiting"
        assert len(delivery.attempts) == len(target.received) == number
        left = delivery.next_at - house.now()
        assert 0.85 * pause < left < 1.15 * pause
        house.send(seconds=pause.total_seconds() * 1.2)
    [delivery] = deliveries()
    assert delivery.state == "failed"
    assert error_of(delivery) == "webhook-status"
    assert list(PAUSES) == sorted(PAUSES)
    assert timedelta(hours=20) < sum(PAUSES, timedelta()) < timedelta(hours=28)
    ids = {request.headers["webhook-id"] for request in target.received}
    assert ids == {str(delivery.message_id)}


def test_each_attempt_is_signed_with_its_own_time(receiver, loopback, house):
    target = receiver(answer(500))
    made = make_webhook({"url": target.url}, ALICE)
    fail()
    house.send()
    house.send(minutes=1)
    for request in target.received:
        Verifier(made.secret).verify(request.body, request.headers)
    assert target.received[0].body == target.received[1].body


def test_who_comes_back_gets_what_waited(receiver, webhook, house):
    target = receiver(answer(503))
    webhook(target.url)
    fail()
    house.send()
    target.answer = OK
    house.send(minutes=1)
    [delivery] = deliveries()
    assert delivery.state == "delivered"
    assert [one["status"] for one in delivery.attempts] == [503, 200]


def test_messages_on_one_task_arrive_in_order_though_one_fails(
    receiver, webhook, house
):
    target = receiver(answer(500))
    webhook(target.url)
    task = TaskFactory(type="pack", status="failed", error="x")
    emit(task, Event.TASK_STARTED, Event.TASK_STALLED, Event.TASK_FAILED)
    house.send()
    assert target.events() == ["task.started"]
    target.answer = OK
    house.send(minutes=1)
    assert target.events()[1:] == ["task.started", "task.stalled", "task.failed"]


def test_a_message_on_another_task_does_not_wait_for_that(receiver, webhook, house):
    def refuse_the_first(connection, request):
        is_first = request.json["data"]["id"] == str(first.pk)
        connection.sendall(answer(500) if is_first else OK)

    target = receiver(refuse_the_first)
    webhook(target.url)
    [first] = fail()
    house.send()
    fail()
    house.send(seconds=10)
    states = [one.state for one in deliveries()]
    assert states == ["waiting", "delivered"]


def test_a_slow_target_holds_up_no_other(receiver, webhook, house):
    gate = threading.Event()
    slow = receiver(lambda connection, request: (gate.wait(), connection.sendall(OK)))
    webhook(slow.url)
    fast = receiver()
    webhook(fast.url)
    fail(20)
    for _ in range(100):
        house.sender.look()
        if len(fast.received) == 20:
            break
        gate.wait(0.05)
    assert len(fast.received) == 20
    assert len(slow.received) == delivering.PER_WEBHOOK
    gate.set()
    house.send()
    assert len(slow.received) == 20


def test_who_failed_rests_before_anything_else_is_sent_there(receiver, webhook, house):
    target = receiver(answer(429, Retry_After="600"))
    webhook(target.url)
    fail(10)
    house.send()
    assert len(target.received) <= delivering.PER_WEBHOOK
    before = len(target.received)
    house.send(minutes=9)
    assert len(target.received) == before
    target.answer = OK
    house.send(minutes=5)
    house.send(hours=1)
    assert {one.state for one in deliveries()} == {"delivered"}


def test_410_disables_the_webhook_and_ends_what_waits(receiver, webhook, house):
    target = receiver(answer(410))
    made = webhook(target.url)
    fail(5)
    house.send()
    made.refresh_from_db()
    assert made.state == "disabled"
    assert made.disabled_reason["code"] == "webhook-gone"
    assert {one.state for one in deliveries()} == {"failed"}
    house.send(hours=1)
    assert len(target.received) <= delivering.PER_WEBHOOK
    assert enable(made, ALICE)
    target.answer = OK
    fail()
    house.send()
    assert deliveries()[-1].state == "delivered"


def test_a_redirect_is_not_followed(receiver, webhook, house):
    other = receiver()
    target = receiver(answer(307, Location=other.url))
    webhook(target.url)
    fail()
    house.send()
    assert other.received == []
    [delivery] = deliveries()
    assert error_of(delivery) == "webhook-redirected"


def test_who_is_down_is_named(webhook, house, loopback):
    webhook(f"http://127.0.0.1:{free_port()}/")
    fail()
    house.send()
    assert error_of(deliveries()[0]) == "webhook-not-connected"


@pytest.mark.parametrize(
    ("lie", "note"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort", "webhook-answer-cut"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 70_000, "webhook-answer-too-long"),
    ],
)
def test_the_status_says_that_it_arrived_and_a_lie_beside_it_is_noted(
    receiver, webhook, house, lie, note
):
    webhook(receiver(lie).url)
    fail()
    house.send()
    [delivery] = deliveries()
    assert delivery.state == "delivered"
    assert delivery.attempts[0]["note"]["code"] == note
    assert len(delivery.attempts[0]["answer"]) <= delivering.MOST_ANSWER


def test_a_chat_that_refuses_by_a_code_is_tried_again_with_its_words(
    receiver, webhook, house
):
    target = receiver(chat_answer(code=19021, msg="sign match fail"))
    webhook(target.url, format="feishu", secret="not the right one")
    fail()
    house.send()
    [delivery] = deliveries()
    assert delivery.state == "waiting"
    assert delivery.attempts[0]["error"]["params"]["words"] == "sign match fail"
    target.answer = chat_answer(code=0, msg="success")
    house.send(minutes=1)
    [delivery] = deliveries()
    assert delivery.state == "delivered"


def test_a_name_that_leads_inside_by_now_is_not_sent_to(
    receiver, webhook, house, settings
):
    target = receiver()
    made = webhook(target.url)
    fail()
    settings.WEBHOOK_ALLOW = []
    house.send()
    assert target.received == []
    [delivery] = deliveries()
    assert error_of(delivery) == "webhook-address-refused"
    assert made.state == "active"


def test_the_secret_key_may_have_changed(receiver, webhook, house, settings):
    webhook(receiver().url)
    fail()
    settings.SECRET_KEY = "another one, of more than thirty-two characters"
    house.send()
    assert error_of(deliveries()[0]) == "webhook-sealed"


def test_an_answer_that_repeats_the_url_is_kept_without_its_token(
    receiver, webhook, house
):
    token = "b1946ac92492d2347c6235b4d2611184"
    echo = json.dumps({"code": 1, "msg": f"no bot at /hook/{token}"}).encode()
    target = receiver(answer(200, echo))
    made = webhook(f"{target.url}/{token}", format="feishu")
    fail()
    house.send()
    [delivery] = deliveries()
    assert delivery.attempts
    for row in (Webhook, WebhookDelivery):
        assert token not in json.dumps(list(row.objects.values()), default=str)
    assert made.shown_url == f"http://127.0.0.1:{target.port}/***"


def test_a_storm_of_failures_is_one_message(receiver, webhook, house):
    target = receiver(chat_answer(errcode=0, errmsg="ok"))
    webhook(target.url, format="dingtalk")
    fail(SINGLE_FAILURES + 30)
    house.send()
    assert len(target.received) == SINGLE_FAILURES
    fail(3)
    house.send(seconds=15)
    assert len(target.received) == SINGLE_FAILURES + 1
    text = target.bodies()[-1]["markdown"]["text"]
    assert "33 more tasks failed" in text
    assert text.count("Pack v885: failed") == 5
    assert "and 28 others" in text
    assert "/history?status=failed" in text


def test_a_test_message_arrives(receiver, webhook, house):
    target = receiver()
    made = webhook(target.url, name="ci")
    send_test(made, ALICE)
    house.send()
    [body] = target.bodies()
    assert body["type"] == "webhook.test"
    assert body["data"] == {"webhook": str(made.pk), "by": "alice"}


def test_what_has_ended_is_sent_again_with_its_id(receiver, webhook, house):
    target = receiver()
    webhook(target.url)
    fail()
    house.send()
    [delivery] = deliveries()
    assert send_again(delivery, ALICE)
    assert not send_again(delivery, ALICE)
    house.send()
    first, second = target.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def test_a_deleted_webhook_is_sent_nothing_more(receiver, webhook, house):
    target = receiver()
    made = webhook(target.url)
    fail(3)
    house.sender.look()
    delete_webhook(made, ALICE)
    house.send()
    assert deliveries() == []


# --- Several runners ----------------------------------------------------------------


def test_what_one_runner_has_taken_no_other_takes(receiver, webhook, house):
    webhook(receiver().url)
    fail(2)
    other = House(RunnerFactory())
    gate = timezone.now()
    house.sender.look()
    assert take(other.runner, gate, 10, {}) == []
    house.send()


def test_what_a_dead_runner_had_taken_is_sent_by_the_next(receiver, webhook, house):
    target = receiver()
    webhook(target.url)
    fail()
    house.sender.look()  # it takes and sends, and dies before that is written down
    house.runner.stopped_at = timezone.now()
    house.runner.save()
    House(RunnerFactory()).send()
    [delivery] = deliveries()
    assert delivery.state == "delivered"
    ids = {request.headers["webhook-id"] for request in target.received}
    assert ids == {str(delivery.message_id)}
    house.send()  # its own record comes too late, and changes nothing
    [again] = deliveries()
    assert again.attempts == delivery.attempts


def test_a_runner_that_stops_leaves_what_it_has_not_sent(receiver, webhook, house):
    gate = threading.Event()
    target = receiver(lambda connection, request: gate.wait())
    webhook(target.url)
    fail()
    house.sender.look()
    house.sender.close()
    gate.set()
    target.answer = OK
    House(RunnerFactory()).send()
    assert deliveries()[0].state == "delivered"


def test_a_runner_that_goes_by_itself_sends_first(receiver, webhook, house):
    target = receiver()
    webhook(target.url)
    task = TaskFactory(type="pack", status="failed", error="x")
    emit(task, Event.TASK_STARTED, Event.TASK_FAILED)
    house.sender.finish()
    assert target.events() == ["task.started", "task.failed"]


def test_a_clock_that_was_ahead_holds_nothing_up(receiver, webhook, house):
    target = receiver()
    webhook(target.url)
    fail()
    fan_out(timezone.now())
    far = timezone.now() + timedelta(days=40)
    WebhookDelivery.objects.update(next_at=far)
    Webhook.objects.update(rests_until=far)
    house.send()
    assert deliveries()[0].state == "delivered"


def test_deliveries_are_forgotten_a_month_after_their_end(receiver, webhook, house):
    webhook(receiver().url)
    fail(2)
    house.send()
    old, new = deliveries()
    long_ago = timezone.now() - timedelta(days=31)
    WebhookDelivery.objects.filter(pk=old.pk).update(ended_at=long_ago)
    assert WebhookDelivery.objects.forget() == 1
    assert deliveries() == [new]


def test_a_query_s_token_is_no_part_of_what_is_kept(receiver, webhook, house):
    token = "b1946ac92492d2347c6235b4d2611184"
    target = receiver(answer(403, f"token {token} is not known".encode()))
    webhook(f"{target.url}?token={token}")
    fail()
    house.send()
    [delivery] = deliveries()
    assert delivery.attempts[0]["answer"] == "token *** is not known"
