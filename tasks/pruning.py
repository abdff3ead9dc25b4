"""Forgets what is old: finished tasks, their lines, runners that nothing names,
idempotency keys after a day,
definitions that no task has, hand-over links and deliveries of webhooks that ended long
ago, who looked at a task a while ago, and ends that are in the totals by now; and
gives the room back to the disk.

In small transactions with rests between, so that no stream waits. What is left to do
is in the database, so whoever prunes next goes on where this was ended, however.
"""

import time
import uuid
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from django.db import connection, transaction

from tasks.access.actor import Actor, record
from tasks.databases.sqlite3.space import MOST_PAGES, Shrinker, checkpoint
from tasks.instruments import measures
from tasks.logs.removal import remove_lines
from tasks.models import (
    AuditEvent,
    HandOverLink,
    IdempotencyKey,
    Presence,
    Runner,
    Task,
    TaskDefinition,
    TaskEnd,
    WebhookDelivery,
)
from tasks.retention.limits import AGE, COUNT, Limit
from tasks.retention.selection import beyond
from tasks.retention.sizes import measure
from tasks.timestamps import iso

TASKS_AT_ONCE = 5  # in one transaction, without their lines
# Between two transactions, as a multiple of what one took: then others have SQLite's
# lock. No longer than the most, so that a busy machine still deletes faster than its
# tasks write.
REST = 2.0
MIN_REST_SECONDS, MAX_REST_SECONDS = 0.004, 0.05
# Who commits when the -wal has 1,000 pages waits for the disk. A part has some 60, so
# before it comes to that it is done here.
PARTS_A_CHECKPOINT = 5


class Pruned(NamedTuple):
    """What went in one transaction, or in several: tasks, lines of any tasks, and bytes
    that the disk was given back."""

    tasks: int = 0
    lines: int = 0
    freed_bytes: int = 0

    def plus(self, more: "Pruned") -> "Pruned":
        return Pruned(*map(sum, zip(self, more, strict=True)))


def prune(limits: Sequence[Limit], actor: Actor) -> Iterator[Pruned]:
    """Forget finished tasks beyond these limits, and then all that is left of tasks
    forgotten before.

    Stops after each transaction and says what went with it. A task that is waiting,
    running or pinned never goes.
    """
    for _ in measure(limits):
        yield Pruned()
    for limit in limits:
        while tasks := beyond(limit, TASKS_AT_ONCE):
            gone = _forget_tasks([task.pk for task in tasks], limit, actor)
            yield Pruned(tasks=gone)
    shrinker = Shrinker()
    for number, lines in enumerate(remove_lines(), 1):
        yield Pruned(lines=lines)
        if freed := _shrink(shrinker, worth=MOST_PAGES):
            yield Pruned(freed_bytes=freed)
        if number % PARTS_A_CHECKPOINT == 0 and _checkpoint():
            yield Pruned()
    kinds = (Runner, IdempotencyKey, TaskDefinition, Presence, HandOverLink, TaskEnd)
    deliveries = WebhookDelivery.objects
    while any(kind.objects.forget() for kind in kinds) or deliveries.forget():
        yield Pruned()
    yield from give_back(shrinker)


def give_back(shrinker: Shrinker) -> Iterator[Pruned]:
    """Give free pages of SQLite's file back to the disk."""
    while freed := _shrink(shrinker):
        yield Pruned(freed_bytes=freed)


def _shrink(shrinker: Shrinker, *, worth: int = 1) -> int:
    """Give back some; return how many bytes. PostgreSQL does so by itself."""
    if connection.vendor == "postgresql":
        return 0
    with connection.cursor() as cursor, connection.wrap_database_errors:
        return shrinker.step(cursor, worth=worth)


def _checkpoint() -> bool:
    """Have SQLite write on the disk what was deleted; return whether it did."""
    if connection.vendor == "postgresql" or connection.in_atomic_block:
        return False
    with connection.cursor() as cursor:
        checkpoint(cursor)
    return True


def at_leisure(parts: Iterator[Pruned]) -> Pruned:
    """Do all parts of it, with rests between; return what went in all."""
    total, started = Pruned(), time.monotonic()
    for part in parts:
        total = total.plus(part)
        time.sleep(rest_seconds(time.monotonic() - started))
        started = time.monotonic()
    return total


def prune_at_leisure(limits: Sequence[Limit], actor: Actor) -> Pruned:
    """The whole of it; returns what went."""
    return at_leisure(prune(limits, actor))


def rest_seconds(took: float) -> float:
    """Return for how long to rest after a part that took so long."""
    return min(max(REST * took, MIN_REST_SECONDS), MAX_REST_SECONDS)


def _forget_tasks(tasks: list[uuid.UUID], limit: Limit, actor: Actor) -> int:
    """Tasks, and in the same transaction the word of it that outlives them."""
    with transaction.atomic():
        gone = Task.objects.forget(tasks)
        if gone:
            ended = [at for at, _ in gone]
            record(
                actor,
                AuditEvent.Action.FORGET,
                "finished tasks",
                deleted=len(gone),
                lines=sum(lines for _, lines in gone),
                **_said(limit),
                firstEnded=iso(min(ended)),
                lastEnded=iso(max(ended)),
            )
    measures.pruned_tasks.inc(len(gone))
    return len(gone)


def _said(limit: Limit) -> dict[str, object]:
    """Return which limit it was, for the audit trail."""
    of = {} if limit.for_others else {"type": limit.types[0]}
    if limit.kind == COUNT:
        return {"kept": limit.value, **of}
    return {"olderThan" if limit.kind == AGE else "keptSize": limit.text, **of}
