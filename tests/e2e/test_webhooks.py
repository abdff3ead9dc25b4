"""Webhooks of real tasks: at a server of their own, through runners that are killed."""

import threading
from collections import Counter

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from tests.tasks.notify.receiver import OK, Receiver, chat_answer
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]


@pytest.fixture
def service(new_service):
    return new_service(WEBHOOK_ALLOW="127.0.0.0/8")


@pytest.fixture
def receiver():
    made = []

    def make(answer=OK):
        made.append(Receiver(answer))
        return made[-1]

    yield make
    for one in made:
        one.close()


def make_webhook(service, url, **given):
    made = service.request("POST", "/api/webhooks", json={"url": url, **given})
    assert made.status_code == 201, made.text
    return made.json()


def deliveries(service, webhook):
    path = f"/api/webhooks/{webhook['id']}/deliveries?limit=100"
    return service.request("GET", path).json()["deliveries"]


def of_task(target, task_id):
    return [body for body in target.bodies() if body["data"].get("id") == task_id]


def test_a_failed_task_is_told_with_its_first_error(service, receiver):
    service.run()
    program, chat = receiver(), receiver(chat_answer(errcode=0, errmsg="ok"))
    made = make_webhook(service, program.url)
    make_webhook(service, chat.url, format="wecom", events=["task.failed"])
    task_id = service.create("breaks")
    service.wait_for(task_id, "failed")
    wait_until(lambda: len(of_task(program, task_id)) == 2 and chat.received)
    started, failed = of_task(program, task_id)
    assert (started["type"], failed["type"]) == ("task.started", "task.failed")
    assert failed["data"]["firstError"]["message"] == "KeyError: 'sprites'"
    for request in program.received:
        Verifier(made["secret"]).verify(request.body, request.headers)
    content = chat.bodies()[0]["markdown"]["content"]
    line = failed["data"]["firstError"]["seq"]
    assert "**✕ Breaks: failed**\n> KeyError: 'sprites'\n" in content
    assert f"/tasks/{task_id}#L{line})" in content


def test_a_silent_task_is_told_of_while_it_runs(service, receiver):
    service.run()
    target = receiver()
    make_webhook(service, target.url, events=["task.stalled", "task.cancelled"])
    task_id = service.create("pensive")
    wait_until(lambda: target.events() == ["task.stalled"])
    service.request("POST", f"/api/tasks/{task_id}/cancel")
    wait_until(lambda: target.events() == ["task.stalled", "task.cancelled"])


def test_what_a_killed_runner_was_sending_the_next_one_sends(service, receiver):
    gate = threading.Event()

    def hang(connection, request):
        gate.wait()

    service.run()
    target = receiver(hang)
    made = make_webhook(service, target.url, events=["task.completed"])
    task_id = service.create("say")
    service.wait_for(task_id, "completed")
    wait_until(lambda: target.received, "the first attempt")
    service.kill("runner")
    target.answer = OK
    service.start("runner")

    def is_delivered():
        return [one["state"] for one in deliveries(service, made)] == ["delivered"]

    wait_until(is_delivered, "the second attempt")
    gate.set()
    first, second = target.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_the_task_of_a_killed_runner_is_recovered_and_the_runner_lost(
    service, receiver
):
    service.run()
    target = receiver()
    events = ["task.recovered", "task.started", "runner.lost"]
    make_webhook(service, target.url, events=events)
    service.create("pensive")
    wait_until(lambda: target.events() == ["task.started"])
    service.kill("runner")
    service.start("runner")

    def told():
        """Each message once: what was sent at the moment of the kill comes again."""
        received = {one.headers["webhook-id"]: one for one in target.received}
        return [one.json["type"] for one in received.values()]

    wait_until(lambda: len(told()) == 4, "four messages")
    of_the_task = [one for one in told() if one != "runner.lost"]
    assert of_the_task == ["task.started", "task.recovered", "task.started"]


def test_several_runners_send_each_message_once_and_in_order(service, receiver):
    service.start("web")
    for number in range(3):
        service.start(f"runner-{number}")
    service.wait_healthy()
    target = receiver()
    made = make_webhook(service, target.url, events=["task.*"])
    ids = [service.create("say") for _ in range(30)]
    wait_until(lambda: len(target.received) >= 60, "sixty messages")
    for task_id in ids:
        service.wait_for(task_id, "completed")

    def is_done():
        return {one["state"] for one in deliveries(service, made)} == {"delivered"}

    wait_until(is_done, "each message's record")
    counts = Counter(request.headers["webhook-id"] for request in target.received)
    assert len(counts) == 60
    assert set(counts.values()) == {1}
    for task_id in ids:
        told = [body["type"] for body in of_task(target, task_id)]
        assert told == ["task.started", "task.completed"]


def test_a_target_that_never_answers_holds_up_no_task(service, receiver):
    gate = threading.Event()
    service.run("--concurrency", "2")
    target = receiver(lambda connection, request: gate.wait())
    make_webhook(service, target.url)
    ids = [service.create("say") for _ in range(10)]
    for task_id in ids:
        service.wait_for(task_id, "completed")
    assert len(target.received) <= 4
    gate.set()


def test_a_runner_that_goes_when_all_is_done_tells_first(service, receiver):
    service.run().stop_one("runner")
    target = receiver()
    make_webhook(service, target.url)
    service.create("say")
    service.manage("run_tasks", "--once")
    assert target.events() == ["task.started", "task.completed"]
