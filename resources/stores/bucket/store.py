"""A store that is a prefix in a bucket: S3 and its likes, Google's or Azure's.

An object appears whole or not at all, so what is written goes to its final name at
once; a kill leaves at most a lease and unfinished parts, which nobody reads. What
counts is that nothing differing stays: every upload is compared with the ETag that the
server made of it, and read back where that says nothing.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import compress, islice
from typing import IO, BinaryIO, cast

from resources.errors import (
    ConflictError,
    MissingFileError,
    RefusedFileError,
    StoreError,
)
from resources.files.hashing import sha256_of
from resources.manifests.format import Entry
from resources.manifests.paths import MANIFEST_NAME
from resources.stores.base import HISTORY_NAME, Pointer, is_intact
from resources.stores.bucket.failures import LostRaceError
from resources.stores.bucket.lease import Lease
from resources.stores.bucket.listing import Listing
from resources.stores.bucket.location import ObjectLocation
from resources.stores.bucket.objects import Bucket, Found
from resources.stores.headers import CHANGING_HEADERS, Headers
from resources.stores.verified import require_content, verified
from resources.versions import is_version, natural_key
from resources.workers.pool import Workers

POINTER_NAME = "current.json"
CHUNK_BYTES = 1 << 20
PART_BYTES = 8 << 20  # larger objects go in parts of at least this size
MAX_PARTS = 10_000  # S3's limit
MAX_OBJECT_BYTES = 5 << 40  # S3's and Google's; Azure takes more
MAX_COPIED_BYTES = 5 << 30  # S3's limit of one request
LARGE_AT_ONCE = 2  # each holds some parts in memory
UPLOAD_TRIES = 3  # of an upload that arrives damaged
DELETED_AT_ONCE = 1000  # S3's limit


class ObjectStore:
    """The store of one platform beneath a location; see ``base.Store``.

    Sizes come from a listing of the whole version, made at the first question and again
    after ``lock``, ``settle`` and ``delete``: a size asked for between a ``put`` and
    ``settle`` may be that of before.
    """

    has_limits = True

    def __init__(
        self, location: ObjectLocation, headers: Headers | None = None
    ) -> None:
        self.name = location.url
        self._headers = headers or Headers()
        self.lists_digests = True  # until an ETag is seen to be none
        self._bucket = Bucket(location)
        self._lease: Lease | None = None
        self._sealed: list[str] | None = None
        self._listings: dict[str, Listing] = {}
        self._listing = threading.Lock()
        self._large = threading.Semaphore(LARGE_AT_ONCE)

    def sealed_versions(self) -> list[str]:
        """Return the versions that have a manifest, in natural order.

        They are asked for once, and again after ``lock`` and what is written.
        """
        if self._sealed is None:
            names = filter(is_version, self._bucket.folders("versions"))
            versions = sorted(names, key=natural_key)
            keys = [f"versions/{name}/{MANIFEST_NAME}" for name in versions]
            with Workers(self._bucket.is_there) as workers:
                self._sealed = list(compress(versions, workers.map(keys)))
        return list(self._sealed)

    def reason_against(self, version: str, path: str, size: int) -> str | None:
        """Return why the key or the size of an object is too large."""
        try:
            self._bucket.check_key(f"versions/{version}/{path}")
        except RefusedFileError as reason:
            return str(reason)
        if size > MAX_OBJECT_BYTES:
            return f"has {size} bytes, more than {MAX_OBJECT_BYTES}"
        return None

    def reason_against_copy(self, version: str, path: str, size: int) -> str | None:
        """Say the same of an object that the server would copy."""
        if size > MAX_COPIED_BYTES:
            return (
                f"has {size} bytes, and a server copies at most {MAX_COPIED_BYTES}"
                " (--reuse refer needs no copy)"
            )
        return self.reason_against(version, path, size)

    def is_begun(self, version: str) -> bool:
        """Only a listing can tell, which answers each question as well."""
        return True

    def open_document(self, version: str, name: str) -> BinaryIO:
        """Open a version's manifest or reuse.json."""
        return self._bucket.open(f"versions/{version}/{name}")

    def size(self, version: str, path: str) -> int:
        """Return an object's size in bytes, as it was listed."""
        size = self._listed(version).size(path)
        if size is None:
            raise MissingFileError
        return size

    def _listed(self, version: str) -> Listing:
        with self._listing:
            listing = self._listings.get(version)
            if listing is None:
                listing = Listing(self._bucket.pages(f"versions/{version}"))
                self._listings[version] = listing
            return listing

    def sizes(self, version: str, paths: list[str]) -> list[int | None]:
        """Return the sizes of many objects, as they were listed."""

        def size(path: str) -> int | None:
            try:
                return self.size(version, path)
            except (MissingFileError, RefusedFileError):
                return None

        return [size(path) for path in paths]

    def open(self, version: str, path: str) -> BinaryIO:
        """Open an object."""
        return self._bucket.open(f"versions/{version}/{path}")

    def read_small(
        self, wanted: Iterable[tuple[str, Entry]]
    ) -> Iterator[memoryview | None]:
        """Nothing can be had at once from a server."""
        return (None for _ in wanted)

    def objects(self, version: str) -> Iterator[tuple[str, int]]:
        """Yield path and size of everything stored under a version."""
        for page in self._bucket.pages(f"versions/{version}"):
            yield from (item[:2] for item in page)

    def differs(self, version: str, entry: Entry) -> bool:
        """Compare the MD5 that the listing has for nothing, and read the object where
        that differs: of what is encrypted with a key of its own, it is no MD5."""
        if not (self.lists_digests and entry.md5):
            return False
        md5 = self._listed(version).md5(entry.path)
        if md5 in ("", entry.md5):
            return False
        if is_intact(entry, version, self):
            self.lists_digests = False
            return False
        return True

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only publisher, by a lease. What was known before is asked again."""
        lease = Lease(self._bucket)
        lease.take()
        self._forget()
        self._lease = lease
        try:
            yield
        finally:
            self._lease = None
            lease.give_back()

    def put(self, version: str, entry: Entry, source: BinaryIO) -> None:
        """Store ``source`` as ``entry.path`` of ``version``, all or nothing."""
        key = f"versions/{version}/{entry.path}"
        if entry.size <= PART_BYTES:
            content = b"".join(verified(source, entry))
            self._upload(key, content, entry.sha256, self._headers.of(entry.path))
            return
        with self._large:
            chunks = partial(verified, source, entry)
            headers = self._headers.of(entry.path)
            self._upload_parts(key, chunks, entry.size, entry.sha256, headers)

    def put_small(self, files: Iterable[tuple[str, Entry, memoryview]]) -> None:
        """Store files that were read already, as ``put`` does."""
        for version, entry, content in files:
            require_content(content, entry)
            key = f"versions/{version}/{entry.path}"
            headers = self._headers.of(entry.path)
            self._upload(key, bytes(content), entry.sha256, headers)

    def copy(self, entries: Iterable[Entry], version: str) -> int:
        """Let the server copy the objects."""
        return sum(self._copy(entry, version) for entry in entries)

    def _copy(self, entry: Entry, version: str) -> bool:
        source = f"versions/{entry.held_in}/{entry.path}"
        try:
            if self.size(str(entry.held_in), entry.path) != entry.size:
                raise MissingFileError
            self._require_lease()
            self._bucket.copy(source, f"versions/{version}/{entry.path}")
            return True
        except (MissingFileError, RefusedFileError):
            raise StoreError(f"{source} in {self.name} is not whole") from None

    def put_document(self, version: str, name: str, chunks: Iterable[bytes]) -> None:
        """Store a manifest or reuse.json, all or nothing."""
        key = f"versions/{version}/{name}"
        is_final = name == MANIFEST_NAME  # the others are written again and again
        headers = self._headers.of(name) if is_final else CHANGING_HEADERS
        with tempfile.SpooledTemporaryFile(PART_BYTES) as spool:
            for chunk in chunks:
                spool.write(chunk)
            size, sha256 = sha256_of(_from_start(spool))
            if size <= PART_BYTES:
                self._upload(key, _from_start(spool).read(), sha256, headers)
            else:
                read = partial(_chunks, spool)
                self._upload_parts(key, read, size, sha256, headers)
        self._forget(version)

    def settle(self, version: str) -> None:
        """Nothing is left to do: an answered upload is stored."""
        self._forget(version)

    def delete(self, version: str, paths: Iterable[str]) -> None:
        """Delete objects of a version. Needs the lock."""
        remaining = iter(paths)
        while keys := [
            f"versions/{version}/{path}" for path in islice(remaining, DELETED_AT_ONCE)
        ]:
            self._require_lease()
            self._bucket.delete(keys)
        self._forget(version)

    def unseal(self, version: str) -> None:
        """Delete a version's manifest, the first step of removing it."""
        self.delete(version, [MANIFEST_NAME])

    def pointer(self) -> Pointer | None:
        """Return the pointer, or None when nothing was published."""
        return self._read(self._bucket.get(POINTER_NAME))

    def history(self) -> bytes | None:
        """Return ``history.json``, or None when there is none."""
        found = self._bucket.get(HISTORY_NAME)
        return found.content if found else None

    def put_history(self, content: bytes) -> None:
        """Write ``history.json``, all or nothing."""
        sha256 = sha256_of(io.BytesIO(content))[1]
        self._upload(HISTORY_NAME, content, sha256, CHANGING_HEADERS)

    def move_pointer(self, pointer: Pointer, expected: Pointer | None) -> None:
        """Serve another version, if ``expected`` is still served.

        The server compares, too, in the moment of the write.
        """
        self._require_lease()
        found = self._bucket.get(POINTER_NAME)
        served = self._read(found)
        content = pointer.encode()
        try:
            if served != expected:
                raise LostRaceError
            if self._bucket.conditions:
                state = found.state if found else None
                self._bucket.put_if(POINTER_NAME, content, state, CHANGING_HEADERS)
            else:
                self._bucket.put(POINTER_NAME, content, headers=CHANGING_HEADERS)
        except LostRaceError:
            served = self.pointer()
            raise ConflictError(
                f"{self.name} serves {served.version if served else 'nothing'} now, not"
                f" {expected.version if expected else 'nothing'} as before:"
                " another publisher was first"
            ) from None

    def _read(self, found: Found | None) -> Pointer | None:
        if found is None:
            return None
        try:
            return Pointer.decode(found.content)
        except ValueError:
            raise StoreError(f"{self.name}/{POINTER_NAME} is damaged") from None

    def _upload(
        self, key: str, content: bytes, sha256: str, headers: dict[str, str]
    ) -> None:
        def send() -> bool:
            return self._bucket.put(key, content, headers=headers).proven

        self._until_intact(key, send, sha256)

    def _upload_parts(
        self,
        key: str,
        read: Callable[[], Iterator[bytes]],
        size: int,
        sha256: str,
        headers: dict[str, str],
    ) -> None:
        part_bytes = max(PART_BYTES, -(-size // MAX_PARTS))

        def send() -> bool:
            return self._bucket.put_parts(key, read, part_bytes, headers).proven

        self._until_intact(key, send, sha256)

    def _until_intact(self, key: str, send: Callable[[], bool], sha256: str) -> None:
        """Send until the object is what was sent, and leave no other behind.

        An ETag that says nothing, as that of an object encrypted with a key of its own,
        costs reading the object back.
        """
        try:
            for _ in range(UPLOAD_TRIES):
                self._require_lease()
                if send() or self._is_stored(key, sha256):
                    return
                self._bucket.delete([key])
        except RefusedFileError as reason:
            raise StoreError(f"cannot write {key} in {self.name}: {reason}") from None
        raise StoreError(
            f"{key} arrived damaged in {self.name}, {UPLOAD_TRIES} times;"
            " nothing was left there"
        )

    def _is_stored(self, key: str, sha256: str) -> bool:
        try:
            with self._bucket.open(key) as stream:
                return sha256_of(stream)[1] == sha256
        except MissingFileError:
            return False

    def _forget(self, version: str | None = None) -> None:
        with self._listing:
            self._sealed = None
            if version is None:
                self._listings.clear()
            self._listings.pop(version or "", None)

    def _require_lease(self) -> None:
        if self._lease is None:
            raise RuntimeError(f"{self.name} is written to without its lock")
        self._lease.require()


def _from_start(spool: IO[bytes]) -> BinaryIO:
    spool.seek(0)
    return cast(BinaryIO, spool)


def _chunks(spool: IO[bytes]) -> Iterator[bytes]:
    stream = _from_start(spool)
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk
