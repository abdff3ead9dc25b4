"""The row of a runner, by which others know that it is there and what it takes."""

import os
import socket
from collections.abc import Sequence

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from tasks.catalog.labels import taken_with
from tasks.catalog.loader import catalog
from tasks.liveness.lock_file import LockFile, delete_lock_files
from tasks.liveness.processes import process_space, process_started
from tasks.models import LEASE_SECONDS, Runner, WebhookEvent

# After its patience and the grace of its tasks, others wait for so long before they
# take these from a runner that they can't ask.
FENCE_SECONDS = 2 * LEASE_SECONDS


def register(
    lock: LockFile,
    name: str,
    concurrency: int,
    types: list[str],
    labels: Sequence[str],
    patience_seconds: float,
) -> Runner:
    """Store and return the row of this process. ``lock``: its own; ``types``: those it
    takes, none for all; ``labels``: those it has; ``patience_seconds``: for how long it
    goes on without the database, with the grace of its tasks."""
    living = Runner.objects.not_stopped().order_by().values_list("pk", flat=True)
    delete_lock_files({lock.runner_id, *living})
    host, pid = socket.gethostname(), os.getpid()
    return Runner.objects.create(
        id=lock.runner_id,
        name=name or f"{host}-{pid}",
        host=host,
        pid=pid,
        process_space=process_space(),
        process_started=process_started(pid),
        lock_file=lock.identity,
        patience_seconds=patience_seconds + FENCE_SECONDS,
        concurrency=concurrency,
        types=types,
        labels=list(labels),
        known_types=types_taken(types, labels),
        version=settings.VERSION,
    )


def types_taken(types: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Return the names of the types that a runner takes: of these, or of all where none
    is named, those whose labels it has."""
    taken = taken_with(labels, catalog())
    return [name for name in taken if not types or name in types]


def beat(row: Runner) -> bool:
    """Give a sign of life. Return whether others believe that it lives."""
    alive = Runner.objects.not_stopped().filter(pk=row.pk)
    return bool(alive.update(heartbeat_at=Now(), beats=F("beats") + 1, is_silent=False))


def deregister(row: Runner, *, has_crashed: bool) -> None:
    """Say that it has stopped, where nobody has said so before."""
    mine = Runner.objects.not_stopped().filter(pk=row.pk)
    with transaction.atomic():
        if mine.update(stopped_at=Now(), crashed=has_crashed) and has_crashed:
            WebhookEvent.objects.emit_lost(row.pk)


def longest_grace() -> float:
    """Return the most seconds that any type's programs have to end in order."""
    return max((kind.stop_grace_seconds for kind in catalog().values()), default=0.0)
