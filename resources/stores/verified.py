"""What is read of a file is what its entry says, or nobody gets it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from resources.errors import DifferenceError
from resources.files.hashing import CHUNK_BYTES, digest_of, new_digest
from resources.manifests.format import Entry
from resources.workers.pool import check_alive


def require_content(content: memoryview, entry: Entry) -> None:
    """Make sure that what was read of a file is what its entry says.

    Raises DifferenceError, as ``verified`` does.
    """
    check_alive()
    sha256 = digest_of(content, "sha256")
    if (len(content), sha256) != (entry.size, entry.sha256):
        raise _difference(entry, sha256)


def verified(source: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """Yield a file's bytes from its first, and no more than its entry says.

    Raises DifferenceError when they aren't what the entry says, and as soon as there
    are more: a file that something still writes to may have no end.
    """
    digest = new_digest("sha256")
    size = 0
    source.seek(0)
    while chunk := source.read(CHUNK_BYTES):
        check_alive()
        digest.update(chunk)
        size += len(chunk)
        if size > entry.size:
            raise DifferenceError(
                f"{entry.path} is not what its manifest says:"
                f" it has more than {entry.size} bytes"
            )
        yield chunk
    if (size, digest.hexdigest()) != (entry.size, entry.sha256):
        raise _difference(entry, digest.hexdigest())


def _difference(entry: Entry, sha256: str) -> DifferenceError:
    return DifferenceError(
        f"{entry.path} is not what its manifest says:"
        f" expected {entry.sha256}, got {sha256}"
    )
