"""Choose for each file of a version what is to become of it, block by block.

A choice rests on the manifests of earlier versions and on what lies in the store, and
is made in a helper: other versions are read only around the block that it works on.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from resources.errors import ConflictError, InputError
from resources.manifests.line_file import Block
from resources.manifests.reader import Manifest
from resources.stores.release_store import ReleaseStore

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


class _Choosing:
    """Takes the choices for the files of a block, in any order."""

    def __init__(self, sizes: list[int]) -> None:
        self._sizes = sizes
        self._codes = array("H", bytes(2 * len(sizes)))
        self._made = Decided([], self._codes, [], [])

    def choose(self, choice: Choice, places: Collection[int]) -> None:
        """Make a choice for the files at these places, each named once in all."""
        if not places:
            return
        code = len(self._made.choices)
        for place in places:
            self._codes[place] = code
        self._made.choices.append(choice)
        self._made.files.append(len(places))
        self._made.sizes.append(sum([self._sizes[place] for place in places]))

    def choose_by_presence(
        self,
        held_in: str | None,
        seen_in: str | None,
        places: Sequence[int],
        there: Collection[int],
    ) -> None:
        """Make one choice for those of the places that are ``there``, and one for the
        others."""
        present = [place for place in places if place in there]
        self.choose(Choice(held_in, seen_in, there=True), present)
        missing = _without(places, there)
        self.choose(Choice(held_in, seen_in, there=False), missing)

    def decided(self) -> Decided:
        """Return the choices, once there is one for every file."""
        if sum(self._made.files) != len(self._sizes):
            raise RuntimeError("a file was chosen for twice, or not at all")
        return self._made


class NewChoices:
    """Chooses for the files of a version that isn't sealed yet."""

    def __init__(
        self, manifest: Manifest, earlier: list[Manifest], store: ReleaseStore
    ) -> None:
        self.manifest = manifest
        self.earlier = [_Neighbour(other) for other in earlier]
        self._store = store
        self._is_begun = store.is_begun(manifest.header.version)

    def decide(self, block: Block) -> Decided:
        """Choose for each file of a block."""
        paths, sizes = self.manifest.paths_and_sizes(block)
        lines = self.manifest.content_lines(block)
        choosing = _Choosing(sizes)
        left: Sequence[int] = range(len(paths))
        for other in self.earlier:
            if not left:
                break
            for holder, places in _by_holder(other.holders(block), lines, left).items():
                there = self.there(holder, places, paths, sizes, block)
                choosing.choose(Choice(holder, other.version, there=True), there)
                left = _without(left, there)
        if self._store.has_limits:
            for place in left:
                self._require_room(paths[place], sizes[place])
        there = set()
        if left and self._is_begun:
            there = self.there(self.manifest.header.version, left, paths, sizes, block)
        choosing.choose_by_presence(None, None, left, there)
        return choosing.decided()

    def _require_room(self, path: str, size: int) -> None:
        header = self.manifest.header
        if reason := self._store.reason_against(header.version, path, size):
            raise InputError(
                f"{path} of {header.version} can't be stored in {self._store.name}: it"
                f" {reason}"
            )

    def there(
        self,
        holder: str,
        places: Sequence[int],
        paths: Sequence[str],
        sizes: Sequence[int],
        block: Block,
    ) -> set[int]:
        """Say for which places an object of the right size lies in a version, and is
        not seen to have other bytes."""
        found = self._store.sizes(holder, [paths[place] for place in places])
        pairs = zip(places, found, strict=True)
        there = {place for place, size in pairs if size == sizes[place]}
        if there and self._store.lists_digests and self.manifest.has_md5(block):
            entries = self.manifest.entries_of(block)
            there -= {p for p in there if self._store.differs(holder, entries[p])}
        return there


class SealedChoices(NewChoices):
    """Takes the choices of the version's manifest in the store."""

    def __init__(
        self,
        manifest: Manifest,
        earlier: list[Manifest],
        store: ReleaseStore,
        sealed: Manifest,
    ) -> None:
        super().__init__(manifest, earlier, store)
        self._sealed = _Neighbour(sealed)
        if manifest.files != sealed.files:
            self._refuse()

    def decide(self, block: Block) -> Decided:
        """Return the choices that were sealed; raises ConflictError for other
        content."""
        paths, sizes = self.manifest.paths_and_sizes(block)
        lines = self.manifest.content_lines(block)
        everything = range(len(lines))
        held_in = _by_holder(self._sealed.holders(block), lines, everything)
        if sum(map(len, held_in.values())) != len(lines):
            self._refuse()
        choosing = _Choosing(sizes)
        for holder, places in held_in.items():
            there = self.there(holder, places, paths, sizes, block)
            if holder == self.manifest.header.version:
                choosing.choose_by_presence(None, None, places, there)
                continue
            for seen_in, seen in self._seen_in(block, lines, places, holder):
                choosing.choose_by_presence(holder, seen_in, seen, there)
        return choosing.decided()

    def _seen_in(
        self, block: Block, lines: list[bytes], places: Sequence[int], holder: str
    ) -> Iterator[tuple[str, Sequence[int]]]:
        """Yield the earlier versions in whose manifests files are found first; what is
        in none of them is as good as seen in the version that holds it."""
        left = places
        for other in self.earlier:
            if not left:
                return
            holders = other.holders(block)
            seen = [place for place in left if lines[place] in holders]
            yield other.version, seen
            left = _without(left, set(seen))
        yield holder, left

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
        """Return the versions that hold its files around a block, by content line."""
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


def _by_holder(
    holders: Mapping[bytes, str], lines: list[bytes], places: Iterable[int]
) -> dict[str, list[int]]:
    """Return the places of the lines that each version holds."""
    found: dict[str, list[int]] = {}
    for place in places:
        if holder := holders.get(lines[place]):
            found.setdefault(holder, []).append(place)
    return found


def _without(places: Sequence[int], others: Collection[int]) -> Sequence[int]:
    if not others:
        return places
    return [place for place in places if place not in others]
