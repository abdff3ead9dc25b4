"""Reads a task to its end, line by line, as a viewer of the stream would."""

import uuid
from collections.abc import Callable
from contextlib import closing

from tasks.logs import store as log_store
from tasks.logs.store import Line
from tasks.models import WATCHED, Task
from tasks.notifications import subscribe, wait

POLL_SECONDS = 1.0
EXIT_CODES = {Task.Status.COMPLETED: 0, Task.Status.FAILED: 1, Task.Status.CANCELLED: 2}


def follow(
    task_id: uuid.UUID,
    on_line: Callable[[Line], None],
    on_change: Callable[[Task], None],
) -> Task | None:
    """Report every line and every change until the end; returns the ended task, or
    None where it was deleted meanwhile."""
    cursor, seen = 0, None
    with closing(subscribe("viewers")) as news:
        while True:
            # The task first: the lines up to its last_seq are then there.
            task = Task.objects.filter(pk=task_id).first()
            if task is None:
                return None
            while cursor < task.last_seq:
                for line in log_store.read(task_id, cursor, task.last_seq):
                    on_line(line)
                    cursor = line.seq
            if seen != (now := [getattr(task, name) for name in WATCHED]):
                seen = now
                on_change(task)
            if task.has_ended:
                return task
            wait(news, POLL_SECONDS)
