"""Make a version's folder hold all of its files, for clients that can't follow ``in``.

Nothing is sent: what earlier versions hold is linked, or copied by the server. The
manifest stays as it is, and ``prune`` takes the copies away with their version.
"""

from __future__ import annotations

from resources.errors import MissingFileError, RefusedFileError, StoreError
from resources.line_file import Block
from resources.manifest import Entry
from resources.pieces import pieces_of, read_piece
from resources.published import PublishedRelease, open_published
from resources.store import Store
from resources.workers import Workers


def make_whole(platform: str, version: str, store: Store) -> int:
    """Give a sealed version its own name of every file; give how many it lacked.

    Needs the lock. Raises StoreError when an earlier version has lost what it holds.
    """
    release = open_published(store, platform, version)
    copied = _count_lacking(release, store, copy=True)
    if copied:
        store.settle(version)
        if _count_lacking(release, store, copy=False):
            raise StoreError(f"{version} did not become whole in {store.name}")
    return copied


def _count_lacking(release: PublishedRelease, store: Store, *, copy: bool) -> int:
    def count(piece: Block | list[Entry]) -> int:
        entries = read_piece(release.manifest, piece)
        lacking = [e for e in entries if e.held_in and not _is_there(e, release, store)]
        if copy:
            for entry in lacking:
                store.copy(entry, release.version)
        return len(lacking)

    with Workers(count) as workers:
        pieces = pieces_of(release.manifest, None)
        return sum(workers.map(pieces))


def _is_there(entry: Entry, release: PublishedRelease, store: Store) -> bool:
    try:
        return store.size(release.version, entry.path) == entry.size
    except (MissingFileError, RefusedFileError):
        return False
