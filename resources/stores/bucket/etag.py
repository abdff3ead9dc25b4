"""What a server's ETag says of what it stored."""

from __future__ import annotations

import hashlib
import re

_MD5 = re.compile(r'"?([0-9a-f]{32})"?')


def md5_of_etag(etag: str | None) -> str:
    """Return the MD5 that an ETag seems to be, empty where it has another form.

    Servers that encrypt with a key of their own give others of the same form. OSS
    writes it in capitals.

    >>> md5_of_etag('"900150983cd24fb0d6963f7d28e17f72-3"')
    ''
    """
    found = _MD5.fullmatch((etag or "").lower())
    return found[1] if found else ""


class EtagDigest:
    """The ETag a server that stores what it got gives: an MD5, or one of MD5s.

    S3 and its likes promise this for objects that are not encrypted with a key of
    their own. Source: Amazon S3 API Reference, "Object".
    """

    def __init__(self, part_bytes: int | None = None) -> None:
        self._part_bytes = part_bytes
        self._in_part = 0
        self._part = hashlib.md5(usedforsecurity=False)
        self._parts: list[bytes] = []

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        view = memoryview(chunk)
        while self._part_bytes and self._in_part + len(view) >= self._part_bytes:
            rest = self._part_bytes - self._in_part
            self._part.update(view[:rest])
            self._end_part()
            view = view[rest:]
        self._part.update(view)
        self._in_part += len(view)

    def matches(self, etag: str | None) -> bool:
        """Return whether a server that gives this ETag has got just these bytes."""
        if self._part_bytes is None:
            expected = self._part.hexdigest()
        else:
            if self._in_part:
                self._end_part()
            whole = hashlib.md5(b"".join(self._parts), usedforsecurity=False)
            expected = f"{whole.hexdigest()}-{len(self._parts)}"
        return etag is not None and etag.strip('"').lower() == expected

    def _end_part(self) -> None:
        self._parts.append(self._part.digest())
        self._part = hashlib.md5(usedforsecurity=False)
        self._in_part = 0
