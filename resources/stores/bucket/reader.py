"""Read an object as a stream, and go on where an answer was cut off."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from resources.errors import MissingFileError, StoreError
from resources.stores.backend import LostRaceError
from resources.stores.bucket.retrying import Requests

READ_BYTES = 1 << 20


def open_object(requests: Requests, key: str) -> BinaryIO:
    """Open an object. Raises MissingFileError."""
    reader = _Reader(_Chunks(requests, key))
    return cast(BinaryIO, io.BufferedReader(reader, READ_BYTES))


class _Chunks:
    """An object's bytes, asked for once and again from where the last answer ended."""

    def __init__(self, requests: Requests, key: str) -> None:
        self._requests = requests
        self._key = key
        self._etag: str | None = None
        self._size = 0
        self._position = 0
        self._answer: Iterator[bytes] | None = requests.ask(
            self._request, f"read {key}"
        )

    def next(self) -> bytes:
        """Return the next bytes, none at the end."""
        if self._position >= self._size:
            return b""
        try:
            chunk = self._requests.ask(self._next, f"read {self._key}")
        except (MissingFileError, LostRaceError):
            raise StoreError(f"{self._key} changed while it was read") from None
        self._position += len(chunk)
        return chunk

    def rewind(self) -> None:
        """Begin again; an object that is another by then is an error of ``next``."""
        if self._position:
            self._position = 0
            self._answer = None

    @property
    def position(self) -> int:
        """Return how many bytes were given."""
        return self._position

    def _next(self) -> bytes:
        answer = self._answer or self._request()
        self._answer = None  # a cut answer gives nothing more
        chunk = bytes(next(answer, b""))
        self._answer = answer
        return chunk

    def _request(self) -> Iterator[bytes]:
        options: dict[str, Any] = {}
        if self._etag:
            options["if_match"] = self._etag
        if self._position:
            options["range"] = {"offset": self._position}
        found = self._requests.obstore.get(
            self._requests.client, self._key, options=options or None
        )
        self._etag, self._size = found.meta["e_tag"], found.meta["size"]
        return iter(found.stream(min_chunk_size=READ_BYTES))


class _Reader(io.RawIOBase):
    """A stream over chunks."""

    def __init__(self, chunks: _Chunks) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        """Return True: its beginning can be read again, as an upload does that is
        tried again, and nothing else."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        here = self._chunks.position - len(self._rest)
        if (offset, whence) == (0, io.SEEK_CUR):
            return here
        if (offset, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation("only the beginning can be read again")
        self._chunks.rewind()
        self._rest = memoryview(b"")
        return 0

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(self._chunks.next())
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
