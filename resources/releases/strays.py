"""Objects in a version's folder that nobody published."""

from __future__ import annotations

from collections.abc import Iterator

from resources.errors import DamagedManifestError
from resources.manifests.paths import MANIFEST_NAME, PINNED_NAME, REUSE_NAME
from resources.releases.published import PublishedRelease
from resources.stores.release_store import ReleaseStore

DOCUMENTS = (MANIFEST_NAME, PINNED_NAME, REUSE_NAME)


def find_strays(release: PublishedRelease, store: ReleaseStore) -> Iterator[str]:
    """Yield the paths of objects that neither the version nor a later one uses.

    A copy of what an earlier version holds is one of the version's own. Hashes of the
    paths are kept, no texts: two that are equal by chance leave a stray unnamed.
    """
    listed = {hash(path) for path in release.manifest.paths()}
    strays = {
        path: None
        for path, _ in store.objects(release.version)
        if path not in DOCUMENTS and hash(_key(path)) not in listed
    }
    if strays:
        for path in _used_by_others(release, store):
            strays.pop(path, None)
    yield from strays


def _used_by_others(release: PublishedRelease, store: ReleaseStore) -> Iterator[str]:
    """Yield what other versions use: one that was pruned and published again may hold
    files for them that are no more its own."""
    for version in store.sealed_versions():
        if version == release.version:
            continue
        try:
            other = PublishedRelease(store, release.platform, version)
        except DamagedManifestError:
            continue
        for entry in other.manifest.entries():
            if entry.held_in == release.version:
                yield entry.stored.path


def _key(path: str) -> bytes:
    return path.encode(errors="surrogateescape")
