"""Bring a version into a store: content first, then its manifest, then the pointer.

A kill at any moment leaves what was served before; running again goes on where it
ended, and sends nothing twice that is there and has the right digest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import compress, count
from typing import NamedTuple

from resources.errors import DifferenceError, MissingFileError, RefusedFileError
from resources.manifests.format import Entry, sealed_lines
from resources.manifests.line_file import Block
from resources.manifests.paths import MANIFEST_NAME
from resources.manifests.reader import Manifest
from resources.releases.batches import PIECE_BYTES, in_pieces
from resources.releases.choices import Choice, Decided
from resources.releases.plan import Plan
from resources.releases.source import SourceRelease
from resources.report import Report, counted
from resources.stores.release_store import ReleaseStore
from resources.workers.pool import Workers, may_fork

_Wanted = tuple[Entry, Choice]


class Sent(NamedTuple):
    """What a piece, or a whole sync, brought in."""

    verified_files: int
    sent_bytes: int


def bring_in(
    plan: Plan, release: SourceRelease, store: ReleaseStore, report: Report
) -> str | None:
    """Store what the plan lacks: content first, then the manifest. Needs the lock.

    Returns the digest of the manifest, None when it was there already.
    Raises DifferenceError when the source isn't what its manifest says.
    """
    if not plan.complete:
        sent = send_files(plan, release, store, report)
        store.settle(plan.version)
        report.count(plan.platform, "bytesUploaded", sent.sent_bytes)
        report.line(f"Verified {counted(sent.verified_files, 'upload')}.")
    return None if plan.sealed else seal(plan, release, store)


def send_files(
    plan: Plan, release: SourceRelease, store: ReleaseStore, report: Report
) -> Sent:
    """Bring in every new file that isn't there with the right digest. Needs the lock.

    A file that is there already is read back: an earlier run may have been killed, and
    the power may have failed before its folder was synced. In a sealed version that
    was done, and only what is missing is sent.
    """

    def send_piece(piece: tuple[Block, Decided] | list[_Wanted]) -> Sent:
        if isinstance(piece, tuple):
            piece = _wanted(plan, release, *piece)
        sent_bytes = 0

        def at_hand() -> Iterator[tuple[str, Entry, memoryview]]:
            nonlocal sent_bytes
            contents = release.read_small([entry for entry, _ in piece])
            for (entry, choice), content in zip(piece, contents, strict=True):
                version = choice.held_in or plan.version
                if choice.there and store.is_intact(version, entry.stored):
                    continue
                if content is None:
                    _send(entry, version, release, store)
                else:
                    yield version, entry.stored, content
                sent_bytes += entry.size

        store.put_small(at_hand())
        return Sent(len(piece), sent_bytes)

    verified_files = sent_bytes = 0
    with Workers(send_piece) as workers:
        for sent in workers.map(_pieces(plan, release)):
            verified_files += sent.verified_files
            sent_bytes += sent.sent_bytes
            report.advance(sent.verified_files)
    return Sent(verified_files, sent_bytes)


def seal(plan: Plan, release: SourceRelease, store: ReleaseStore) -> str:
    """Write the version's manifest, after which it never changes. Needs the lock.

    Returns the digest that it ends with.
    """
    end = b""

    def lines() -> Iterator[bytes]:
        nonlocal end
        for end in published_lines(plan, release.manifest):  # noqa: UP028
            yield end

    store.put_document(plan.version, MANIFEST_NAME, lines())
    return str(json.loads(end)["sha256"])


def published_lines(plan: Plan, manifest: Manifest) -> Iterator[bytes]:
    """Yield a manifest with the version that holds each file, as it is published."""
    entries = (
        manifest.lines_held(
            block,
            [choice.held_in for choice in decided.choices],
            decided.codes,
            decided.held_at(),
        )
        for block, decided in plan.blocks(manifest)
    )
    return sealed_lines(manifest.header, entries)


def _pieces(
    plan: Plan, release: SourceRelease
) -> Iterator[tuple[Block, Decided] | list[_Wanted]]:
    """Yield whole blocks with what was decided, and where these have much to send, the
    files themselves in smaller pieces."""
    for block, decided in plan.blocks(release.manifest):
        sizes = zip(decided.choices, decided.sizes, strict=True)
        to_send = [size for choice, size in sizes if plan.wants(choice)]
        if may_fork() and sum(to_send) <= PIECE_BYTES:
            if to_send:
                yield block, decided
        else:
            wanted = _wanted(plan, release, block, decided)
            yield from in_pieces(wanted, lambda file: file[0].size)


def _wanted(
    plan: Plan, release: SourceRelease, block: Block, decided: Decided
) -> list[_Wanted]:
    is_wanted = [plan.wants(choice) for choice in decided.choices]
    wanted = [is_wanted[code] for code in decided.codes]
    entries = release.manifest.selected(block, wanted)
    if held_at := decided.held_at():
        places = compress(count(), wanted)
        entries = [
            entry._replace(held_at=held_at.get(place))
            for place, entry in zip(places, entries, strict=False)
        ]
    choices = [decided.choices[code] for code in compress(decided.codes, wanted)]
    return list(zip(entries, choices, strict=True))


def _send(
    entry: Entry,
    version: str,
    release: SourceRelease,
    store: ReleaseStore,
) -> None:
    try:
        with release.open(entry) as source:
            store.put(version, entry.stored, source)
    except MissingFileError:
        raise DifferenceError(
            f"{entry.path} is missing in the source of {release.platform}"
        ) from None
    except RefusedFileError as reason:
        raise DifferenceError(
            f"{entry.path} in the source of {release.platform} {reason}"
        ) from None
