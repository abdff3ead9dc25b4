"""Decide, for every file of a version, whether it is reused or new.

Nothing is touched here: a dry run, the reuse report and the sync itself all read the
same decisions. A file is reused when an earlier version in the store has the same
content, under the same path or under another (it was moved); the entry then names the
version whose folder really holds the object, never one that only refers to it. Of new
files with one content one is sent, and the others are doubled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from resources.errors import ConflictError, DamagedManifestError
from resources.manifests.line_file import Block
from resources.manifests.reader import Manifest
from resources.releases.choices import Choice, Decided, NewChoices, SealedChoices
from resources.releases.elsewhere import find_elsewhere
from resources.releases.pruned import require_same_content
from resources.releases.published import open_published
from resources.report import size_text
from resources.stores.pointer import Pointer
from resources.stores.release_store import ReleaseStore
from resources.versions import natural_key
from resources.workers.pool import Workers

# How many earlier versions are compared, newest first. Neighbours share nearly all of
# their files, and each further manifest is read in full.
EARLIER_VERSIONS = 8


class Plan(NamedTuple):
    """What a sync will do: numbers of files and bytes, and what it rests on.

    Each file is new, reused or doubled; of those reused some were moved.
    ``decided`` has the decisions for each block of the manifest; ``sealed_versions``
    and ``pointer`` are what they rest on: while a store's do not change, nor does
    anything that was decided. ``others`` are the manifests that were read for it, and
    ``damaged`` says of which earlier versions they can't be read.
    """

    platform: str
    version: str
    files: int
    new_files: int
    new_bytes: int
    reused_files: int
    reused_bytes: int
    moved_files: int
    doubled_files: int
    doubled_bytes: int
    there_files: int
    missing_files: int
    upload_bytes: int
    since: str
    sealed_versions: list[str]
    pointer: Pointer | None
    decided: list[Decided]
    others: dict[str, Manifest]
    damaged: list[str]

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
        """Return whether a sync looks at files of this choice closely, or sends
        them."""
        return not choice.there or (choice.is_new and not self.sealed)

    def seen_in(self, version: str) -> int:
        """Count the files that were first found, unchanged and under the same path, in
        an earlier version."""
        return sum(
            files
            for decided in self.decided
            for choice, files in zip(decided.choices, decided.files, strict=True)
            if choice.seen_in == version and not choice.is_moved
        )

    def line(self, how: str = "upload") -> str:
        """The plan for people; a dry run writes just this. ``how`` files come in."""
        reused = f"{self.reused_files} reused"
        if self.reused_files:
            reused += f" from {self.since}"
        if self.moved_files:
            reused += f" ({self.moved_files} moved)"
        if self.doubled_files:
            reused += f", {self.doubled_files} doubled"
        there = f" ({self.there_files} already there)" if self.there_files else ""
        return (
            f"Plan: {self.files} files, {self.new_files} new, {reused},"
            f" {size_text(self.upload_bytes)} to {how}{there}"
        )

    def blocks(self, manifest: Manifest) -> Iterator[tuple[Block, Decided]]:
        """Yield the manifest's blocks with what was decided for them."""
        return zip(manifest.blocks(), self.decided, strict=True)

    def require_unchanged(self, store: ReleaseStore) -> None:
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


def make_plan(
    manifest: Manifest,
    store: ReleaseStore,
    *,
    sealed_anew: bool = False,
    by_content: bool = True,
) -> Plan:
    """Decide for every file, and add up.

    With ``sealed_anew`` the version's own manifest in the store is not looked at;
    without ``by_content`` contents are looked for under the files' own paths only, as
    up to release 2.0.
    Raises ConflictError when the store has the version with other content,
    DamagedManifestError when that can't be told, and as ``pruned.require_same_content``
    does. An earlier version whose manifest is damaged is not compared.
    """
    require_same_content(manifest, store)
    sealed_versions = store.sealed_versions()
    platform, version = manifest.header.platform, manifest.header.version
    compared = _earlier(sealed_versions, version)
    if version in sealed_versions and not sealed_anew:
        compared.append(version)
    others: dict[str, Manifest] = {}
    damaged: list[str] = []
    for other in compared:
        try:
            others[other] = open_published(store, platform, other).manifest
        except DamagedManifestError as error:
            if other == version:
                raise
            damaged.append(str(error))
    decided = list(_decide(manifest, store, others))
    if version not in others and by_content:
        decided = find_elsewhere(manifest, decided, list(others.values()), store)
    files: Counter[Choice] = Counter()
    sizes: Counter[Choice] = Counter()
    for part in decided:
        for place, choice in enumerate(part.choices):
            files[choice] += part.files[place]
            sizes[choice] += part.sizes[place]
    new = [choice for choice in files if choice.is_new]
    reused = [choice for choice in files if choice.seen_in is not None]
    doubled = [choice for choice in files if choice.is_doubled]
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
        moved_files=sum(files[choice] for choice in reused if choice.is_moved),
        doubled_files=sum(files[choice] for choice in doubled),
        doubled_bytes=sum(sizes[choice] for choice in doubled),
        there_files=sum(files[choice] for choice in new if choice.there),
        missing_files=sum(files[choice] for choice in missing),
        upload_bytes=sum(sizes[choice] for choice in missing),
        since=", ".join(sorted(since, key=natural_key, reverse=True)),
        sealed_versions=sealed_versions,
        pointer=store.pointer(),
        decided=decided,
        others=others,
        damaged=damaged,
    )


def _decide(
    manifest: Manifest, store: ReleaseStore, others: dict[str, Manifest]
) -> Iterator[Decided]:
    """Yield the decisions for each block of the manifest."""
    version = manifest.header.version
    earlier = [other for name, other in others.items() if name != version]
    choices = NewChoices(manifest, earlier, store)
    if version in others:
        choices = SealedChoices(manifest, earlier, store, others[version])

    def decide_all(piece: list[Block]) -> list[Decided]:
        return [choices.decide(block) for block in piece]

    pieces = manifest.pieces()
    with Workers(decide_all) as workers:
        for results in workers.map(pieces):
            yield from results


def _earlier(sealed_versions: list[str], version: str) -> list[str]:
    key = natural_key(version)
    found = [other for other in sealed_versions if natural_key(other) < key]
    return found[::-1][:EARLIER_VERSIONS]
