"""The list of tasks: filters, and pages that stay stable while new tasks arrive."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import prefetch_related_objects
from django.http import QueryDict

from tasks import keyset
from tasks.api.queries import Query
from tasks.keyset import Position
from tasks.models import Task
from tasks.task_filter import TaskFilter

DEFAULT_LIMIT, MAX_LIMIT = 20, 100
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Page:
    tasks: Sequence[Task]
    count: int  # of all pages together
    next: Position | None
    previous: Position | None


def page_of(given: QueryDict) -> Page:
    """The page that the query parameters ask for. Raises ParameterErrors."""
    query = Query(given)
    limit = query.number("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
    cursor = query.cursor()
    wanted = filter_of(query)
    query.check()
    found = wanted.apply(Task.objects.all())
    # The trail is long and no part of a list.
    light = found.short().defer("trail")
    tasks, newer, older = keyset.page_of(light, "number", cursor, limit)
    asked = [task for task in tasks if task.approvals_asked]
    prefetch_related_objects(asked, "approvals")
    return Page(tasks, found.count(), next=older, previous=newer)


def filter_of(query: Query) -> TaskFilter:
    """Return the filter that the parameters name; what is wrong the query keeps."""
    after = query.moment("createdAfter")
    return TaskFilter(
        type=query.text("type"),
        statuses=tuple(query.choices("status", Task.Status.values)),
        version=query.text("version"),
        # A time that an answer showed was cut to its millisecond.
        created_since=after and after + MILLISECOND,
        created_before=query.moment("createdBefore"),
        text=query.text("q"),
    )
