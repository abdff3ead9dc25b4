"""The list of tasks: filters, and pages that stay stable while new tasks arrive."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.http import QueryDict

from tasks.api.queries import Cursor, Query
from tasks.models import Task, TaskQuerySet
from tasks.searching import holds

DEFAULT_LIMIT, MAX_LIMIT = 20, 100
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Page:
    tasks: Sequence[Task]
    count: int  # of all pages together
    next: Cursor | None
    previous: Cursor | None


def page_of(given: QueryDict) -> Page:
    """The page that the query parameters ask for. Raises ParameterErrors."""
    query = Query(given)
    limit = query.number("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    cursor = query.cursor()
    found = _filtered(query)
    query.check()
    # The trail is long and no part of a list.
    tasks, newer, older = slice_of(found.short().defer("trail"), cursor, limit)
    return Page(tasks, found.count(), next=older, previous=newer)


def slice_of(
    tasks: TaskQuerySet, cursor: Cursor | None, limit: int
) -> tuple[list[Task], Cursor | None, Cursor | None]:
    """So many tasks beside the cursor, newest first, and the places before and after
    them, where there are more."""
    found = _beside(tasks, cursor, limit + 1)
    has_more = len(found) > limit
    del found[limit:]
    if not found:
        return [], None, None
    is_backward = cursor is not None and cursor.is_backward
    if is_backward:
        found.reverse()
    has_older = has_more or is_backward
    has_newer = has_more if is_backward else cursor is not None
    return (
        found,
        _at(found[0], is_backward=True) if has_newer else None,
        _at(found[-1], is_backward=False) if has_older else None,
    )


def _at(task: Task, *, is_backward: bool) -> Cursor:
    return Cursor(is_backward, task.number, task.pk)


def _beside(tasks: TaskQuerySet, cursor: Cursor | None, count: int) -> list[Task]:
    """Tasks on one side of the cursor, the nearest first."""
    if cursor is None:
        return list(tasks.newest_first()[:count])
    number, task_id = cursor.number, cursor.task_id
    # The first condition is implied by the second; it is what the index can use.
    if cursor.is_backward:
        newer = Q(number__gt=number) | Q(id__gt=task_id)
        side = tasks.filter(newer, number__gte=number).order_by("number", "id")
    else:
        older = Q(number__lt=number) | Q(id__lt=task_id)
        side = tasks.filter(older, number__lte=number).newest_first()
    return list(side[:count])


def _filtered(query: Query) -> TaskQuerySet:
    wanted: dict[str, Any] = {
        "type": query.text("type"),
        "version": query.text("version"),
        "status__in": query.choices("status", Task.Status.values),
        "created_at__lt": query.moment("createdBefore"),
    }
    if after := query.moment("createdAfter"):
        # A time that an answer showed was cut to its millisecond.
        wanted["created_at__gte"] = after + MILLISECOND
    tasks = Task.objects.filter(**{name: v for name, v in wanted.items() if v})
    if text := query.text("q"):
        tasks = tasks.filter(holds(text))
    return tasks
