"""What a runner does beside its tasks, a little at a time, when it has time."""

from collections.abc import Callable
from typing import Any

from tasks.runner.pruner import Pruner
from tasks.runner.scheduler import Scheduler

Attempt = Callable[[Callable[[], Any]], None]


class SideJobs:
    """``attempt``: does a part, and goes on where the database refuses it."""

    def __init__(self, runner_name: str, attempt: Attempt) -> None:
        self._pruner, self._scheduler = Pruner(runner_name), Scheduler(runner_name)
        self._attempt = attempt
        self._is_new_work = False

    def ask(self) -> None:
        """Tasks have ended."""
        self._pruner.ask()
        self._scheduler.ask()

    @property
    def due_at(self) -> float:
        """Return when there is something to do."""
        pruner, scheduler = self._pruner.due_at, self._scheduler.due_at
        return scheduler if pruner is None else min(pruner, scheduler)

    def do(self, now: float) -> bool:
        """Do what is due. Return whether there may be new tasks in the queue."""
        self._is_new_work = False
        if self._scheduler.is_due(now):
            self._attempt(self._look)
        if self._pruner.is_due(now):
            self._attempt(self._pruner.prune)
        return self._is_new_work

    def _look(self) -> None:
        self._is_new_work = self._scheduler.look()
