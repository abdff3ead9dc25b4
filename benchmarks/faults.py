"""What can be wrong around the product for a while: its clock, its disk, its database,
and the processor time that it is given."""

import os
import sqlite3
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from math import inf
from pathlib import Path

import psutil

HERE = Path(__file__).parent
DISK_BYTES = 1024 * 1024 * 1024
LOCK_RETRY_SECONDS = 0.05


class WallClock:
    """The clock of the processes that are started with ``env``, which can be set.

    By a library that is preloaded (wall_clock.c): on Linux, for programs that are
    linked with the C library.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="clock-"))
        self._folder.chmod(0o755)  # PostgreSQL runs as another account
        library = self._folder / "wall_clock.so"
        source = HERE / "wall_clock.c"
        command = ["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"]
        subprocess.run(command, check=True)
        self._file = self._folder / "offset"
        self._steps: list[tuple[float, int]] = []  # since when (true time), seconds
        self.step_to(0)
        self._file.chmod(0o644)
        self.env = {"LD_PRELOAD": str(library), "WALL_CLOCK_OFFSET": str(self._file)}

    def step_to(self, offset_seconds: int) -> None:
        """Let it show the true time plus so many seconds from now on."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("l", offset_seconds))
        self._steps.append((time.time(), offset_seconds))

    def true_times(self, shown: float) -> list[float]:
        """Return the true times at which it showed this (seconds since 1970): several,
        where it was set back."""
        until = [since for since, _ in self._steps[1:]] + [inf]
        return [
            shown - offset
            for (since, offset), end in zip(self._steps, until, strict=True)
            if since <= shown - offset < end
        ]

    def remove(self) -> None:
        for file in self._folder.iterdir():
            file.unlink()
        self._folder.rmdir()


class Disk:
    """A small file system of its own, which can be full. Only root can mount it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        options = f"size={DISK_BYTES}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        subprocess.run(command, check=True)

    @contextmanager
    def full(self) -> Iterator[None]:
        filler = self._folder / "filler"
        try:
            with filler.open("wb", buffering=0) as file, suppress(OSError):
                while file.write(bytes(64 * 1024)):
                    pass
            yield
        finally:
            filler.unlink(missing_ok=True)

    def remove(self) -> None:
        subprocess.run(["umount", "--lazy", str(self._folder)], check=False)


@contextmanager
def write_lock(database: Path) -> Iterator[None]:
    """Hold the one write lock that SQLite's file has, as a backup or a person's shell
    does."""
    with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as other:
        while True:
            try:
                other.execute("BEGIN IMMEDIATE")
                break
            except sqlite3.OperationalError:  # somebody writes just now
                time.sleep(LOCK_RETRY_SECONDS)
        yield
        other.execute("ROLLBACK")


@contextmanager
def stopped(processes: Iterable[psutil.Process]) -> Iterator[None]:
    """Give these processes no processor time (SIGSTOP); those that end are passed
    over."""
    frozen = list(processes)
    for process in frozen:
        with suppress(psutil.Error):
            process.suspend()
    try:
        yield
    finally:
        for process in reversed(frozen):
            with suppress(psutil.Error):
                process.resume()


def trees(pids: Iterable[int]) -> list[psutil.Process]:
    """Return these processes with all their descendants."""
    found = []
    for pid in pids:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            found += [process, *process.children(recursive=True)]
    return found


def may_mount() -> bool:
    return os.geteuid() == 0 and Path("/proc").exists()
