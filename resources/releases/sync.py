"""Bring a version into a store: content first, then its manifest, then the pointer.

A kill at any moment leaves what was served before; running again goes on where it
ended, and sends nothing twice that is there and has the right digest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import compress, count
from operator import add
from typing import BinaryIO, NamedTuple, Protocol

from resources.errors import DifferenceError, MissingFileError, RefusedFileError
from resources.manifests.format import Entry, sealed_lines
from resources.manifests.line_file import Block
from resources.manifests.paths import MANIFEST_NAME
from resources.manifests.reader import Manifest
from resources.releases.batches import PIECE_BYTES, in_pieces
from resources.releases.choices import Choice, Decided
from resources.releases.plan import Plan
from resources.report import Report, counted
from resources.stores.release_store import ReleaseStore
from resources.workers.pool import Workers, may_fork

_Wanted = tuple[Entry, Choice]


class Sent(NamedTuple):
    """What a piece, or a whole sync, brought in; of ``copied_files`` the store has made
    copies by itself."""

    verified_files: int
    sent_bytes: int
    copied_files: int = 0


class Incoming(Protocol):
    """A release that is brought into a store."""

    platform: str
    version: str
    manifest: Manifest
    place: str  # where its files are, as messages call it

    def open(self, entry: Entry) -> BinaryIO:
        """Open a file. Raises MissingFileError or RefusedFileError."""

    def read_small(self, entries: Sequence[Entry]) -> Iterator[memoryview | None]:
        """Read files whole where that can be done at once; None for every other."""

    def copy_to(
        self, store: ReleaseStore, files: Sequence[tuple[Entry, str]]
    ) -> list[bool]:
        """Let the store copy files, each to a version, without sending bytes, and
        verify them; return for each whether that could be done.

        Raises DifferenceError.
        """


def bring_in(
    plan: Plan, release: Incoming, store: ReleaseStore, report: Report
) -> str | None:
    """Store what the plan lacks: content first, then the manifest. Needs the lock.

    Returns the digest of the manifest, None when it was there already.
    Raises DifferenceError when the release isn't what its manifest says.
    """
    if not plan.complete:
        sent = send_files(plan, release, store, report)
        store.settle(plan.version)
        report.count(plan.platform, "bytesUploaded", sent.sent_bytes)
        if sent.copied_files:
            report.count(plan.platform, "copied", sent.copied_files)
            report.line(f"Verified {counted(sent.copied_files, 'copied file')}.")
        uploads = sent.verified_files - sent.copied_files
        if uploads or not sent.copied_files:
            report.line(f"Verified {counted(uploads, 'upload')}.")
    return None if plan.sealed else seal(plan, release, store)


def send_files(
    plan: Plan, release: Incoming, store: ReleaseStore, report: Report
) -> Sent:
    """Bring in every new file that isn't there with the right digest. Needs the lock.

    A file that is there already is read back: an earlier run may have been killed, and
    the power may have failed before its folder was synced. In a sealed version that
    was done, and only what is missing is sent.
    """

    def send_piece(piece: tuple[Block, Decided] | list[_Wanted]) -> Sent:
        if isinstance(piece, tuple):
            piece = _wanted(plan, release, *piece)
        lacking = []
        for entry, choice in piece:
            version = choice.held_in or plan.version
            if not (choice.there and store.is_intact(version, entry.stored)):
                lacking.append((entry, version))
        copied = release.copy_to(store, lacking)
        files = [file for file, done in zip(lacking, copied, strict=True) if not done]

        def at_hand() -> Iterator[tuple[str, Entry, memoryview]]:
            contents = release.read_small([entry for entry, _ in files])
            for (entry, version), content in zip(files, contents, strict=True):
                if content is None:
                    _send(entry, version, release, store)
                else:
                    yield version, entry.stored, content

        store.put_small(at_hand())
        sent_bytes = sum(entry.size for entry, _ in files)
        return Sent(len(piece), sent_bytes, sum(copied))

    total = Sent(0, 0)
    with Workers(send_piece) as workers:
        for sent in workers.map(_pieces(plan, release)):
            total = Sent(*map(add, total, sent))
            report.advance(sent.verified_files)
    return total


def seal(plan: Plan, release: Incoming, store: ReleaseStore) -> str:
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
    plan: Plan, release: Incoming
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
    plan: Plan, release: Incoming, block: Block, decided: Decided
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
    release: Incoming,
    store: ReleaseStore,
) -> None:
    try:
        with release.open(entry) as source:
            store.put(version, entry.stored, source)
    except MissingFileError:
        raise DifferenceError(f"{entry.path} is missing in {release.place}") from None
    except RefusedFileError as reason:
        raise DifferenceError(f"{entry.path} in {release.place} {reason}") from None
