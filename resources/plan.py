"""Decide, for every file of a version, whether it is reused or new.

Nothing is touched here: a dry run, the reuse report and the sync itself all read the
same decisions. A file is reused when an earlier version in the store has the same
content under the same path; the entry then names the version whose folder really
holds the object, never one that only refers to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from resources.errors import ConflictError, MissingFileError, RefusedFileError
from resources.manifest import Entry, entry_line
from resources.manifest_reader import Manifest
from resources.pruned import require_same_content
from resources.published import open_published
from resources.report import size_text
from resources.store import Pointer, Store
from resources.versions import natural_key

# How many earlier versions are compared, newest first. Neighbours share nearly all of
# their files, and each further manifest is read in full.
EARLIER_VERSIONS = 8


class Decision(NamedTuple):
    """What is to become of one file.

    ``entry.held_in`` names the version that holds the object, None for a new one;
    ``seen_in`` the earlier version in whose manifest it was found; ``there`` says that
    an object of the right size lies where this one belongs.
    """

    entry: Entry
    seen_in: str | None
    there: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a sync will do: numbers of files and bytes, and what it rests on.

    ``digest`` stands for all decisions, so that a sync sees when they have changed;
    ``sealed`` says that the store has the version's manifest already.
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
    sealed: bool
    pointer: Pointer | None
    digest: str

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


def decide(manifest: Manifest, store: Store) -> Iterator[Decision]:
    """Yield a decision for every file, in the manifest's order.

    Raises ConflictError when the store has the version with other content.
    """
    version = manifest.header.version
    earlier = [
        _Cursor(store, manifest.header.platform, other)
        for other in _earlier(store, version)
    ]
    if version in store.sealed_versions():
        yield from _as_sealed(manifest, store, earlier)
        return
    for entry in manifest.entries():
        yield _decision(entry, version, earlier, store)


def make_plan(manifest: Manifest, store: Store) -> Plan:
    """Add up the decisions.

    Raises ConflictError as ``decide`` and ``pruned.require_same_content`` do.
    """
    require_same_content(manifest, store)
    files = new_files = new_bytes = reused_files = reused_bytes = 0
    there_files = missing_files = upload_bytes = 0
    since: set[str] = set()
    total = DecisionsDigest()
    for decision in decide(manifest, store):
        total.add(decision)
        files += 1
        size = decision.entry.size
        if not decision.there:
            missing_files += 1
            upload_bytes += size
        if decision.seen_in is not None:
            reused_files += 1
            reused_bytes += size
            since.add(decision.seen_in)
        else:
            new_files += 1
            new_bytes += size
            there_files += decision.there
    return Plan(
        platform=manifest.header.platform,
        version=manifest.header.version,
        files=files,
        new_files=new_files,
        new_bytes=new_bytes,
        reused_files=reused_files,
        reused_bytes=reused_bytes,
        there_files=there_files,
        missing_files=missing_files,
        upload_bytes=upload_bytes,
        since=", ".join(sorted(since, key=natural_key, reverse=True)),
        sealed=manifest.header.version in store.sealed_versions(),
        pointer=store.pointer(),
        digest=total.hexdigest(),
    )


class DecisionsDigest:
    """A digest of decisions; whether a new object is there already is left out."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256(usedforsecurity=False)

    def add(self, decision: Decision) -> None:
        """Take the next decision."""
        self._digest.update(entry_line(decision.entry))

    def hexdigest(self) -> str:
        """Give the digest of all decisions taken."""
        return self._digest.hexdigest()


class _Cursor:
    """An earlier version's entries, read along with the new version's."""

    def __init__(self, store: Store, platform: str, version: str) -> None:
        self.version = version
        self._entries = open_published(store, platform, version).manifest.entries()
        self._next = next(self._entries, None)

    def find(self, wanted: Entry) -> Entry | None:
        """Give the entry of the same path and content.

        Paths must be asked for in ascending order.
        """
        key = wanted.path.encode()
        while self._next is not None and self._next.path.encode() < key:
            self._next = next(self._entries, None)
        if self._next is not None and self._next[:3] == wanted[:3]:
            return self._next
        return None


def _earlier(store: Store, version: str) -> list[str]:
    key = natural_key(version)
    found = [other for other in store.sealed_versions() if natural_key(other) < key]
    return found[::-1][:EARLIER_VERSIONS]


def _decision(
    entry: Entry, version: str, earlier: list[_Cursor], store: Store
) -> Decision:
    for cursor in earlier:
        found = cursor.find(entry)
        if found is not None:
            holder = found.held_in or cursor.version
            if _is_there(store, holder, entry):
                # The other cursors stay behind; they catch up when they are asked.
                return Decision(entry._replace(held_in=holder), cursor.version, True)
    return Decision(entry, None, _is_there(store, version, entry))


def _as_sealed(
    manifest: Manifest, store: Store, earlier: list[_Cursor]
) -> Iterator[Decision]:
    """Take the decisions of the version's manifest in the store."""
    platform, version = manifest.header.platform, manifest.header.version
    sealed = open_published(store, platform, version).manifest
    for ours, theirs in zip_longest(manifest.entries(), sealed.entries()):
        if ours is None or theirs is None or ours[:3] != theirs[:3]:
            path = (ours or theirs).path
            raise ConflictError(
                f"{version} of {platform} is in the store with other content,"
                f" first at {path}; a published version never changes"
            )
        holder = theirs.held_in
        there = _is_there(store, holder or version, theirs)
        seen_in = None
        if holder is not None:
            found = (other.version for other in earlier if other.find(theirs))
            seen_in = next(found, holder)
        yield Decision(theirs, seen_in, there)


def _is_there(store: Store, version: str, entry: Entry) -> bool:
    try:
        return store.size(version, entry.path) == entry.size
    except (MissingFileError, RefusedFileError):
        return False
