"""The run of a task: its execution, and how much of that is stored."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.catalog.task_type import TaskType
from tasks.logs import store as log_store
from tasks.models import Task
from tasks.runner.accepted import CannotRun, accepted
from tasks.runner.execution import Execution
from tasks.runner.process import Child
from tasks.runner.unflushed import Unflushed
from tasks.shim.client import ForkServer

BYTES_OF_A_ROW = 250  # of a short line in memory, besides its text


@dataclass
class Run:
    """An execution and how much of it is stored."""

    execution: Execution
    last_seq: int = 0
    stored_trail: int = 1  # the claim stores the first change itself
    digest: Any = field(default_factory=hashlib.sha256)
    stored_summary: int = 0  # of its changes, how many
    is_over: bool = False  # the end is stored
    unflushed: Unflushed = field(default_factory=Unflushed)
    due_at: float = 0.0  # time.monotonic; when to look at it without an event
    child: Child | None = None  # whose pipes are in the selector ...
    fds: set[int] = field(default_factory=set)  # ... under these numbers

    @classmethod
    def claimed(cls, task: Task, fork_server: ForkServer) -> "Run":
        """The run of a task just claimed; of one that can't run any more it is one
        that fails."""
        try:
            kind, values, masks = accepted(task)
        except CannotRun as cannot:
            # It stands for a type that may be in no file any more.
            kind = TaskType(task.type, task.type, "", params=(), steps=())
            run = cls.begun(task, kind, fork_server, {})
            run.execution.stop("failed", cannot.reason)
            return run
        run = cls.begun(task, kind, fork_server, values)
        for secret in masks:
            run.execution.log.masks.add(secret)
        return run

    @classmethod
    def begun(
        cls,
        task: Task,
        kind: TaskType,
        fork_server: ForkServer,
        values: Mapping[str, str] | None = None,
    ) -> "Run":
        """The run of a task just claimed: from the first line on, or from where the
        one before it was when its runner died. ``values``: its parameters', where
        those that are secret are not in ``task.params``."""
        execution = Execution(
            task.pk,
            kind,
            task.params if values is None else values,
            fork_server,
            first_seq=task.last_seq,
            trail=task.trail,
            progress=task.progress,
            from_step=task.from_step,
            taken_over=task.taken_over,
        )
        digest = log_store.digest(task.pk) if task.last_seq else hashlib.sha256()
        return cls(execution, task.last_seq, len(task.trail), digest)

    @property
    def is_dirty(self) -> bool:
        execution = self.execution
        return not self.is_over and bool(
            execution.lines
            or len(execution.trail) > self.stored_trail
            or execution.summary.changes > self.stored_summary
            or execution.outcome
        )

    @property
    def unstored_bytes(self) -> int:
        """Return how much memory the lines take that are not stored yet."""
        lines = self.execution.lines
        return sum(len(line[3]) for line in lines) + BYTES_OF_A_ROW * len(lines)

    def take_back(self, last_seq: int) -> None:
        """Have the lines behind a number to store again, under the same numbers."""
        for batch in self.unflushed.take_back(last_seq):
            self.execution.lines[:0] = batch.lines
            self.last_seq, self.digest = batch.last_seq, batch.digest
