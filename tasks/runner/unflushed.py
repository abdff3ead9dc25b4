"""Lines that are committed, but perhaps not on PostgreSQL's disk yet.

Commits of lines alone don't wait for the disk, so a crash of the server may take some
of them back. Each run keeps these until they are safe, to store them again:
docs/decisions/0009-lines-alone-do-not-wait-for-the-disk.md
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tasks.logs.store import Row


class Wal(NamedTuple):
    """Positions in PostgreSQL's log: how far it was on the disk, and written at all, in
    the transaction that asked. https://www.postgresql.org/docs/current/wal.html"""

    flushed: int
    inserted: int


@dataclass
class UnflushedBatch:
    """Lines that are committed, but perhaps not on PostgreSQL's disk yet, so that a
    crash takes them back; and where the run stood before them."""

    lines: list[Row]
    last_seq: int
    digest: Any
    size_bytes: int
    safe_at: int | None = None  # a position in the log behind them, once it is known


class Unflushed:
    """A run's batches that a crash of PostgreSQL may take back, oldest first."""

    def __init__(self) -> None:
        self._batches: deque[UnflushedBatch] = deque()

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> UnflushedBatch:
        return self._batches[index]

    @property
    def size_bytes(self) -> int:
        return sum(batch.size_bytes for batch in self._batches)

    def add(self, batch: UnflushedBatch) -> None:
        self._batches.append(batch)

    def on_disk(self, upto: float = math.inf) -> None:
        """Let go of what no crash takes back: the batches that are safe at a position
        of the log."""
        while self._batches and (self._batches[0].safe_at or math.inf) <= upto:
            self._batches.popleft()

    def saw(self, wal: Wal) -> None:
        """Take in how far the log was when the run's row stood where it should: then
        nothing was taken back, and what was committed before is in this very log."""
        for batch in reversed(self._batches):
            if batch.safe_at is not None:
                break
            batch.safe_at = wal.inserted
        self.on_disk(wal.flushed)

    def begins_at(self, last_seq: int) -> bool:
        """Return whether a crash can have taken a run back to this line."""
        return any(batch.last_seq == last_seq for batch in self._batches)

    def take_back(self, last_seq: int) -> Iterator[UnflushedBatch]:
        """Yield the batches behind a line, newest first, and forget them."""
        while self._batches and self._batches[-1].last_seq >= last_seq:
            yield self._batches.pop()
