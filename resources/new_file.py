"""Making one new file: it is there whole, or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator

# Makes a file in a folder, by the folder's descriptor and the file's name. Raises
# FileExistsError when there is one of this name.
Make = Callable[[int, str], None]

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def writing(chunks: Iterable[bytes], *, sync: bool) -> Make:
    """Give what writes a new file, and leaves nothing when it fails."""

    def make(folder_fd: int, name: str) -> None:
        fd = os.open(name, _NEW, 0o644, dir_fd=folder_fd)
        with unlinked_on_failure(folder_fd, name):
            try:
                for chunk in chunks:
                    rest = memoryview(chunk)
                    while rest:
                        rest = rest[os.write(fd, rest) :]
                if sync:
                    os.fsync(fd)
            finally:
                os.close(fd)

    return make


@contextlib.contextmanager
def unlinked_on_failure(folder_fd: int, name: str) -> Iterator[None]:
    """Delete a file when what follows its making fails."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder_fd)
        raise
