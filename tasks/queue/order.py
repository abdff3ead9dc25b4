"""The order in a lock: which of the tasks of a type that wait for one lock is next.

``fifo`` the oldest, ``newest`` the newest; with ``latest-only`` a newer one takes the
place of the older ones, which are cancelled. Tasks of other types that wait for the
same lock are not concerned: a sync never takes the place of a rollback.
"""

from collections.abc import Iterable

from django.db import connection
from django.utils import timezone

from tasks.catalog.loader import catalog
from tasks.catalog.task_type import TaskType
from tasks.models import Event, Task, WebhookEvent, next_ended
from tasks.notifications import announce
from tasks.reasons import Reason

NEWEST, LATEST_ONLY = "newest", "latest-only"


def newest_first(types: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the types of which the newest task of a lock goes first, among these, or
    of all where there are none."""
    wanted = set(types)
    return tuple(
        name
        for name, kind in catalog().items()
        if kind.lock_order in {NEWEST, LATEST_ONLY} and (not wanted or name in wanted)
    )


def hold_place(kind: TaskType, lock: str | None) -> None:
    """Have whoever starts another task of this lock wait until this transaction is
    over, where a newer one takes the place of older ones: of two that came at the same
    moment neither would see the other. SQLite has one writer at a time anyway."""
    if kind.lock_order != LATEST_ONLY or lock is None:
        return
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
                [f"latest-only {kind.name} {lock}"],
            )


def take_places(task: Task, kind: TaskType) -> list[Task]:
    """Cancel the older waiting tasks whose place a new one takes; return them. Within
    the transaction in which that was made, after ``hold_place()``."""
    if kind.lock_order != LATEST_ONLY or task.lock is None:
        return []
    same = Task.objects.pending().filter(lock=task.lock, type=task.type)
    same = same.filter(started_at=None)  # what has begun and was approved goes on
    older = same.exclude(pk=task.pk).order_by("number", "id")
    reason = Reason("superseded", task=str(task), id=str(task.pk))
    now = timezone.now()
    cancelled = []
    for one in older.only("type", "params", "definition", "status", "created_by"):
        # One that a runner takes at this very moment runs.
        if (
            Task.objects.pending()
            .filter(pk=one.pk)
            .update(
                status=Task.Status.CANCELLED,
                completed_at=now,
                ended=next_ended(),
                error=str(reason),
                error_reason=reason.as_json(),
                result={"success": False, "results": []},
                secret_values=None,
                cancel_requested_at=now,
                cancel_requested_by=task.created_by,
            )
        ):
            cancelled.append(one)  # noqa: PERF401 (each is an act of its own)
    if cancelled:
        ids = [one.pk for one in cancelled]
        WebhookEvent.objects.emit(Event.TASK_CANCELLED, ids)
        announce(ids, queue=True)
    return cancelled
