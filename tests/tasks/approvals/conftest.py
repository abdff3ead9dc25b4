"""A runner, people who decide, and tasks that wait for them."""

import time

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from tasks.lifecycle import Actor, submit
from tasks.runner.loop import TaskRunner
from tests.factories import UserFactory
from tests.tasks.approvals.definitions import TYPES

PATIENCE_SECONDS = 60


@pytest.fixture(autouse=True)
def _types(use_task_types):
    use_task_types(TYPES)


@pytest.fixture
def new_runner(transactional_db):
    made = []

    def make(**options):
        made.append(TaskRunner(**options))
        return made[-1]

    yield make
    for runner in made:
        runner._close()


@pytest.fixture
def runner(new_runner):
    return new_runner()


@pytest.fixture
def work():
    """Lets a runner work until a task has a status."""

    def work(runner, task, status):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            task.refresh_from_db()
            if task.status == status and task.pk not in runner.runs:
                return task
            seen = f"{task.status}, not {status}: {task.error}"
            assert time.monotonic() < deadline, f"it is {seen}"
            runner.step()

    return work


@pytest.fixture
def blocked(runner, work):
    """A release that carol started, and that waits for the leads."""
    task = submit("release", {"version": "v885"}, Actor("carol"))
    return work(runner, task, "blocked")


@pytest.fixture
def lead():
    """Makes people of the group leads, signed in."""

    def lead(name, group="viewer"):
        user = UserFactory(username=name, is_staff=True, group=group)
        user.groups.add(Group.objects.get_or_create(name="leads")[0])
        client = Client()
        client.force_login(user)
        client.user = user
        return client

    return lead
