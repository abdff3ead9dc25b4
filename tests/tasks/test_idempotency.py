"""An Idempotency-Key: one task, whatever becomes of it, for 24 hours."""

import threading
from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection
from django.utils import timezone

from tasks.access.actor import Actor
from tasks.lifecycle import IdempotencyConflict, TaskDeleted, rerun, submit
from tasks.models import AuditEvent, IdempotencyKey, Task
from tasks.models import idempotency as idempotency_module
from tasks.pruning import prune, prune_at_leisure
from tests.factories import KEEP_NONE, TaskFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ALICE = Actor("alice")
CRON = Actor("shell:cron")


def publish(version="v1", *, actor=ALICE):
    return submit("full-sync", {"version": version}, actor, idempotency_key="deploy-1")


def make_older(**age):
    """Let what keys there are have come so much earlier."""
    for record in IdempotencyKey.objects.all():
        record.created_at -= timedelta(**age)
        record.save()


def ended(task):
    Task.objects.filter(pk=task.pk).update(
        status="completed", completed_at=timezone.now()
    )


def test_the_same_request_again_returns_the_first_task_and_starts_nothing():
    first = publish()
    assert publish() == first
    assert Task.objects.count() == AuditEvent.objects.count() == 1


def test_a_key_outlives_its_task_so_nothing_runs_twice():
    first = publish()
    ended(first)
    assert prune_at_leisure(KEEP_NONE, CRON).tasks == 1
    with pytest.raises(TaskDeleted, match=str(first.pk)):
        publish()
    assert not Task.objects.exists()


@pytest.mark.parametrize("is_deleted", [False, True])
def test_after_a_day_a_key_is_free_pruned_or_not(is_deleted):
    first = publish()
    if is_deleted:
        ended(first)
        prune_at_leisure(KEEP_NONE, CRON)
    make_older(hours=23, minutes=59)
    if is_deleted:
        with pytest.raises(TaskDeleted):
            publish()
    else:
        assert publish() == first
    make_older(minutes=2)
    second = publish("v2")  # even for another request
    assert second != first
    assert publish("v2") == second
    assert IdempotencyKey.objects.count() == 1


def test_another_request_with_the_same_key_is_refused_even_where_the_task_is_gone():
    first = publish()
    with pytest.raises(IdempotencyConflict):
        publish("v2")
    with pytest.raises(IdempotencyConflict):
        submit("check-integrity", {"version": "v1"}, ALICE, idempotency_key="deploy-1")
    with pytest.raises(IdempotencyConflict):
        rerun(first, ALICE, idempotency_key="deploy-1")
    ended(first)
    prune_at_leisure(KEEP_NONE, CRON)
    with pytest.raises(IdempotencyConflict):
        publish("v2")


def test_a_key_belongs_to_one_person():
    assert publish() != publish("v2", actor=Actor("bob"))


def test_a_refused_request_uses_up_no_key():
    with pytest.raises(Exception, match="version"):
        publish("trunk")
    assert publish().version == "v1"


def test_a_rerun_sent_again_returns_the_first_ones_task():
    first, other = TaskFactory.create_batch(2, status="failed")
    again = rerun(first, ALICE, idempotency_key="k")
    assert rerun(first, ALICE, idempotency_key="k") == again
    with pytest.raises(IdempotencyConflict):
        rerun(other, ALICE, idempotency_key="k")


def test_what_is_kept_of_the_parameters_is_a_digest_that_needs_the_secret_key(settings):
    publish()
    kept = IdempotencyKey.objects.values_list().get()
    assert not any("v1" in str(value) for value in kept)
    settings.SECRET_KEY = "another" * 8
    with pytest.raises(IdempotencyConflict):
        publish()


@pytest.mark.parametrize("limits", [[], KEEP_NONE])
def test_expired_keys_are_pruned_and_others_stay(limits, monkeypatch):
    monkeypatch.setattr(idempotency_module, "KEYS_AT_ONCE", 2)
    for number in range(5):
        submit("full-sync", {"version": "v1"}, ALICE, idempotency_key=str(number))
    make_older(hours=25)
    publish()
    assert not any(part.tasks for part in prune(limits, CRON))
    assert IdempotencyKey.objects.get().key == "deploy-1"


@pytest.mark.django_db(transaction=True)
def test_of_twenty_at_once_one_makes_the_task_and_all_get_it():
    publish()
    make_older(hours=25)  # so that all of them find the key expired
    start = threading.Barrier(20)
    got, failures = [], []

    def one():
        try:
            start.wait()
            got.append(publish().pk)
        except Exception as failure:  # noqa: BLE001 (a thread's failure is the test's)
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(got) == 20
    assert len(set(got)) == 1
    assert Task.objects.count() == 2


def test_the_migration_digests_a_request_as_the_product_does():
    migration = import_module("tasks.migrations.0011_idempotency_keys_of_their_own")
    first = TaskFactory(params={"version": "v1", "text": "版本"})
    for task in (first, TaskFactory(rerun_of=first)):
        rerun_of = task.rerun_of and str(task.rerun_of.pk)
        request = [task.type, task.params, rerun_of]
        digest = idempotency_module.fingerprint_of(request)
        assert migration.fingerprint_of(task) == digest
