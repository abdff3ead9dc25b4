"""The order in a lock: which of several waiting tasks is next, and which are left."""

import threading

import pytest
from django.db import connection

from tasks.lifecycle import Actor, submit
from tasks.models import AuditEvent, Task
from tasks.runner.claim import claim
from tests.factories import RunnerFactory
from tests.tasks.queue.definitions import TYPES
from tests.tasks.runner.test_claim import claimed_by_four_runners

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ALICE = Actor("alice", "10.0.0.7")


@pytest.fixture(autouse=True)
def _types(use_task_types):
    use_task_types(TYPES)


def test_the_newest_goes_first_and_tasks_of_other_types_keep_their_place():
    old = submit("preview", {"version": "v1"}, ALICE)
    undo = submit("undo", {}, ALICE)
    new = submit("preview", {"version": "v2"}, ALICE)
    runner = RunnerFactory()
    for expected in (undo, new, old):
        claimed = claim(runner)
        assert claimed == expected
        Task.objects.move(
            claimed.pk, "running", "completed", completed_at=old.created_at
        )


def test_the_latest_takes_the_place_of_older_ones_and_they_say_so():
    undo = submit("undo", {}, ALICE)
    old = submit("import", {"version": "v1"}, Actor("bob"))
    new = submit("import", {"version": "v2"}, ALICE)
    old.refresh_from_db()
    assert old.status == "cancelled"
    assert old.error == (f"A newer one took its place: import v2 ({new.pk}).")
    event = AuditEvent.objects.get(action="cancel")
    assert (event.actor, event.target) == ("alice", str(old.pk))
    assert event.details["supersededBy"] == str(new.pk)
    assert set(Task.objects.pending()) == {undo, new}


def test_one_that_runs_goes_on():
    first = submit("import", {"version": "v1"}, ALICE)
    assert claim(RunnerFactory()) == first
    submit("import", {"version": "v2"}, ALICE)
    first.refresh_from_db()
    assert first.status == "running"


@pytest.mark.django_db(transaction=True)
def test_four_runners_claim_the_newest_and_nothing_else():
    tasks = [submit("preview", {"version": f"v{n}"}, ALICE) for n in range(8)]
    claimed = claimed_by_four_runners(lambda runner: [claim(runner)])
    assert [task for task in claimed if task] == [tasks[-1]]


@pytest.mark.django_db(transaction=True)
def test_of_many_that_come_at_once_one_is_left():
    failures = []

    def start(n):
        try:
            submit("import", {"version": f"v{n}"}, ALICE)
        except Exception as failure:  # noqa: BLE001 (a thread's failure is the test's)
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=start, args=(n,)) for n in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failures
    assert Task.objects.pending().count() == 1
    assert Task.objects.filter(status="cancelled").count() == 7
    last = Task.objects.order_by("-number").first()
    assert last.status == "pending"
