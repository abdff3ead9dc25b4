"""What people call a task."""

from tasks.catalog.definitions import type_of
from tasks.catalog.loader import catalog
from tasks.models import Task


def name_of(task: Task) -> str:
    """Return what people call a task: its type's title in their language, and its
    version."""
    kind = catalog().get(task.type) or type_of(task)  # mostly without a query
    title = kind.local(kind.title) if kind else task.type
    return f"{title} {task.version}".strip()
