"""The free pages of SQLite's file, and how they are given back to the disk.

A file whose ``auto_vacuum`` is ``INCREMENTAL`` gives them back in steps, while the
service runs. It has to be made so, or written anew once.
"""

import os
import time
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tasks.databases.in_use import held_alone, opened

INCREMENTAL = 2
# How long a step may keep writers waiting. A page takes 30 us to 2 ms: SQLite looks
# through the list of free pages for each, so the list is best kept short.
STEP_SECONDS = 0.004
MOST_PAGES = 64
# What stays free, for the next lines to take: else each task's pages would be moved
# once more for each task that goes.
SPARE_PART = 0.05
SPARE_BYTES = 8 * 1024 * 1024
ENDINGS = ("", "-wal", "-shm", "-journal")


class Space(NamedTuple):
    """Of a file: its pages, those that nothing is in, and whether it shrinks."""

    page_bytes: int
    pages: int
    free_pages: int
    shrinks: bool

    @property
    def bytes(self) -> int:
        return self.pages * self.page_bytes

    @property
    def free_bytes(self) -> int:
        return self.free_pages * self.page_bytes

    @property
    def used_bytes(self) -> int:
        return self.bytes - self.free_bytes

    @property
    def spare_pages(self) -> int:
        """Return how many free pages are best left."""
        used = self.pages - self.free_pages
        return max(int(used * SPARE_PART), SPARE_BYTES // self.page_bytes)


class NoRoom(Exception):
    """The disk has not enough room for a second file."""

    def __init__(self, needed: int, free: int) -> None:
        self.needed, self.free = needed, free
        super().__init__(f"{needed} bytes are needed, {free} are free")


def space(connection: Any) -> Space:
    """Return the space of the file that a connection of the driver's has open."""
    return Space(
        _number(connection, "page_size"),
        _number(connection, "page_count"),
        _number(connection, "freelist_count"),
        _number(connection, "auto_vacuum") == INCREMENTAL,
    )


class Shrinker:
    """Gives free pages back, in steps that keep nobody waiting for long.

    ``spare``: some are left to be used again. A file that does not shrink stays as it
    is.
    """

    def __init__(self, *, spare: bool = True) -> None:
        self._spare = spare
        self._pages = 4  # of the next step
        self._has_shrunk = False

    def step(self, connection: Any, *, worth: int = 1) -> int:
        """Give back a few pages, in a transaction of its own; return how many bytes
        they had, 0 where there are fewer to give than it is ``worth``."""
        found = space(connection)
        surplus = found.free_pages - (found.spare_pages if self._spare else 0)
        if not found.shrinks or surplus < worth:
            if surplus <= 0:
                self._finish(connection)
            return 0
        pages = min(self._pages, surplus)
        began = time.monotonic()
        # Not execute(), which would stop after the first page.
        connection.executescript(f"PRAGMA incremental_vacuum({pages})")
        took = time.monotonic() - began
        wanted = int(self._pages * STEP_SECONDS / max(took, 1e-6))
        self._pages = max(1, min(wanted, 2 * self._pages, MOST_PAGES))
        self._has_shrunk = True
        return pages * found.page_bytes

    def _finish(self, connection: Any) -> None:
        if self._has_shrunk:
            checkpoint(connection)  # which cuts the file
            self._has_shrunk = False


def checkpoint(connection: Any) -> None:
    """Bring what was written into the file, and wait for the disk: else whoever commits
    next does both."""
    _, pages, done = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    if done < pages:
        # What came meanwhile, so that the next writer begins at the -wal's start.
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def vacuum_into(connection: Any, copy: Path) -> None:
    """Write what is in a file to a new one, without free pages; that one shrinks, also
    where the first does not."""
    if not space(connection).shrinks:
        # Of the file that is there this changes nothing.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL").fetchall()
    connection.execute("VACUUM INTO ?", [str(copy)])


def rewrite(path: Path) -> tuple[Space, Space]:
    """Write a file anew that nobody has open, without free pages, and so that it
    shrinks from now on; return its space before and after.

    The new file is made beside the old one and then renamed, so that a kill at any
    moment leaves one or the other. Raises InUse and NoRoom, and OSError.
    """
    new = path.with_name(f"{path.name}.rewriting")
    with held_alone(path) as old:
        before = space(old)
        disk = os.statvfs(path.parent)
        free = disk.f_bavail * disk.f_frsize
        if free < before.used_bytes:
            raise NoRoom(before.used_bytes, free)
        _remove(new)
        try:
            vacuum_into(old, new)
            with new.open("rb+") as file:
                os.fsync(file.fileno())
            with closing(opened(new)) as made:
                after = space(made)
            new.chmod(path.stat().st_mode & 0o777)
            # The old -wal would be taken for the new file's.
            old.execute("PRAGMA journal_mode = DELETE").fetchall()
            new.replace(path)
            sync_folder(path.parent)
        finally:
            _remove(new)
    return before, after


def _number(connection: Any, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def sync_folder(folder: Path) -> None:
    """Have a folder's names on the disk."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _remove(new: Path) -> None:
    for ending in ENDINGS:
        new.with_name(new.name + ending).unlink(missing_ok=True)
