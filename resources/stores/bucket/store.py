"""A kind of store: a prefix in a bucket, S3's and its likes', Google's or Azure's.

An object appears whole or not at all, so what is written goes to its final name at
once; a kill leaves at most a lease and unfinished parts, which nobody reads. What
counts is that nothing differing stays: every upload is compared with the ETag that the
server made of it, and read back where that says nothing.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from resources.errors import (
    DifferenceError,
    MissingFileError,
    RefusedFileError,
    StoreError,
)
from resources.files.hashing import sha256_of
from resources.manifests.format import Entry
from resources.stores.backend import Backend, Copy, LostRaceError, SmallFile
from resources.stores.bucket.lease import Lease
from resources.stores.bucket.listing import Listing
from resources.stores.bucket.listing_at_once import Paths, pages_at_once
from resources.stores.bucket.location import ObjectLocation
from resources.stores.bucket.objects import Bucket
from resources.stores.bucket.server_copies import ServerCopies
from resources.stores.headers import CHANGING_HEADERS, Headers
from resources.stores.verified import require_content, verified
from resources.workers.daemons import ask_for_all
from resources.workers.pool import Workers

if TYPE_CHECKING:
    from obstore import UpdateVersion

CHUNK_BYTES = 1 << 20
PART_BYTES = 8 << 20  # larger objects go in parts of at least this size
MAX_PARTS = 10_000  # S3's limit
MAX_OBJECT_BYTES = 5 << 40  # S3's and Google's; Azure takes more
MAX_COPIED_BYTES = 5 << 30  # S3's limit of one request
LARGE_AT_ONCE = 2  # each holds some parts in memory
UPLOAD_TRIES = 3  # of an upload that arrives damaged
DELETED_AT_ONCE = 1000  # S3's limit


class BucketPrefix(Backend):
    """The objects beneath a location.

    Sizes come from a listing of the whole folder, made at the first question and again
    after ``lock``, ``settle`` and ``delete``: a size asked for between a ``put`` and
    ``settle`` may be that of before. Which folders there are, and which objects are
    there, is asked once, and again after ``lock`` and what is written.
    """

    has_limits = True

    def __init__(
        self, location: ObjectLocation, headers: Headers | None = None
    ) -> None:
        self.name = location.url
        self._headers = headers or Headers()
        self.lists_digests = True  # until an ETag is seen to be none
        self._bucket = Bucket(location)
        self._copies = ServerCopies(location)
        self._lease: Lease | None = None
        self._folders: dict[str, list[str]] = {}
        self._there: dict[str, bool] = {}
        self._listings: dict[str, Listing] = {}
        self._expected: Paths = tuple
        self._listing = threading.Lock()
        self._large = threading.Semaphore(LARGE_AT_ONCE)

    def reason_against(self, key: str, size: int) -> str | None:
        try:
            self._bucket.check_key(key)
        except RefusedFileError as reason:
            return str(reason)
        if size > MAX_OBJECT_BYTES:
            return f"has {size} bytes, more than {MAX_OBJECT_BYTES}"
        return None

    def reason_against_copy(self, key: str, size: int) -> str | None:
        if size > MAX_COPIED_BYTES:
            return (
                f"has {size} bytes, and a server copies at most {MAX_COPIED_BYTES}"
                " (--reuse refer needs no copy)"
            )
        return self.reason_against(key, size)

    # --- Reading ----------------------------------------------------------------------

    def open(self, key: str) -> BinaryIO:
        return self._bucket.open(key)

    def get(self, key: str, most_bytes: int = -1) -> tuple[bytes, UpdateVersion] | None:
        found = self._bucket.get(key)
        return found and (found.content, found.state)

    def folders(self, folder: str) -> list[str]:
        if folder not in self._folders:
            self._folders[folder] = self._bucket.folders(folder)
        return list(self._folders[folder])

    def are_there(self, keys: list[str]) -> list[bool]:
        unknown = [key for key in keys if key not in self._there]
        with Workers(self._bucket.is_there) as workers:
            self._there.update(zip(unknown, workers.map(unknown), strict=True))
        return [self._there[key] for key in keys]

    def beginnings(self, keys: list[str], most_bytes: int) -> list[bytes | None]:
        return ask_for_all(lambda key: self._bucket.beginning(key, most_bytes), keys)

    def listed(self, folder: str) -> Iterator[tuple[str, int]]:
        for page in self._bucket.pages(folder):
            yield from (item[:2] for item in page)

    def size(self, folder: str, path: str) -> int:
        size = self._listed(folder).size(path)
        if size is None:
            raise MissingFileError
        return size

    def _listed(self, folder: str) -> Listing:
        with self._listing:
            listing = self._listings.get(folder)
            if listing is None:
                pages = pages_at_once(self._bucket, folder, self._expected)
                listing = self._listings[folder] = Listing(pages)
            return listing

    def expect(self, paths: Paths) -> None:
        self._expected = paths

    def sizes(self, folder: str, paths: list[str]) -> list[int | None]:
        return self._listed(folder).sizes(paths)

    def differs(self, folder: str, entry: Entry) -> bool:
        """Compare the MD5 that the listing has for nothing, and read the object where
        that differs: of what is encrypted with a key of its own, it is no MD5."""
        if not (self.lists_digests and entry.md5):
            return False
        md5 = self._listed(folder).md5(entry.path)
        if md5 in ("", entry.md5):
            return False
        if self.is_intact(f"{folder}/{entry.path}", entry):
            self.lists_digests = False
            return False
        return True

    # --- Writing ----------------------------------------------------------------------

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

    def put(self, key: str, entry: Entry, source: BinaryIO, *, is_served: bool) -> None:
        if entry.size <= PART_BYTES:
            content = b"".join(verified(source, entry))
            self._upload(key, content, entry.sha256, self._headers.of(entry.path))
            return
        with self._large:
            chunks = partial(verified, source, entry)
            headers = self._headers.of(entry.path)
            self._upload_parts(key, chunks, entry.size, entry.sha256, headers)

    def put_small(self, files: Iterable[SmallFile]) -> None:
        for key, entry, content, _is_served in files:
            require_content(content, entry)
            headers = self._headers.of(entry.path)
            self._upload(key, bytes(content), entry.sha256, headers)

    def copy(self, copies: Iterable[Copy]) -> int:
        """Let the server copy the objects."""
        count = 0
        for copy in copies:
            if self.size(copy.folder, copy.path) != copy.entry.size:
                raise MissingFileError
            self._require_lease()
            self._bucket.copy(copy.source, copy.target)
            count += 1
        return count

    def can_take(self, other: Backend) -> bool:
        """See ``server_copies.py``."""
        return (
            isinstance(other, BucketPrefix)
            and self._copies.bucket_url == other._copies.bucket_url
        )

    def take(self, other: Backend, copies: Iterable[Copy]) -> Iterator[bool]:
        """Let the server copy the objects, and compare the ETags of both. Where these
        say nothing, as of an object that came in parts, the copy is read back."""
        for copy in copies:
            yield (
                isinstance(other, BucketPrefix)
                and self.can_take(other)
                and copy.entry.size <= MAX_COPIED_BYTES
                and self._take(other, copy)
            )

    def _take(self, other: BucketPrefix, copy: Copy) -> bool:
        entry, folder, path, target = copy
        if (size := other.size(folder, path)) != entry.size:
            raise DifferenceError(
                f"{entry.path} is not what its manifest says:"
                f" expected {entry.size} bytes, got {size}"
            )
        md5 = other._listed(folder).md5(path)
        self._require_lease()
        with self._bucket.writing():
            self._copies.copy(other._copies, copy.source, target)
        if md5 and md5 == (entry.md5 or md5) == self._copies.md5(target):
            return True
        if self._is_stored(target, entry.sha256):
            return True
        self._bucket.delete([target])
        return False

    def put_document(
        self, key: str, chunks: Iterable[bytes], *, changes: bool = True
    ) -> None:
        name = key.rpartition("/")[2]
        headers = CHANGING_HEADERS if changes else self._headers.of(name)
        with tempfile.SpooledTemporaryFile(PART_BYTES) as spool:
            for chunk in chunks:
                spool.write(chunk)
            size, sha256 = sha256_of(_from_start(spool))
            if size <= PART_BYTES:
                self._upload(key, _from_start(spool).read(), sha256, headers)
            else:
                read = partial(_chunks, spool)
                self._upload_parts(key, read, size, sha256, headers)
        if folder := key.rpartition("/")[0]:  # what lies on top is in no listing
            self._forget(folder)

    def put_if(self, key: str, content: bytes, state: UpdateVersion | None) -> None:
        """The server compares, in the moment of the write.

        Without conditions the lease alone keeps others away, and it is looked whether
        somebody has written all the same.
        """
        self._require_lease()
        if self._bucket.conditions:
            self._bucket.put_if(key, content, state, CHANGING_HEADERS)
            return
        self._bucket.put(key, content, headers=CHANGING_HEADERS)
        found = self._bucket.get(key)
        if found is None or found.content != content:
            raise LostRaceError

    def settle(self, folder: str) -> None:
        """Nothing is left to do: an answered upload is stored."""
        self._forget(folder)

    def delete(self, folder: str, paths: Iterable[str]) -> None:
        remaining = iter(paths)
        while keys := [
            f"{folder}/{path}" for path in islice(remaining, DELETED_AT_ONCE)
        ]:
            self._require_lease()
            self._bucket.delete(keys)
        self._forget(folder)

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

    def _forget(self, folder: str | None = None) -> None:
        with self._listing:
            self._folders.clear()
            self._there.clear()
            if folder is None:
                self._listings.clear()
            self._listings.pop(folder or "", None)

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
