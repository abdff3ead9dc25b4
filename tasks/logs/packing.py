"""Packs the lines of tasks that ended a while ago: same log, a tenth of the room.

Lines become a block in one small transaction, so that no stream waits, and whoever is
killed leaves none lost and none doubled. What is left to do is in the database: it is
what the table of lines has of tasks that ended.
"""

import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from tasks.logs import blocks, table
from tasks.logs.append import append
from tasks.logs.blocks import LINES_OF_A_BLOCK
from tasks.models import LogBlock, LogLine, Task

BYTES_OF_A_BLOCK = 512 * 1024  # of messages; one line at least
# A web process of the version before this one finds no packed line. So an update of
# several hosts, one after the other, has a day before any line of old tasks is packed.
MIGRATION = "_logs_are_packed"
UPDATE_TIME = timedelta(days=1)


class BlockDiffers(Exception):
    """A block does not give back the lines that it was made of; nothing was packed."""


class Part(NamedTuple):
    """What one step packed. ``message_bytes``: as they were; ``packed_bytes``: as they
    are."""

    task_id: uuid.UUID
    lines: int = 0
    message_bytes: int = 0
    packed_bytes: int = 0


class Packed(NamedTuple):
    tasks: int
    lines: int
    message_bytes: int
    packed_bytes: int


def may_begin() -> bool:
    """Return whether every host has had the time to be updated."""
    applied = MigrationRecorder.Migration.objects.filter(
        app="tasks", name__endswith=MIGRATION, applied__gt=timezone.now() - UPDATE_TIME
    )
    return not applied.exists()


def pack(ended_before: datetime, after: uuid.UUID | None = None) -> Iterator[Part]:
    """Pack what the table of lines has of tasks that ended before a moment, in the
    order of their ids, behind one of them.

    Stops after each step, of which some write nothing, and says what it did.
    """
    while (task_id := _next_in_table(after)) is not None:
        after = task_id
        ended = Task.objects.finished().filter(completed_at__lt=ended_before)
        yield Part(task_id)
        if ended.filter(pk=task_id).exists():
            yield from _pack_task(task_id)


def pack_at_leisure(ended_before: datetime) -> Packed:
    """The whole of it, with a rest after each step as long as that took."""
    parts, started = [], time.monotonic()
    for part in pack(ended_before):
        parts.append(part)
        time.sleep(time.monotonic() - started)
        started = time.monotonic()
    done = [part for part in parts if part.lines]
    return Packed(
        len({part.task_id for part in done}),
        sum(part.lines for part in done),
        sum(part.message_bytes for part in done),
        sum(part.packed_bytes for part in done),
    )


def _next_in_table(after: uuid.UUID | None) -> uuid.UUID | None:
    lines = LogLine.objects.order_by("task_id")
    if after is not None:
        lines = lines.filter(task_id__gt=after)
    return lines.values_list("task_id", flat=True).first()


def _pack_task(task_id: uuid.UUID) -> Iterator[Part]:
    after = 0
    while rows := _first_rows(task_id, after):
        block = blocks.packed(task_id, rows)
        if blocks.unpacked(block) != rows:
            raise BlockDiffers(str(block))
        yield Part(task_id)  # before the transaction: a rest for who waits
        if not _replace(rows, block):
            return  # another runner was here, or the task is gone
        size = sum(len(row[3].encode()) for row in rows)
        packed_size = len(block.stamps) + len(block.messages)
        yield Part(task_id, len(rows), size, packed_size)
        after = rows[-1][0]


def _first_rows(task_id: uuid.UUID, after: int) -> list[table.Row]:
    """Return the next rows that make a block: neighbours, of one pair of pages."""
    first = table.select(task_id, after, None, 1)
    begin = table.bounded(*first, most=1)[0]
    if not begin:
        return []
    start = begin[0][0] - 1
    end = start - start % LINES_OF_A_BLOCK + LINES_OF_A_BLOCK
    sql, values = table.select(task_id, start, end, LINES_OF_A_BLOCK)
    rows, _ = table.bounded(sql, values, BYTES_OF_A_BLOCK)
    # Where a number is missing, which no log of ours has, a block ends.
    return [row for place, row in enumerate(rows, start + 1) if row[0] == place]


@transaction.atomic
def _replace(rows: list[table.Row], block: LogBlock) -> bool:
    """Put a block in place of its lines, if all of them are still there."""
    lines = LogLine.objects.filter(task_id=block.task_id)
    # Their deletion comes first: whoever does the same waits here, and finds none.
    gone, _ = lines.filter(seq__range=(block.first_seq, block.last_seq)).delete()
    if gone != len(rows):
        transaction.set_rollback(True)
        return False
    block.save(force_insert=True)
    return True


def unpack() -> Iterator[Part]:
    """Write all packed lines into the table of lines again: for a version of before,
    with the service stopped. The last blocks come first, so that what is packed is the
    beginning of a log at any time."""
    newest = LogBlock.objects.order_by("-task_id", "-last_seq")
    while (block := newest.first()) is not None:
        rows = blocks.unpacked(block)
        with transaction.atomic():
            append([(block.task_id, rows)])
            LogBlock.objects.filter(pk=block.pk).delete()
        yield Part(block.task_id, len(rows))
