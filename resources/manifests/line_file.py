"""A file of lines that stays open, read in blocks by several processes at once."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice, pairwise
from typing import BinaryIO, NamedTuple, TypeVar, cast

from resources.errors import store_failure

T = TypeVar("T")

BLOCK_BYTES = 1 << 16  # some 450 lines; a helper is busy with it for a moment
BLOCKS_AT_ONCE = 4  # neighbours, which meet the same blocks of another manifest
COPY_BYTES = 1 << 20


class Block(NamedTuple):
    """A run of whole lines: where it is in its file, what it lists, and its digest.

    ``total_bytes`` is the size of the files that it lists, as far as it is known;
    ``first`` and ``last`` are their first and last paths; ``is_bare`` says that its
    lines are known to have nothing but paths, sizes and SHA-256.
    """

    offset: int
    length: int
    files: int
    total_bytes: int
    digest: bytes
    first: bytes
    last: bytes
    is_bare: bool = False


class NewBlock:
    """A block that takes line after line."""

    def __init__(self, offset: int) -> None:
        self._offset = offset
        self._lines: list[bytes] = []
        self._paths: list[bytes] = []
        self._total_bytes = 0

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, line: bytes, path: str, size: int) -> None:
        self._lines.append(line)
        self._paths.append(path.encode())
        self._total_bytes += size

    def made(self) -> Block:
        data = b"".join(self._lines)
        return Block(
            self._offset,
            len(data),
            len(self._lines),
            self._total_bytes,
            block_digest(data),
            self._paths[0],
            self._paths[-1],
        )


class LineFile:
    """A file whose readers don't disturb each other, also in forked processes.

    Takes over ``stream``. What can't be read at any place, as an answer from the
    network, is copied into a temporary file first. Raises OSError, and what reading the
    stream raises.
    """

    _fd = -1

    def __init__(self, stream: BinaryIO) -> None:
        with stream if _is_file(stream) else _copied(stream) as file:
            self._fd = os.dup(file.fileno())

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    @property
    def size(self) -> int:
        """Return how many bytes the file has now."""
        return os.fstat(self._fd).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes from ``offset`` on; fewer than ``length`` at the end."""
        data = os.pread(self._fd, length, offset)
        while data and len(data) < length:
            more = os.pread(self._fd, length - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    def open(self, offset: int = 0) -> BinaryIO:
        """Open the file anew, at a byte."""
        reader = _Reader(self, offset)
        return cast(BinaryIO, io.BufferedReader(reader, 1 << 16))

    @contextmanager
    def writer(self) -> Iterator[BinaryIO]:
        """Open a temporary file to be written from its first byte on."""
        file = os.fdopen(os.dup(self._fd), "wb")
        try:
            yield file
        finally:
            close_temporary(file)

    def cut(
        self, start: int, end: int, *, after: bytes = b"\n"
    ) -> Iterator[tuple[int, bytes]]:
        """Yield what is between two bytes in blocks: offset, and content.

        A block has about ``BLOCK_BYTES``, and ends with ``after`` wherever that is
        found within so many bytes.
        """
        while start < end:
            data = self.read(start, min(BLOCK_BYTES, end - start))
            last = data.rfind(after)
            data = data[: last + len(after)] if last >= 0 else data
            if not data:
                return
            yield start, data
            start += len(data)


def neighbours(blocks: Iterable[T]) -> Iterator[list[T]]:
    """Yield blocks in lists, as many at a time as one helper takes."""
    remaining = iter(blocks)
    return iter(lambda: list(islice(remaining, BLOCKS_AT_ONCE)), [])


def follow_each_other(blocks: list[Block]) -> bool:
    """Return whether each block's paths come after those of the one before it."""
    return all(a.last < b.first for a, b in pairwise(blocks))


def block_digest(data: bytes) -> bytes:
    """Return the digest by which a block's content is known again."""
    return hashlib.sha256(data, usedforsecurity=False).digest()


class _Reader(io.RawIOBase):
    """Reads at a position of its own, which the descriptor's doesn't know."""

    def __init__(self, file: LineFile, position: int) -> None:
        self._file = file
        self._position = position

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        found = self._file.read(self._position, len(buffer))
        buffer[: len(found)] = found
        self._position += len(found)
        return len(found)


def temporary_file() -> BinaryIO:
    """Make a file without a name, of which nothing stays, however the process ends.

    Raises StoreError or FullError when the folder for temporary files (``TMPDIR``)
    can't be written.
    """
    import tempfile  # slow to import

    try:
        return cast(BinaryIO, tempfile.TemporaryFile())
    except OSError as error:
        raise store_failure(error, "make a temporary file") from None


def write_temporary(file: BinaryIO, data: Iterable[bytes]) -> None:
    """Write to a temporary file at once. Raises StoreError or FullError."""
    try:
        file.writelines(data)
        file.flush()
    except OSError as error:
        raise store_failure(error, "write a temporary file") from None


def close_temporary(file: BinaryIO) -> None:
    """Close it, also after a failed write: closing fails in the same way once more."""
    with suppress(OSError):
        file.close()


def _is_file(stream: BinaryIO) -> bool:
    try:
        stream.fileno()
    except OSError:
        return False
    return True


def _copied(stream: BinaryIO) -> BinaryIO:
    copy = temporary_file()
    try:
        with stream:
            while chunk := stream.read(COPY_BYTES):
                write_temporary(copy, [chunk])
    except BaseException:
        close_temporary(copy)
        raise
    return copy
