"""What a runner does beside its tasks, a little at a time, when it has time."""

from collections.abc import Callable
from typing import Any

from tasks.models import Runner
from tasks.notify.sender import Sender
from tasks.runner.packer import Packer
from tasks.runner.pruner import Pruner
from tasks.runner.scheduler import Scheduler

Attempt = Callable[[Callable[[], Any]], Any]


class SideJobs:
    """``attempt``: does a part, and goes on where the database refuses it. ``wake``:
    has the runner's loop look at once, from any thread."""

    def __init__(
        self, runner: Runner, attempt: Attempt, wake: Callable[[], None]
    ) -> None:
        self._pruner, self._scheduler = Pruner(runner), Scheduler(runner.name)
        self._sender = Sender(runner, wake)
        self._packer = Packer()
        self._attempt = attempt
        self._is_new_work = False

    def ask(self) -> None:
        """Tasks have ended."""
        self._pruner.ask()
        self._scheduler.ask()
        self._sender.ask()

    def tell(self) -> None:
        """Something happened of which webhooks may be told."""
        self._sender.ask()

    @property
    def due_at(self) -> float:
        """Return when there is something to do."""
        jobs = (self._pruner, self._scheduler, self._sender, self._packer)
        return min(job.due_at for job in jobs if job.due_at is not None)

    def do(self, now: float, *, is_stopping: bool) -> bool:
        """Do what is due; of a runner that stops only what webhooks are told. Return
        whether there may be new tasks in the queue."""
        self._is_new_work = False
        if self._sender.is_due(now):
            self._attempt(self._sender.look)
        if is_stopping:
            return False
        if self._scheduler.is_due(now):
            self._attempt(self._look)
        if self._pruner.is_due(now):
            self._attempt(self._pruner.prune)
        if self._packer.is_due(now):
            self._attempt(self._packer.pack)
        return self._is_new_work

    def finish(self) -> None:
        """Tell webhooks what is to be told before a runner goes by itself."""
        self._attempt(self._sender.finish)

    def close(self) -> None:
        self._attempt(self._sender.close)

    def _look(self) -> None:
        self._is_new_work = self._scheduler.look()
