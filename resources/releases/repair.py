"""Mend what is damaged of a sealed version: its objects, or its manifest.

A published version never changes, so nothing is sent but what the version had: bytes
whose digest the manifest names, and a manifest whose digest the pointer or its own last
line names. They come from the source, or from another store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, zip_longest
from typing import BinaryIO, NamedTuple, Protocol

from resources.errors import (
    DamagedManifestError,
    DifferenceError,
    MissingFileError,
    RefusedFileError,
    StoreError,
)
from resources.manifests.format import Entry
from resources.manifests.line_file import Block
from resources.manifests.paths import MANIFEST_NAME
from resources.manifests.records import Records
from resources.platforms import all_platforms
from resources.releases.batches import in_pieces, pieces_of, read_piece
from resources.releases.check import Problems, find_problem, found_in, suspects
from resources.releases.lost_manifest import require_what_was_lost
from resources.releases.published import PublishedRelease, open_published
from resources.report import Report, size_text
from resources.stores.release_store import ReleaseStore
from resources.workers.pool import Workers


class Origin(Protocol):
    """Where undamaged files come from."""

    name: str

    def open(self, entry: Entry) -> BinaryIO:
        """Open a file by the path of its entry. Raises MissingFileError or
        RefusedFileError."""

    def manifests(self, store: ReleaseStore) -> Iterator[Iterable[bytes]]:
        """Yield the manifests of the version that may have been published in ``store``,
        the likeliest first.

        Raises EngineError when there is none.
        """


class Damaged(NamedTuple):
    """An object with other bytes than its entry says, and the line that says so.

    ``entry.held_in`` is where the object lies, None for the version itself.
    """

    entry: Entry
    problem: str


class Outcome(NamedTuple):
    """What became of a damaged object: None, or why it could not be repaired."""

    entry: Entry
    reason: str | None


def repair(
    version: str,
    platform: str,
    store: ReleaseStore,
    origin: Origin,
    report: Report,
    *,
    dry_run: bool = False,
    mended: list[str] | None = None,
) -> int:
    """Read all that a version has in a store, and send again what is damaged.

    Writes a line for each damaged object, and for each that can't be repaired; returns
    how many these are. Nothing is written, nor is the store locked, where nothing is
    damaged or for a ``dry_run``. ``mended`` gets the paths, beneath the platform's
    folder, of what was sent, also where the rest of it fails.
    Raises InputError when the store doesn't have the version, StoreError when its
    manifest can't be made again, ConflictError when another publisher is at work.
    """
    report.line(f"Repairing {all_platforms()[platform]}...")
    mended = [] if mended is None else mended
    try:
        release = open_published(store, platform, version)
    except DamagedManifestError as error:
        report.line(f"DAMAGED {MANIFEST_NAME}: {error}")
        lost = _lost_manifest(version, platform, store, origin)
        if dry_run:
            report.line(f"{MANIFEST_NAME} of {version} can be repaired.")
            return 0
        with store.lock():
            store.put_document(version, MANIFEST_NAME, lost)
        mended.append(f"versions/{version}/{MANIFEST_NAME}")
        report.line(f"Repaired {MANIFEST_NAME} of {version}.")
        report.count(platform, "repaired", 1)
        release = open_published(store, platform, version)
    report.expect(release.manifest.files)
    damaged = list(_find_damaged(release, store, report))
    report.count(platform, "filesChecked", release.manifest.files)
    report.count(platform, "damaged", len(damaged))
    if not damaged:
        files = release.manifest.files
        report.line(f"Nothing to repair: all {files} files of {version} are intact.")
        return 0
    if dry_run:
        outcomes = [_look(damage.entry, origin) for damage in damaged]
    else:
        with store.lock():
            outcomes = []
            for outcome in _mend(version, damaged, store, origin):
                outcomes.append(outcome)
                if not outcome.reason:
                    holder = outcome.entry.held_in or version
                    mended.append(f"versions/{holder}/{outcome.entry.stored.path}")
            for holder in {damage.entry.held_in or version for damage in damaged}:
                store.settle(holder)
    return _tell(outcomes, report, platform, dry_run=dry_run)


def _find_damaged(
    release: PublishedRelease, store: ReleaseStore, report: Report
) -> Iterator[Damaged]:
    """Read every object, and what a version has a copy of, though another holds it."""

    def look(piece: Block | list[Entry]) -> tuple[int, list[Damaged]]:
        entries = read_piece(release.manifest, piece)
        held = [entry for entry in entries if entry.held_in is not None]
        sizes = store.sizes(release.version, [entry.path for entry in held])
        copies = [
            entry._replace(held_in=None, held_at=None)
            for entry, size in zip(held, sizes, strict=True)
            if size is not None
        ]
        looked_at = chain(suspects(release, entries), suspects(release, copies))
        problems = (
            (entry, find_problem(release, entry, quick=False)) for entry in looked_at
        )
        found = [Damaged(entry, problem) for entry, problem in problems if problem]
        return len(entries), found

    problems = Problems(report)
    pieces = pieces_of(release.manifest, lambda entry: entry.size)
    with Workers(look) as workers:
        for files, found in workers.map(pieces):
            problems.add(found_in(files, (damage.problem for damage in found)))
            report.advance(files)
            yield from found
    problems.close()


def _mend(
    version: str, damaged: Sequence[Damaged], store: ReleaseStore, origin: Origin
) -> Iterator[Outcome]:
    """Send damaged objects again, each once, however many files are in it. Needs the
    lock."""
    objects: dict[tuple[str, str], list[Entry]] = {}
    for entry, _ in damaged:
        key = entry.held_in or version, entry.stored.path
        objects.setdefault(key, []).append(entry)

    def send(piece: list[list[Entry]]) -> list[Outcome]:
        outcomes = (_send(entries, version, store, origin) for entries in piece)
        return list(chain.from_iterable(outcomes))

    with Workers(send) as workers:
        pieces = in_pieces(objects.values(), lambda entries: entries[0].size)
        for outcomes in workers.map(pieces):
            yield from outcomes


def _send(
    entries: Sequence[Entry], version: str, store: ReleaseStore, origin: Origin
) -> Iterator[Outcome]:
    """Send one object, which the origin may have by only one of its files' names."""
    reasons: list[str] = []
    for entry in entries:

        def put(stream: BinaryIO, entry: Entry = entry) -> None:
            store.put(entry.held_in or version, entry.stored, stream)

        reason = _reason_against(entry, origin, put)
        if reason is None:
            reasons.clear()
            break
        reasons.append(reason)
    for entry, reason in zip_longest(entries, reasons):
        yield Outcome(entry, reason)


def _look(entry: Entry, origin: Origin) -> Outcome:
    from resources.stores.verified import verified

    def read(stream: BinaryIO) -> None:
        for _ in verified(stream, entry):
            pass

    return Outcome(entry, _reason_against(entry, origin, read))


def _reason_against(
    entry: Entry, origin: Origin, use: Callable[[BinaryIO], None]
) -> str | None:
    """Use the origin's file, or say why it can't be used."""
    try:
        with origin.open(entry) as stream:
            use(stream)
    except MissingFileError:
        return f"it is not in {origin.name}"
    except RefusedFileError as reason:
        return f"in {origin.name} it {reason}"
    except DifferenceError:
        return f"in {origin.name} it has other content"
    return None


def _tell(
    outcomes: Sequence[Outcome], report: Report, platform: str, *, dry_run: bool
) -> int:
    lost = [outcome for outcome in outcomes if outcome.reason]
    problems = Problems(report)
    lines = (f"NOT REPAIRED {entry.path}: {reason}" for entry, reason in lost)
    problems.add(found_in(0, lines))
    problems.close()
    mended = [outcome.entry for outcome in outcomes if not outcome.reason]
    size = size_text(sum(entry.size for entry in mended))
    done = "Can repair" if dry_run else "Repaired"
    report.line(f"{done} {len(mended)} of {len(outcomes)} damaged files, {size}.")
    if not dry_run:
        report.count(platform, "repaired", len(mended))
    if lost:
        report.failure(f"{len(lost)} damaged files can't be repaired.")
    return len(lost)


def _lost_manifest(
    version: str, platform: str, store: ReleaseStore, origin: Origin
) -> Records:
    """Make a version's manifest again, and prove that it is the one that was lost."""
    refusal = StoreError(
        f"{MANIFEST_NAME} of {version} went from {store.name} meanwhile"
    )
    with suppress(MissingFileError):
        for lines in origin.manifests(store):
            lost = Records()
            lost.fill(lines)
            try:
                require_what_was_lost(lost, version, platform, store)
            except StoreError as error:
                refusal = error
            else:
                return lost
    raise refusal
