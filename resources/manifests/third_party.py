"""A manifest in another program's format, once it has been read and found harmless."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice, repeat
from operator import lt
from typing import BinaryIO, NamedTuple

from resources.errors import ManifestError
from resources.files.hashing import CHUNK_BYTES
from resources.files.rooted import Tree
from resources.manifests.collisions import Folded, Names, folded, may_meet
from resources.manifests.line_file import Block, follow_each_other
from resources.manifests.paths import fold
from resources.manifests.records import Records
from resources.workers.pool import Workers

MAX_SHOWN_CHARACTERS = 200  # of a name in a message; a line of it says enough


class ForeignEntry(NamedTuple):
    """One file: its path, its size in bytes where it is known, and its digest.

    ``digest`` is in lower case hex digits by ``algorithm`` (see ``hashing.py``), None
    where nothing is known but that the file belongs there. ``place`` is the number of
    its line or entry.
    """

    path: str
    size: int | None
    algorithm: str
    digest: str | None
    place: int = 0


def record_of(path: bytes, size: bytes, digest: bytes, place: int) -> bytes:
    """Return an entry as a record, so that records sort as their paths do.

    ``size`` is in digits, and empty where it isn't known.
    """
    # A path has neither a NUL nor a line feed, and NUL sorts before everything else.
    return b"%b\0%d\0%b\0%b\n" % (path, place, size, digest)


class TreeFiles:
    """The files of entries beneath a folder."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def open(self, entry: ForeignEntry) -> BinaryIO:
        """Open a file. Raises MissingFileError or RefusedFileError."""
        return self.tree.open_file(entry.path)

    def read_small(
        self, entries: Sequence[ForeignEntry]
    ) -> Iterator[memoryview | None]:
        """Read files whole where that can be done at once; see ``rooted.Tree``."""
        wanted = ((entry.path, entry.size) for entry in entries)
        return self.tree.read_small(wanted, CHUNK_BYTES)

    def size(self, entry: ForeignEntry) -> int:
        """Return a file's size in bytes; raises as ``open`` does."""
        return self.tree.size(entry.path)

    def sizes(self, entries: Sequence[ForeignEntry]) -> list[int | None]:
        """Return the sizes of many files in bytes; see ``rooted.Tree``."""
        return self.tree.sizes("", [entry.path for entry in entries])


class ForeignManifest:
    """The entries of a foreign manifest; its file isn't needed any more.

    Parameters: ``name`` is what messages call it, ``unit`` what they count its entries
    in (line or entry); ``records`` are sorted and come from ``record_of``;
    ``documents`` are the names beside it that belong to it and are no entries, and
    ``shipped`` those of them that the game's clients read.
    Raises ManifestError for paths that are, or could be taken for, the same.
    """

    def __init__(
        self,
        name: str,
        algorithm: str,
        records: Records,
        *,
        unit: str,
        documents: Collection[str],
        shipped: Collection[str] = (),
    ) -> None:
        self.name = name
        self.algorithm = algorithm
        self.documents = documents
        self.shipped = shipped
        self._unit = unit
        self._records = records
        self.files = self.files_without_size = 0
        self._blocks: list[Block] = []
        self._verify()

    def blocks(self) -> list[Block]:
        """Return the entries in blocks, in ascending order of their path's bytes."""
        return self._blocks

    def entries_of(self, block: Block) -> list[ForeignEntry]:
        """Read the entries of a block."""
        data = self._records.lines.read(block.offset, block.length)
        paths, places, sizes, digests = _columns(data)
        known = (int(size) if size else None for size in map(bytes.decode, sizes))
        rows = zip(
            map(bytes.decode, paths),
            known,
            repeat(self.algorithm),
            map(bytes.decode, digests),
            map(int, places),
        )
        # A third of the time that ForeignEntry(…) takes.
        return list(map(tuple.__new__, repeat(ForeignEntry), rows))

    def paths(self) -> Iterator[bytes]:
        """Yield the files' paths, ascending."""
        for record in self._records:
            yield record.partition(b"\0")[0]

    def entries(self) -> Iterator[ForeignEntry]:
        """Yield the files in ascending order of their path's UTF-8 bytes."""
        for block in self._blocks:
            yield from self.entries_of(block)

    def _verify(self) -> None:
        lines = self._records.lines

        def look(piece: tuple[int, int]) -> _Look:
            return _look_at(piece[0], lines.read(*piece))

        pieces = ((at, len(data)) for at, data in lines.cut(0, lines.size))
        with Workers(look) as workers:
            looks = list(workers.map(pieces))
        self._blocks = [look.block for look in looks]
        self.files = sum(block.files for block in self._blocks)
        self.files_without_size = sum(look.files_without_size for look in looks)
        if (
            not all(look.ascends for look in looks)
            or not follow_each_other(self._blocks)
            or may_meet([look.names for look in looks])
        ):
            self._find_what_meets()

    def _find_what_meets(self) -> None:
        names = Names(self._first_with, self._unit)
        previous: ForeignEntry | None = None
        for entry in self.entries():
            if previous is not None and previous.path == entry.path:
                raise self._error(
                    entry, f"is there twice, first in {self._unit} {previous.place}"
                )
            if reason := names.add(entry.path, entry.place):
                raise ManifestError(f"{self.name} {self._unit} {entry.place}: {reason}")
            previous = entry

    def _first_with(self, folded: str) -> int | None:
        """Return the place of the first path or folder that is ``folded``, or None."""
        for entry in self.entries():
            found = fold(entry.path)
            if found == folded or found.startswith(folded + "/"):
                return entry.place
        return None

    def _error(self, entry: ForeignEntry, reason: str) -> ManifestError:
        return ManifestError(
            f'{self.name} {self._unit} {entry.place}: the path "{entry.path}" {reason}'
        )


class _Look(NamedTuple):
    """A block of records, and what was seen in it."""

    block: Block
    files_without_size: int
    ascends: bool
    names: Folded


def _look_at(offset: int, data: bytes) -> _Look:
    paths, _, sizes, _ = _columns(data)
    known = sum(map(int, filter(None, sizes)))
    block = Block(offset, len(data), len(paths), known, b"", paths[0], paths[-1])
    ascends = all(map(lt, paths, islice(paths, 1, None)))
    return _Look(block, sizes.count(b""), ascends, folded(b"\n".join(paths)))


def _columns(data: bytes) -> list[list[bytes]]:
    """Return the paths, places, sizes and digests of records."""
    fields = data.replace(b"\n", b"\0").split(b"\0")[:-1]
    return [fields[column::4] for column in range(4)]


def shown(text: str) -> str:
    """Shorten a text for a message.

    >>> shown("a" * 1000)[-6:]
    'aaa...'
    """
    if len(text) <= MAX_SHOWN_CHARACTERS:
        return text
    return text[:MAX_SHOWN_CHARACTERS] + "..."
