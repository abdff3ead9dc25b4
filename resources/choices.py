"""Choose for each file of a version what is to become of it, block by block.

A choice rests on the manifests of earlier versions and on what lies in the store, and
is made in a helper: other versions are read only around the block that it works on.
"""

from __future__ import annotations

from array import array
from itertools import zip_longest
from typing import NamedTuple

from resources.errors import ConflictError
from resources.line_file import Block
from resources.manifest import Entry
from resources.manifest_reader import Manifest
from resources.store import Store

BLOCKS_KEPT = 2  # of each other version, in each helper


class Choice(NamedTuple):
    """What is to become of a file.

    ``held_in`` names the version that holds the object, None for a new one;
    ``seen_in`` the earlier version in whose manifest it was found; ``there`` says that
    an object of the right size lies where this one belongs.
    """

    held_in: str | None
    seen_in: str | None
    there: bool


class Decided(NamedTuple):
    """The choices for a block of the manifest, two bytes a file.

    ``codes`` has a number for each file, which is the place of its choice in
    ``choices``. ``files`` and ``sizes`` are how many files each choice was made for,
    and how many bytes these have.
    """

    choices: list[Choice]
    codes: array[int]
    files: list[int]
    sizes: list[int]


class NewChoices:
    """Chooses for the files of a version that isn't sealed yet."""

    def __init__(
        self, manifest: Manifest, earlier: list[Manifest], store: Store
    ) -> None:
        self.manifest = manifest
        self.earlier = [_Neighbour(other) for other in earlier]
        self._store = store
        self._is_begun = store.is_begun(manifest.header.version)

    def decide(self, block: Block) -> Decided:
        """Choose for each file of a block."""
        entries = self.manifest.entries_of(block)
        lines = self.manifest.content_lines(block)
        choices: dict[int, Choice] = {}
        for other in self.earlier:
            if len(choices) == len(entries):
                break
            holders = other.holders(block)
            found = {
                place: holders[line]
                for place, line in enumerate(lines)
                if line in holders and place not in choices
            }
            for place in self.there(entries, found):
                choices[place] = Choice(found[place], other.version, there=True)
        version = self.manifest.header.version
        new = {n: version for n in range(len(entries)) if n not in choices}
        there = self.there(entries, new) if self._is_begun else set()
        for place in new:
            choices[place] = Choice(None, None, place in there)
        return _decided(entries, choices)

    def there(self, entries: list[Entry], holders: dict[int, str]) -> set[int]:
        """Say for which places an object of the entry's size lies in the version."""
        there = set()
        for version in set(holders.values()):
            places = [place for place in holders if holders[place] == version]
            paths = [entries[place].path for place in places]
            sizes = self._store.sizes(version, paths)
            there |= {
                place
                for place, size in zip(places, sizes, strict=True)
                if size == entries[place].size
            }
        return there


class SealedChoices(NewChoices):
    """Takes the choices of the version's manifest in the store."""

    def __init__(
        self,
        manifest: Manifest,
        earlier: list[Manifest],
        store: Store,
        sealed: Manifest,
    ) -> None:
        super().__init__(manifest, earlier, store)
        self._sealed = _Neighbour(sealed)
        if manifest.files != sealed.files:
            self._refuse()

    def decide(self, block: Block) -> Decided:
        """Give the choices that were sealed; raises ConflictError for other content."""
        entries = self.manifest.entries_of(block)
        lines = self.manifest.content_lines(block)
        sealed = self._sealed.holders(block)
        if not all(line in sealed for line in lines):
            self._refuse()
        held_in = {place: sealed[line] for place, line in enumerate(lines)}
        version = self.manifest.header.version
        reused = {place for place, holder in held_in.items() if holder != version}
        seen_in: dict[int, str] = {}
        for other in self.earlier:
            if len(seen_in) == len(reused):
                break
            holders = other.holders(block)
            for place in reused - seen_in.keys():
                if lines[place] in holders:
                    seen_in[place] = other.version
        there = self.there(entries, held_in)
        choices = {
            place: Choice(held_in[place], seen_in.get(place, held_in[place]), is_there)
            if place in reused
            else Choice(None, None, is_there)
            for place, is_there in ((n, n in there) for n in range(len(entries)))
        }
        return _decided(entries, choices)

    def _refuse(self) -> None:
        sealed = self._sealed.manifest
        for ours, theirs in zip_longest(self.manifest.entries(), sealed.entries()):
            if ours is None or theirs is None or ours[:3] != theirs[:3]:
                raise ConflictError(
                    f"{sealed.header.version} of {sealed.header.platform} is in the"
                    f" store with other content, first at {(ours or theirs).path};"
                    " a published version never changes"
                )


class _Neighbour:
    """Another version's manifest, asked block after block for the same files."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.version = manifest.header.version
        self._read: dict[int, dict[bytes, str]] = {}

    def holders(self, block: Block) -> dict[bytes, str]:
        """Give the versions that hold its files around a block, by content line."""
        around = self.manifest.blocks_between(block.first, block.last)
        found: dict[bytes, str] = {}
        for other in around:
            found |= self._holders_of(other)
        return found

    def _holders_of(self, block: Block) -> dict[bytes, str]:
        """Read a block, which two neighbouring ones of the new version often meet."""
        if block.offset not in self._read:
            while len(self._read) >= BLOCKS_KEPT:
                del self._read[next(iter(self._read))]
            self._read[block.offset] = self.manifest.holders(block)
        return self._read[block.offset]


def _decided(entries: list[Entry], choices: dict[int, Choice]) -> Decided:
    places: dict[Choice, int] = {}
    in_order = [choices[place] for place in range(len(entries))]
    codes = array("H", [places.setdefault(c, len(places)) for c in in_order])
    files = [0] * len(places)
    sizes = [0] * len(places)
    for entry, code in zip(entries, codes, strict=True):
        files[code] += 1
        sizes[code] += entry.size
    return Decided(list(places), codes, files, sizes)
