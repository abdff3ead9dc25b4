"""A version as it lies in a store, its files perhaps held by earlier versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from resources.errors import (
    ConflictError,
    DamagedManifestError,
    InputError,
    ManifestError,
    MissingFileError,
)
from resources.manifests.format import Entry
from resources.manifests.line_file import Block, LineFile
from resources.manifests.paths import MANIFEST_NAME
from resources.manifests.reader import Manifest
from resources.stores.release_store import ReleaseStore
from resources.versions import listed


class PublishedRelease:
    """One sealed version of one platform; its manifest was read once.

    Raises MissingFileError when it isn't there, and DamagedManifestError.
    """

    def __init__(self, store: ReleaseStore, platform: str, version: str) -> None:
        self.platform = platform
        self.version = version
        self._store = store
        file = LineFile(store.open_document(version, MANIFEST_NAME))
        try:
            self.manifest = Manifest(
                f"{store.name}: {MANIFEST_NAME} of {version}",
                file,
                platform=platform,
                version=version,
                published=True,
            )
            self.manifest.verify()
        except ManifestError as error:
            raise DamagedManifestError(
                f'{error}; "repair {version}" mends it'
            ) from None
        store.expect(self.manifest.paths)

    def require_unchanged(self) -> None:
        """Raise ConflictError unless the store still has the manifest that was read.

        By its digest: what was proved of these bytes needn't be proved once more.
        """
        what = (
            f"the manifest of {self.version} of {self.platform} in {self._store.name}"
        )
        try:
            stream = self._store.open_document(self.version, MANIFEST_NAME)
        except MissingFileError:
            raise ConflictError(f"{what} was removed meanwhile") from None
        with stream:
            is_same = self.manifest.is_in(stream)
        if not is_same:
            raise ConflictError(f"{what} was exchanged meanwhile")

    def open(self, entry: Entry) -> BinaryIO:
        """Open a file where it is held. Raises MissingFileError, RefusedFileError."""
        return self._store.open(entry.held_in or self.version, entry.stored.path)

    def sizes(self, entries: Sequence[Entry]) -> list[int | None]:
        """Return the sizes of files where they are held; see ``check.Files``."""
        places: dict[str, list[int]] = {}
        for place, entry in enumerate(entries):
            places.setdefault(entry.held_in or self.version, []).append(place)
        found: list[int | None] = [None] * len(entries)
        for holder, held in places.items():
            paths = [entries[place].stored.path for place in held]
            sizes = self._store.sizes(holder, paths)
            for place, size in zip(held, sizes, strict=True):
                found[place] = size
        return found

    def are_sized(self, block: Block) -> bool:
        """Return whether all files of a block have their sizes where they are held."""
        return all(
            self._store.sizes(holder, paths) == sizes
            for holder, paths, sizes in self.manifest.stored(block)
        )

    def read_small(self, entries: Sequence[Entry]) -> Iterator[memoryview | None]:
        """Read files whole where that can be done at once; see ``base.Store``."""
        wanted = ((entry.held_in or self.version, entry.stored) for entry in entries)
        return self._store.read_small(wanted)

    def size(self, entry: Entry) -> int:
        """Return a file's size in bytes; raises as ``open`` does."""
        return self._store.size(entry.held_in or self.version, entry.stored.path)


def damaged_manifests(
    store: ReleaseStore, platform: str, version: str
) -> Iterator[str]:
    """Say of each other version whose manifest is damaged what is wrong with it."""
    for other in store.sealed_versions():
        if other == version:
            continue
        try:
            PublishedRelease(store, platform, other)
        except DamagedManifestError as error:
            yield str(error)


def open_all(
    version: str, stores: Mapping[str, ReleaseStore]
) -> dict[str, PublishedRelease]:
    """Open a version in the store of each platform; raises as ``open_published``."""
    return {name: open_published(stores[name], name, version) for name in stores}


def open_published(
    store: ReleaseStore, platform: str, version: str
) -> PublishedRelease:
    """Open a sealed version and read its manifest once, checking all of it.

    Raises InputError when it isn't there, naming those there are, and
    DamagedManifestError.
    """
    try:
        return PublishedRelease(store, platform, version)
    except MissingFileError:
        there = listed(store.sealed_versions())
        raise InputError(
            f"version {version} of {platform} is not in the store {store.name}; {there}"
        ) from None
