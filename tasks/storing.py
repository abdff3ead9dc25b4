"""Stores what running tasks have printed and how far they are: many tasks, one
transaction, one announcement."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from tasks import log_store
from tasks.child import Child
from tasks.execution import Execution
from tasks.log_store import Row
from tasks.models import Runner, Task
from tasks.news import announce


@dataclass
class Run:
    """An execution and how much of it is stored."""

    execution: Execution
    last_seq: int = 0
    stored_trail: int = 1  # the first change is stored by the claim
    digest: Any = field(default_factory=hashlib.sha256)
    child: Child | None = None  # whose pipes are in the selector ...
    fds: set[int] = field(default_factory=set)  # ... under these numbers

    @property
    def is_dirty(self) -> bool:
        execution = self.execution
        return bool(
            execution.lines
            or len(execution.trail) > self.stored_trail
            or execution.outcome
        )


class Batch(NamedTuple):
    """What a run has to store: lines, the digest behind them, the task's columns."""

    run: Run
    lines: list[Row]
    digest: Any
    fields: dict[str, Any]

    @classmethod
    def of(cls, run: Run) -> "Batch":
        lines = run.execution.lines[:]
        digest = run.digest.copy()
        if lines:
            digest.update(("\n".join([line[3] for line in lines]) + "\n").encode())
        last_seq = run.last_seq + len(lines)
        return cls(run, lines, digest, _fields(run, last_seq, digest.hexdigest()))

    def stored(self) -> None:
        """Note that it is in the database."""
        del self.run.execution.lines[: len(self.lines)]
        self.run.last_seq += len(self.lines)
        self.run.stored_trail = len(self.run.execution.trail)
        self.run.digest = self.digest


def store(runs: list[Run], runner: Runner) -> list[Run]:
    """Write these runs' lines and states, all or nothing; returns those that do not
    belong to this runner any more, of which nothing was written.

    It may be called again after any error: a batch that was committed although the
    answer got lost is recognised.
    """
    batches = [Batch.of(run) for run in runs]
    is_end = any(run.execution.outcome for run in runs)
    lost: list[Run] = []
    new: list[Batch] = []
    with transaction.atomic():
        if connection.vendor == "postgresql" and not is_end:
            # A crash of the server may cost the newest lines of a task that then
            # fails anyway; never a status. p99 53 ms becomes 6 ms.
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit TO off")
        for batch in batches:
            task = Task.objects.filter(pk=batch.run.execution.task_id, runner=runner)
            follows = task.running().filter(last_seq=batch.run.last_seq)
            if follows.update(**batch.fields):
                new.append(batch)
            elif not _is_stored(batch, task.first()):
                lost.append(batch.run)
        log_store.append(
            (batch.run.execution.task_id, batch.lines) for batch in new if batch.lines
        )
        announce((batch.run.execution.task_id for batch in new), queue=is_end)
    for batch in batches:
        if batch.run not in lost:
            batch.stored()
    return lost


def _is_stored(batch: Batch, task: Task | None) -> bool:
    """Whether the task stands where this very batch would bring it."""
    outcome = batch.run.execution.outcome
    return (
        task is not None
        and task.last_seq == batch.fields["last_seq"]
        and task.status == (outcome or Task.Status.RUNNING)
    )


def _fields(run: Run, last_seq: int, digest: str) -> dict[str, Any]:
    """The task's columns as they are after this batch."""
    execution = run.execution
    fields: dict[str, Any] = {"last_seq": last_seq}
    if len(execution.trail) > run.stored_trail:
        _, fields["step_index"], fields["step_name"], _ = execution.trail[-1]
        fields["progress"] = execution.progress
        fields["trail"] = execution.trail
    if execution.outcome is not None:
        if execution.outcome not in Task.MOVES[Task.Status.RUNNING]:
            raise ValueError(execution.outcome)
        fields |= {
            "status": execution.outcome,
            "progress": execution.progress,
            "completed_at": timezone.now(),
            "result": execution.result,
            "error": execution.error,
            "log_sha256": digest,
        }
    return fields
