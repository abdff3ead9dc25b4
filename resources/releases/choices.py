"""Choose for each file of a version what is to become of it, block by block.

A choice rests on the manifests of earlier versions and on what lies in the store, and
is made in a helper: other versions are read only around the block that it works on.
What they have under other paths is looked for afterwards, see ``elsewhere.py``.
"""

from __future__ import annotations

import zlib
from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from types import MappingProxyType
from typing import NamedTuple

from resources.errors import ConflictError, InputError
from resources.manifests.format import keys_of
from resources.manifests.line_file import Block
from resources.manifests.reader import Held, Manifest
from resources.stores.release_store import ReleaseStore

BLOCKS_KEPT = 2  # of each other version, in each helper
NOWHERE_ELSE: Mapping[int, str] = MappingProxyType({})


class Choice(NamedTuple):
    """What is to become of a file.

    ``held_in`` names the version that holds the object, None for a new one;
    ``seen_in`` the earlier version in whose manifest it was found; ``there`` says that
    an object of the right size lies where this one belongs; ``elsewhere``, that the
    object has another path than the file, and ``is_moved``, that no earlier version
    has the file under its own.
    """

    held_in: str | None
    seen_in: str | None
    there: bool
    elsewhere: bool = False
    is_moved: bool = False

    @property
    def is_new(self) -> bool:
        """The file is sent, under its own path."""
        return self.held_in is None

    @property
    def is_doubled(self) -> bool:
        """A new file of the same version has the content already."""
        return self.held_in is not None and self.seen_in is None


NEW = Choice(None, None, there=False)


def moved_from(holder: str) -> Choice:
    """Return the choice for a file whose content a version holds under another path."""
    return Choice(holder, holder, there=True, elsewhere=True, is_moved=True)


def doubled_in(version: str) -> Choice:
    """Return the choice for a file whose content a version sends under another path. It
    is as good as there: what is sent is looked at by its own path."""
    return Choice(version, None, there=True, elsewhere=True)


class Decided(NamedTuple):
    """The choices for a block of the manifest, two bytes a file.

    ``codes`` has a number for each file, which is the place of its choice in
    ``choices``. ``files`` and ``sizes`` are how many files each choice was made for,
    and how many bytes these have. ``paths`` are those of the objects that are
    elsewhere, compressed: there may be a million. ``new_keys`` are the contents of new
    files, as ``Manifest.content_keys`` has them.
    """

    choices: list[Choice]
    codes: array[int]
    files: list[int]
    sizes: list[int]
    paths: bytes = b""
    new_keys: array[int] = array("Q")

    def held_at(self) -> dict[int, str]:
        """Return the paths of the objects that are elsewhere, by their files' places
        in the block."""
        if not self.paths:
            return {}
        elsewhere = [choice.elsewhere for choice in self.choices]
        places = [place for place, code in enumerate(self.codes) if elsewhere[code]]
        paths = zlib.decompress(self.paths).decode().split("\n")
        return dict(zip(places, paths, strict=True))


class Choosing:
    """Takes the choices for the files of a block, in any order.

    ``held_at`` are the paths of objects that are elsewhere, by their files' places.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = sizes
        self._codes = array("H", bytes(2 * len(sizes)))
        self._made = Decided([], self._codes, [], [])
        self.held_at: dict[int, str] = {}

    def choose(self, choice: Choice, places: Collection[int]) -> None:
        """Make a choice for the files at these places, each named once in all."""
        if self.held_at and not choice.elsewhere:
            elsewhere = [place for place in places if place in self.held_at]
            self.choose(choice._replace(elsewhere=True), elsewhere)
            places = [place for place in places if place not in self.held_at]
        if not places:
            return
        code = len(self._made.choices)
        if code:  # all are 0 at first
            for place in places:
                self._codes[place] = code
        self._made.choices.append(choice)
        self._made.files.append(len(places))
        self._made.sizes.append(sum([self._sizes[place] for place in places]))

    def choose_by_presence(
        self, choice: Choice, places: Sequence[int], there: Collection[int]
    ) -> None:
        """Make a choice for those of the places that are ``there``, and the same but
        for that for the others."""
        present = [place for place in places if place in there]
        self.choose(choice._replace(there=True), present)
        missing = _without(places, there)
        self.choose(choice._replace(there=False), missing)

    def decided(self) -> Decided:
        """Return the choices, once there is one for every file."""
        if sum(self._made.files) != len(self._sizes):
            raise RuntimeError("a file was chosen for twice, or not at all")
        paths = [self.held_at[place] for place in sorted(self.held_at)]
        packed = zlib.compress("\n".join(paths).encode(), 1) if paths else b""
        return self._made._replace(paths=packed)


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
        paths, sizes, lines = self.manifest.listed(block)
        choosing = Choosing(sizes)
        left: Sequence[int] = range(len(paths))
        for other in self.earlier:
            if not left:
                break
            sought = lines if len(left) == len(lines) else [lines[n] for n in left]
            held = other.held(block, sought)
            held_at = _paths_of(held, lines, left)
            for holder, places in _by_holder(held, lines, left).items():
                there = self.there(holder, places, paths, sizes, block, held_at)
                if held_at:
                    choosing.held_at |= {n: p for n, p in held_at.items() if n in there}
                choosing.choose(Choice(holder, other.version, there=True), there)
                left = _without(left, there)
        if self._store.has_limits:
            for place in left:
                self._require_room(paths[place], sizes[place])
        there = set()
        if left and self._is_begun:
            there = self.there(self.manifest.header.version, left, paths, sizes, block)
        choosing.choose_by_presence(NEW, left, there)
        # Nothing is gained where an empty file lies elsewhere.
        new_keys = keys_of([lines[place] for place in left if sizes[place]])
        return choosing.decided()._replace(new_keys=new_keys)

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
        held_at: Mapping[int, str] = NOWHERE_ELSE,
    ) -> set[int]:
        """Say for which places an object of the right size lies in a version, and is
        not seen to have other bytes."""
        asked = [paths[place] for place in places]
        if held_at:
            asked = [held_at.get(place) or paths[place] for place in places]
        found = self._store.sizes(holder, asked)
        there = set(places)
        if found != [sizes[place] for place in places]:
            pairs = zip(places, found, strict=True)
            there = {place for place, size in pairs if size == sizes[place]}
        if there and self._store.lists_digests and self.manifest.has_md5(block):
            entries = self.manifest.entries_of(block)
            for place in list(there):
                stored = entries[place]._replace(held_at=held_at.get(place)).stored
                if self._store.differs(holder, stored):
                    there.remove(place)
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
        own = self.manifest.header.version
        paths, sizes, lines = self.manifest.listed(block)
        everything = range(len(lines))
        held = self._sealed.held(block, lines)
        held_in = _by_holder(held, lines, everything)
        if sum(map(len, held_in.values())) != len(lines):
            self._refuse()
        choosing = Choosing(sizes)
        choosing.held_at = held_at = _paths_of(held, lines, everything)
        for holder, places in held_in.items():
            if holder == own:
                doubled = [place for place in places if place in held_at]
                choosing.choose(doubled_in(own), doubled)
                sent = _without(places, held_at)
                there = self.there(own, sent, paths, sizes, block)
                choosing.choose_by_presence(NEW, sent, there)
                continue
            there = self.there(holder, places, paths, sizes, block, held_at)
            for choice, seen in self._seen(block, lines, places, holder, held_at):
                choosing.choose_by_presence(choice, seen, there)
        return choosing.decided()

    def _seen(
        self,
        block: Block,
        lines: list[bytes],
        places: Sequence[int],
        holder: str,
        held_at: Mapping[int, str],
    ) -> Iterator[tuple[Choice, Sequence[int]]]:
        """Yield a choice for each of the earlier versions in whose manifests files are
        found first; what is in none of them is as good as seen in the version that
        holds it, and was moved where it has another path there."""
        left = places
        for other in self.earlier:
            if not left:
                return
            versions = other.held(block, [lines[place] for place in left]).versions
            seen = [place for place in left if lines[place] in versions]
            yield Choice(holder, other.version, there=True), seen
            left = _without(left, set(seen))
        yield moved_from(holder), [place for place in left if place in held_at]
        yield Choice(holder, holder, there=True), _without(left, held_at)

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
        self._read: dict[int, Held] = {}

    def held(self, block: Block, lines: Collection[bytes]) -> Held:
        """Return where its files around a block lie, or at least those of the content
        lines that it has."""
        around = self.manifest.blocks_between(block.first, block.last)
        found = Held({}, {})
        for other in around:
            versions, paths = self._held_of(other, lines)
            found.versions.update(versions)
            found.paths.update(paths)
        return found

    def _held_of(self, block: Block, lines: Collection[bytes]) -> Held:
        """Read a block, which two neighbouring ones of the new version often meet."""
        if block.offset in self._read:
            return self._read[block.offset]
        held = self.manifest.held_of(block, lines)
        if len(held.versions) == block.files:
            while len(self._read) >= BLOCKS_KEPT:
                del self._read[next(iter(self._read))]
            self._read[block.offset] = held
        return held


def _by_holder(
    held: Held, lines: list[bytes], places: Sequence[int]
) -> dict[str, list[int]]:
    """Return the places of the lines that each version holds."""
    found: defaultdict[str | None, list[int]] = defaultdict(list)
    sought = map(lines.__getitem__, places)
    for place, holder in zip(places, map(held.versions.get, sought), strict=True):
        found[holder].append(place)
    return {holder: found[holder] for holder in found if holder is not None}


def _paths_of(held: Held, lines: list[bytes], places: Iterable[int]) -> dict[int, str]:
    """Return the paths of objects that are elsewhere, by the places of their lines."""
    paths = held.paths
    if not paths:
        return {}
    return {place: paths[lines[place]] for place in places if lines[place] in paths}


def _without(
    places: Sequence[int], others: Collection[int] | Mapping[int, str]
) -> Sequence[int]:
    if not others:
        return places
    return [place for place in places if place not in others]
