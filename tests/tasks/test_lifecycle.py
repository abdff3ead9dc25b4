"""Start, cancel, run again: checked, announced and recorded in one place."""

from contextlib import closing

import pytest

from tasks.lifecycle import (
    Actor,
    IdempotencyConflict,
    UnknownTaskType,
    request_cancel,
    rerun,
    submit,
)
from tasks.models import AuditEvent, StatusConflict, Task
from tasks.news import subscribe, wait
from tests.factories import TaskFactory

pytestmark = pytest.mark.django_db
ALICE = Actor("alice", "10.0.0.7")


def test_a_submitted_task_waits_and_the_trail_says_who():
    task = submit("check-integrity", {"version": "v885"}, ALICE)
    assert (task.status, task.version, task.step_count) == ("pending", "v885", 3)
    assert task.lock == "version:v885"
    event = AuditEvent.objects.get()
    assert (event.actor, event.address, event.action) == ("alice", "10.0.0.7", "create")
    assert event.target == str(task.pk)


def test_an_unknown_type_is_refused_naming_those_there_are():
    with pytest.raises(UnknownTaskType, match="check-integrity, full-sync"):
        submit("chek", {}, ALICE)
    assert not Task.objects.exists()


def test_a_repeated_idempotency_key_returns_the_first_task():
    first = submit("full-sync", {"version": "v1"}, ALICE, idempotency_key="k")
    again = submit("full-sync", {"version": "v1"}, ALICE, idempotency_key="k")
    assert again == first
    assert Task.objects.count() == AuditEvent.objects.count() == 1


def test_an_idempotency_key_belongs_to_one_request_of_one_person():
    submit("full-sync", {"version": "v1"}, ALICE, idempotency_key="k")
    with pytest.raises(IdempotencyConflict):
        submit("full-sync", {"version": "v2"}, ALICE, idempotency_key="k")
    submit("full-sync", {"version": "v2"}, Actor("bob"), idempotency_key="k")


def test_a_rerun_is_a_new_task_linked_to_the_first():
    first = TaskFactory(status="failed", params={"version": "v885"})
    again = rerun(first, ALICE)
    assert again.pk != first.pk
    assert (again.rerun_of, again.params, again.status) == (
        first,
        first.params,
        "pending",
    )
    assert AuditEvent.objects.get().action == "rerun"


def test_a_waiting_task_is_cancelled_at_once():
    task = submit("full-sync", {"version": "v1"}, ALICE)
    cancelled = request_cancel(task.pk, Actor("bob"))
    assert cancelled.status == "cancelled"
    assert cancelled.error == "Cancelled by bob before it started."
    assert cancelled.completed_at
    assert cancelled.result == {"success": False, "results": []}


def test_a_running_task_is_asked_to_stop_and_asking_twice_is_no_error():
    task = TaskFactory(status="running")
    for who in ("alice", "bob"):
        asked = request_cancel(task.pk, Actor(who))
        assert asked.status == "running"
        assert asked.cancel_requested_by == "alice"
    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_nothing_leaves_an_end_state(status):
    task = TaskFactory(status=status)
    with pytest.raises(StatusConflict, match=f"is {status}"):
        request_cancel(task.pk, ALICE)
    with pytest.raises(ValueError, match="never goes"):
        Task.objects.move(task.pk, status, "running")


def test_a_move_from_another_state_changes_nothing():
    task = TaskFactory(status="pending")
    with pytest.raises(StatusConflict):
        Task.objects.move(task.pk, "running", "failed")
    task.refresh_from_db()
    assert task.status == "pending"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("audience", ["viewers", "runners"])
def test_a_new_task_is_announced(audience):
    with closing(subscribe(audience)) as news:
        news.receive()
        task = submit("full-sync", {"version": "v1"}, ALICE)
        assert str(task.pk) in wait(news, 10)


@pytest.mark.django_db(transaction=True)
def test_a_task_that_was_rolled_back_is_not_announced():
    from django.db import transaction

    with closing(subscribe("runners")) as news:
        news.receive()
        with transaction.atomic():
            task = submit("full-sync", {"version": "v1"}, ALICE)
            transaction.set_rollback(True)
        kept = submit("full-sync", {"version": "v2"}, ALICE)
        heard = wait(news, 10)
    assert str(kept.pk) in heard
    assert str(task.pk) not in heard
