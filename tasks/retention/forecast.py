"""What retention would delete, without doing it."""

from collections.abc import Iterator, Sequence

from tasks.logs.removal import bytes_between
from tasks.retention.limits import Limit
from tasks.retention.selection import Doomed, all_beyond
from tasks.retention.sizes import measure


def doomed(limits: Sequence[Limit]) -> Iterator[tuple[Doomed, int]]:
    """Yield the tasks that would go, the first to go first, each with the size of its
    log as text. Nothing is written but sizes that a limit needs."""
    for _ in measure(limits):
        pass
    for task in all_beyond(limits).values():
        size = task.size
        yield task, bytes_between(task.pk, 0, task.lines) if size is None else size
