"""Rows for tests, with only what a test is about written out."""

import atexit
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import factory
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.utils import timezone

from tasks.logs.append import append
from tasks.logs.store import Line
from tasks.models import ApiKey, LogLine, Runner, Task
from tasks.retention.limits import COUNT, Limit
from tasks.shim.client import ForkServer

NOON = datetime(2025, 11, 26, 12, 0, tzinfo=UTC)


class TaskFactory(factory.django.DjangoModelFactory[Task]):
    """A task; one that has started or ended has the times that go with it."""

    class Meta:
        model = Task

    type = "check-integrity"
    version = "v885"
    params = factory.LazyAttribute(lambda task: {"version": task.version})
    status = Task.Status.PENDING
    step_count = 3
    created_by = "alice"
    created_at = factory.LazyFunction(timezone.now)
    started_at = factory.Maybe(
        factory.LazyAttribute(lambda task: task.status != Task.Status.PENDING),
        factory.LazyAttribute(lambda task: task.created_at + timedelta(seconds=1)),
        None,
    )
    completed_at = factory.Maybe(
        factory.LazyAttribute(lambda task: task.status in Task.ENDED),
        factory.LazyAttribute(lambda task: task.created_at + timedelta(seconds=2)),
        None,
    )


class RunnerFactory(factory.django.DjangoModelFactory[Runner]):
    """A runner that gave a sign of life just now."""

    class Meta:
        model = Runner

    name = factory.Sequence(lambda n: f"runner-{n}")
    host = "build-mac"
    pid = factory.Sequence(lambda n: 1000 + n)


class ApiKeyFactory(factory.django.DjangoModelFactory[ApiKey]):
    """A key whose text is in its attribute ``secret``."""

    class Meta:
        model = ApiKey

    name = "unity-editor"

    @classmethod
    def _create(cls, model_class: type[ApiKey], *args: Any, **kwargs: Any) -> ApiKey:
        key, secret = ApiKey.objects.issue(kwargs.pop("name"))
        for field, value in kwargs.items():
            setattr(key, field, value)
        key.save()
        key.secret = secret  # type: ignore[attr-defined]
        return key


class UserFactory(factory.django.DjangoModelFactory[User]):
    """A person, in one of the product's groups or in none."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user-{n}")

    @factory.post_generation
    def group(user, create, name, **_options):  # noqa: N805 (the factory's way)
        if name:
            user.groups.add(Group.objects.get(name=name))


def write_log(task: Task, *lines: str | tuple[str, str]) -> None:
    """Write lines behind those that a task has: messages, or (level, message)."""
    rows = []
    for seq, line in enumerate(lines, task.last_seq + 1):
        level, message = ("stdout", line) if isinstance(line, str) else line
        at_ms = int(NOON.timestamp() * 1000) + seq
        rows.append(Line(seq, at_ms, LogLine.Level(level).value, message))
    with transaction.atomic():
        append([(task.pk, rows)])
        task.last_seq += len(rows)
        task.save(update_fields=["last_seq"])


def keep(count: int) -> list[Limit]:
    """The limits of a retention that keeps so many tasks and has no other rule."""
    return [Limit(COUNT, count, (), for_others=True)]


KEEP_NONE = keep(0)


@cache
def fork_server() -> ForkServer:
    """What starts programs; one for all tests of a process."""
    fork_server = ForkServer()
    atexit.register(fork_server.close)
    return fork_server
