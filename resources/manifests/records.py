"""More records than memory should hold: sorted, and read as often as one likes."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import BinaryIO

from resources.manifests.line_file import (
    LineFile,
    close_temporary,
    temporary_file,
    write_temporary,
)

# Bytes sorted in memory at a time. Python's share makes it about twice as much; a
# million lines of md5sum are sorted in nine runs.
RUN_BYTES = 16_000_000


class Records:
    """Lines of bytes, each with its line feed, in a temporary file without a name.

    ``lines`` reads them. Nothing of it stays, however the process ends. Raises
    StoreError or FullError when the folder for temporary files (``TMPDIR``) can't be
    written.
    """

    def __init__(self) -> None:
        self.lines = LineFile(temporary_file())

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.lines.open())

    def fill(self, records: Iterable[bytes]) -> None:
        """Take the records in the order they come in."""
        with self.lines.writer() as file:
            write_temporary(file, records)

    def fill_sorted(self, records: Iterable[bytes]) -> None:
        """Take the records in ascending order of their bytes."""
        with ExitStack() as runs:
            sorted_runs: list[BinaryIO] = []
            for run, is_last in _in_runs(records):
                if is_last and not sorted_runs:
                    self.fill(run)
                    return
                file = temporary_file()
                runs.callback(close_temporary, file)
                write_temporary(file, run)
                file.seek(0)
                sorted_runs.append(file)
            self.fill(heapq.merge(*sorted_runs))


def _in_runs(records: Iterable[bytes]) -> Iterator[tuple[list[bytes], bool]]:
    """Yield sorted runs, and whether one is the last."""
    run: list[bytes] = []
    run_bytes = 0
    for record in records:
        run.append(record)
        run_bytes += len(record)
        if run_bytes >= RUN_BYTES:
            run.sort()
            yield run, False
            run, run_bytes = [], 0
    run.sort()
    yield run, True
