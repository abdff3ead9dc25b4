"""What differs between the files of two manifests, counted block by block.

A file is known by its path. It is *changed* where both have the path with different
content; *moved* where only the newer has it, and the older has the content under
another path, whether that is still there or not; else *added*. A path that only the
older has is *removed*, if its content wasn't moved. All others are *unchanged*.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from heapq import nlargest
from operator import attrgetter
from typing import NamedTuple

from resources.manifests.format import path_of, size_of
from resources.manifests.line_file import Block
from resources.manifests.reader import Manifest
from resources.releases.comparison.contents import key_of, lines_of
from resources.workers.pool import Workers

ADDED, CHANGED, MOVED, REMOVED = KINDS = ("added", "changed", "moved", "removed")
LARGEST = 10  # files that are named
MAX_FOLDERS = 1000  # of the second level; further ones count under the first


class Amount(NamedTuple):
    """A number of files, and of their bytes."""

    files: int = 0
    bytes: int = 0

    def more(self, other: Amount) -> Amount:
        """Return both together."""
        return Amount(self.files + other.files, self.bytes + other.bytes)


class FileChange(NamedTuple):
    """A file that differs; ``before`` is the size that a changed one had."""

    path: str
    kind: str
    bytes: int
    before: int | None = None


@dataclass
class Differences:
    """What differs: by kind, by folder and kind, and the largest files to get.

    A folder is the first part of a path, "" for files in none; where only one folder
    has files that differ, the first two parts. Bytes are those of the newer version; of
    what is removed, those of the older.
    """

    kinds: dict[str, Amount] = field(
        default_factory=lambda: dict.fromkeys(KINDS, Amount())
    )
    folders: dict[str, dict[str, Amount]] = field(default_factory=dict)
    largest: list[FileChange] = field(default_factory=list)
    unchanged: Amount = field(default_factory=Amount)

    @property
    def download(self) -> Amount:
        """What the newer version has under a path where the older has it not."""
        return _to_get(self.kinds)

    def download_of(self, folder: str) -> Amount:
        """Return the same of one folder."""
        return _to_get(self.folders[folder])

    def by_download(self) -> list[str]:
        """Return the folders, those with most bytes to get first."""
        names = sorted(self.folders)
        return sorted(
            names, key=lambda name: self.download_of(name).bytes, reverse=True
        )


def _to_get(kinds: dict[str, Amount]) -> Amount:
    return kinds[ADDED].more(kinds[CHANGED]).more(kinds[MOVED])


class _Part(NamedTuple):
    """What a helper found in one piece."""

    amounts: dict[tuple[bytes, str], Amount]
    largest: list[tuple[bytes, str, int, int | None]]
    moved: list[int]


def find_differences(
    before: Manifest | None, after: Manifest, known: AbstractSet[int]
) -> Differences:
    """Compare two manifests; without ``before``, every file is added.

    ``known`` are the contents of ``before``, at least those of the files that only
    ``after`` has so; ``find_downloads`` tells them.
    """
    found = _Sum()
    moved: set[int] = set()
    for part in _new_parts(before, after, known):
        found.add(part)
        moved.update(part.moved)
    if before is not None and found.keeps_less_than(before, after):
        for part in _gone_parts(before, after, moved):
            found.add(part)
    return found.differences(after)


def _new_parts(
    before: Manifest | None, after: Manifest, known: AbstractSet[int]
) -> Iterator[_Part]:
    """Yield what is added, changed and moved, a part for each piece of ``after``."""
    if before is not None:
        before.verify()  # here, and not in every helper

    def look(piece: list[Block]) -> _Part:
        lines = lines_of(after, piece)
        around = lines_around(before, piece) if before else set()
        new = [line for line in lines if line not in around]
        gone = {path_of(line): line for line in around.difference(lines)} if new else {}
        part = _Part({}, [], [])
        for line in new:
            path, size = path_of(line), size_of(line)
            if path in gone:
                _note(part, CHANGED, path, size, size_of(gone[path]))
            elif key_of(line) in known:
                part.moved.append(key_of(line))
                _note(part, MOVED, path, size)
            else:
                _note(part, ADDED, path, size)
        return _with_largest(part)

    with Workers(look) as workers:
        yield from workers.map(after.pieces())


def _gone_parts(before: Manifest, after: Manifest, moved: set[int]) -> Iterator[_Part]:
    """Yield what is removed, a part for each piece of ``before``."""

    def look(piece: list[Block]) -> _Part:
        lines = lines_of(before, piece)
        around = lines_around(after, piece)
        lost = [line for line in lines if line not in around]
        paths = set(map(path_of, around.difference(lines)))
        part = _Part({}, [], [])
        for line in lost:
            if path_of(line) not in paths and key_of(line) not in moved:
                _note(part, REMOVED, path_of(line), size_of(line))
        return part._replace(largest=[])

    with Workers(look) as workers:
        yield from workers.map(before.pieces())


def lines_around(manifest: Manifest, piece: list[Block]) -> set[bytes]:
    """Read another manifest's lines where those of a piece would stand in it."""
    around = manifest.blocks_between(piece[0].first, piece[-1].last)
    return set(lines_of(manifest, around))


def _note(
    part: _Part, kind: str, path: bytes, size: int, before: int | None = None
) -> None:
    key = _folder(path), kind
    part.amounts[key] = part.amounts.get(key, Amount()).more(Amount(1, size))
    part.largest.append((path, kind, size, before))


def _with_largest(part: _Part) -> _Part:
    return part._replace(largest=nlargest(LARGEST, part.largest, key=lambda f: f[2]))


def _folder(path: bytes) -> bytes:
    """Return the first two folders of a path.

    >>> _folder(b"a/b/c/d.png"), _folder(b"a/d.png"), _folder(b"d.png")
    (b'a/b', b'a', b'')
    """
    return b"/".join(path.split(b"/", 2)[:-1][:2])


class _Sum:
    """Adds parts up."""

    def __init__(self) -> None:
        self._amounts: dict[tuple[bytes, str], Amount] = {}
        self._folders: set[bytes] = set()
        self._largest: list[tuple[bytes, str, int, int | None]] = []

    def add(self, part: _Part) -> None:
        for (folder, kind), amount in part.amounts.items():
            key = self._counted_as(folder), kind
            self._amounts[key] = self._amounts.get(key, Amount()).more(amount)
        both = [*self._largest, *part.largest]
        self._largest = nlargest(LARGEST, both, key=lambda file: file[2])

    def keeps_less_than(self, before: Manifest, after: Manifest) -> bool:
        """Return whether ``before`` has paths that ``after`` doesn't have, when all
        parts of ``after`` were added."""
        new = sum(
            amount.files
            for (_, kind), amount in self._amounts.items()
            if kind != CHANGED
        )
        return after.files - new < before.files

    def _counted_as(self, folder: bytes) -> bytes:
        if folder not in self._folders and len(self._folders) >= MAX_FOLDERS:
            return _top(folder)
        self._folders.add(folder)
        return folder

    def differences(self, after: Manifest) -> Differences:
        found = Differences()
        tops = {_top(folder) for folder, _ in self._amounts} - {b""}
        for (folder, kind), amount in sorted(self._amounts.items()):
            shown = folder if len(tops) < 2 else _top(folder)
            kinds = found.folders.setdefault(
                _text(shown), dict.fromkeys(KINDS, Amount())
            )
            kinds[kind] = kinds[kind].more(amount)
            found.kinds[kind] = found.kinds[kind].more(amount)
        found.largest = [
            FileChange(_text(file[0]), *file[1:]) for file in self._largest
        ]
        found.largest.sort(key=attrgetter("path"))
        found.largest.sort(key=attrgetter("bytes"), reverse=True)
        header, new = after.header, found.download
        found.unchanged = Amount(
            header.files - new.files, header.total_bytes - new.bytes
        )
        return found


def _top(folder: bytes) -> bytes:
    return folder.partition(b"/")[0]


def _text(path: bytes) -> str:
    """Return a path that was cut out of a line, where it stands as JSON has it."""
    return str(json.loads(b'"%b"' % path))
