"""The writer: stores what running tasks have printed and how far they are. Many tasks,
one transaction, one notification."""

import logging
import uuid
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from tasks.approvals.asking import become_blocked
from tasks.instruments import measures
from tasks.logs.append import DO_NOT_WAIT, append, append_at_once
from tasks.logs.table import Row, key
from tasks.models import Event, Runner, Task, WebhookEvent, columns_after, next_ended
from tasks.notifications import (
    CHANNELS,
    announce,
    announce_lines,
    messages_of,
    parts_of,
)
from tasks.runner.execution import Execution
from tasks.runner.run import BYTES_OF_A_ROW, Run
from tasks.runner.unflushed import UnflushedBatch, Wal
from tasks.secrets.encryption import sealed

logger = logging.getLogger(__name__)

TASKS = Task._meta.db_table
FEW_LINES = 50  # above, COPY is faster than one statement
# What a run keeps for a crash of PostgreSQL; beyond, commits wait for the disk.
MOST_UNFLUSHED_BYTES = 8 * 1024 * 1024


class Batch(NamedTuple):
    """What a run has to store: lines, the digest behind them and their size, and the
    task's columns that change besides ``last_seq``."""

    run: Run
    lines: list[Row]
    digest: Any
    size_bytes: int
    trail_length: int
    summary_changes: int
    fields: dict[str, Any]

    @classmethod
    def of(cls, run: Run, count: int | None = None) -> "Batch":
        """All that there is, or only the first ``count`` lines."""
        lines = run.execution.lines[:count]
        digest = run.digest.copy()
        text = "\n".join([*(line[3] for line in lines), ""]).encode()
        digest.update(text)
        size_bytes = len(text) + BYTES_OF_A_ROW * len(lines)
        trail_length = len(run.execution.trail)
        changes, fields = run.execution.summary.changes, _fields(run, digest)
        return cls(run, lines, digest, size_bytes, trail_length, changes, fields)

    @property
    def task_id(self) -> uuid.UUID:
        return self.run.execution.task_id

    @property
    def last_seq(self) -> int:
        """The task's, once this is stored."""
        return self.run.last_seq + len(self.lines)

    def stored(self, *, on_disk: bool) -> None:
        """Note that it is in the database."""
        run = self.run
        if not on_disk:
            run.unflushed.add(
                UnflushedBatch(self.lines, run.last_seq, run.digest, self.size_bytes)
            )
        run.last_seq = self.last_seq
        measures.stored_lines.inc(len(self.lines))
        text_bytes = self.size_bytes - BYTES_OF_A_ROW * len(self.lines)
        measures.stored_bytes.inc(text_bytes)
        del run.execution.lines[: len(self.lines)]
        run.stored_trail, run.stored_summary = self.trail_length, self.summary_changes
        run.digest = self.digest
        run.is_over = "status" in self.fields


def store(runs: Iterable[Run], runner: Runner) -> list[Run]:
    """Write these runs' lines and states, all or nothing; returns those that do not
    belong to this runner any more, of which nothing was written.

    It may be called again after any error. What a run still has to store after it,
    because its row stood elsewhere, the next call stores.
    """
    batches = [Batch.of(run) for run in runs]
    with measures.failed_stores.count_exceptions(), measures.store_seconds.time():
        moved, wal = _write(batches, runner)
    elsewhere: list[Run] = []
    for batch in batches:
        if batch.task_id not in moved:
            elsewhere.append(batch.run)
        elif wal is not None:
            batch.run.unflushed.saw(wal)
            batch.stored(on_disk=False)
        else:
            batch.run.unflushed.on_disk()
            batch.stored(on_disk=True)
    return _catch_up(elsewhere, runner) if elsewhere else []


def settle(runs: Iterable[Run], runner: Runner) -> list[Run]:
    """Compare runs with their rows; returns those that do not belong to this runner
    any more. Call it right after a commit that waited for the disk: with that one,
    everything committed before it is safe too."""
    return _catch_up(runs, runner, on_disk=True)


def _catch_up(
    runs: Iterable[Run], runner: Runner, *, on_disk: bool = False
) -> list[Run]:
    """Bring runs to where their rows stand; returns those that can't be.

    A row is further where a commit was not heard of, and further back where a crash
    of PostgreSQL took back what was not on its disk.
    """
    tasks = (
        Task.objects.filter(runner=runner)
        .only("status", "last_seq", "trail")
        .in_bulk([run.execution.task_id for run in runs])
    )
    lost = []
    for run in runs:
        task = tasks.get(run.execution.task_id)
        if on_disk and task is not None and task.last_seq == run.last_seq:
            run.unflushed.on_disk()
        if task is None or not _follow(run, task):
            lost.append(run)
    return lost


def _write(batches: list[Batch], runner: Runner) -> tuple[set[uuid.UUID], Wal | None]:
    """Store what is not stored yet; returns the tasks that stood where this runner
    left them, and PostgreSQL's log, or None where the commit waited for the disk."""
    waits = (
        connection.vendor != "postgresql"
        or any(batch.fields for batch in batches)
        or sum(batch.run.unflushed.size_bytes for batch in batches)
        > MOST_UNFLUSHED_BYTES
    )
    lines = sum(len(batch.lines) for batch in batches)
    if not waits and 0 < lines <= FEW_LINES:
        return _store_lines_at_once(batches, runner)
    with transaction.atomic():
        return _store(batches, runner, waits=waits)


def _store(
    batches: list[Batch], runner: Runner, *, waits: bool
) -> tuple[set[uuid.UUID], Wal | None]:
    """Move the tasks that stand where this runner left them, and write their lines,
    in the transaction that is open."""
    wal = None
    if not waits:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {DO_NOT_WAIT}")
            wal = Wal(*cursor.fetchone()[1:])
    moved = [batch for batch in batches if _move(batch, runner)]
    append((batch.task_id, batch.lines) for batch in moved if batch.lines)
    for batch in moved:
        for event in _events(batch) if batch.fields else ():
            WebhookEvent.objects.emit(event, [batch.task_id])
        if (question := batch.run.execution.question) is not None:
            become_blocked(batch.task_id, question)
    is_end = any(batch.run.execution.outcome for batch in batches)
    announce((batch.task_id for batch in moved if batch.fields), queue=is_end)
    announce_lines(
        {batch.task_id: batch.last_seq for batch in moved if not batch.fields}
    )
    return {batch.task_id for batch in moved}, wal


def _move(batch: Batch, runner: Runner) -> bool:
    """Move one task on, if it is this runner's and stands where the batch begins."""
    if batch.fields:
        tasks = Task.objects.running().filter(pk=batch.task_id, runner=runner)
        follows = tasks.filter(last_seq=batch.run.last_seq)
        if batch.run.execution.question is not None:
            # Who asked to cancel it asked a runner, and would not be heard by it.
            follows = follows.filter(cancel_requested_at=None)
        return bool(follows.update(last_seq=batch.last_seq, **batch.fields))
    # By far the most frequent statement; making it anew by the ORM takes five times
    # as long as running it.
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {TASKS} SET last_seq = %s WHERE id = %s AND last_seq = %s "  # noqa: S608
            "AND runner_id = %s AND status = 'running'",
            [
                batch.last_seq,
                key(batch.task_id),
                batch.run.last_seq,
                key(runner.pk),
            ],
        )
        return bool(cursor.rowcount)


def _store_lines_at_once(
    batches: list[Batch], runner: Runner
) -> tuple[set[uuid.UUID], Wal]:
    """Store lines alone in one statement without a transaction around it:
    one way to the server and back instead of six, which is most of what a single line
    takes."""
    rows = [(batch.task_id, *line) for batch in batches for line in batch.lines]
    parts = parts_of({batch.task_id: batch.last_seq for batch in batches})
    steps = [(batch.task_id, batch.run.last_seq, batch.last_seq) for batch in batches]
    moved, positions = append_at_once(
        steps, rows, runner.pk, CHANNELS["viewers"], messages_of(parts)
    )
    return moved, Wal(*positions)


def _follow(run: Run, task: Task) -> bool:
    """Bring a run to where its row stands. Return False where the run never stood
    there, so that somebody else has written."""
    ahead = task.last_seq - run.last_seq
    pending = len(run.execution.lines)
    if task.status != Task.Status.RUNNING:
        is_its_end = task.status == run.execution.outcome and ahead == pending
        if is_its_end:
            Batch.of(run).stored(on_disk=True)
        return is_its_end
    if 0 < ahead <= pending:
        unheard = Batch.of(run, ahead)
        unheard = unheard._replace(
            trail_length=len(task.trail), summary_changes=run.stored_summary, fields={}
        )
        unheard.stored(on_disk=connection.vendor != "postgresql")
    elif run.unflushed.begins_at(task.last_seq):
        logger.warning("task=%s storing %d lost lines again", task.pk, -ahead)
        run.take_back(task.last_seq)
    return task.last_seq == run.last_seq


def _fields(run: Run, digest: Any) -> dict[str, Any]:
    """The task's columns that this batch changes, but for the number of lines."""
    execution = run.execution
    fields: dict[str, Any] = {}
    if len(execution.trail) > run.stored_trail:
        fields |= columns_after(execution.trail[-1])
        fields["trail"] = execution.trail
    if execution.summary.changes > run.stored_summary:
        fields["summary"] = execution.summary.text
        fields["summary_bytes"] = execution.summary.size_bytes
    if execution.question is not None:
        fields |= _fields_of_blocked(execution)
    elif execution.outcome is not None:
        if execution.outcome not in Task.MOVES[Task.Status.RUNNING]:
            raise ValueError(execution.outcome)
        fields |= {
            "status": execution.outcome,
            "progress": execution.progress,
            "stalled_since": None,
            "secret_values": None,
            "completed_at": timezone.now(),
            "ended": next_ended(),
            "result": execution.result,
            "error": execution.error,
            "error_reason": execution.reason and execution.reason.as_json(),
            "log_sha256": digest.hexdigest(),
        }
    return fields


def _events(batch: Batch) -> Iterator[Event]:
    """Return what webhooks are told of with a batch."""
    changes = batch.run.execution.trail[max(0, batch.run.stored_trail - 1) :]
    stalls = [any(change[4:]) for change in changes]
    if any(now and not before for before, now in pairwise(stalls)):
        yield Event.TASK_STALLED
    if batch.run.execution.outcome is not None:
        yield Event(f"task.{batch.run.execution.outcome}")


def _fields_of_blocked(execution: Execution) -> dict[str, Any]:
    """The columns of a task that waits for an approval. Its runner stays written down,
    so that the one that stored this finds it, where it does not hear that it did."""
    assert execution.question is not None  # noqa: S101 (it asks)
    fields = {
        "status": Task.Status.BLOCKED,
        "progress": execution.progress,
        "stalled_since": None,
        "slot": None,
        "keeps_lock": not execution.question.wanted.release_lock,
        "approvals_asked": F("approvals_asked") + 1,
        "taken_over": execution.taken_over,
    }
    if secrets := execution.values.to_keep:
        fields["secret_values"] = sealed(execution.task_id, secrets)
    return fields


def words_of(error: Exception) -> str:
    """Return what a database says of an error, short enough for a line."""
    return str(error).partition("\n")[0].strip().rstrip(".")[:200]
