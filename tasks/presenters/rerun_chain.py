"""The chain of reruns that a task is a link of, as its page shows it."""

from dataclasses import dataclass

from tasks.models import Task
from tasks.presenters.wording import SHAPES
from tasks.reruns import chain_of


@dataclass(frozen=True)
class Link:
    """One task of the chain."""

    task: Task
    is_this: bool = False

    @property
    def shape(self) -> str:
        return SHAPES[Task.Status(self.task.status)]


def links_of(task: Task) -> list[Link]:
    """Return the chain, the first task first; empty for a task that stands alone."""
    chain = chain_of(task)
    if len(chain) < 2:
        return []
    return [Link(one, is_this=one.pk == task.pk) for one in chain]
