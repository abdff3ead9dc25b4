"""Answers of HTTP/1.1, read from bytes as they come in.

Nothing here waits: what reads an answer is a generator that yields ``None`` wherever it
needs more bytes, so that one connection can be waited for, or many at once.

https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

BUFFER_BYTES = 1 << 17  # a connection's; most files of a game fit
LEAST_ROOM_BYTES = BUFFER_BYTES // 4  # to receive into
MAX_HEAD_BYTES = 1 << 16
_STATUS = re.compile(r"HTTP/1\.([01]) ([1-5][0-9]{2})(?: |$)")
_LENGTH = re.compile("[0-9]{1,18}")
_CHUNK = re.compile(rb"[0-9A-Fa-f]{1,15}")


class NoAnswerError(Exception):
    """No whole answer came; the message is the reason. ``is_passing`` says whether
    another try may have one."""

    def __init__(self, reason: str, *, is_passing: bool = True) -> None:
        super().__init__(reason)
        self.is_passing = is_passing


class GoneError(NoAnswerError):
    """The connection ended before a byte of the answer came."""


class Head(NamedTuple):
    """An answer's status, its headers by their names in lower case, and whether the
    connection may be kept; what stands there several times has commas between."""

    status: int
    headers: dict[str, str]
    is_kept: bool


class Incoming:
    """What came over a connection, read as one answer after the other."""

    def __init__(self) -> None:
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0  # of what was received and not yet read
        self._is_ended = False

    def room(self) -> memoryview:
        """Return where the next bytes belong."""
        if self._start == self._end:
            self._start = self._end = 0
        elif BUFFER_BYTES - self._end < LEAST_ROOM_BYTES:
            rest = bytes(self._view[self._start : self._end])
            self._view[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        return self._view[self._end :]

    def received(self, count: int) -> None:
        """Take so many bytes, which were written there; 0 is the connection's end."""
        self._end += count
        self._is_ended = not count

    @property
    def is_empty(self) -> bool:
        """Return whether all that came was read."""
        return self._start == self._end

    def head(self) -> Generator[None, None, Head]:
        """Read the head of an answer, and return it. Raises NoAnswerError."""
        while True:
            end = self._buffer.find(b"\r\n\r\n", self._start, self._end)
            if end >= 0:
                head = _head_of(bytes(self._view[self._start : end]))
                self._start = end + 4
                if head.status >= 200:
                    return head
                continue
            if self._end - self._start > MAX_HEAD_BYTES:
                raise NoAnswerError("its headers have no end")
            if self._is_ended:
                reason = "the connection ended before an answer came"
                raise GoneError(reason) if self.is_empty else NoAnswerError(reason)
            yield

    def body(self, head: Head) -> Generator[memoryview | None, None, bool]:
        """Yield the body of an answer as it came, in pieces that hold until the next
        one is taken, and return whether the connection may be kept. Raises
        NoAnswerError where it ends before its end."""
        headers = head.headers
        if "chunked" in headers.get("transfer-encoding", "").lower():
            yield from self._chunks()
        elif (length := headers.get("content-length")) is not None:
            if not _LENGTH.fullmatch(length):
                raise NoAnswerError(f"its Content-Length is no length: {length[:40]}")
            yield from self._bytes(int(length))
        elif head.status not in (204, 304):
            yield from self._rest()
            return False
        return head.is_kept

    def whole_body(self, head: Head) -> memoryview | None:
        """Read the body of an answer, if it is there to its last byte and not in
        chunks: much quicker than ``body``. It holds until more is received."""
        headers = head.headers
        length = headers.get("content-length", "")
        if "transfer-encoding" in headers or not _LENGTH.fullmatch(length):
            return None
        start = self._start
        end = start + int(length)
        if end > self._end:
            return None
        self._start = end
        return self._view[start:end]

    def _bytes(self, length: int) -> Generator[memoryview | None, None, None]:
        left = length
        while left:
            if self._start == self._end:
                if self._is_ended:
                    came = length - left
                    raise NoAnswerError(
                        f"the connection ended after {came:,} of {length:,} bytes"
                    )
                yield None
                continue
            piece = self._view[self._start : min(self._end, self._start + left)]
            self._start += len(piece)
            left -= len(piece)
            yield piece

    def _chunks(self) -> Generator[memoryview | None, None, None]:
        while True:
            size = _CHUNK.match((yield from self._line()))
            if size is None:
                raise NoAnswerError("a chunk of its body has no size")
            if not (length := int(size[0], 16)):
                break
            yield from self._bytes(length)
            if (yield from self._line()):
                raise NoAnswerError("a chunk of its body has no end")
        while (yield from self._line()):  # what comes after the body
            pass

    def _rest(self) -> Generator[memoryview | None, None, None]:
        while True:
            if self._start < self._end:
                piece = self._view[self._start : self._end]
                self._start = self._end
                yield piece
            elif self._is_ended:
                return
            else:
                yield None

    def _line(self) -> Generator[None, None, bytes]:
        while (end := self._buffer.find(b"\r\n", self._start, self._end)) < 0:
            if self._end - self._start > MAX_HEAD_BYTES:
                raise NoAnswerError("its body has a line without an end")
            if self._is_ended:
                raise NoAnswerError("the connection ended before the body did")
            yield
        line = bytes(self._view[self._start : end])
        self._start = end + 2
        return line


def _head_of(content: bytes) -> Head:
    lines = content.split(b"\r\n")
    version, status = _status_of(lines[0])
    fields = lines[1:]
    headers = dict(map(_field_of, fields))
    if len(headers) < len(fields):
        headers = _joined(map(_field_of, fields))
    is_kept = version == "1" and "close" not in headers.get("connection", "").lower()
    return Head(status, headers, is_kept)


def _joined(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return fields by their names, of which some are there several times."""
    headers: dict[str, str] = {}
    for name, value in fields:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


@lru_cache(16)
def _status_of(line: bytes) -> tuple[str, int]:
    status = _STATUS.match(line.decode("latin-1"))
    if status is None:
        raise NoAnswerError("the answer is not HTTP/1.1")
    return status[1], int(status[2])


# Most lines are the same in thousands of answers.
@lru_cache(512)
def _field_of(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name.lower(), value.strip(" \t")
