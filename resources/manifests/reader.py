"""Read a manifest as a stream, and refuse what is broken or hostile.

Nothing of a release is opened before the whole manifest was read once (``verify``).
Memory stays small at a million files: 64-bit hashes are kept of the paths, no texts.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from operator import attrgetter
from typing import BinaryIO, NamedTuple

from resources.errors import ManifestError
from resources.files.hashing import sha256_of
from resources.manifests.collisions import Names
from resources.manifests.fast_path import (
    plain_content_lines,
    plain_entries,
    plain_held,
    plain_held_at,
    plain_holders,
    plain_keys,
    plain_lines_held,
    plain_paths,
    plain_paths_and_sizes,
    plain_selection,
    plain_stored,
    prove_manifest,
)
from resources.manifests.fields import Lines
from resources.manifests.format import Entry, content_line, entry_line
from resources.manifests.header import read_header
from resources.manifests.line_file import (
    Block,
    LineFile,
    NewBlock,
    block_digest,
    neighbours,
)
from resources.manifests.paths import fold, reason_against
from resources.manifests.strict_json import Value
from resources.versions import is_version

_ENTRY_KEYS = {"path", "size", "sha256"}
_OPTIONAL_KEYS = {"md5", "in", "at"}

FEW_OF = 10  # files of a block: one of so many is found quicker than all are read

# In blocks of a manifest that is read line by line.
LINES_A_BLOCK = 1000


class Held(NamedTuple):
    """Where the files of a block lie in a store, by their content lines: ``versions``
    are those that hold them, ``paths`` those that are others there."""

    versions: dict[bytes, str]
    paths: dict[bytes, str]


class Listed(NamedTuple):
    """Paths, sizes and content lines of a block, each in the lines' order; see
    ``Manifest.content_lines``."""

    paths: list[str]
    sizes: list[int]
    lines: list[bytes]


class Manifest:
    """A manifest that can be read several times, as a stream each time.

    Parameters: ``name`` is what messages call it; ``file`` is its content;
    ``published`` allows entries to name another version (``in``);
    ``documents`` are the names of the files it lies in, which are no entries.
    Raises ManifestError, also from what reads it, naming the line and the reason.
    """

    def __init__(
        self,
        name: str,
        file: LineFile,
        *,
        platform: str,
        version: str,
        published: bool,
        documents: Collection[str] = (),
    ) -> None:
        self.name = name
        self.documents = documents
        self._file = file
        self._published = published
        self._digest: str | None = None
        self._whole_digest = ""
        self._blocks: list[Block] = []
        self._plain = False  # see plain_lines
        lines = Lines(self._file.open(), name)
        self.header = read_header(lines)
        self._start = lines.offset
        self._check_owner(platform, version)

    @property
    def files(self) -> int:
        """Return how many files it lists."""
        return self.header.files

    @property
    def sha256(self) -> str:
        """The manifest's digest as its last line names it; reads it all once."""
        self.verify()
        return str(self._digest)

    def verify(self) -> None:
        """Read the manifest to its end, so that every rule has been checked."""
        if self._digest is not None:
            return
        proved = prove_manifest(
            self._file, self._start, self.header, published=self._published
        )
        self._plain = proved is not None
        if proved is None:
            self._blocks = list(self._read_lines())
        else:
            self._blocks, self._digest, self._whole_digest = proved

    def is_in(self, stream: BinaryIO) -> bool:
        """Return whether a file has the very bytes that were verified: then they need
        not be read by their rules once more."""
        self.verify()
        return sha256_of(stream)[1] == self._whole_digest

    def blocks(self) -> list[Block]:
        """Return the entries in blocks, to be read by ``entries_of``."""
        self.verify()
        return self._blocks

    def pieces(self) -> Iterator[list[Block]]:
        """Verify the manifest, then yield its blocks, as many neighbours at a time as
        one helper takes."""
        return neighbours(self.blocks())

    def entries_of(self, block: Block) -> list[Entry]:
        """Read the entries of a block, in ascending order.

        Raises ManifestError when they aren't any more what they were when they were
        verified.
        """
        data = self._content(block)
        return plain_entries(data) if self._plain else self._entries_of_lines(block)

    def held(self, block: Block) -> Held:
        """Read where each file of a block lies in a store."""
        own = self.header.version
        if self._plain:
            data = self._content(block)
            holders = plain_holders(data, own, is_bare=block.is_bare)
            return Held(holders, {} if block.is_bare else plain_held_at(data))
        found = Held({}, {})
        for entry in self.entries_of(block):
            line = content_line(entry)
            found.versions[line] = entry.held_in or own
            if entry.held_at is not None:
                found.paths[line] = entry.held_at
        return found

    def held_of(self, block: Block, lines: Collection[bytes]) -> Held:
        """Read where some files of a block lie in a store, if it has them: quickest of
        a few content lines."""
        if not self._plain or len(lines) * FEW_OF > block.files:
            return self.held(block)
        own, found = self.header.version, Held({}, {})
        for line, held_in, held_at in plain_held(self._content(block), lines):
            found.versions[line] = held_in or own
            if held_at is not None:
                found.paths[line] = held_at
        return found

    def selected(self, block: Block, wanted: list[bool]) -> list[Entry]:
        """Read some entries of a block, and not the others."""
        if self._plain:
            return plain_entries(plain_selection(self._content(block), wanted))
        return list(compress(self.entries_of(block), wanted))

    def lines_held(
        self,
        block: Block,
        holders: Sequence[str | None],
        codes: Iterable[int],
        held_at: Mapping[int, str],
    ) -> bytes:
        """Return the lines of a block for a published manifest.

        ``holders`` are the versions that hold files, None for the manifest's own;
        ``codes`` has the place in there for each file; ``held_at`` the paths of files
        that have another there, by their places in the block.
        """
        if self._plain:
            return plain_lines_held(self._content(block), holders, codes, held_at)
        pairs = zip(self.entries_of(block), codes, strict=True)
        return b"".join(
            entry_line(
                entry._replace(held_in=holders[code], held_at=held_at.get(place))
            )
            for place, (entry, code) in enumerate(pairs)
        )

    def paths(self) -> Iterator[bytes]:
        """Yield the files' paths, ascending."""
        for block in self.blocks():
            if self._plain:
                yield from plain_paths(self._content(block))
            else:
                yield from [entry.path.encode() for entry in self.entries_of(block)]

    def entries(self) -> Iterator[Entry]:
        """Yield the files in ascending order of their path's UTF-8 bytes."""
        for block in self.blocks():
            yield from self.entries_of(block)

    def entry(self, path: str) -> Entry | None:
        """Find the entry of a file."""
        key = path.encode()
        for block in self.blocks_between(key, key):
            for entry in self.entries_of(block):
                if entry.path == path:
                    return entry
        return None

    def blocks_between(self, first: bytes, last: bytes) -> list[Block]:
        """Return every block that may have paths between these two."""
        blocks = self.blocks()
        start = bisect_left(blocks, first, key=attrgetter("last"))
        end = bisect_right(blocks, last, key=attrgetter("first"))
        return blocks[start:end]

    def paths_and_sizes(self, block: Block) -> tuple[list[str], list[int]]:
        """Read only the paths and sizes of a block's files."""
        if self._plain:
            return plain_paths_and_sizes(self._content(block))
        entries = self.entries_of(block)
        return [entry.path for entry in entries], [entry.size for entry in entries]

    def stored(self, block: Block) -> Iterator[tuple[str, list[str], list[int]]]:
        """Yield where the files of a block are to lie in a store: a version, the paths
        in its folder, and their sizes."""
        if self._plain:
            found = plain_stored(self._content(block))
        else:
            entries = self.entries_of(block)
            found = ((e.held_in, [e.stored.path], [e.size]) for e in entries)
        for held_in, paths, sizes in found:
            yield held_in or self.header.version, paths, sizes

    def has_md5(self, block: Block) -> bool:
        """Return whether a block's files may have that digest, too."""
        return not self._plain or b', "md5": "' in self._content(block)

    def content_keys(self, block: Block) -> array[int]:
        """Read the contents of a block's files as numbers, the first 64 bits of their
        digests: different ones are of different contents."""
        if self._plain:
            return plain_keys(self._content(block))
        digits = "".join(entry.sha256[:16] for entry in self.entries_of(block))
        return array("Q", bytes.fromhex(digits))

    def content_lines(self, block: Block) -> list[bytes]:
        """Read what a block's lines say of the files themselves; files of the same path
        and content give the same lines. See ``manifest.content_line``."""
        if self._plain:
            data = self._content(block)
            return plain_content_lines(data, is_bare=block.is_bare)
        return [content_line(entry) for entry in self.entries_of(block)]

    def listed(self, block: Block) -> Listed:
        """Read a block's paths, sizes and content lines at once."""
        if self._plain:
            data = self._content(block)
            lines = plain_content_lines(data, is_bare=block.is_bare)
            return Listed(*plain_paths_and_sizes(data), lines)
        paths, sizes = self.paths_and_sizes(block)
        return Listed(paths, sizes, self.content_lines(block))

    def _content(self, block: Block) -> bytes:
        data = self._file.read(block.offset, block.length)
        if block_digest(data) != block.digest:
            raise ManifestError(f"{self.name} changed while it was being read")
        return data

    def _entries_of_lines(self, block: Block) -> list[Entry]:
        lines = Lines(self._file.open(block.offset), self.name)
        return [self._entry(lines, lines.next_object()) for _ in range(block.files)]

    def _read_lines(self) -> Iterator[Block]:
        """Read line by line, check every rule, and yield the lines in blocks."""
        names = Names(self._first_with)
        lines = Lines(self._file.open(), self.name)
        header = read_header(lines)
        files = total_bytes = 0
        previous = b""
        block = NewBlock(lines.offset)
        while "end" not in (values := lines.next_object()):
            entry = self._entry(lines, values)
            key = entry.path.encode()
            if key <= previous:
                raise lines.error("the path is not after the one before it")
            previous = key
            if reason := names.add(entry.path, lines.line_number):
                raise lines.error(reason)
            files += 1
            total_bytes += entry.size
            block.add(lines.line, entry.path, entry.size)
            if len(block) == LINES_A_BLOCK:
                yield block.made()
                block = NewBlock(lines.offset)
        if block:
            yield block.made()
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
        held_at = lines.text(values, "at") if "at" in values else None
        if held_at is not None:
            _check_held_at(lines, held_at, path, held_in)
        return Entry(path, lines.number(values, "size"), sha256, md5, held_in, held_at)

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
        self._digest, self._whole_digest = digest, lines.digest_with

    def _first_with(self, folded: str) -> int | None:
        """Return the first line whose path or folder is ``folded``, or None."""
        lines = Lines(self._file.open(), self.name)
        lines.next_object()
        while "end" not in (values := lines.next_object()):
            found = fold(str(values.get("path")))
            if found == folded or found.startswith(folded + "/"):
                return lines.line_number
        return None


def _check_held_at(lines: Lines, held_at: str, path: str, held_in: str | None) -> None:
    if held_in is None:
        raise lines.error('"at" needs "in"')
    if reason := reason_against(held_at):
        raise lines.error(f'"at" {reason}: "{held_at}"')
    if held_at == path:
        raise lines.error('"at" is the path itself')
