"""From one state of a task to the next: what its viewers have to be told.

Pure but for reading the new lines; the hub says when, the viewers write.
"""

import uuid
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from streaming.sse import (
    encoded,
    end_event,
    line_events,
    update_event,
)
from tasks.approvals.ending import is_in_lull
from tasks.logs import store as log_store
from tasks.logs.store import Row
from tasks.models import TRAIL_COLUMNS, WATCHED, Task, columns_after
from tasks.representation import describe

LIVE_BYTES = 4 * 1024 * 1024
LIVE_LINES = 2_000  # a larger step forward is left to the pages

# Within a round: a task begins one with each attempt, and with each approval that it
# asks for. While it waits for that one it ranks behind all of the round before.
RANKS = {Task.Status.BLOCKED: -2, Task.Status.PENDING: 0, Task.Status.RUNNING: 1}
ENDED_RANK = 3
ROUND = 4
# What a Version is made of: all that is watched, where the trail stands for what its
# changes say.
VERSIONED = (*(name for name in WATCHED if name not in TRAIL_COLUMNS), "trail")


class Version(NamedTuple):
    """The version of a task's state; only ever grows."""

    rank: int  # 0, 1, and then 3 at the end; or 4, 5 and 7 in a second round
    changes: int  # in its trail
    cancel: int  # 1 where it was asked for, 2 where it was forced
    # Of the summary. It has fewer only behind a change: a step that is tried again.
    summary_bytes: int = 0

    @classmethod
    def of(
        cls,
        status: str,
        attempt: int,
        approvals_asked: int,
        cancel_requested_at: Any,
        cancel_forced: bool,
        summary_bytes: int | None,
        trail: list[Any],
    ) -> "Version":
        rank = RANKS.get(Task.Status(status), ENDED_RANK)
        rank += ROUND * (attempt - 1 + approvals_asked)
        is_asked = cancel_requested_at is not None
        cancel = is_asked + (is_asked and cancel_forced)
        return cls(rank, len(trail), cancel, summary_bytes or 0)

    @classmethod
    def of_task(cls, task: Task) -> "Version":
        return cls.of(*(getattr(task, name) for name in VERSIONED))


def version_of_newcomer(task: Task) -> Version:
    """Return what a client has seen that was only told ``connected``. The update with
    the end state comes last in every stream, so an end does not count as seen."""
    version = Version.of_task(task)
    return version._replace(rank=version.rank - 1) if task.has_ended else version


@dataclass(frozen=True)
class Batch:
    """What to write to a viewer that stands at ``after`` and has seen ``before``."""

    after: int
    upto: int
    before: Version
    data: bytes
    printed_ms: int | None = None  # when its first line was; None where it has none


@dataclass(frozen=True)
class State:
    """What is known of a task. ``end`` only after its end."""

    last_seq: int
    version: Version
    update: bytes
    end: bytes | None = None
    batch: Batch | None = None
    is_gone: bool = False

    @property
    def is_final(self) -> bool:
        return self.is_gone or self.end is not None


def gone() -> State:
    """A task that was deleted: whoever watches it gets no more."""
    return State(0, Version(ENDED_RANK, 0, 0), b"", is_gone=True)


def state_of(task: Task) -> State:
    """Return what a viewer that comes now needs to know."""
    end = None
    if task.has_ended:
        digest = task.log_sha256 or log_store.sha256(task.pk)
        end = encoded(end_event(task.status, task.last_seq, digest))
    update = encoded(update_event(describe(task)))
    return State(task.last_seq, Version.of_task(task), update, end)


def with_more_lines(known: State, task_id: uuid.UUID, last_seq: int) -> State:
    """The state after ``known`` of a task that only said more."""
    state = replace(known, last_seq=last_seq, batch=None)
    new = new_lines(known, task_id, last_seq)
    if new is None:
        return state
    data = encoded(*line_events(new))
    batch = Batch(known.last_seq, last_seq, known.version, data, printed_ms(new))
    return replace(state, batch=batch)


def changed(known: State, task: Task) -> State:
    """The state after ``known`` of a task that moved on: in its batch each change
    stands behind the lines that led to it."""
    state = state_of(task)
    new = new_lines(known, task.pk, task.last_seq)
    if new is None:
        return state
    events = line_events(new)
    parts: list[str] = []
    taken, told = 0, known.version
    for number in range(known.version.changes, len(task.trail)):
        then = as_it_was(task, number)
        upto = max(taken, then.last_seq - known.last_seq)
        parts += events[taken:upto]
        taken = upto
        parts.append(update_event(describe(then)))
        told = Version.of_task(then)
    parts += events[taken:]
    if state.version != told:
        parts.append(update_event(describe(task)))
    data = encoded(*parts)
    batch = Batch(known.last_seq, task.last_seq, known.version, data, printed_ms(new))
    return replace(state, batch=batch)


def new_lines(known: State, task_id: uuid.UUID, last_seq: int) -> list[Row] | None:
    """The lines since ``known``; None where there are so many that the
    pages serve them better, or where they are gone (then the pages find that out)."""
    count = last_seq - known.last_seq
    if count > LIVE_LINES:
        return None
    if not count:
        return []
    lines, _ = log_store.rows_within(
        LIVE_BYTES, task_id, known.last_seq, last_seq, LIVE_LINES
    )
    return lines if len(lines) == count else None


def printed_ms(lines: Sequence[Row]) -> int | None:
    return lines[0][1] if lines else None


def as_it_was(task: Task, number: int) -> Task:
    """The task, still running, just after one of the changes in its trail."""
    then = copy(task)
    then.trail = task.trail[: number + 1]
    then.last_seq = task.trail[number][0]
    for name, value in columns_after(task.trail[number]).items():
        setattr(then, name, value)
    if is_in_lull(task):  # it was before it asked for an approval
        then.approvals_asked = task.approvals_asked - 1
    elif task.status == Task.Status.PENDING:  # it is back in the queue
        then.attempt = task.attempt - 1
    then.status = Task.Status.RUNNING
    then.completed_at = then.result = then.error = then.error_reason = None
    return then
