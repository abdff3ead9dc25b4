"""The digest of a file, read once."""

from __future__ import annotations

import hashlib
from typing import BinaryIO

from resources.workers import check_alive

CHUNK_BYTES = 1 << 20


def sha256_of(stream: BinaryIO) -> tuple[int, str]:
    """Read to the end; give the number of bytes and their SHA-256 in hex digits.

    >>> import io
    >>> sha256_of(io.BytesIO(b"abc"))[1][:16]
    'ba7816bf8f01cfea'
    """
    digest = hashlib.sha256(usedforsecurity=False)
    size = 0
    while chunk := stream.read(CHUNK_BYTES):
        check_alive()
        digest.update(chunk)
        size += len(chunk)
    return size, digest.hexdigest()
