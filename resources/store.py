"""What the engine needs of a store, whatever it is made of.

A store holds one platform. Under it lie ``versions/<v>/<path>``, the files first
published in v; ``versions/<v>/manifest.jsonl``, which seals v: after it was written, v
never changes; ``versions/<v>/reuse.json``; and ``current.json``, the pointer, which
says what is served.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import BinaryIO, NamedTuple, Protocol

from resources.manifest import Entry


class Pointer(NamedTuple):
    """What ``current.json`` says: the version served, and the digest its manifest ends
    with, as 64 hex digits."""

    version: str
    manifest_sha256: str


class Store(Protocol):
    """One platform's store. Every method raises StoreError or FullError."""

    @property
    def name(self) -> str:
        """How messages call the store."""

    def sealed_versions(self) -> list[str]:
        """Give the versions that have a manifest, in natural order."""

    def open_document(self, version: str, name: str) -> BinaryIO:
        """Open a version's manifest or reuse.json. Raises MissingFileError."""

    def size(self, version: str, path: str) -> int:
        """Give an object's size in bytes.

        Raises MissingFileError, or RefusedFileError when it can't be an object.
        """

    def open(self, version: str, path: str) -> BinaryIO:
        """Open an object. Raises MissingFileError or RefusedFileError."""

    def lock(self) -> AbstractContextManager[None]:
        """Be the only publisher. Raises ConflictError when there is another."""

    def put(self, version: str, entry: Entry, source: BinaryIO) -> None:
        """Store ``source`` as ``entry.path`` of ``version``, all or nothing.

        Hashes what it writes; raises DifferenceError, and stores nothing, when that is
        not what the entry says. Needs the lock.
        """

    def put_document(self, version: str, name: str, chunks: Iterable[bytes]) -> None:
        """Store a manifest or reuse.json, all or nothing. Needs the lock."""

    def settle(self, version: str) -> None:
        """Make sure that what was put in ``version`` survives a power failure."""

    def pointer(self) -> Pointer | None:
        """Give the pointer, or None when nothing was published."""

    def move_pointer(self, pointer: Pointer, expected: Pointer | None) -> None:
        """Serve another version, if ``expected`` is still served.

        Raises ConflictError when it isn't. Needs the lock.
        """
