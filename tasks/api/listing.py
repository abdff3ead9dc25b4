"""The list of tasks: filters, and pages that stay stable while new tasks arrive."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import QueryDict

from tasks.api.queries import Query
from tasks.keyset import Cursor, slice_of
from tasks.models import Task, TaskQuerySet
from tasks.search import holds

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
