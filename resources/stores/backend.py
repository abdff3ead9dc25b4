"""Backends of stores: objects by name, without a word of releases.

``ReleaseStore`` has the rules. A new kind is the nine methods that have no default
here; the others are there to be quicker, or to know limits.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, NamedTuple

from resources.errors import MissingFileError, RefusedFileError
from resources.files.hashing import sha256_of
from resources.manifests.format import Entry


class LostRaceError(Exception):
    """A condition of a write did not hold: another writer was first."""


class Copy(NamedTuple):
    """A copy that is asked for: of what lies under ``path`` beneath ``folder``, and is
    what the entry says."""

    entry: Entry
    folder: str
    path: str
    target: str

    @property
    def source(self) -> str:
        """The key of what is copied."""
        return f"{self.folder}/{self.path}"


class SmallFile(NamedTuple):
    """A file that was read already. ``is_served``: readers may see its name now."""

    key: str
    entry: Entry
    content: memoryview
    is_served: bool


class Backend(ABC):
    """Objects by key, such as ``versions/v885/snd/a.mp3``. What writes needs the lock.

    A key comes from a manifest: one that would lead elsewhere (``..``, ``.``, an empty
    part) is a RefusedFileError. Every method raises StoreError, or FullError where
    there is no room.
    """

    name: str  # as messages call it
    has_limits = False  # ``reason_against`` or ``reason_against_copy`` may name one
    lists_digests = False  # ``differs`` may see something
    # What is put appears whole or not at all. Else nobody may be reading where a file
    # is written in its place, and it matters whether its version is served already.
    is_atomic = True

    # --- What each kind has to do -----------------------------------------------------

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """Open an object. Raises MissingFileError, or RefusedFileError where it can't
        be an object."""

    @abstractmethod
    def get(self, key: str, most_bytes: int = -1) -> tuple[bytes, Any] | None:
        """Return a small object and what identifies its state; None where there is
        none."""

    @abstractmethod
    def listed(self, folder: str) -> Iterator[tuple[str, int]]:
        """Yield path and size in bytes of all beneath a folder; nothing if there is
        nothing. Objects may be deleted meanwhile."""

    @abstractmethod
    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders right beneath one."""

    @abstractmethod
    def put(self, key: str, entry: Entry, source: BinaryIO, *, is_served: bool) -> None:
        """Store ``source``, all or nothing. Raises DifferenceError, and stores nothing,
        when it is not what the entry says."""

    @abstractmethod
    def put_document(
        self, key: str, chunks: Iterable[bytes], *, changes: bool = True
    ) -> None:
        """Store what lasts and others read, all or nothing; ``changes``: it will be
        written again under this name."""

    @abstractmethod
    def put_if(self, key: str, content: bytes, state: Any) -> None:
        """Store a document if the object is still in a state that ``get`` returned,
        None for none. Raises LostRaceError."""

    @abstractmethod
    def delete(self, folder: str, paths: Iterable[str]) -> None:
        """Delete objects beneath a folder; it is no error when one is gone already."""

    @abstractmethod
    def lock(self) -> AbstractContextManager[None]:
        """Be the only publisher. Raises ConflictError when there is another."""

    # --- What may be known, or done at less cost --------------------------------------

    def reason_against(self, key: str, size: int) -> str | None:
        """Return why an object can't be stored, whatever is in it; None when it can."""
        return None

    def reason_against_copy(self, key: str, size: int) -> str | None:
        """Return why ``copy`` could not make an object; None when it can."""
        return self.reason_against(key, size)

    def open_document(self, key: str) -> BinaryIO:
        """Open what ``put_document`` stored. Raises MissingFileError."""
        return self.open(key)

    def are_there(self, keys: list[str]) -> list[bool]:
        """Return which objects there are."""
        return [self.get(key, 1) is not None for key in keys]

    def beginnings(self, keys: list[str], most_bytes: int) -> list[bytes | None]:
        """Return the first bytes of small objects; None for what isn't there."""
        found = (self.get(key, most_bytes) for key in keys)
        return [each and each[0][:most_bytes] for each in found]

    def is_begun(self, folder: str) -> bool:
        """Return whether there may be objects beneath a folder."""
        return True

    def size(self, folder: str, path: str) -> int:
        """Return an object's size. Raises MissingFileError or RefusedFileError."""
        size = self.sizes(folder, [path])[0]
        if size is None:
            raise MissingFileError
        return size

    def sizes(self, folder: str, paths: list[str]) -> list[int | None]:
        """Return the sizes of many objects; None for what isn't there or can't be
        one."""
        return list(map(dict(self.listed(folder)).get, paths))

    def expect(self, paths: Callable[[], Iterable[bytes]]) -> None:  # noqa: B027 (only to be quicker)
        """Say what gives paths that are likely in any version, ascending."""

    def differs(self, folder: str, entry: Entry) -> bool:
        """Return whether an object is seen to have other bytes, as far as that can be
        seen without reading objects that have the right ones."""
        return False

    def is_intact(self, key: str, entry: Entry) -> bool:
        """Read an object, and say whether it is what the entry says."""
        try:
            with self.open(key) as stream:
                return sha256_of(stream) == (entry.size, entry.sha256)
        except (MissingFileError, RefusedFileError, OSError):
            return False

    def read_small(
        self, wanted: Iterable[tuple[str, int]]
    ) -> Iterator[memoryview | None]:
        """Read objects of these sizes whole, where that can be done at once; None for
        every other, for whatever reason."""
        return (None for _ in wanted)

    def put_small(self, files: Iterable[SmallFile]) -> None:
        """Store files that were read already, each as ``put`` does. The content of one
        holds until the next is taken."""
        for key, entry, content, is_served in files:
            self.put(key, entry, io.BytesIO(content), is_served=is_served)

    def copy(self, copies: Iterable[Copy]) -> int:
        """Make objects that others are already, all or nothing each; returns how many
        weren't the same object. Raises MissingFileError, RefusedFileError or
        DifferenceError where the source is not what the entry says."""
        count = 0
        for copy in copies:
            with self.open(copy.source) as stream:
                self.put(copy.target, copy.entry, stream, is_served=True)
            count += 1
        return count

    def can_take(self, other: Backend) -> bool:
        """Return whether ``take`` may make something of what another store has."""
        return False

    def take(self, other: Backend, copies: Iterable[Copy]) -> Iterator[bool]:
        """Make objects of those that another store has, without sending their bytes,
        and verify each; yield for each whether that could be done.

        ``source`` is the key in the other store. Raises MissingFileError,
        RefusedFileError or DifferenceError where the source is not what the entry says.
        """
        return (False for _ in copies)

    def settle(self, folder: str) -> None:  # noqa: B027 (most have nothing to do)
        """Make sure that what was put beneath a folder survives a power failure."""

    def delete_lastingly(self, folder: str, path: str) -> None:
        """Delete one object so that a power failure does not bring it back."""
        self.delete(folder, [path])
