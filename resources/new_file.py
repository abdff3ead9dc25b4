"""Making one new file: it is there whole, or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from resources.errors import DifferenceError
from resources.hashing import verified
from resources.manifest import Entry

# Makes a file in a folder, by the folder's descriptor and the file's name. Raises
# FileExistsError when there is one of this name.
Make = Callable[[int, str], None]

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FICLONE = 0x40049409  # fcntl.FICLONE in later Pythons; elsewhere than Linux an error


def writing(chunks: Iterable[bytes], *, sync: bool) -> Make:
    """Give what writes a new file, and leaves nothing when it fails."""
    return _filling(lambda fd: _write(fd, chunks), sync)


def copying(source: BinaryIO, entry: Entry, *, sync: bool) -> Make:
    """Give what makes a new file of ``source``, and leaves nothing when it fails.

    A clone shares the source's blocks, where the file system can do that, and is its
    content without being read; else the bytes are copied and verified. What is made
    raises DifferenceError when the source is not what the entry says, a clone by its
    size.
    """

    def fill(fd: int) -> None:
        if not _is_cloned(fd, source):
            _write(fd, verified(source, entry))
        elif (size := os.fstat(fd).st_size) != entry.size:
            raise DifferenceError(
                f"{entry.path} has {size} bytes instead of {entry.size}"
            )

    return _filling(fill, sync)


def _filling(fill: Callable[[int], None], sync: bool) -> Make:
    def make(folder_fd: int, name: str) -> None:
        fd = os.open(name, _NEW, 0o644, dir_fd=folder_fd)
        with unlinked_on_failure(folder_fd, name):
            try:
                fill(fd)
                if sync:
                    os.fsync(fd)
            finally:
                os.close(fd)

    return make


def _write(fd: int, chunks: Iterable[bytes]) -> None:
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(fd, rest) :]


def _is_cloned(fd: int, source: BinaryIO) -> bool:
    """Let an empty file share all of another's blocks; False where that can't be.

    Every refusal is one: whether it was the file system or a full disk, a copy works or
    says why not. Source: ioctl_ficlone(2).
    """
    try:
        fcntl.ioctl(fd, _FICLONE, source.fileno())
    except OSError:
        return False
    return True


@contextlib.contextmanager
def unlinked_on_failure(folder_fd: int, name: str) -> Iterator[None]:
    """Delete a file when what follows its making fails."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder_fd)
        raise
