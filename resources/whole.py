"""Make a version's folder hold all of its files, for clients that can't follow ``in``.

Nothing is sent: what earlier versions hold is linked or cloned, or copied by the
server. The manifest stays as it is, and ``prune`` takes the copies away with their
version.
"""

from __future__ import annotations

from collections.abc import Iterator

from resources.errors import MissingFileError, RefusedFileError, StoreError
from resources.manifest import Entry
from resources.pieces import in_pieces
from resources.published import PublishedRelease, open_published
from resources.store import Store
from resources.workers import Workers


def make_whole(platform: str, version: str, store: Store) -> int:
    """Give a sealed version its own name of every file; give how many it lacked.

    Needs the lock. Raises StoreError when an earlier version has lost what it holds.
    """
    release = open_published(store, platform, version)

    def copy_piece(piece: list[Entry]) -> int:
        for entry in piece:
            store.copy(entry, version)
        return len(piece)

    copied = 0
    with Workers(copy_piece) as workers:
        pieces = in_pieces(_lacking(release, store), lambda entry: 0)
        for files in workers.map(pieces):
            copied += files
    if copied:
        store.settle(version)
        if any(_lacking(release, store)):
            raise StoreError(f"{version} did not become whole in {store.name}")
    return copied


def _lacking(release: PublishedRelease, store: Store) -> Iterator[Entry]:
    for entry in release.manifest.entries():
        if entry.held_in is not None and not _is_there(entry, release.version, store):
            yield entry


def _is_there(entry: Entry, version: str, store: Store) -> bool:
    try:
        return store.size(version, entry.path) == entry.size
    except (MissingFileError, RefusedFileError):
        return False
