"""Blocks of packed lines: how they are made, and read.

A block is two compressed texts of JSON: ``[[at_ms, difference, …], [[level, count],
…]]`` and ``[message, …]``. In both the lines are in their order; their numbers follow
from the first one's.
"""

import json
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, chain, groupby, pairwise, repeat
from typing import Any, Protocol

from django.db.models import QuerySet

from tasks.logs.table import Row
from tasks.models import LogBlock

# At most, of all that are stored: it never gets smaller. Two pages of tasks.logs.pages.
LINES_OF_A_BLOCK = 2_000
BLOCKS_AT_ONCE = 4  # read from the database
# Decoded ones that are kept, of up to 1 MB each: a block is read by several pages.
BLOCKS_KEPT = 4


class Wanted(Protocol):
    """Which lines are wanted. ``levels``: theirs, where they have no other ones."""

    @property
    def levels(self) -> frozenset[str]: ...

    def may_be_in(self, messages: bytes) -> bool:
        """Return False only where none of these, as JSON, is wanted."""

    def of(self, rows: list[Row]) -> list[Row]: ...


def packed(task_id: uuid.UUID, rows: Sequence[Row]) -> LogBlock:
    """Return neighbouring lines as a block, not saved yet."""
    from tasks.logs.compression import compressed  # see there

    times = [row[1] for row in rows]
    differences = [times[0], *(after - before for before, after in pairwise(times))]
    levels = [[level, len(list(run))] for level, run in groupby(row[2] for row in rows)]
    return LogBlock(
        task_id=task_id,
        first_seq=rows[0][0],
        last_seq=rows[-1][0],
        stamps=compressed(_json([differences, levels])),
        messages=compressed(_json([row[3] for row in rows])),
    )


def unpacked(block: LogBlock) -> list[Row]:
    return _rows(block, block.first_seq, block.last_seq)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@lru_cache(maxsize=BLOCKS_KEPT)
def _stamps(data: bytes) -> tuple[list[int], list[str]]:
    from tasks.logs.compression import decompressed

    differences, levels = json.loads(decompressed(data))
    runs = chain.from_iterable(repeat(level, count) for level, count in levels)
    return list(accumulate(differences)), list(runs)


@lru_cache(maxsize=BLOCKS_KEPT)
def _messages(data: bytes) -> list[str]:
    found: list[str] = json.loads(_text(data))
    return found


@lru_cache(maxsize=1)
def _text(data: bytes) -> bytes:
    from tasks.logs.compression import decompressed

    return decompressed(data)


def _rows(block: LogBlock, first: int, last: int) -> list[Row]:
    """Return the lines of a block from one number to another, both of which it has."""
    part = slice(first - block.first_seq, last - block.first_seq + 1)
    times, levels = _stamps(bytes(block.stamps))
    messages = _messages(bytes(block.messages))
    seqs = range(first, last + 1)
    return list(zip(seqs, times[part], levels[part], messages[part], strict=True))


def ascending(
    task_id: uuid.UUID, after: int, upto: int | None, wanted: Wanted | None = None
) -> Iterator[list[Row]]:
    """Yield the packed lines with ``after < seq <= upto`` that are wanted, a block's at
    a time."""
    blocks = LogBlock.objects.filter(task_id=task_id).order_by("last_seq")
    if upto is not None:
        blocks = _that_begin_by(upto, blocks)
    at_once = 1  # which is all that a page needs
    while upto is None or after < upto:
        some = list(blocks.filter(last_seq__gt=after)[:at_once])
        for block in some:
            last = block.last_seq if upto is None else min(upto, block.last_seq)
            yield _wanted(block, max(after + 1, block.first_seq), last, wanted)
        if len(some) < at_once:
            return
        after, at_once = some[-1].last_seq, BLOCKS_AT_ONCE


def descending(
    task_id: uuid.UUID, after: int, upto: int, wanted: Wanted | None = None
) -> Iterator[list[Row]]:
    """Yield the same from the last line to the first."""
    blocks = LogBlock.objects.filter(task_id=task_id, last_seq__gt=after)
    blocks = blocks.order_by("-last_seq")
    at_once = 1
    while after < upto:
        some = list(_that_begin_by(upto, blocks)[:at_once])
        for block in some:
            first, last = max(after + 1, block.first_seq), min(upto, block.last_seq)
            yield _wanted(block, first, last, wanted)[::-1]
        if len(some) < at_once:
            return
        upto, at_once = some[-1].first_seq - 1, BLOCKS_AT_ONCE


def _that_begin_by(upto: int, blocks: QuerySet[LogBlock]) -> QuerySet[LogBlock]:
    # By what the index has, too, so that those behind are not looked at.
    return blocks.filter(first_seq__lte=upto, last_seq__lt=upto + LINES_OF_A_BLOCK)


def _wanted(block: LogBlock, first: int, last: int, wanted: Wanted | None) -> list[Row]:
    if wanted is None:
        return _rows(block, first, last)
    if wanted.levels and wanted.levels.isdisjoint(_stamps(bytes(block.stamps))[1]):
        return []  # without a look at what it says
    if not wanted.may_be_in(_text(bytes(block.messages))):
        return []
    return wanted.of(_rows(block, first, last))


def times(task_id: uuid.UUID, seqs: Collection[int]) -> dict[int, int]:
    """Return when those of some lines were written that are packed, by number."""
    if not seqs:
        return {}
    mine = LogBlock.objects.filter(task_id=task_id).order_by("last_seq")
    left = sorted(seqs)
    inside: dict[int, tuple[int, list[int]]] = {}
    for first, last in mine.values_list("first_seq", "last_seq"):
        if some := left[bisect_left(left, first) : bisect_right(left, last)]:
            inside[last] = first, some
    found: dict[int, int] = {}
    stamps = mine.filter(last_seq__in=inside).values_list("last_seq", "stamps")
    for last, data in stamps:
        first, some = inside[last]
        at = _stamps(bytes(data))[0]
        found.update((seq, at[seq - first]) for seq in some)
    return found
