"""Make a version's folder hold all of its files, for clients that can't follow ``in``.

Nothing is sent: what earlier versions hold, or the version itself under another path,
is linked, cloned or copied within the store. The manifest stays as it is, and ``prune``
takes the copies away with their version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import compress, count

from resources.errors import InputError
from resources.manifests.format import Entry
from resources.manifests.line_file import Block
from resources.releases.batches import in_pieces, pieces_of, read_piece
from resources.releases.choices import Decided
from resources.releases.plan import Plan
from resources.releases.published import PublishedRelease
from resources.releases.source import SourceRelease
from resources.stores.release_store import ReleaseStore
from resources.workers.pool import Workers, may_fork


def make_whole(plan: Plan, release: SourceRelease, store: ReleaseStore) -> int:
    """Return a sealed version its own name of every file; give how many it lacked.

    Needs the lock. Raises StoreError when an earlier version has lost what it holds.
    """

    def copied_of(entries: list[Entry]) -> int:
        return store.copy(entries, plan.version)

    if plan.sealed and not lacking_files(plan, release, store):
        return 0
    copied = _count(copied_of, plan, release)
    if copied:
        store.settle(plan.version)
    return copied


def make_published_whole(release: PublishedRelease, store: ReleaseStore) -> int:
    """Do the same for a version that lies in the store; give how many it lacked.

    Needs the lock. Raises InputError, before anything is copied, where the store can't
    copy a file, and StoreError when an earlier version has lost what it holds.
    """

    def require(entries: list[Entry]) -> int:
        _require_copyable(entries, release.version, store)
        return len(entries)

    def copied_of(entries: list[Entry]) -> int:
        return store.copy(entries, release.version)

    if not _count_lacking(release, store, require):
        return 0
    copied = _count_lacking(release, store, copied_of)
    store.settle(release.version)
    return copied


def lacking_published(release: PublishedRelease, store: ReleaseStore) -> int:
    """Count the files that the folder of a version in the store lacks, by sizes."""
    return _count_lacking(release, store, len)


def require_copyable(plan: Plan, release: SourceRelease, store: ReleaseStore) -> None:
    """Make sure that the store can copy what earlier versions hold.

    Raises InputError, before anything is written.
    """
    if not store.has_limits:
        return

    def reason_of(entries: list[Entry]) -> int:
        _require_copyable(entries, plan.version, store)
        return 0

    _count(reason_of, plan, release)


def lacking_files(plan: Plan, release: SourceRelease, store: ReleaseStore) -> int:
    """Count the files that a version's folder lacks, by their sizes.

    While it isn't sealed, what an upload that was given up has left could be taken for
    a copy; so all count then.
    """

    def lacking_of(entries: list[Entry]) -> int:
        sizes = store.sizes(plan.version, [entry.path for entry in entries])
        pairs = zip(entries, sizes, strict=True)
        return sum(size != entry.size for entry, size in pairs)

    return _count(lacking_of if plan.sealed else len, plan, release)


def _require_copyable(entries: list[Entry], version: str, store: ReleaseStore) -> None:
    for entry in entries:
        if reason := store.reason_against_copy(version, entry.path, entry.size):
            raise InputError(
                f"{entry.path} of {version} can't be copied in {store.name}: it"
                f" {reason}"
            )


def _count_lacking(
    release: PublishedRelease,
    store: ReleaseStore,
    count_in: Callable[[list[Entry]], int],
) -> int:
    """Count among the files that a published version's own folder lacks."""

    def count(piece: Block | list[Entry]) -> int:
        entries = read_piece(release.manifest, piece)
        held = [entry for entry in entries if entry.held_in is not None]
        sizes = store.sizes(release.version, [entry.path for entry in held])
        pairs = zip(held, sizes, strict=True)
        lacking = [entry for entry, size in pairs if size != entry.size]
        return count_in(lacking) if lacking else 0

    with Workers(count) as workers:
        return sum(workers.map(pieces_of(release.manifest, None)))


def _count(
    count_in: Callable[[list[Entry]], int], plan: Plan, release: SourceRelease
) -> int:
    """Count among the files that earlier versions hold, or the version itself under
    another path."""

    def count(piece: tuple[Block, Decided] | list[Entry]) -> int:
        entries = _held(release, *piece) if isinstance(piece, tuple) else piece
        return count_in(entries)

    with Workers(count) as workers:
        return sum(workers.map(_pieces(plan, release)))


def _pieces(
    plan: Plan, release: SourceRelease
) -> Iterator[tuple[Block, Decided] | list[Entry]]:
    for block, decided in plan.blocks(release.manifest):
        if may_fork():
            yield block, decided
        else:
            yield from in_pieces(_held(release, block, decided), lambda _: 0)


def _held(release: SourceRelease, block: Block, decided: Decided) -> list[Entry]:
    """Return those entries of a block that an earlier version holds, or the version
    itself under another path; each names its holder."""
    held_in = [decided.choices[code].held_in for code in decided.codes]
    is_held = [holder is not None for holder in held_in]
    entries = release.manifest.selected(block, is_held)
    make = tuple.__new__  # a third of the time that Entry(…) takes
    held = [
        make(Entry, (*entry[:4], holder, None))
        for entry, holder in zip(entries, compress(held_in, is_held), strict=True)
    ]
    if held_at := decided.held_at():
        places = compress(count(), is_held)
        held = [
            entry._replace(held_at=held_at.get(place))
            for place, entry in zip(places, held, strict=False)
        ]
    return held
