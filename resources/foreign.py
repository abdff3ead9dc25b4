"""A manifest in another program's format, once it has been read and found harmless."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from operator import lt
from typing import BinaryIO, NamedTuple

from resources.collisions import Folded, Names, folded, may_meet
from resources.errors import ManifestError
from resources.hashing import CHUNK_BYTES
from resources.line_file import Block
from resources.paths import fold
from resources.records import Records
from resources.tree import Tree

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


def record_of(path: str, size: int | None, digest: str, place: int) -> bytes:
    """Give an entry as a record, so that records sort as their paths' UTF-8 bytes."""
    # A path has neither a NUL nor a line feed, and NUL sorts before everything else.
    shown_size = "" if size is None else size
    return f"{path}\0{place}\0{shown_size}\0{digest}\n".encode()


class TreeFiles:
    """The files of entries beneath a folder."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def open(self, entry: ForeignEntry) -> BinaryIO:
        """Open a file. Raises MissingFileError or RefusedFileError."""
        return self.tree.open_file(entry.path)

    def read_small(self, entries: Sequence[ForeignEntry]) -> Iterator[memoryview | None]:
        """Read files whole where that can be done at once; see ``tree.Tree``."""
        wanted = ((entry.path, entry.size) for entry in entries)
        return self.tree.read_small(wanted, CHUNK_BYTES)

    def size(self, entry: ForeignEntry) -> int:
        """Give a file's size in bytes; raises as ``open`` does."""
        return self.tree.size(entry.path)


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
        """Give the entries in blocks, in ascending order of their path's bytes."""
        return self._blocks

    def entries_of(self, block: Block) -> list[ForeignEntry]:
        """Read the entries of a block."""
        data = self._records.lines.read(block.offset, block.length)
        fields = [line.split("\0") for line in data.decode().split("\n")[:-1]]
        return [
            ForeignEntry(
                path, int(size) if size else None, self.algorithm, digest, int(place)
            )
            for path, place, size, digest in fields
        ]

    def paths(self) -> Iterator[bytes]:
        """Yield the files' paths, ascending."""
        for record in self._records:
            yield record.partition(b"\0")[0]

    def entries(self) -> Iterator[ForeignEntry]:
        """Yield the files in ascending order of their path's UTF-8 bytes."""
        for block in self._blocks:
            yield from self.entries_of(block)

    def _verify(self) -> None:
        names: list[Folded] = []
        lines = self._records.lines
        for offset, data in lines.cut(0, lines.size):
            fields = [line.split(b"\0") for line in data.split(b"\n")[:-1]]
            paths = [path for path, *_ in fields]
            sizes = [size for _, _, size, _ in fields]
            self.files += len(fields)
            self.files_without_size += sizes.count(b"")
            known = sum(int(size) for size in sizes if size)
            block = Block(
                offset, len(data), len(fields), known, b"", paths[0], paths[-1]
            )
            self._blocks.append(block)
            names.append(folded(b"\n".join(paths)))
        if not all(map(lt, self.paths(), islice(self.paths(), 1, None))) or may_meet(
            names
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
        """Give the place of the first path or folder that is ``folded``, or None."""
        for entry in self.entries():
            found = fold(entry.path)
            if found == folded or found.startswith(folded + "/"):
                return entry.place
        return None

    def _error(self, entry: ForeignEntry, reason: str) -> ManifestError:
        return ManifestError(
            f'{self.name} {self._unit} {entry.place}: the path "{entry.path}" {reason}'
        )


def shown(text: str) -> str:
    """Shorten a text for a message.

    >>> shown("a" * 1000)[-6:]
    'aaa...'
    """
    if len(text) <= MAX_SHOWN_CHARACTERS:
        return text
    return text[:MAX_SHOWN_CHARACTERS] + "..."
