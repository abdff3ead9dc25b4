"""The lines of a manifest as checked values; messages name line and reason."""

from __future__ import annotations

import hashlib
import re
from typing import BinaryIO

from resources.errors import ManifestError
from resources.manifests.strict_json import Value, parse_object

# A path of 1,024 bytes is at most 6 times as long when each byte is written \u00XX.
MAX_LINE_BYTES = 8192
MAX_SIZE = 2**53 - 1  # bytes; the largest number every JSON reader keeps exactly

_DIGESTS = {"sha256": re.compile(r"[0-9a-f]{64}"), "md5": re.compile(r"[0-9a-f]{32}")}


class Lines:
    """The manifest's lines as objects, with number and running digest."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._digest = hashlib.sha256()
        self.line_number = 0
        self.line = b""  # the one that was read last
        self.offset = 0  # of the line after it

    def next_object(self) -> dict[str, Value]:
        """Read the next line; raises ManifestError when it is broken or missing."""
        return self.parse(self.next_line())

    def next_line(self) -> bytes:
        """Read the next line with its line feed; raises ManifestError."""
        line = self.next_line_or_end()
        if not line:
            raise self.error("the end is missing: the manifest is cut off")
        return line

    def next_line_or_end(self) -> bytes:
        """Read the next line, or give b"" at the end; raises as ``next_line``."""
        self._digest.update(self.line)
        self.line_number += 1
        self.line = line = self._stream.readline(MAX_LINE_BYTES + 1)
        self.offset += len(line)
        if len(line) > MAX_LINE_BYTES:
            raise self.error(f"the line is longer than {MAX_LINE_BYTES} bytes")
        if line and not line.endswith(b"\n"):
            raise self.error("the line feed is missing: the manifest is cut off")
        if self.line_number == 1 and line.startswith(b"\xef\xbb\xbf"):
            raise self.error("the manifest starts with a byte order mark")
        return line

    def parse(self, line: bytes) -> dict[str, Value]:
        """Read the values of the line that was read last; raises ManifestError."""
        try:
            return parse_object(line[:-1])
        except ValueError as reason:
            raise self.error(f"the line {reason}") from None

    @property
    def digest_before(self) -> str:
        """The SHA-256 of all bytes before the line that was read last."""
        return self._digest.hexdigest()

    @property
    def digest_with(self) -> str:
        """The SHA-256 of all bytes up to the end of the line that was read last."""
        digest = self._digest.copy()
        digest.update(self.line)
        return digest.hexdigest()

    def has_more(self) -> bool:
        """Return whether bytes are left."""
        return self._stream.read(1) != b""

    def error(self, reason: str) -> ManifestError:
        """Make the error that names this line and the reason."""
        return ManifestError(f"{self._name} line {self.line_number}: {reason}")

    def check_keys(
        self, values: dict[str, Value], needed: set[str], optional: set[str]
    ) -> None:
        """Raise ManifestError unless exactly the known keys are there."""
        keys = set(values)
        if missing := sorted(needed - keys):
            raise self.error(f'"{missing[0]}" is missing')
        if unknown := sorted(keys - needed - optional):
            raise self.error(f'the key "{unknown[0]}" is unknown')

    def text(self, values: dict[str, Value], key: str) -> str:
        """Return a text, or raise ManifestError."""
        value = values[key]
        if not isinstance(value, str):
            raise self.error(f'"{key}" is not a text')
        return value

    def number(self, values: dict[str, Value], key: str) -> int:
        """Return a whole number from 0 to ``MAX_SIZE``, or raise ManifestError."""
        value = values[key]
        if type(value) is not int or value > MAX_SIZE:
            raise self.error(f'"{key}" is not a whole number up to {MAX_SIZE}')
        return value

    def digest(self, values: dict[str, Value], key: str) -> str:
        """Return a digest in the form its algorithm has, or raise ManifestError."""
        value = self.text(values, key)
        if not _DIGESTS[key].fullmatch(value):
            raise self.error(f'"{key}" is not a digest in lower case hex digits')
        return value
