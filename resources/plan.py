"""Decide, for every file of a version, whether it is reused or new.

Nothing is touched here: a dry run, the reuse report and the sync itself all read the
same decisions. A file is reused when an earlier version in the store has the same
content under the same path; the entry then names the version whose folder really
holds the object, never one that only refers to it.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from typing import NamedTuple

from resources.errors import ConflictError
from resources.line_file import Block
from resources.manifest import Entry
from resources.manifest_reader import BLOCKS_AT_ONCE, Manifest
from resources.pruned import require_same_content
from resources.published import open_published
from resources.report import size_text
from resources.store import Pointer, Store
from resources.versions import natural_key
from resources.workers import Workers

# How many earlier versions are compared, newest first. Neighbours share nearly all of
# their files, and each further manifest is read in full.
EARLIER_VERSIONS = 8

BLOCKS_KEPT = 2  # of each earlier version, in each helper


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


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a sync will do: numbers of files and bytes, and what it rests on.

    ``decided`` has the decisions for each block of the manifest; ``sealed_versions``
    and ``pointer`` are what they rest on: while a store's do not change, nor does
    anything that was decided. ``others`` are the manifests that were read for it.
    """

    platform: str
    version: str
    files: int
    new_files: int
    new_bytes: int
    reused_files: int
    reused_bytes: int
    there_files: int
    missing_files: int
    upload_bytes: int
    since: str
    sealed_versions: list[str]
    pointer: Pointer | None
    decided: list[Decided]
    others: dict[str, Manifest] = field(repr=False, compare=False)

    @property
    def sealed(self) -> bool:
        """The store has the version's manifest already."""
        return self.version in self.sealed_versions

    @property
    def complete(self) -> bool:
        """Everything is in the store already."""
        return self.sealed and self.missing_files == 0

    @property
    def published(self) -> bool:
        """Everything is in the store, and it is what is served."""
        served = self.pointer is not None and self.pointer.version == self.version
        return self.complete and served

    @property
    def work_files(self) -> int:
        """The files that a sync will look at closely, or send."""
        return self.missing_files if self.sealed else self.new_files

    def wants(self, choice: Choice) -> bool:
        """Say whether a sync looks at files of this choice closely, or sends them."""
        return not choice.there or not (self.sealed or choice.seen_in)

    def line(self) -> str:
        """The plan for people; a dry run writes just this."""
        reused = f"{self.reused_files} reused"
        if self.reused_files:
            reused += f" from {self.since}"
        there = f" ({self.there_files} already there)" if self.there_files else ""
        return (
            f"Plan: {self.files} files, {self.new_files} new, {reused},"
            f" {size_text(self.upload_bytes)} to upload{there}"
        )

    def blocks(self, manifest: Manifest) -> Iterator[tuple[Block, Decided]]:
        """Yield the manifest's blocks with what was decided for them."""
        return zip(manifest.blocks(), self.decided, strict=True)

    def require_unchanged(self, store: Store) -> None:
        """Make sure that what was decided still holds. Needs the lock.

        Raises ConflictError.
        """
        if store.pointer() != self.pointer:
            raise ConflictError(
                f"{store.name} was published to meanwhile: another publisher was first"
            )
        if store.sealed_versions() != self.sealed_versions:
            raise ConflictError(
                f"{store.name} changed since the plan was made; run the command again"
            )


def make_plan(manifest: Manifest, store: Store) -> Plan:
    """Decide for every file, and add up.

    Raises ConflictError when the store has the version with other content, and as
    ``pruned.require_same_content`` does.
    """
    require_same_content(manifest, store)
    sealed_versions = store.sealed_versions()
    platform, version = manifest.header.platform, manifest.header.version
    compared = _earlier(sealed_versions, version)
    if version in sealed_versions:
        compared.append(version)
    others = {
        other: open_published(store, platform, other).manifest for other in compared
    }
    decided = list(_decide(manifest, store, others))
    files: Counter[Choice] = Counter()
    sizes: Counter[Choice] = Counter()
    for part in decided:
        for place, choice in enumerate(part.choices):
            files[choice] += part.files[place]
            sizes[choice] += part.sizes[place]
    new = [choice for choice in files if choice.seen_in is None]
    reused = [choice for choice in files if choice.seen_in is not None]
    missing = [choice for choice in files if not choice.there]
    since = {str(choice.seen_in) for choice in reused}
    return Plan(
        platform=platform,
        version=version,
        files=files.total(),
        new_files=sum(files[choice] for choice in new),
        new_bytes=sum(sizes[choice] for choice in new),
        reused_files=sum(files[choice] for choice in reused),
        reused_bytes=sum(sizes[choice] for choice in reused),
        there_files=sum(files[choice] for choice in new if choice.there),
        missing_files=sum(files[choice] for choice in missing),
        upload_bytes=sum(sizes[choice] for choice in missing),
        since=", ".join(sorted(since, key=natural_key, reverse=True)),
        sealed_versions=sealed_versions,
        pointer=store.pointer(),
        decided=decided,
        others=others,
    )


def _decide(
    manifest: Manifest, store: Store, others: dict[str, Manifest]
) -> Iterator[Decided]:
    """Yield the decisions for each block of the manifest."""
    version = manifest.header.version
    earlier = [other for name, other in others.items() if name != version]
    choices = _Choices(manifest, earlier, store)
    if version in others:
        choices = _SealedChoices(manifest, earlier, store, others[version])

    def decide_all(piece: list[Block]) -> list[Decided]:
        return [choices.decide(block) for block in piece]

    blocks = iter(manifest.blocks())
    pieces = iter(lambda: list(islice(blocks, BLOCKS_AT_ONCE)), [])
    with Workers(decide_all) as workers:
        for results in workers.map(pieces):
            yield from results


def _earlier(sealed_versions: list[str], version: str) -> list[str]:
    key = natural_key(version)
    found = [other for other in sealed_versions if natural_key(other) < key]
    return found[::-1][:EARLIER_VERSIONS]


class _Choices:
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


class _SealedChoices(_Choices):
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
