"""More records than memory should hold: sorted, and read as often as one likes."""

from __future__ import annotations

import heapq
import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from typing import IO, BinaryIO, cast

from resources.errors import store_failure

# Bytes sorted in memory at a time. Python's share makes it about twice as much; a
# million lines of md5sum are sorted in nine runs.
RUN_BYTES = 16_000_000


class Records:
    """Lines of bytes, each with its line feed, in a temporary file without a name.

    Nothing of it stays, however the process ends. Several readers don't disturb each
    other, also in forked processes. Raises StoreError or FullError when the folder for
    temporary files (``TMPDIR``) can't be written.
    """

    def __init__(self) -> None:
        self._file = _temporary_file()

    def __del__(self) -> None:
        _close(self._file)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.open())

    def open(self) -> BinaryIO:
        """Open the file anew at its first byte."""
        reader = _Reader(self, self._file.fileno())
        return cast(BinaryIO, io.BufferedReader(reader, 1 << 16))

    def fill(self, records: Iterable[bytes]) -> None:
        """Take the records in the order they come in."""
        for record in records:
            self._write(self._file, (record,))
        self._flush(self._file)

    def fill_sorted(self, records: Iterable[bytes]) -> None:
        """Take the records in ascending order of their bytes."""
        with ExitStack() as runs:
            sorted_runs: list[IO[bytes]] = []
            for run in _in_runs(records):
                sorted_runs.append(_temporary_file())
                runs.callback(_close, sorted_runs[-1])
                self._write(sorted_runs[-1], run)
                self._flush(sorted_runs[-1])
                sorted_runs[-1].seek(0)
            self._write(self._file, heapq.merge(*sorted_runs))
        self._flush(self._file)

    def _write(self, file: IO[bytes], records: Iterable[bytes]) -> None:
        try:
            file.writelines(records)
        except OSError as error:
            raise store_failure(error, "write a temporary file") from None

    def _flush(self, file: IO[bytes]) -> None:
        try:
            file.flush()
        except OSError as error:
            raise store_failure(error, "write a temporary file") from None


class _Reader(io.RawIOBase):
    """Reads at a position of its own, which the descriptor's doesn't know."""

    def __init__(self, records: Records, fd: int) -> None:
        self._records = records  # which closes the descriptor when it goes
        self._fd = fd
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        found = os.pread(self._fd, len(buffer), self._position)
        buffer[: len(found)] = found
        self._position += len(found)
        return len(found)


def _temporary_file() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise store_failure(error, "make a temporary file") from None


def _close(file: IO[bytes]) -> None:
    # After a failed write, closing fails in the same way once more.
    with suppress(OSError):
        file.close()


def _in_runs(records: Iterable[bytes]) -> Iterator[list[bytes]]:
    run: list[bytes] = []
    run_bytes = 0
    for record in records:
        run.append(record)
        run_bytes += len(record)
        if run_bytes >= RUN_BYTES:
            run.sort()
            yield run
            run, run_bytes = [], 0
    run.sort()
    yield run
