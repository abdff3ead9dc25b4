"""When a runner deletes what is old, and which runner does."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.models import Runner, Task
from tasks.runner.pruner import AGE_SECONDS, PRUNE_SECONDS, Pruner
from tests.factories import RunnerFactory, TaskFactory

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture(autouse=True)
def _two_finished_tasks(settings):
    settings.TASK_RETENTION = 1
    settings.TASK_RETENTION_AGE = settings.TASK_RETENTION_SIZE = 0
    TaskFactory.create_batch(2, status="completed")


def started(minutes_ago, **fields):
    at = timezone.now() - timedelta(minutes=minutes_ago)
    return RunnerFactory(started_at=at, **fields)


def look(pruner):
    """Have it do all that it finds to do; return how many tasks are left."""
    pruner.prune()
    while pruner.due_at is not None:
        pruner.prune()
    return Task.objects.count()


def test_of_several_runners_the_newest_prunes():
    older, newest = started(5), started(1)
    assert look(Pruner(older)) == 2
    assert look(Pruner(newest)) == 1


@pytest.mark.parametrize("gone", [{"is_silent": True}, {"stopped_at": timezone.now()}])
def test_one_that_is_not_alive_leaves_it_to_the_next(gone):
    older = started(5)
    started(1, **gone)
    assert look(Pruner(older)) == 1


def test_who_was_not_the_newest_looks_again_when_a_task_ends():
    older, newest = started(5), started(1)
    pruner = Pruner(older)
    assert look(pruner) == 2
    assert not pruner.is_due(time.monotonic() + PRUNE_SECONDS)
    Runner.objects.filter(pk=newest.pk).update(stopped_at=timezone.now())
    pruner.ask()
    assert pruner.is_due(time.monotonic() + PRUNE_SECONDS)
    assert look(pruner) == 1


def test_where_no_task_ends_it_looks_now_and_then_for_what_grew_old():
    pruner = Pruner(started(1))
    look(pruner)
    now = time.monotonic()
    assert not pruner.is_due(now + AGE_SECONDS / 2)
    assert pruner.is_due(now + AGE_SECONDS + 1)
