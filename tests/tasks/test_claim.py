"""Which task comes next, and whose it is."""

import threading

import pytest
from django.db import connection

from tasks.claiming import claim
from tasks.lifecycle import Actor, submit
from tasks.models import Runner, Task
from tests.factories import RunnerFactory, TaskFactory

pytestmark = pytest.mark.django_db
ALICE = Actor("alice")


def test_the_oldest_waiting_task_comes_first():
    first = submit("check-integrity", {"version": "v1"}, ALICE)
    submit("check-integrity", {"version": "v2"}, ALICE)
    runner = RunnerFactory()
    assert claim(runner) == first
    first.refresh_from_db()
    assert (first.status, first.runner) == ("running", runner)
    assert (first.step_index, first.step_name) == (1, "iOS manifest")
    assert first.started_at


def test_an_empty_queue_gives_nothing():
    TaskFactory(status="completed")
    assert claim(RunnerFactory()) is None


def test_a_task_waits_for_the_lock_that_another_holds():
    first = submit("full-sync", {"version": "v1"}, ALICE)
    second = submit("sync-facebook", {"version": "v2"}, ALICE)
    third = submit("check-integrity", {"version": "v1"}, ALICE)
    runner = RunnerFactory()
    assert claim(runner) == first
    assert claim(runner) == third
    assert claim(runner) is None
    Task.objects.move(first.pk, "running", "completed", completed_at=first.created_at)
    assert claim(runner) == second


def test_a_runner_takes_only_the_types_it_is_for():
    submit("full-sync", {"version": "v1"}, ALICE)
    wanted = submit("update-reuse", {"version": "v1"}, ALICE)
    assert claim(RunnerFactory(types=["update-reuse"])) == wanted


def claimed_by_four_runners(work):
    """What four threads, each with a runner of its own, claimed."""
    claimed, failures = [], []

    def thread(runner):
        try:
            claimed.extend(work(runner))
        except Exception as failure:  # noqa: BLE001 (a thread's failure is the test's)
            failures.append(failure)
        finally:
            connection.close()

    runners = [RunnerFactory() for _ in range(4)]
    threads = [threading.Thread(target=thread, args=(runner,)) for runner in runners]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failures
    return claimed


@pytest.mark.django_db(transaction=True)
def test_many_runners_never_claim_one_task_twice():
    tasks = {submit("check-integrity", {"version": f"v{n}"}, ALICE) for n in range(24)}

    def until_nothing_is_left(runner):
        return list(iter(lambda: claim(runner), None))

    claimed = claimed_by_four_runners(until_nothing_is_left)
    assert len(claimed) == 24
    assert set(claimed) == tasks


@pytest.mark.django_db(transaction=True)
def test_many_runners_never_hold_one_lock_together():
    for n in range(8):
        submit("full-sync", {"version": f"v{n}"}, ALICE)
    claimed = claimed_by_four_runners(lambda runner: [claim(runner)])
    assert len([task for task in claimed if task]) == 1
    assert Task.objects.running().count() == 1


def test_a_claim_reads_the_small_index_however_long_the_history():
    Task.objects.bulk_create(TaskFactory.build(status="completed") for _ in range(3000))
    submit("check-integrity", {"version": "v1"}, ALICE)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE tasks_task")
    plan = Task.objects.next_in_queue([])[:1].explain()
    assert "task_pending" in plan, plan


def test_a_runner_is_alive_by_the_databases_clock():
    alive = RunnerFactory()
    stopped = RunnerFactory(stopped_at=alive.heartbeat_at)
    lost = RunnerFactory()
    from datetime import timedelta

    Runner.objects.filter(pk=lost.pk).update(
        heartbeat_at=lost.heartbeat_at - timedelta(seconds=60)
    )
    assert list(Runner.objects.alive()) == [alive]
    assert list(Runner.objects.lost()) == [lost]
    assert stopped not in Runner.objects.lost()
