"""Which versions were pruned and still hold files that later versions use.

Such a version has no manifest any more and can't be found by it, so the store keeps a
list of them, as a document of its own. A version is on the list before its manifest
goes and until its last file is gone, so that a killed prune can be completed.
"""

from __future__ import annotations

import json

from resources.errors import ConflictError, MissingFileError, StoreError
from resources.manifests.format import Entry
from resources.manifests.reader import Manifest
from resources.manifests.records import Records
from resources.releases.published import PublishedRelease
from resources.stores.release_store import ReleaseStore
from resources.versions import is_version

FORMAT = "release-pruned/1"
FOLDER = ".pruned"  # beside the versions' own folders; it never has a manifest
NAME = "versions.json"
GAP = b"\0"  # no path has it, and it sorts before all that one may have


def pruned_versions(store: ReleaseStore) -> list[str]:
    """Return the versions on the list that were not published again since.

    Raises StoreError when the list is damaged.
    """
    try:
        with store.open_document(FOLDER, NAME) as stream:
            values = json.loads(stream.read())
        if values["format"] != FORMAT:
            raise ValueError("no list")
        versions = [str(version) for version in values["versions"]]
    except MissingFileError:
        return []
    except (ValueError, KeyError, TypeError, RecursionError):
        versions = [""]
    if not all(is_version(version) for version in versions):
        raise StoreError(f"versions/{FOLDER}/{NAME} in {store.name} is damaged")
    sealed = set(store.sealed_versions())
    return [version for version in versions if version not in sealed]


def note_pruned(store: ReleaseStore, versions: list[str]) -> None:
    """Write the list; an empty one is deleted. Needs the lock."""
    if versions:
        text = json.dumps({"format": FORMAT, "versions": versions}, indent=2) + "\n"
        store.put_document(FOLDER, NAME, [text.encode()])
    else:
        store.delete(FOLDER, [NAME])


def require_same_content(manifest: Manifest, store: ReleaseStore) -> None:
    """Make sure that a pruned version comes back with the content it had, as far as
    other versions use it: their files would be overwritten by another.

    Raises ConflictError.
    """
    platform, version = manifest.header.platform, manifest.header.version
    if version not in pruned_versions(store):
        return
    for user in store.sealed_versions():
        path = _first_other(manifest, PublishedRelease(store, platform, user).manifest)
        if path is not None:
            raise ConflictError(
                f"{version} of {platform} was pruned, but {user} uses its {path}, which"
                " has other content here; a published version never changes"
            )


def _first_other(manifest: Manifest, user: Manifest) -> str | None:
    """Return the first path that ``user`` takes from the manifest's version, and that
    has other content in the manifest."""
    version = manifest.header.version
    used = Records()
    used.fill_sorted(
        _row(entry.stored) for entry in user.entries() if entry.held_in == version
    )
    entries = manifest.entries()
    entry: Entry | None = next(entries, None)
    for row in used:
        path = row.partition(GAP)[0]
        while entry is not None and entry.path.encode() < path:
            entry = next(entries, None)
        if entry is not None and entry.path.encode() == path and _row(entry) != row:
            return entry.path
    return None


def _row(entry: Entry) -> bytes:
    """Return path and content, so that rows sort as their paths do."""
    content = f"{entry.size} {entry.sha256}\n".encode()
    return entry.path.encode() + GAP + content
