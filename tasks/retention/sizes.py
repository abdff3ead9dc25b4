"""How large the logs of finished tasks are: measured once for each, where there is a
limit for sizes, and stored with the task."""

import uuid
from collections.abc import Iterator, Sequence

from tasks.logs.removal import bytes_between
from tasks.retention.limits import SIZE, Limit
from tasks.retention.selection import finished, scope

LINES_AT_ONCE = 1_000  # read in one go
TASKS_AT_ONCE = 100


def measure(limits: Sequence[Limit]) -> Iterator[None]:
    """Measure what was not measured yet and a limit of sizes needs, a little between
    two yields. What is cut off begins with the same task again."""
    of_sizes = [limit for limit in limits if limit.kind == SIZE]
    for limit in of_sizes:
        unmeasured = scope(limit).filter(log_bytes=None).order_by("ended", "id")
        rows = unmeasured.values_list("pk", "last_seq")
        while some := list(rows[:TASKS_AT_ONCE]):
            for task_id, last_seq in some:
                yield from _measure(task_id, last_seq)


def _measure(task_id: uuid.UUID, last_seq: int) -> Iterator[None]:
    size = 0
    for start in range(0, last_seq, LINES_AT_ONCE):
        size += bytes_between(task_id, start, min(start + LINES_AT_ONCE, last_seq))
        yield
    finished().filter(pk=task_id).update(log_bytes=size)
    yield
