"""Start, cancel, run again: checked, announced and recorded in one place."""

from contextlib import closing
from datetime import timedelta

import pytest

from tasks import log_store
from tasks.lifecycle import (
    Actor,
    IdempotencyConflict,
    UnknownTaskType,
    request_cancel,
    rerun,
    submit,
)
from tasks.models import AuditEvent, Runner, StatusConflict, Task
from tasks.news import subscribe, wait
from tasks.reaper import process_space
from tests.factories import RunnerFactory, TaskFactory, write_log

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
    with pytest.raises(
        UnknownTaskType, match="check-integrity, check-store, full-sync"
    ):
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
    task = TaskFactory(status="running", runner=RunnerFactory())
    for who in ("alice", "bob"):
        asked = request_cancel(task.pk, Actor(who))
        assert asked.status == "running"
        assert asked.cancel_requested_by == "alice"
    assert AuditEvent.objects.count() == 1


def test_a_cancel_may_be_forced_later_and_the_first_who_asked_stays():
    task = TaskFactory(status="running", runner=RunnerFactory())
    assert not request_cancel(task.pk, Actor("alice")).cancel_forced
    forced = request_cancel(task.pk, Actor("bob"), force=True)
    assert (forced.cancel_forced, forced.cancel_requested_by) == (True, "alice")
    assert request_cancel(task.pk, Actor("alice")).cancel_forced


@pytest.mark.django_db(transaction=True)
def test_the_runners_hear_of_a_cancel_and_of_force():
    task = TaskFactory(status="running", runner=RunnerFactory())
    with closing(subscribe("runners")) as news:
        news.receive()
        for force in (False, True):
            request_cancel(task.pk, ALICE, force=force)
            assert str(task.pk) in wait(news, 10)


def silent_for_a_minute(runner):
    long_ago = runner.heartbeat_at - timedelta(seconds=60)
    Runner.objects.filter(pk=runner.pk).update(heartbeat_at=long_ago)


def stopped(runner):
    Runner.objects.filter(pk=runner.pk).update(stopped_at=runner.heartbeat_at)


def dead_on_this_host(runner):
    here = {"process_space": process_space(), "pid": 2**22 - 1}
    Runner.objects.filter(pk=runner.pk).update(**here)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("fate", [silent_for_a_minute, stopped, dead_on_this_host])
def test_a_task_whose_runner_is_gone_is_cancelled_here_and_now(fate, force):
    runner = RunnerFactory(name="mac-1")
    task, other = TaskFactory.create_batch(2, status="running", runner=runner)
    write_log(task, "one")
    fate(runner)
    cancelled = request_cancel(task.pk, ALICE, force=force)
    assert cancelled.status == "cancelled"
    assert cancelled.error.startswith("Cancelled by alice; The runner mac-1 stopped ")
    assert cancelled.error.endswith("; 1 line was kept.")
    assert cancelled.log_sha256 == log_store.sha256(task.pk)
    other.refresh_from_db()
    assert other.status == "running"  # of the others the reaper decides


def test_the_second_cancel_ends_a_task_whose_runner_died_after_the_first():
    runner = RunnerFactory()
    task = TaskFactory(status="running", runner=runner)
    assert request_cancel(task.pk, ALICE).status == "running"
    silent_for_a_minute(runner)
    assert request_cancel(task.pk, Actor("bob")).status == "cancelled"


def test_a_task_that_went_back_to_the_queue_can_be_cancelled_there():
    task = TaskFactory(attempt=2)
    write_log(task, "one")
    cancelled = request_cancel(task.pk, ALICE)
    assert (cancelled.status, cancelled.error) == ("cancelled", "Cancelled by alice.")


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
