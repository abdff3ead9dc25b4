"""The lines of deleted tasks, packed or not: how large they are, and their deletion in
parts that are short enough to keep nobody waiting."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from django.db import connection, transaction

from tasks.logs.store import rows
from tasks.logs.table import TABLE, key
from tasks.models import LogBlock, PrunedLog

# What goes in one transaction. SQLite has one writer at a time: see
# docs/decisions/0086-what-is-kept-and-how-it-goes.md for what a writer waits.
LINES_AT_ONCE = 500
BYTES_AT_ONCE = 256 * 1024  # a line may have 64 KiB
LOGS_AT_ONCE = 20
BLOCKS_AT_ONCE = 8  # of some 30 KB each
LENGTH = {
    "postgresql": "octet_length(message)",  # found without reading the text
    "sqlite": "length(CAST(message AS BLOB))",  # before 3.43 it has no octet_length()
}

DELETE = f"DELETE FROM {TABLE} WHERE task_id = %s AND seq > %s AND seq <= %s"  # noqa: S608 (constants only)
LAST_SEQ = 2**63 - 1


class _Part(NamedTuple):
    task_id: uuid.UUID
    after: int  # so that PostgreSQL steps over no index entries of deleted rows
    upto: int | None  # the last seq of it; None: all that is left
    lines: int
    size: int


def bytes_between(task_id: uuid.UUID, after: int, upto: int) -> int:
    """Return how large lines with ``after < seq <= upto`` are as text, each with its
    line end; the last of them has to be there."""
    sql = (
        f"SELECT count(*), COALESCE(SUM({LENGTH[connection.vendor]} + 1), 0) "  # noqa: S608 (constants only)
        f"FROM {TABLE} WHERE task_id = %s AND seq > %s AND seq <= %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [key(task_id), after, upto])
        count, size = cursor.fetchone()
    if count == upto - after:
        return int(size)
    # Some are packed, or were a moment ago: read once more, each line once.
    found = rows(task_id, after, upto, upto - after)
    return sum(len(row[3].encode()) + 1 for row in found)


def remove_lines() -> Iterator[int]:
    """Delete the lines of all deleted tasks; yield after each transaction how many went
    with it. Whoever begins anew goes on where this was ended."""
    parts: list[_Part] = []
    logs = set(PrunedLog.objects.values_list("pk", flat=True))
    for task_id in logs:
        for part in _parts(task_id):
            if parts and not _has_room(parts, part):
                yield _remove(parts)
                parts = []
            parts.append(part)
    if parts:
        yield _remove(parts)
    of_blocks = LogBlock.objects.values("task_id")
    for log in PrunedLog.objects.filter(pk__in=of_blocks):
        if log.pk in logs:  # the lines of others may still be there
            yield from _remove_packed(log)


def _has_room(parts: Sequence[_Part], part: _Part) -> bool:
    return (
        len(parts) < LOGS_AT_ONCE
        and sum(one.lines for one in parts) + part.lines <= LINES_AT_ONCE
        and sum(one.size for one in parts) + part.size <= BYTES_AT_ONCE
    )


def _parts(task_id: uuid.UUID) -> Iterator[_Part]:
    """Cut a log into parts. They are read before they are deleted, and so outside of
    the transaction that others wait for."""
    after = 0
    while True:
        lines, size, upto = 0, 0, after
        for seq, length in _lengths(task_id, after):
            lines, size, upto = lines + 1, size + length, seq
            if size >= BYTES_AT_ONCE:
                break
        is_last = lines < LINES_AT_ONCE and size < BYTES_AT_ONCE
        yield _Part(task_id, after, None if is_last else upto, lines, size)
        if is_last:
            return
        after = upto


def _lengths(task_id: uuid.UUID, after: int) -> Iterable[tuple[int, int]]:
    sql = (
        f"SELECT seq, {LENGTH[connection.vendor]} FROM {TABLE} "  # noqa: S608 (constants only)
        "WHERE task_id = %s AND seq > %s ORDER BY seq LIMIT %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [key(task_id), after, LINES_AT_ONCE])
        yield from cursor  # row by row, because the first ones may be enough


def _remove(parts: Sequence[_Part]) -> int:
    done = [part.task_id for part in parts if part.upto is None]
    ranges = [
        (key(part.task_id), part.after, LAST_SEQ if part.upto is None else part.upto)
        for part in parts
    ]
    # Not by the querysets, which take a millisecond for each log, with the lock held.
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # What a crash takes back is deleted again.
            cursor.execute("SET LOCAL synchronous_commit TO off")
        cursor.executemany(DELETE, ranges)
        if done:
            # Asked after the lines are gone: nothing is packed any more.
            packed = LogBlock.objects.filter(task_id__in=done).values("task_id")
            PrunedLog.objects.filter(pk__in=done).exclude(pk__in=packed).delete()
    return sum(part.lines for part in parts)


def _remove_packed(log: PrunedLog) -> Iterator[int]:
    """Delete the packed lines of a task whose other lines are gone."""
    blocks = LogBlock.objects.filter(task_id=log.pk)
    ends = blocks.order_by("last_seq").values_list("first_seq", "last_seq")
    while some := list(ends[:BLOCKS_AT_ONCE]):
        blocks.filter(last_seq__lte=some[-1][1]).delete()
        yield sum(last - first + 1 for first, last in some)
    log.delete()
    yield 0
