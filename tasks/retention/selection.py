"""Which tasks go: those that have ended, are not pinned, and are beyond a limit."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from tasks.models import Task, TaskQuerySet
from tasks.retention.limits import AGE, COUNT, Limit

COLUMNS = ("pk", "type", "completed_at", "last_seq", "log_bytes")


class Doomed(NamedTuple):
    """A task that goes, and the limit that it is beyond. ``size``: of its log, None
    where that was not measured."""

    pk: uuid.UUID
    type: str
    ended: datetime
    lines: int
    size: int | None
    limit: Limit


Gone = Mapping[uuid.UUID, Doomed]


def beyond(
    limit: Limit, most: int | None = None, gone: Gone | None = None
) -> list[Doomed]:
    """Return the tasks beyond a limit, of many only some (``most``); as if what is in
    ``gone`` were deleted already.

    The newest are those that ended last, whatever a clock said then; an age is by the
    clock, the database's where it has one. Of a size the newest task stays, so that
    nobody's log is gone before it was read.
    """
    Task.objects.number_strays()
    tasks, gone = scope(limit), gone or {}
    rows: Iterable[Any]
    if limit.kind == COUNT:
        newest = tasks.order_by("-ended", "-id")
        upto = None if most is None else limit.value + most
        rows = newest[limit.value : upto].values_list(*COLUMNS)
    elif limit.kind == AGE:
        since = _now() - timedelta(seconds=limit.value)
        old = tasks.filter(completed_at__lt=since).order_by("completed_at", "id")
        rows = old[:most].values_list(*COLUMNS)
    else:
        rows = _oldest_beyond(limit, tasks, most, gone)
    return [Doomed._make([*row, limit]) for row in rows if row[0] not in gone]


def all_beyond(limits: Sequence[Limit]) -> Gone:
    """Return all that go by some limits, each with the first that it is beyond."""
    gone: dict[uuid.UUID, Doomed] = {}
    for limit in limits:
        gone |= {task.pk: task for task in beyond(limit, gone=gone)}
    return gone


def scope(limit: Limit) -> TaskQuerySet:
    """Return the tasks that a limit is for, as its indexes have them."""
    tasks = finished()
    if limit.for_others:
        return tasks.exclude(type__in=limit.types) if limit.types else tasks
    return tasks.filter(type__in=limit.types)


def finished() -> TaskQuerySet:
    """Return the tasks that may go at all."""
    return Task.objects.filter(completed_at__isnull=False, pinned=False)


def _oldest_beyond(
    limit: Limit, tasks: TaskQuerySet, most: int | None, gone: Gone
) -> Iterator[Any]:
    total = tasks.aggregate(total=Sum("log_bytes"))["total"] or 0
    total -= sum(task.size or 0 for task in gone.values() if limit.covers(task.type))
    if total <= limit.value:
        return
    newest = tasks.order_by("-ended", "-id").values_list("pk", flat=True).first()
    for row in tasks.order_by("ended", "id")[:most].values_list(*COLUMNS):
        if total <= limit.value or row[0] == newest:
            return
        if row[0] not in gone:
            total -= row[-1] or 0
            yield row


def _now() -> datetime:
    """Return the time of the database's clock: runners' may differ."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        return cursor.fetchone()[0]  # type: ignore[no-any-return]
