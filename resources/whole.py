"""Make a version's folder hold all of its files, for clients that can't follow ``in``.

Nothing is sent: what earlier versions hold is linked, or copied by the server. The
manifest stays as it is, and ``prune`` takes the copies away with their version.
"""

from __future__ import annotations

from collections.abc import Callable

from resources.errors import StoreError
from resources.line_file import Block
from resources.manifest import Entry
from resources.pieces import pieces_of, read_piece
from resources.published import PublishedRelease, open_published
from resources.store import Store
from resources.workers import Workers


def make_whole(platform: str, version: str, store: Store, *, is_new: bool) -> int:
    """Give a sealed version its own name of every file; give how many it lacked.

    ``is_new`` says that it was sealed just now. Needs the lock. Raises StoreError when
    an earlier version has lost what it holds.
    """
    release = open_published(store, platform, version)

    def copy(piece: Block | list[Entry]) -> int:
        entries = read_piece(release.manifest, piece)
        return sum(store.copy(entry, version) for entry in entries if entry.held_in)

    def count_lacking(piece: Block | list[Entry]) -> int:
        entries = read_piece(release.manifest, piece)
        sizes = store.sizes(version, [entry.path for entry in entries])
        return sum(
            size != entry.size for size, entry in zip(sizes, entries, strict=True)
        )

    # By size, what an upload that was given up has left could be taken for a copy; once
    # a version was made whole, nothing of the kind is there.
    if not is_new and not _in_pieces(release, count_lacking):
        return 0
    copied = _in_pieces(release, copy)
    if copied:
        store.settle(version)
        if _in_pieces(release, count_lacking):
            raise StoreError(f"{version} did not become whole in {store.name}")
    return copied


def _in_pieces(
    release: PublishedRelease, work: Callable[[Block | list[Entry]], int]
) -> int:
    with Workers(work) as workers:
        return sum(workers.map(pieces_of(release.manifest, None)))
