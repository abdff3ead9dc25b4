"""Read a manifest as a stream, and refuse what is broken or hostile.

Nothing of a release is opened before the whole manifest was read once (``verify``).
Memory stays small at a million files: 64-bit hashes are kept of the paths, no texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import BinaryIO

from resources.collisions import Names
from resources.errors import ManifestError
from resources.manifest import FORMAT, Entry, Header
from resources.manifest_fields import Lines
from resources.paths import fold, reason_against
from resources.strict_json import Value
from resources.versions import is_version

_HEADER_KEYS = {"format", "platform", "version", "hash", "files", "bytes"}
_ENTRY_KEYS = {"path", "size", "sha256"}
_OPTIONAL_KEYS = {"md5", "in"}

# Nearly every line looks like this. Reading it so is 3 times faster than as JSON and
# gives the same: each part takes only what the fields' own checks take.
_PLAIN_ENTRY = re.compile(
    rb'\{"path": ?"([A-Za-z0-9_/.-]{1,1024})", ?"size": ?(0|[1-9][0-9]{0,14}),'
    rb' ?"sha256": ?"([0-9a-f]{64})"\}\n'
)


class Manifest:
    """A manifest that can be read several times, as a stream each time.

    Parameters: ``name`` is what messages call it; ``opener`` opens it anew at its
    first byte; ``published`` allows entries to name another version (``in``);
    ``documents`` are the names of the files it lies in, which are no entries.
    Raises ManifestError, also from ``entries``, naming the line and the reason.
    """

    def __init__(
        self,
        name: str,
        opener: Callable[[], BinaryIO],
        *,
        platform: str,
        version: str,
        published: bool,
        documents: Collection[str] = (),
    ) -> None:
        self.name = name
        self.documents = documents
        self._opener = opener
        self._published = published
        self._digest: str | None = None
        with self._opener() as stream:
            self.header = self._read_header(Lines(stream, name))
        self._check_owner(platform, version)

    @property
    def files(self) -> int:
        """How many files it lists."""
        return self.header.files

    @property
    def sha256(self) -> str:
        """The manifest's digest as its last line names it; reads it all once."""
        if self._digest is None:
            self.verify()
        return str(self._digest)

    def verify(self) -> None:
        """Read the manifest to its end, so that every rule has been checked."""
        for _ in self.entries():
            pass

    def entries(self) -> Iterator[Entry]:
        """Yield the files in ascending order of their path's UTF-8 bytes."""
        names = None if self._digest else Names(self._first_with)
        with self._opener() as stream:
            lines = Lines(stream, self.name)
            header = self._read_header(lines)
            files = total_bytes = 0
            previous = b""
            while True:
                line = lines.next_line()
                entry = _plain_entry(line)
                if entry is None:
                    values = lines.parse(line)
                    if "end" in values:
                        break
                    entry = self._entry(lines, values)
                elif reason := reason_against(entry.path):
                    raise lines.error(f'the path {reason}: "{entry.path}"')
                key = entry.path.encode()
                if key <= previous:
                    raise lines.error("the path is not after the one before it")
                previous = key
                if names is not None and (
                    reason := names.add(entry.path, lines.line_number)
                ):
                    raise lines.error(reason)
                files += 1
                total_bytes += entry.size
                yield entry
            self._check_end(lines, values, files)
            if (files, total_bytes) != (header.files, header.total_bytes):
                raise lines.error(
                    f"there are {files} files of {total_bytes} bytes, but line 1 says"
                    f" {header.files} files of {header.total_bytes} bytes"
                )

    def _check_owner(self, platform: str, version: str) -> None:
        for kind, found, wanted in (
            ("platform", self.header.platform, platform),
            ("version", self.header.version, version),
        ):
            if found != wanted:
                raise ManifestError(
                    f'{self.name} line 1: the {kind} is "{found}", not "{wanted}"'
                )

    def _read_header(self, lines: Lines) -> Header:
        values = lines.next_object()
        if values.get("format") != FORMAT:
            raise lines.error(f'the format is not "{FORMAT}"')
        lines.check_keys(values, _HEADER_KEYS, set())
        if values["hash"] != "sha256":
            raise lines.error('the hash is not "sha256"')
        return Header(
            lines.text(values, "platform"),
            lines.text(values, "version"),
            lines.number(values, "files"),
            lines.number(values, "bytes"),
        )

    def _entry(self, lines: Lines, values: dict[str, Value]) -> Entry:
        lines.check_keys(values, _ENTRY_KEYS, _OPTIONAL_KEYS)
        path = lines.text(values, "path")
        if reason := reason_against(path):
            raise lines.error(f'the path {reason}: "{path}"')
        sha256 = lines.digest(values, "sha256")
        md5 = lines.digest(values, "md5") if "md5" in values else None
        held_in = lines.text(values, "in") if "in" in values else None
        if held_in is not None:
            self._check_held_in(lines, held_in)
        return Entry(path, lines.number(values, "size"), sha256, md5, held_in)

    def _check_held_in(self, lines: Lines, held_in: str) -> None:
        if not self._published:
            raise lines.error('"in" belongs into published manifests only')
        if not is_version(held_in):
            raise lines.error('"in" is not a version')

    def _check_end(self, lines: Lines, values: dict[str, Value], files: int) -> None:
        digest = lines.digest_before
        lines.check_keys(values, {"end", "sha256"}, set())
        if lines.digest(values, "sha256") != digest:
            raise lines.error("the digest is not that of the lines before")
        if lines.number(values, "end") != files:
            raise lines.error(f"the end does not count {files} files")
        if lines.has_more():
            raise lines.error("there are bytes after the end")
        if self._digest not in (None, digest):
            raise ManifestError(f"{self.name} changed while it was being read")
        self._digest = digest

    def _first_with(self, folded: str) -> int | None:
        """Give the first line whose path or folder is ``folded``, or None."""
        with self._opener() as stream:
            lines = Lines(stream, self.name)
            lines.next_object()
            while "end" not in (values := lines.next_object()):
                found = fold(str(values.get("path")))
                if found == folded or found.startswith(folded + "/"):
                    return lines.line_number
        return None


def _plain_entry(line: bytes) -> Entry | None:
    found = _PLAIN_ENTRY.fullmatch(line)
    if found is None:
        return None
    path, size, sha256 = found.groups()
    return Entry(path.decode("ascii"), int(size), sha256.decode("ascii"))
