"""A store of releases: the rules, on whatever kind of store there is.

A store holds one platform. Under it lie ``versions/<v>/<path>``, the files first
published in v; ``versions/<v>/manifest.jsonl``, which seals v: after it was written, v
never changes; ``versions/<v>/reuse.json``; and ``current.json``, the pointer, which
says what is served. A version that holds ``versions/<v>/.pinned`` is never pruned;
``versions/.pruned/versions.json`` lists what was pruned in part, ``history.json`` the
pointers of before (see ``history.py``). ``channels/<name>.json`` are the pointers of
other channels than ``live``, ``channels/history/<name>.json`` those of before.
``project.manifest`` and ``version.manifest``, those of other channels beneath
``<name>/``, are the fixed addresses that Cocos' clients ask.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from itertools import compress
from typing import BinaryIO, NamedTuple

from resources.errors import (
    ConflictError,
    DifferenceError,
    MissingFileError,
    RefusedFileError,
    StoreError,
)
from resources.manifests.format import Entry
from resources.manifests.paths import MANIFEST_NAME
from resources.signing.policy import UNSIGNED, Signing
from resources.stores.backend import Backend, Copy, LostRaceError, SmallFile
from resources.stores.pointer import (
    CHANNELS_FOLDER,
    LIVE,
    MAX_POINTER_BYTES,
    Pointer,
    is_channel,
    pointer_name,
)
from resources.versions import is_version, natural_key


class Taken(NamedTuple):
    """An object that is asked for: of which version it will be, and the version and the
    path that hold the same in the other store."""

    entry: Entry
    version: str
    source: tuple[str, str]


class ReleaseStore:
    """One platform's releases, and what one of its channels serves of them. Every
    method raises StoreError or FullError.

    ``public_url`` is the address at which players find the platform's folder, without
    a slash at its end; None where nobody said it. ``signing`` is how its pointers are
    signed by whoever moves them.
    """

    def __init__(
        self,
        backend: Backend,
        channel: str = LIVE,
        public_url: str | None = None,
        signing: Signing = UNSIGNED,
    ) -> None:
        self._backend = backend
        self.public_url = public_url
        self.signing = signing
        self._unsealed: set[str] = set()  # seen to be so since the lock is held
        self.channel = channel
        is_live = channel == LIVE
        self.name = backend.name if is_live else f"{backend.name} ({channel})"
        self._pointer_name = pointer_name(channel)
        self._history_name = (
            "history.json" if is_live else f"{CHANNELS_FOLDER}/history/{channel}.json"
        )

    def on(self, channel: str) -> ReleaseStore:
        """Return the same releases on another channel; one lock is for both."""
        return ReleaseStore(self._backend, channel, self.public_url, self.signing)

    def channels(self) -> list[str]:
        """Return the channels that have a pointer, ``live`` first."""
        found = (path for path, _ in self._backend.listed(CHANNELS_FOLDER))
        names = (path.removesuffix(".json") for path in found if path[-5:] == ".json")
        others = sorted(name for name in names if is_channel(name) and name != LIVE)
        return [LIVE, *others]

    @property
    def has_limits(self) -> bool:
        """Return whether ``reason_against`` or ``reason_against_copy`` may name one."""
        return self._backend.has_limits

    @property
    def lists_digests(self) -> bool:
        """Return whether ``differs`` may see something."""
        return self._backend.lists_digests

    def reason_against(self, version: str, path: str, size: int) -> str | None:
        """Return why an object can't be stored, whatever is in it; None when it can."""
        return self._backend.reason_against(_key(version, path), size)

    def reason_against_copy(self, version: str, path: str, size: int) -> str | None:
        """Return why ``copy`` could not make an object; None when it can."""
        return self._backend.reason_against_copy(_key(version, path), size)

    # --- Versions and what is in them -------------------------------------------------

    def sealed_versions(self) -> list[str]:
        """Return the versions that have a manifest, in natural order."""
        versions = self.begun_versions()
        keys = [_key(version, MANIFEST_NAME) for version in versions]
        return list(compress(versions, self._backend.are_there(keys)))

    def begun_versions(self) -> list[str]:
        """Return the versions that have a folder, in natural order: sealed ones, and
        others."""
        names = filter(is_version, self._backend.folders("versions"))
        return sorted(names, key=natural_key)

    def manifest_beginnings(
        self, versions: list[str], most_bytes: int
    ) -> list[bytes | None]:
        """Return how the manifests of versions begin; None for what is not sealed."""
        keys = [_key(version, MANIFEST_NAME) for version in versions]
        return self._backend.beginnings(keys, most_bytes)

    def is_begun(self, version: str) -> bool:
        """Return whether there may be objects of a version."""
        return self._backend.is_begun(_folder(version))

    def open_document(self, version: str, name: str) -> BinaryIO:
        """Open a version's manifest or reuse.json. Raises MissingFileError."""
        return self._backend.open_document(_key(version, name))

    def objects(self, version: str) -> Iterator[tuple[str, int]]:
        """Yield path and size in bytes of all that is stored under ``version``, its
        documents included, whether it is sealed or not; nothing if there is nothing.

        Objects may be deleted meanwhile.
        """
        return self._backend.listed(_folder(version))

    def size(self, version: str, path: str) -> int:
        """Return an object's size in bytes.

        Raises MissingFileError, or RefusedFileError when it can't be an object.
        """
        return self._backend.size(_folder(version), path)

    def sizes(self, version: str, paths: list[str]) -> list[int | None]:
        """Return the sizes of many objects, quickest in ascending order; None for what
        isn't there or can't be one."""
        return self._backend.sizes(_folder(version), paths)

    def expect(self, paths: Callable[[], Iterable[bytes]]) -> None:
        """Say what gives paths that are likely in any version, ascending: what has many
        objects may be listed quicker then."""
        self._backend.expect(paths)

    def differs(self, version: str, entry: Entry) -> bool:
        """Return whether an object is seen to have other bytes, as far as that can be
        seen without reading objects that have the right ones."""
        return self._backend.differs(_folder(version), entry)

    def is_intact(self, version: str, entry: Entry) -> bool:
        """Read an object, and say whether it is what the entry says."""
        return self._backend.is_intact(_key(version, entry.path), entry)

    def open(self, version: str, path: str) -> BinaryIO:
        """Open an object. Raises MissingFileError or RefusedFileError."""
        return self._backend.open(_key(version, path))

    def read_small(
        self, wanted: Iterable[tuple[str, Entry]]
    ) -> Iterator[memoryview | None]:
        """Read objects whole, where that can be done at once; None for every other, for
        whatever reason. ``wanted`` are entries with the versions that hold them."""
        return self._backend.read_small(
            (_key(version, entry.path), entry.size) for version, entry in wanted
        )

    # --- Writing: all of it needs the lock --------------------------------------------

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only publisher. Raises ConflictError when there is another."""
        with self._backend.lock():
            self._unsealed.clear()
            yield

    def put(self, version: str, entry: Entry, source: BinaryIO) -> None:
        """Store ``source`` as ``entry.path`` of ``version``, all or nothing.

        Hashes what it writes; raises DifferenceError, and stores nothing, when that is
        not what the entry says.
        """
        key, is_served = _key(version, entry.path), self._may_be_served(version)
        self._backend.put(key, entry, source, is_served=is_served)

    def put_small(self, files: Iterable[tuple[str, Entry, memoryview]]) -> None:
        """Store files that were read already, each as ``put`` does.

        ``files`` are versions, entries and what is in the files; it holds until the
        next one is taken.
        """
        self._backend.put_small(
            SmallFile(
                _key(version, entry.path), entry, content, self._may_be_served(version)
            )
            for version, entry, content in files
        )

    def copy(self, entries: Iterable[Entry], version: str) -> int:
        """Make the object that each entry's ``held_in`` holds one of ``version``, too,
        all or nothing and without sending it.

        Returns how many weren't the same object already. Raises StoreError when an
        object isn't there with the entry's size.
        """
        source = ""

        def copies() -> Iterator[Copy]:
            nonlocal source
            for entry in entries:
                folder, path = _folder(str(entry.held_in)), entry.stored.path
                source = f"{folder}/{path}"
                yield Copy(entry, folder, path, _key(version, entry.path))

        try:
            return self._backend.copy(copies())
        except (MissingFileError, RefusedFileError, DifferenceError):
            raise StoreError(f"{source} in {self.name} is not whole") from None

    def can_take(self, origin: ReleaseStore) -> bool:
        """Return whether ``take`` may make something of what another store has."""
        return self._backend.can_take(origin._backend)

    def take(self, origin: ReleaseStore, files: Iterable[Taken]) -> Iterator[bool]:
        """Make objects of those of another store, without sending their bytes, and
        verify each; yield for each whether that could be done.

        Raises MissingFileError, RefusedFileError or DifferenceError where the other
        store's object is not what the entry says.
        """
        copies = (
            Copy(entry, _folder(holder), path, _key(version, entry.path))
            for entry, version, (holder, path) in files
        )
        return self._backend.take(origin._backend, copies)

    def put_document(self, version: str, name: str, chunks: Iterable[bytes]) -> None:
        """Store a manifest or reuse.json, all or nothing."""
        changes = name != MANIFEST_NAME  # the others are written again and again
        self._backend.put_document(_key(version, name), chunks, changes=changes)
        self._unsealed.discard(version)

    def settle(self, version: str) -> None:
        """Make sure that what was put in ``version`` survives a power failure."""
        self._backend.settle(_folder(version))

    def unseal(self, version: str) -> None:
        """Delete a version's manifest, if there is one, so that it lasts: nobody takes
        the version for whole any more."""
        self._backend.delete_lastingly(_folder(version), MANIFEST_NAME)

    def delete(self, version: str, paths: Iterable[str]) -> None:
        """Delete objects or documents of a version; it is no error when one is gone
        already."""
        self._backend.delete(_folder(version), paths)

    # --- What is served ---------------------------------------------------------------

    def pointers(self) -> list[Pointer]:
        """Return the pointers of all channels that serve something, ``live`` first."""
        found = (self.on(channel).pointer() for channel in self.channels())
        return [pointer for pointer in found if pointer is not None]

    def pointer(self) -> Pointer | None:
        """Return the channel's pointer, or None when nothing was published."""
        content = self.pointer_content()
        return None if content is None else self._decoded(content)

    def pointer_content(self) -> bytes | None:
        """Return the bytes of the channel's pointer, whatever they are; None when
        nothing was published."""
        found = self._backend.get(self._pointer_name, MAX_POINTER_BYTES)
        return found and found[0]

    def history(self) -> bytes | None:
        """Return the list of earlier pointers, or None when there is none."""
        found = self._backend.get(self._history_name)
        return found and found[0]

    def put_history(self, content: bytes) -> None:
        """Write the list of earlier pointers, all or nothing."""
        self._backend.put_document(self._history_name, [content])

    def move_pointer(self, pointer: Pointer, expected: Pointer | None) -> None:
        """Serve another version, if ``expected`` is still served.

        The backend compares, too, in the moment of the write. Raises ConflictError.
        """
        found = self._backend.get(self._pointer_name, MAX_POINTER_BYTES)
        content, state = found or (None, None)
        try:
            if (content and self._decoded(content)) != expected:
                raise LostRaceError
            self._backend.put_if(self._pointer_name, pointer.encode(), state)
        except LostRaceError:
            served = self.pointer()
            raise ConflictError(
                f"{self.name} serves {served.version if served else 'nothing'} now, not"
                f" {expected.version if expected else 'nothing'} as before:"
                " another publisher was first"
            ) from None

    # --- Fixed addresses --------------------------------------------------------------

    def fixed_path(self, name: str) -> str:
        """Return where a document lies that the channel's clients ask for by one
        address, beneath the platform's folder."""
        return name if self.channel == LIVE else f"{self.channel}/{name}"

    def fixed_document(self, name: str) -> bytes | None:
        """Return what lies at a fixed address, or None when there is nothing."""
        found = self._backend.get(self.fixed_path(name))
        return found and found[0]

    def put_fixed_document(self, name: str, content: bytes) -> None:
        """Write what lies at a fixed address, all or nothing. Needs the lock."""
        self._backend.put_document(self.fixed_path(name), [content])

    @property
    def pointer_path(self) -> str:
        """Return where the channel's pointer lies, beneath the platform's folder."""
        return self._pointer_name

    def _decoded(self, content: bytes) -> Pointer:
        try:
            pointer = Pointer.decode(content)
            if pointer.channel != self.channel:
                raise ValueError("the pointer of another channel")
        except ValueError:
            where = f"{self._backend.name}/{self._pointer_name}"
            raise StoreError(f"{where} is damaged") from None
        return pointer

    def _may_be_served(self, version: str) -> bool:
        """Return whether readers may see a version: only where that matters."""
        if self._backend.is_atomic:
            return False
        if version not in self._unsealed:
            if self._backend.are_there([_key(version, MANIFEST_NAME)])[0]:
                return True
            self._unsealed.add(version)
        return False


def _folder(version: str) -> str:
    return f"versions/{version}"


def _key(version: str, path: str) -> str:
    return f"versions/{version}/{path}"
