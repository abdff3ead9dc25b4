"""The digests of a file, read once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import BinaryIO, Protocol

from resources.errors import InputError
from resources.workers.pool import check_alive

CHUNK_BYTES = 1 << 20

# The algorithms by the names that their programs have (md5sum, sha1sum, …).
DIGEST_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "b3": 64}
_MAKERS = {"md5": hashlib.md5, "sha1": hashlib.sha1, "sha256": hashlib.sha256}


class Digest(Protocol):
    """A running digest, as hashlib makes it."""

    def update(self, data: bytes | memoryview, /) -> object:
        """Take the next bytes."""

    def hexdigest(self) -> str:
        """Return the digest of all bytes taken, in lower case hex digits."""


def new_digest(algorithm: str) -> Digest:
    """Begin a digest by one of the algorithms of ``DIGEST_DIGITS``.

    Raises InputError for b3 where the package blake3 isn't installed.
    """
    if algorithm == "b3":
        try:
            from blake3 import blake3
        except ImportError:
            raise InputError(
                "digests of b3sum need the package blake3 (see requirements.txt)"
            ) from None
        return blake3()
    return _MAKERS[algorithm](usedforsecurity=False)


def digests_of(stream: BinaryIO, algorithms: Sequence[str]) -> tuple[int, list[str]]:
    """Read to the end; give the number of bytes and a digest for each algorithm.

    >>> import io
    >>> digests_of(io.BytesIO(b"abc"), ["md5"])
    (3, ['900150983cd24fb0d6963f7d28e17f72'])
    """
    digests = [new_digest(algorithm) for algorithm in algorithms]
    size = 0
    while chunk := stream.read(CHUNK_BYTES):
        check_alive()
        for digest in digests:
            digest.update(chunk)
        size += len(chunk)
    return size, [digest.hexdigest() for digest in digests]


def md5_of_text(stream: BinaryIO) -> str:
    """Read to the end; give the MD5 that Node's ``update`` makes of a file when it was
    read as text: ``createHash('md5').update(readFileSync(path, 'binary'))``.

    Each byte is a character then, and what is hashed is its UTF-8. Two files differ in
    this exactly when they differ. The generators that Cocos' tutorials once showed did
    it, so for files with a byte above 127 real manifests have this instead of the MD5.

    >>> import io
    >>> md5_of_text(io.BytesIO(b"abc")) == digests_of(io.BytesIO(b"abc"), ["md5"])[1][0]
    True
    """
    digest = new_digest("md5")
    while chunk := stream.read(CHUNK_BYTES):
        check_alive()
        digest.update(chunk.decode("latin-1").encode())
    return digest.hexdigest()


def digest_of(content: bytes | memoryview, algorithm: str) -> str:
    """Return the digest of what was read already, in lower case hex digits.

    >>> digest_of(b"abc", "md5")
    '900150983cd24fb0d6963f7d28e17f72'
    """
    if algorithm in _MAKERS:
        return _MAKERS[algorithm](content, usedforsecurity=False).hexdigest()
    digest = new_digest(algorithm)
    digest.update(content)
    return digest.hexdigest()


def sha256_of(stream: BinaryIO) -> tuple[int, str]:
    """Read to the end; give the number of bytes and their SHA-256 in hex digits.

    >>> import io
    >>> sha256_of(io.BytesIO(b"abc"))[1][:16]
    'ba7816bf8f01cfea'
    """
    size, (digest,) = digests_of(stream, ["sha256"])
    return size, digest
