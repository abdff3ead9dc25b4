"""What people call a task and its type."""

from tasks.catalog.definitions import type_of
from tasks.catalog.loader import catalog
from tasks.models import Task


def title_of_type(name: str) -> str:
    """Return a type's title in the reader's language; its name where it is gone."""
    kind = catalog().get(name)
    return kind.local(kind.title) if kind else name


def name_of(task: Task) -> str:
    """Return what people call a task: its type's title in their language, and its
    version."""
    kind = catalog().get(task.type) or type_of(task)  # mostly without a query
    title = kind.local(kind.title) if kind else task.type
    return f"{title} {task.version}".strip()
