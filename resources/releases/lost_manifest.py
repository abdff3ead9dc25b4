"""Prove that a manifest is the one that a store has lost.

A published version never changes, so a manifest that was made again may take the
place of a damaged one only if it is the same, as far as anything still tells: the
pointer has its digest, and so has its last line. What is left of one that was cut off
must begin like it, and every object that lies in the version must be what it says.
"""

from __future__ import annotations

import json
from typing import BinaryIO

from resources.errors import ManifestError, StoreError
from resources.manifests.format import Entry
from resources.manifests.line_file import Block
from resources.manifests.paths import MANIFEST_NAME
from resources.manifests.reader import Manifest
from resources.manifests.records import Records
from resources.releases.batches import pieces_of, read_piece
from resources.stores.release_store import ReleaseStore
from resources.workers.pool import Workers

LAST_LINE_BYTES = 200  # more than it can have
COMPARED_BYTES = 1 << 20


def require_what_was_lost(
    lost: Records, version: str, platform: str, store: ReleaseStore
) -> None:
    """Make sure that ``lost`` is the manifest that was published.

    Raises StoreError when it isn't, or nothing tells, and MissingFileError when there
    is none in the store.
    """
    name = f"the manifest of {version} made again"
    try:
        manifest = Manifest(
            name, lost.lines, platform=platform, version=version, published=True
        )
        manifest.verify()
    except ManifestError as error:
        raise StoreError(f"{MANIFEST_NAME} can't be repaired: {error}") from None
    with store.open_document(version, MANIFEST_NAME) as stream:
        end = _last_bytes(stream)
    known = _known_digest(version, store) or _digest_at_end(end)
    if known is not None:
        if manifest.sha256 != known:
            raise _other(version, store)
        return
    if not _begins_alike(lost, version, store) or not _agrees(manifest, version, store):
        raise _other(version, store)


def _other(version: str, store: ReleaseStore) -> StoreError:
    return StoreError(
        f"{MANIFEST_NAME} of {version} in {store.name} can't be repaired: what was"
        " published as it had other content or lay in other versions; name a store that"
        " has it by --from"
    )


def _known_digest(version: str, store: ReleaseStore) -> str | None:
    for pointer in store.pointers():
        if pointer.version == version:
            return pointer.manifest_sha256
    return None


def _digest_at_end(end: bytes) -> str | None:
    """Read the digest of a manifest's last line, if that is whole.

    >>> _digest_at_end(b'{"end": 1, "sha256": "ab"}\\n')
    'ab'
    """
    if not end.endswith(b"\n"):
        return None
    try:
        values = json.loads(end[:-1].rpartition(b"\n")[2])
        return str(values["sha256"]) if "end" in values else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _last_bytes(stream: BinaryIO) -> bytes:
    end = b""
    while chunk := stream.read(COMPARED_BYTES):
        end = (end + chunk)[-LAST_LINE_BYTES:]
    return end


def _begins_alike(lost: Records, version: str, store: ReleaseStore) -> bool:
    """Return whether what is left begins like ``lost``, and has its first line."""
    has_line = False
    with (
        store.open_document(version, MANIFEST_NAME) as damaged,
        lost.lines.open() as new,
    ):
        while rest := damaged.read(COMPARED_BYTES):
            if new.read(len(rest)) != rest:
                return False
            has_line = has_line or b"\n" in rest
    return has_line


def _agrees(manifest: Manifest, version: str, store: ReleaseStore) -> bool:
    """Return whether all that lies in the version has the content that it should."""

    def look(piece: Block | list[Entry]) -> int:
        entries = read_piece(manifest, piece)
        own = [entry for entry in entries if entry.held_in is None]
        sizes = store.sizes(version, [entry.path for entry in own])
        there = [
            entry for entry, size in zip(own, sizes, strict=True) if size is not None
        ]
        return sum(not store.is_intact(version, entry) for entry in there)

    with Workers(look) as workers:
        found = list(workers.map(pieces_of(manifest, lambda entry: entry.size)))
    return not any(found)
