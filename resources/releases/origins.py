"""Where a repair takes undamaged files from: the source, or another store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import BinaryIO

from resources.errors import MissingFileError
from resources.files.rooted import Tree
from resources.manifests.format import Entry
from resources.manifests.line_file import Block
from resources.manifests.paths import MANIFEST_NAME
from resources.releases.plan import make_plan
from resources.releases.published import PublishedRelease, open_published
from resources.releases.source import open_release
from resources.releases.sync import published_lines
from resources.report import Report
from resources.stores.release_store import ReleaseStore

BLOCKS_KEPT = 8  # of another store's manifest: as many as there are threads


class SourceOrigin:
    """The builds of a platform. A file that a version's own build has no more may still
    be in that of the version which first brought it."""

    def __init__(
        self,
        source: Path,
        platform: str,
        version: str,
        *,
        manifest_name: str | None,
        report: Report,
    ) -> None:
        self.name = f"the source {source / platform}"
        self._source = source
        self._platform = platform
        self._version = version
        self._manifest_name = manifest_name
        self._report = report
        self._trees: dict[str, Tree | None] = {}

    def open(self, entry: Entry) -> BinaryIO:
        """Open a file; see ``repair.Origin``."""
        places = {
            (self._version, entry.path): None,
            (entry.held_in or self._version, entry.stored.path): None,
        }
        for version, path in places:
            tree = self._tree(version)
            if tree is None:
                continue
            try:
                return tree.open_file(path)
            except MissingFileError:
                continue
        raise MissingFileError

    def manifests(self, store: ReleaseStore) -> Iterator[Iterable[bytes]]:
        """Decide anew which earlier versions hold the files of the build; then as up to
        release 2.0, which did not know files by their content."""
        release = open_release(
            self._source,
            self._platform,
            self._version,
            manifest_name=self._manifest_name,
            report=self._report,
        )
        for by_content in (True, False):
            plan = make_plan(
                release.manifest, store, sealed_anew=True, by_content=by_content
            )
            yield published_lines(plan, release.manifest)

    def _tree(self, version: str) -> Tree | None:
        if version not in self._trees:
            try:
                self._trees[version] = Tree(self._source / self._platform / version)
            except OSError:
                self._trees[version] = None
        return self._trees[version]


class StoreOrigin:
    """The same version in another store, which need not hold its files in the same
    versions."""

    def __init__(self, store: ReleaseStore, platform: str, version: str) -> None:
        self.name = f"the store {store.name}"
        self._store = store
        self._platform = platform
        self._version = version
        # Neighbours mostly lie in one block, and threads ask for several at once.
        self._entries = lru_cache(BLOCKS_KEPT)(self._read_entries)

    @cached_property
    def release(self) -> PublishedRelease:
        """The version there; raises as ``open_published``."""
        return open_published(self._store, self._platform, self._version)

    def held(self, entry: Entry) -> Entry:
        """Return what the version there says of a file. Raises MissingFileError."""
        key = entry.path.encode()
        for block in self.release.manifest.blocks_between(key, key):
            found = self._entries(block).get(entry.path)
            if found is not None:
                return found
        raise MissingFileError

    def open(self, entry: Entry) -> BinaryIO:
        """Open a file; see ``repair.Origin``."""
        return self.release.open(self.held(entry))

    def manifests(self, store: ReleaseStore) -> Iterator[Iterable[bytes]]:
        """Yield the other store's own."""
        open_published(self._store, self._platform, self._version)
        with self._store.open_document(self._version, MANIFEST_NAME) as stream:
            yield stream

    def _read_entries(self, block: Block) -> dict[str, Entry]:
        entries = self.release.manifest.entries_of(block)
        return {entry.path: entry for entry in entries}
