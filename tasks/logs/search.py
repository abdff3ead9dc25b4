"""What is where in a log: the lines that hold a text, and those that readers jump to.

A log of a million lines is looked through in pieces, and a request ends after a
moment with how far it came: so nobody waits for somebody else's search, and whoever
searches has the first places at once.
"""

import time
import uuid
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple, TypedDict

from django.db import connection

from tasks.logs import blocks, table
from tasks.logs.filters import LineFilter
from tasks.logs.steps import LogStep, steps_by_line
from tasks.logs.table import Row
from tasks.models import Task
from tasks.timestamps import iso_of_ms

PIECE_LINES = 20_000  # some 10 ms for SQLite, 20 ms for PostgreSQL
LOOK_SECONDS = 0.2
MOST_PLACES = 10_000  # of an answer
LONGEST_SHOWN = 300  # characters of a landmark's message

OF_MARKS = frozenset({"info", "error"})  # levels, but for a traceback's line
LANDMARKS = """
    (level = 'info' AND (message LIKE '::group::%%' OR message LIKE '::endgroup::%%'))
    OR (level = 'error' AND seq <> %s) OR seq = %s
    OR (level = 'info' AND message LIKE 'Executing: %%' AND seq IN ({}))
"""
# Runs of neighbours: where a line's number and its place among the lines found differ
# by the same, nothing lies between. https://www.postgresql.org/docs/current/functions-window.html
RANGES = """
    SELECT min(seq), max(seq)
    FROM (SELECT seq, seq - row_number() OVER (ORDER BY seq) AS run FROM ({}) AS found)
        AS runs
    GROUP BY run ORDER BY 1
"""


class Matches(NamedTuple):
    """Lines that were found, as ranges of numbers, first and last included."""

    ranges: list[tuple[int, int]]
    through: int  # the last line that was looked at

    @property
    def line_count(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)


class Landmark(TypedDict):
    """A line where a step begins, a group begins or ends, or the first error."""

    seq: int
    timestamp: str
    kind: str
    message: str
    step: LogStep | None  # of a line where a step begins


class Landmarks(NamedTuple):
    found: list[Landmark]
    through: int


def matches(
    task_id: uuid.UUID, after: int, last_seq: int, levels: Sequence[str], q: str
) -> Matches:
    """Return which lines behind ``after`` have one of these levels (any, where there
    are none) and hold a text. Look on from
    ``through``, where that is less than ``last_seq``."""
    ranges: list[tuple[int, int]] = []
    through = after
    for start, end in _pieces(after, last_seq):
        for first, last in _ranges(task_id, start, end, levels, q):
            if ranges and ranges[-1][1] == first - 1:
                first = ranges.pop()[0]
            ranges.append((first, last))
        through = end
        if len(ranges) >= MOST_PLACES:
            break
    return Matches(ranges, through)


def _ranges(
    task_id: uuid.UUID, start: int, end: int, levels: Sequence[str], q: str
) -> list[tuple[int, int]]:
    """Return the ranges of a piece; two of them may be neighbours."""
    lines = table.filtered(task_id, start, end, levels, q).order_by()
    sql, values = lines.values("seq").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(RANGES.format(sql), values)
        found: list[tuple[int, int]] = cursor.fetchall()
    upto = found[0][0] - 1 if found else end  # the order: see tasks.logs.store
    packed = blocks.ascending(task_id, start, upto, LineFilter(levels, q))
    return [(row[0], row[0]) for rows in packed for row in rows] + found


def landmarks(task: Task, after: int) -> Landmarks:
    """The landmarks behind ``after``; of errors only the first one.

    Where steps begin is what the task's trail says, so that nothing that a program
    prints can pass for it. An error is the program's: what the service says last of a
    task is none, and what a traceback names is one.
    """
    found: list[Landmark] = []
    through, has_error = after, False
    begun = steps_by_line(task)
    is_bad = task.status in {Task.Status.FAILED, Task.Status.CANCELLED}
    own_words = task.last_seq if is_bad else 0
    cause = ((task.result or {}).get("firstError") or {}).get("seq", 0)
    for start, end in _pieces(after, task.last_seq):
        steps = [seq for seq in begun if start < seq <= end]
        marks = _Marks(own_words, cause if start < cause <= end else 0, steps)
        for seq, at_ms, level, message in _marked(task.pk, start, end, marks):
            kind = "error" if seq == cause else _kind(level, message)
            if kind == "step" and seq not in begun:
                continue  # a notice "::GROUP::": SQLite's LIKE knows no case
            if kind != "error" or not has_error:
                step = begun[seq] if kind == "step" else None
                found.append(_landmark(seq, at_ms, kind, message, step))
            has_error = has_error or kind == "error"
        through = end
        if len(found) >= MOST_PLACES:
            break
    return Landmarks(found, through)


class _Marks(NamedTuple):
    """What LANDMARKS finds in a piece. ``own_words``: the error that is no program's;
    ``cause``: the line that is one at any level, or 0; ``steps``: where steps begin."""

    own_words: int
    cause: int
    steps: list[int]

    @property
    def levels(self) -> frozenset[str]:
        return frozenset() if self.cause else OF_MARKS

    def may_be_in(self, messages: bytes) -> bool:
        return True

    def of(self, rows: list[Row]) -> list[Row]:
        """Return those of some packed lines."""
        return [
            (*row[:3], row[3][:LONGEST_SHOWN])
            for row in rows
            if row[0] == self.cause or (row[2] in OF_MARKS and self._has(*row))
        ]

    def _has(self, seq: int, _at_ms: int, level: str, message: str) -> bool:
        if level == "error":
            return seq != self.own_words
        is_step = seq in self.steps and message.startswith("Executing: ")
        return is_step or message.startswith(("::group::", "::endgroup::"))


def _marked(task_id: uuid.UUID, start: int, end: int, marks: _Marks) -> list[Row]:
    """Return the landmarks of a piece, and errors behind the first one."""
    conditions = LANDMARKS.format(", ".join(["%s"] * len(marks.steps)) or "NULL")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT seq, at_ms, level, substr(message, 1, {LONGEST_SHOWN}) "  # noqa: S608 (constants only)
            f"FROM {table.TABLE} WHERE task_id = %s AND seq > %s AND seq <= %s "
            f"AND ({conditions}) ORDER BY seq",
            [
                table.key(task_id),
                start,
                end,
                marks.own_words,
                marks.cause,
                *marks.steps,
            ],
        )
        found: list[Row] = cursor.fetchall()
    upto = found[0][0] - 1 if found else end  # the order: see tasks.logs.store
    packed = blocks.ascending(task_id, start, upto, marks)
    return [*chain.from_iterable(packed), *found]


def _landmark(
    seq: int, at_ms: int, kind: str, message: str, step: LogStep | None
) -> Landmark:
    return Landmark(
        seq=seq,
        timestamp=iso_of_ms(at_ms),
        kind=kind,
        message=message,
        step=step,
    )


def _kind(level: str, message: str) -> str:
    if level == "error":
        return level
    if message.startswith("::group::"):
        return "group"
    return "endgroup" if message.startswith("::endgroup::") else "step"


def _pieces(after: int, last_seq: int) -> Iterator[tuple[int, int]]:
    """Pieces of a log that are looked at until the time is over; one at least."""
    until = time.monotonic() + LOOK_SECONDS
    for start in range(after, last_seq, PIECE_LINES):
        yield start, min(start + PIECE_LINES, last_seq)
        if time.monotonic() >= until:
            return
