"""What the engine needs of a store, whatever it is made of.

A store holds one platform. Under it lie ``versions/<v>/<path>``, the files first
published in v; ``versions/<v>/manifest.jsonl``, which seals v: after it was written, v
never changes; ``versions/<v>/reuse.json``; and ``current.json``, the pointer, which
says what is served. A version that holds ``versions/<v>/.pinned`` is never pruned;
``versions/.pruned/versions.json`` lists what was pruned in part, ``history.json`` the
pointers of before (see ``history.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, NamedTuple, Protocol

from resources.errors import MissingFileError, RefusedFileError
from resources.files.hashing import sha256_of
from resources.manifests.format import Entry
from resources.versions import is_version

POINTER_FORMAT = "release-pointer/1"
HISTORY_NAME = "history.json"


class Pointer(NamedTuple):
    """What ``current.json`` says: the version served, and the digest its manifest ends
    with, as 64 hex digits.

    ``previous`` is the version served before, ``published_at`` when that changed (UTC,
    ISO 8601 with milliseconds), ``task_id`` the service's task that changed it. Each
    is None where nobody wrote it down.
    """

    version: str
    manifest_sha256: str
    previous: str | None = None
    published_at: str | None = None
    task_id: str | None = None

    def encode(self) -> bytes:
        """Return the content of ``current.json``."""
        values = {
            "format": POINTER_FORMAT,
            "version": self.version,
            "manifestSha256": self.manifest_sha256,
            "previous": self.previous,
            "publishedAt": self.published_at,
            "taskId": self.task_id,
        }
        return (json.dumps(values, indent=2) + "\n").encode()

    @classmethod
    def decode(cls, content: bytes) -> Pointer:
        """Read the content of ``current.json``. Raises ValueError when it is damaged.

        >>> pointer = Pointer("v885", "0" * 64, previous="v884")
        >>> Pointer.decode(pointer.encode()) == pointer
        True
        """
        try:
            values = json.loads(content)
            if values["format"] != POINTER_FORMAT or not is_version(values["version"]):
                raise ValueError("no pointer")
            pointer = cls(
                values["version"],
                values["manifestSha256"],
                values.get("previous"),
                values.get("publishedAt"),
                values.get("taskId"),
            )
        except (KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError("no pointer") from None
        if not all(isinstance(value, str | None) for value in pointer):
            raise ValueError("no pointer")
        return pointer


def is_intact(entry: Entry, version: str, store: Store) -> bool:
    """Read what lies in a version, and say whether it is what the entry says."""
    try:
        with store.open(version, entry.path) as stream:
            return sha256_of(stream) == (entry.size, entry.sha256)
    except (MissingFileError, RefusedFileError, OSError):
        return False


class Store(Protocol):
    """One platform's store. Every method raises StoreError or FullError."""

    @property
    def name(self) -> str:
        """Return how messages call the store."""

    @property
    def has_limits(self) -> bool:
        """Return whether ``reason_against`` may name one."""

    @property
    def lists_digests(self) -> bool:
        """Return whether ``differs`` may see something."""

    def sealed_versions(self) -> list[str]:
        """Return the versions that have a manifest, in natural order."""

    def reason_against(self, version: str, path: str, size: int) -> str | None:
        """Return why an object can't be stored, whatever is in it; None when it can."""

    def reason_against_copy(self, version: str, path: str, size: int) -> str | None:
        """Say the same of an object that ``copy`` would make."""

    def is_begun(self, version: str) -> bool:
        """Return whether there may be objects of a version."""

    def open_document(self, version: str, name: str) -> BinaryIO:
        """Open a version's manifest or reuse.json. Raises MissingFileError."""

    def size(self, version: str, path: str) -> int:
        """Return an object's size in bytes.

        Raises MissingFileError, or RefusedFileError when it can't be an object.
        """

    def sizes(self, version: str, paths: list[str]) -> list[int | None]:
        """Return the sizes of many objects; None for what isn't there or can't be
        one."""

    def differs(self, version: str, entry: Entry) -> bool:
        """Return whether an object is seen to have other bytes, as far as that can be
        seen without reading objects that have the right ones."""

    def open(self, version: str, path: str) -> BinaryIO:
        """Open an object. Raises MissingFileError or RefusedFileError."""

    def read_small(
        self, wanted: Iterable[tuple[str, Entry]]
    ) -> Iterator[memoryview | None]:
        """Read objects whole, where that can be done at once; None for every other, for
        whatever reason. ``wanted`` are entries with the versions that hold them."""

    def lock(self) -> AbstractContextManager[None]:
        """Be the only publisher. Raises ConflictError when there is another."""

    def put(self, version: str, entry: Entry, source: BinaryIO) -> None:
        """Store ``source`` as ``entry.path`` of ``version``, all or nothing.

        Hashes what it writes; raises DifferenceError, and stores nothing, when that is
        not what the entry says. Needs the lock.
        """

    def put_small(self, files: Iterable[tuple[str, Entry, memoryview]]) -> None:
        """Store files that were read already, each as ``put`` does. Needs the lock.

        ``files`` are versions, entries and what is in the files; it holds until the
        next one is taken.
        """

    def copy(self, entries: Iterable[Entry], version: str) -> int:
        """Make the object that each entry's ``held_in`` holds one of ``version``, too,
        all or nothing and without sending it. Needs the lock.

        Returns how many weren't the same object already. Raises StoreError when an
        object isn't there with the entry's size.
        """

    def put_document(self, version: str, name: str, chunks: Iterable[bytes]) -> None:
        """Store a manifest or reuse.json, all or nothing. Needs the lock."""

    def settle(self, version: str) -> None:
        """Make sure that what was put in ``version`` survives a power failure."""

    def objects(self, version: str) -> Iterator[tuple[str, int]]:
        """Yield path and size in bytes of all that is stored under ``version``, its
        documents included, whether it is sealed or not; nothing if there is nothing.

        Objects may be deleted meanwhile.
        """

    def unseal(self, version: str) -> None:
        """Delete a version's manifest, if there is one, so that it lasts: nobody takes
        the version for whole any more. Needs the lock."""

    def delete(self, version: str, paths: Iterable[str]) -> None:
        """Delete objects or documents of a version; it is no error when one is gone
        already. Needs the lock."""

    def pointer(self) -> Pointer | None:
        """Return the pointer, or None when nothing was published."""

    def history(self) -> bytes | None:
        """Return ``history.json``, or None when there is none."""

    def put_history(self, content: bytes) -> None:
        """Write ``history.json``, all or nothing. Needs the lock."""

    def move_pointer(self, pointer: Pointer, expected: Pointer | None) -> None:
        """Serve another version, if ``expected`` is still served.

        Raises ConflictError when it isn't. Needs the lock.
        """
