"""Approvals through the whole service: its stream, and runners that are killed."""

import pytest

from tests.waiting import wait_until

from .conftest import parse

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]


@pytest.fixture
def product(new_service):
    service = new_service()
    service.run()
    return service


def approve(service, task_id):
    answer = service.request("POST", f"/api/tasks/{task_id}/approve", json={})
    assert answer.status_code == 200
    return answer.json()


def test_the_stream_of_a_task_goes_on_behind_its_approval(product):
    task_id = product.create("ask-anybody")
    events, statuses = [], []
    for _, event in parse(product.stream(task_id)):
        events.append(event)
        if "task" in event:
            statuses.append(event["task"]["status"])
        if statuses[-1] == "blocked" and statuses.count("blocked") == 1:
            statuses.append("approved")
            approve(product, task_id)
    assert statuses.index("approved") < statuses.index("completed")
    seqs = [e["log"]["seq"] for e in events if e["type"] == "log"]
    assert seqs == list(range(1, len(seqs) + 1))
    end = events[-1]
    assert (end["type"], end["status"]) == ("end", "completed")
    assert end["logCount"] == len(seqs)
    messages = [e["log"]["message"] for e in events if e["type"] == "log"]
    assert "Approved by bootstrap." in messages
    assert product.messages(task_id) == messages


def test_a_runner_that_is_killed_while_people_are_awaited_takes_nothing(product):
    task_id = product.create("ask-anybody")
    product.wait_for(task_id, "blocked")
    product.kill("runner")
    assert product.task(task_id)["status"] == "blocked"
    assert approve(product, task_id)["status"] == "pending"
    product.start("runner")
    task = product.wait_for(task_id)
    assert (task["status"], task["attempt"]) == ("completed", 1)


def test_where_the_only_runner_is_gone_an_overdue_approval_ends_all_the_same(product):
    task_id = product.create("ask-briefly")
    product.wait_for(task_id, "blocked")
    product.kill("runner")
    task = wait_until(lambda: ended(product, task_id), "its end")
    assert (task["status"], task["errorCode"]) == ("failed", "approval-timed-out")
    assert task["approval"]["decision"] == "timed-out"


def ended(product, task_id):
    task = product.task(task_id)
    return task if task["completedAt"] else None
