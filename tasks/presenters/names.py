"""What people call a task, wherever it stands in a sentence."""

from tasks.catalog.loader import catalog
from tasks.models import Task


def name_of(task: Task) -> str:
    """Return the title of a task's type, in the reader's language, and its version."""
    kind = catalog().get(task.type)
    title = kind.local(kind.title) if kind else task.type
    return f"{title} {task.version}".strip()
