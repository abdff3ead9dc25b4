"""Forgets what is old: finished tasks, their lines, runners that nothing names,
idempotency keys after a day,
definitions that no task has, hand-over links and deliveries of webhooks that ended long
ago, and who looked at a task a while ago.

In small transactions with rests between, so that no stream waits. What is left to do
is in the database, so whoever prunes next goes on where this was ended, however.
"""

import time
import uuid
from collections.abc import Iterator

from django.db import transaction

from tasks.access.actor import Actor, record
from tasks.models import (
    LINES_AT_ONCE,
    AuditEvent,
    HandOverLink,
    IdempotencyKey,
    LogBlock,
    LogLine,
    Presence,
    PrunedLog,
    Runner,
    Task,
    TaskDefinition,
    WebhookDelivery,
)
from tasks.timestamps import iso

BLOCKS_AT_ONCE = 50  # deleted in a transaction: some 1.5 MB


def prune(keep: int | None, actor: Actor) -> Iterator[int]:
    """Forget finished tasks beyond the newest ``keep`` (None: forget none), and then
    all that is left of tasks forgotten before.

    Stops after each transaction and says how many tasks went with it. A task that is
    pending, running or pinned never goes.
    """
    if keep is not None:
        while tasks := Task.objects.beyond(keep):
            yield _forget_tasks(tasks, keep, actor)
    for task_id in PrunedLog.objects.values_list("pk", flat=True):
        for _ in _forget_lines(task_id):
            yield 0
    kinds = (Runner, IdempotencyKey, TaskDefinition, Presence, HandOverLink)
    deliveries = WebhookDelivery.objects
    while any(kind.objects.forget() for kind in kinds) or deliveries.forget():
        yield 0


def prune_at_leisure(keep: int, actor: Actor) -> int:
    """The whole of it; returns how many tasks were deleted."""
    deleted, started = 0, time.monotonic()
    for count in prune(keep, actor):
        deleted += count
        time.sleep(time.monotonic() - started)  # as long as that took
        started = time.monotonic()
    return deleted


def _forget_tasks(tasks: list[uuid.UUID], keep: int, actor: Actor) -> int:
    """Tasks, and in the same transaction the word of it that outlives them."""
    with transaction.atomic():
        ended = Task.objects.forget(tasks)
        if ended:
            record(
                actor,
                AuditEvent.Action.FORGET,
                "finished tasks",
                deleted=len(ended),
                kept=keep,
                firstEnded=iso(min(ended)),
                lastEnded=iso(max(ended)),
            )
    return len(ended)


def _forget_lines(task_id: uuid.UUID) -> Iterator[None]:
    """The lines of a forgotten task, from the first on."""
    lines = LogLine.objects.filter(task_id=task_id)
    seqs = lines.values_list("seq", flat=True)
    first = seqs.order_by("seq").first()
    last = seqs.order_by("-seq").first()
    if first is not None and last is not None:
        for start in range(first, last + 1, LINES_AT_ONCE):
            upto = start + LINES_AT_ONCE
            lines.filter(seq__gte=start, seq__lt=upto).delete()
            yield
    # What was packed until now; there is no line left to be packed.
    packed = LogBlock.objects.filter(task_id=task_id)
    lasts = packed.order_by("last_seq").values_list("last_seq", flat=True)
    while some := list(lasts[:BLOCKS_AT_ONCE]):
        packed.filter(last_seq__lte=some[-1]).delete()
        yield
    PrunedLog.objects.filter(pk=task_id).delete()
    yield
