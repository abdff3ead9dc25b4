"""What came as the body of an answer, and what is in it where it is compressed."""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GZIP = b"\x1f\x8b"  # what each gzip stream begins with: RFC 1952, 2.3.1
MAX_LAYERS = 4  # nobody compresses more than three times
_STEP_BYTES = 1 << 18  # that are decompressed at a time
_OF_GZIP = 16 + zlib.MAX_WBITS


class Sink(Protocol):
    """What takes bytes, one piece after the other."""

    size: int  # of all pieces so far, in bytes

    def add(self, data: memoryview | bytes) -> None:
        """Take a piece, which holds only now."""


S = TypeVar("S", bound=Sink)


class Layer(Generic[S]):
    """Bytes, and beneath them what they are once they are decompressed, if they look
    like a gzip stream.

    Parameters: ``make`` gives the sink of each layer; ``at_most`` is how many bytes
    are decompressed for one, so that a small answer never becomes a large one.
    """

    def __init__(self, make: Callable[[], S], at_most: int, depth: int = 1) -> None:
        self.sink = make()
        self.inner: Layer[S] | None = None
        self.is_whole = True  # unless it is an inner one whose stream is cut or broken
        self._make, self._at_most, self._depth = make, at_most, depth
        self._beginning: bytes | None = b""  # None once it is known what it is
        self._stream: zlib._Decompress | None = None

    def add(self, data: memoryview | bytes) -> None:
        """Take a piece."""
        self.sink.add(data)
        if self._beginning is not None:
            data = self._looked_at(data, self._beginning)
        if self.inner is not None and self._stream is not None:
            self._decompress(data, self._stream, self.inner)

    def close(self) -> None:
        """Take no more: a stream that has no end now is cut."""
        if self.inner is not None and self._stream is not None:
            self.inner.is_whole = self.inner.is_whole and self._stream.eof
            self.inner.close()

    def layers(self) -> Iterator[Layer[S]]:
        """Yield this one and those beneath it that are whole: as it came, decompressed
        once, twice."""
        layer: Layer[S] | None = self
        while layer is not None and layer.is_whole:
            yield layer
            layer = layer.inner

    def _looked_at(self, data: memoryview | bytes, before: bytes) -> memoryview | bytes:
        beginning = before + bytes(data[:2])
        if len(beginning) < 2:
            self._beginning = beginning
            return b""
        self._beginning = None
        if beginning[:2] == GZIP and self._depth < MAX_LAYERS:
            self._stream = zlib.decompressobj(_OF_GZIP)
            self.inner = Layer(self._make, self._at_most, self._depth + 1)
            return before + bytes(data)
        return data

    def _decompress(
        self, data: memoryview | bytes, stream: zlib._Decompress, inner: Layer[S]
    ) -> None:
        try:
            while inner.is_whole and data and not stream.eof:
                inner.add(stream.decompress(data, _STEP_BYTES))
                data = stream.unconsumed_tail
                inner.is_whole = inner.sink.size <= self._at_most
        except zlib.error:
            inner.is_whole = False


class Digest:
    """A sink that keeps the size and the SHA-256 of what it takes."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256(usedforsecurity=False)

    def add(self, data: memoryview | bytes) -> None:
        self.size += len(data)
        self._hash.update(data)

    @property
    def sha256(self) -> str:
        """Return the digest as hex digits."""
        return self._hash.hexdigest()


class Content:
    """A sink that keeps what it takes, in memory."""

    def __init__(self) -> None:
        self.size = 0
        self._pieces: list[bytes] = []

    def add(self, data: memoryview | bytes) -> None:
        self.size += len(data)
        self._pieces.append(bytes(data))

    @property
    def content(self) -> bytes:
        """Return all of it."""
        return b"".join(self._pieces)
