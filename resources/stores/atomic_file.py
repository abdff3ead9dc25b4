"""Making one new file: it is there whole, or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterable
from typing import BinaryIO

from resources.errors import DifferenceError
from resources.files.rooted import Tree
from resources.manifests.format import Entry
from resources.stores.verified import verified

# What is done with a file's descriptor when all is written. Raises OSError.
Finish = Callable[[int], object]
# Makes a file in a folder, by the folder's descriptor and the file's name. Raises
# FileExistsError when there is one of this name.
Make = Callable[[int, str], None]

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FICLONE = 0x40049409  # fcntl.FICLONE in later Pythons; elsewhere than Linux an error


def writing(chunks: Iterable[bytes | memoryview], finish: Finish) -> Make:
    """Return what writes a new file, and leaves nothing when it fails."""
    return _filling(lambda fd: _write(fd, chunks), finish)


def copying(source: BinaryIO, entry: Entry, finish: Finish) -> Make:
    """Return what makes a new file of ``source``, and leaves nothing when it fails.

    A clone shares the source's blocks, where the file system can do that, and is its
    content without being read; else the bytes are copied and verified. What is made
    raises DifferenceError when the source is not what the entry says, a clone by its
    size.
    """

    def fill(fd: int) -> None:
        if is_cloned(fd, source):
            _require_size(entry, os.fstat(fd))
        else:
            _write(fd, verified(source, entry))

    return _filling(fill, finish)


def linked(tree: Tree, source: str, entry: Entry, folder_fd: int, name: str) -> bool:
    """Make a file one more name of ``source``, and leave nothing when that fails.

    Returns False where there can be no link, and raises as ``rooted.Tree.link``;
    DifferenceError when the source hasn't the size that the entry says.
    """
    if not tree.link(source, folder_fd, name):
        return False
    with unlinked_on_failure(folder_fd, name):
        _require_size(entry, os.stat(name, dir_fd=folder_fd, follow_symlinks=False))
    return True


def _require_size(entry: Entry, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
        raise DifferenceError(
            f"{entry.path} has {status.st_size} bytes instead of {entry.size}"
        )


def _filling(fill: Callable[[int], None], finish: Finish) -> Make:
    def make(folder_fd: int, name: str) -> None:
        fd = os.open(name, _NEW, 0o644, dir_fd=folder_fd)
        with unlinked_on_failure(folder_fd, name):
            try:
                fill(fd)
                finish(fd)
            finally:
                os.close(fd)

    return make


def _write(fd: int, chunks: Iterable[bytes | memoryview]) -> None:
    for chunk in chunks:
        written = os.write(fd, chunk)
        while written < len(chunk):
            written += os.write(fd, memoryview(chunk)[written:])


def is_cloned(fd: int, source: BinaryIO) -> bool:
    """Let an empty file share all of another's blocks; False where that can't be.

    Every refusal is one: whether it was the file system or a full disk, a copy works or
    says why not. Source: ioctl_ficlone(2).
    """
    try:
        fcntl.ioctl(fd, _FICLONE, source.fileno())
    except OSError:
        return False
    return True


class unlinked_on_failure:  # noqa: N801 - named as contextlib's are, and faster
    """Delete a file when what follows its making fails."""

    def __init__(self, folder_fd: int, name: str) -> None:
        self._folder_fd, self._name = folder_fd, name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._name, dir_fd=self._folder_fd)
