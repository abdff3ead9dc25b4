"""Reruns: what a task was run again from, and what was run again from it."""

from dataclasses import dataclass

from tasks.models import Task
from tasks.presenters.wording import SHAPES

MOST_BEFORE, MOST_AFTER = 10, 10
FIELDS = ("id", "status", "rerun_of_id", "created_at")


@dataclass(frozen=True)
class Link:
    """One task of the chain."""

    task: Task
    is_this: bool = False

    @property
    def shape(self) -> str:
        return SHAPES[Task.Status(self.task.status)]


def chain_of(task: Task) -> list[Link]:
    """Oldest first; empty for a task that stands alone."""
    before: list[Link] = []
    at = task.rerun_of_id
    tasks = Task.objects.only(*FIELDS)
    while at is not None and len(before) < MOST_BEFORE:
        if not (found := tasks.filter(pk=at).first()):
            break
        before.append(Link(found))
        at = found.rerun_of_id
    reruns = tasks.filter(rerun_of=task.pk).order_by("number", "id")[:MOST_AFTER]
    after = [Link(found) for found in reruns]
    if not before and not after:
        return []
    return [*reversed(before), Link(task, is_this=True), *after]
