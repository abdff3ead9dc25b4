"""The manifest ``release-manifest/1``: what it holds, and how it is written.

JSON Lines: a header, one line a file in ascending order of the path's UTF-8 bytes,
and an end with the number of files and the SHA-256 of all bytes before it, so that a
truncated manifest is seen. It is read and written as a stream; ``reader.py`` reads it.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator
from itertools import chain
from json.encoder import encode_basestring
from typing import NamedTuple

FORMAT = "release-manifest/1"
HEX_DIGITS = 16  # of a digest, in the number that a content is known by

# Between the fields of a file's line.
_SIZE = b'", "size": '
_DIGEST = b', "sha256": "'


class Header(NamedTuple):
    """The first line: whose manifest it is, and the totals it promises."""

    platform: str
    version: str
    files: int
    total_bytes: int


class Entry(NamedTuple):
    """One file: its path, its size in bytes, its digest as 64 lower case hex digits.

    ``held_in`` (key ``in``) names the version whose folder in the store holds the
    object; None means the manifest's own. ``held_at`` (key ``at``) is the path that the
    object has there; None means the file's own.
    """

    path: str
    size: int
    sha256: str
    md5: str | None = None
    held_in: str | None = None
    held_at: str | None = None

    @property
    def stored(self) -> Entry:
        """Return the entry under the path that the object has in the store."""
        if self.held_at is None:
            return self
        return self._replace(path=self.held_at, held_at=None)

    @property
    def algorithm(self) -> str:
        """Return what ``digest`` is made with."""
        return "sha256"

    @property
    def digest(self) -> str:
        """The digest that a check compares."""
        return self.sha256


def manifest_lines(header: Header, entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield the lines of a manifest, each with its line feed.

    Raises ValueError when the entries are not strictly ascending or don't add up to
    the header's totals: such a manifest would be refused by every reader.
    """
    return sealed_lines(header, _checked_lines(header, entries))


def sealed_lines(header: Header, lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a manifest whose entries' lines are right already, in any pieces."""
    digest = hashlib.sha256()
    first = _line(
        {
            "format": FORMAT,
            "platform": header.platform,
            "version": header.version,
            "hash": "sha256",
            "files": header.files,
            "bytes": header.total_bytes,
        }
    )
    for line in chain((first,), lines):
        digest.update(line)
        yield line
    yield _line({"end": header.files, "sha256": digest.hexdigest()})


def _checked_lines(header: Header, entries: Iterable[Entry]) -> Iterator[bytes]:
    files = total_bytes = 0
    previous = b""
    for entry in entries:
        key = entry.path.encode()
        if key <= previous:
            raise ValueError(f"not ascending: {entry.path!r}")
        previous = key
        files += 1
        total_bytes += entry.size
        yield entry_line(entry)
    if (files, total_bytes) != (header.files, header.total_bytes):
        raise ValueError(f"{files} files of {total_bytes} bytes, not as in {header}")


def entry_line(entry: Entry) -> bytes:
    """Return the manifest's line for one file."""
    # Several times faster than json.dumps, and the same.
    md5 = "" if entry.md5 is None else f', "md5": "{entry.md5}"'
    held_in = "" if entry.held_in is None else f', "in": "{entry.held_in}"'
    held_at = "" if entry.held_at is None else at_field(entry.held_at)
    return (
        f'{{"path": {encode_basestring(entry.path)}, "size": {entry.size},'
        f' "sha256": "{entry.sha256}"{md5}{held_in}{held_at}}}\n'
    ).encode()


def at_field(path: str) -> str:
    """Return what a line has of the path that an object has in the store.

    >>> at_field("img/a.png")
    ', "at": "img/a.png"'
    """
    return f', "at": {encode_basestring(path)}'


def content_line(entry: Entry) -> bytes:
    """Return what the manifest's line says of the file itself: all but where it
    lies."""
    return entry_line(entry._replace(md5=None, held_in=None, held_at=None))[:-2]


def path_of(line: bytes) -> bytes:
    """Return the path of a line of ``content_line``, as it is written there.

    >>> path_of(content_line(Entry("a.png", 1, "0" * 64)))
    b'a.png'
    """
    return line[len(b'{"path": "') : line.rindex(_SIZE)]


def size_of(line: bytes) -> int:
    """Return the size of a line of ``content_line``.

    >>> size_of(content_line(Entry("a.png", 12, "0" * 64)))
    12
    """
    return int(line[line.rindex(_SIZE) + len(_SIZE) : -len(_DIGEST) - 65])


def digest_of(line: bytes) -> bytes:
    """Return the digest of a line of ``content_line``.

    >>> digest_of(content_line(Entry("a.png", 12, "0" * 64))) == b"0" * 64
    True
    """
    return line[-65:-1]


def keys_of(lines: list[bytes]) -> array[int]:
    """Return the contents of lines of ``content_line`` as numbers, the first 64 bits of
    their digests: different ones are of different contents."""
    digits = b"".join([digest_of(line)[:HEX_DIGITS] for line in lines])
    return array("Q", bytes.fromhex(digits.decode()))


def _line(values: dict[str, str | int]) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode() + b"\n"
