"""Who decides: asked at the moment of the decision."""

import threading

import pytest
from django.db import connection

from tasks.access.api_keys import make_key
from tasks.lifecycle import Actor, rerun, submit
from tasks.models import Approval, AuditEvent, Task
from tests.tasks.approvals.test_approval import CAROL, approve, reject

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
KEY = "urn:resource-sync:problem:"


def by_key(name, scope, maker="admin"):
    from django.test import Client

    _, secret = make_key(name, Actor(maker), scope=scope)
    return Client(headers={"X-API-Key": secret})


def test_who_is_in_no_group_that_decides_is_told_whom_to_ask(blocked, lead, person):
    lead("bob")
    answer = approve(person("operator"), blocked)
    assert answer.status_code == 403
    detail = answer.json()["detail"]
    assert "these groups decide this: leads." in detail
    assert "Ask one of them: bob." in detail
    assert blocked.approvals.get().decision == ""


def test_a_right_that_was_withdrawn_meanwhile_is_none(blocked, lead):
    bob = lead("bob")
    assert bob.get(f"/api/tasks/{blocked.pk}/status").status_code == 200
    bob.user.groups.remove(bob.user.groups.get(name="leads"))
    assert approve(bob, blocked).status_code == 403


@pytest.mark.parametrize(
    ("scope", "status"),
    [("approve", 200), ("admin", 200), ("start", 403), ("read", 403)],
)
def test_a_key_needs_the_scope(blocked, scope, status):
    assert approve(by_key("ci", scope), blocked).status_code == status


def test_admin_decides_too(blocked, person):
    assert approve(person("admin"), blocked).status_code == 200


def test_nobody_decides_what_they_started(blocked, lead):
    carol = lead("carol")
    for decide in (approve, reject):
        answer = decide(carol, blocked)
        assert answer.status_code == 403
        assert answer.json()["type"] == f"{KEY}own-task"


def test_nor_by_a_key_that_they_made(blocked):
    assert approve(by_key("mine", "approve", maker="carol"), blocked).status_code == 403


def test_nor_what_a_key_of_theirs_started(runner, work, lead):
    by_key("carols", "start", maker="carol")
    task = submit("release", {"version": "v885"}, Actor("key:carols"))
    work(runner, task, "blocked")
    assert approve(lead("carol"), task).status_code == 403
    assert approve(lead("bob"), task).status_code == 200


def test_nor_a_rerun_of_what_they_started(blocked, runner, work, lead):
    reject(lead("bob"), blocked)
    blocked.refresh_from_db()
    again = work(runner, rerun(blocked, Actor("dora")), "blocked")
    assert approve(lead("carol"), again).status_code == 403
    assert approve(lead("erin"), again).status_code == 200


def test_where_it_is_not_forbidden_they_do(runner, work, lead):
    task = work(runner, submit("twice", {}, CAROL), "blocked")
    assert approve(lead("carol"), task).status_code == 200


def test_a_task_that_does_not_wait_says_what_it_is(lead):
    task = submit("release", {"version": "v885"}, CAROL)
    answer = approve(lead("bob"), task)
    assert answer.status_code == 409
    assert "it is queued" in answer.json()["detail"]
    assert answer.json()["taskStatus"] == "pending"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"comment": 1}, "comment"),
        ({"comment": "x" * 1001}, "comment"),
        ({"approvedSha256": "x"}, "approvedSha256"),
        ({"sha": "x"}, "sha"),
    ],
)
def test_a_body_that_is_not_understood_is_refused(blocked, lead, body, field):
    answer = approve(lead("bob"), blocked, **body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_of_two_people_at_once_one_decides_and_the_other_hears_who(blocked, lead):
    people = [lead("bob"), lead("dora")]
    decides = [approve, reject]
    barrier = threading.Barrier(2)
    answers = {}

    def decide(client, how):
        barrier.wait()
        answers[client.user.username] = how(client, blocked)
        connection.close()

    threads = [
        threading.Thread(target=decide, args=pair)
        for pair in zip(people, decides, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = sorted(answer.status_code for answer in answers.values())
    assert codes == [200, 409]
    (winner,) = (name for name, answer in answers.items() if answer.status_code == 200)
    (lost,) = (answer for answer in answers.values() if answer.status_code == 409)
    assert lost.json()["decidedBy"] == winner
    assert winner in lost.json()["detail"]
    assert Approval.objects.get().decided_by == winner
    assert AuditEvent.objects.filter(action__in=["approve", "reject"]).count() == 1


@pytest.mark.parametrize("how", [approve, reject])
def test_of_a_decision_and_a_cancel_at_once_one_counts(blocked, lead, how):
    from tasks.lifecycle import StatusConflict, request_cancel

    bob = lead("bob")
    barrier = threading.Barrier(2)
    seen = {}

    def cancel():
        barrier.wait()
        try:
            request_cancel(blocked.pk, CAROL)
        except StatusConflict:
            seen["late"] = True
        connection.close()

    thread = threading.Thread(target=cancel)
    thread.start()
    barrier.wait()
    code = how(bob, blocked).status_code
    thread.join()
    task = Task.objects.get(pk=blocked.pk)
    assert task.status == "cancelled"
    decision = Approval.objects.get().decision
    assert (code, decision) in {
        (200, "approved"), (200, "rejected"), (409, "cancelled")
    }  # fmt: skip
    assert task.error_reason["code"] == (
        "rejected" if decision == "rejected" else "cancelled"
    )
