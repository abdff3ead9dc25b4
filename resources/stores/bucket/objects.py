"""The objects beneath a location: read, listed, written, deleted.

By obstore's blocking functions: with obstore 0.12.1 the asynchronous ones aborted the
interpreter at its end in 6 of 40 runs, the blocking ones in none.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar

from resources.errors import MissingFileError, RefusedFileError, StoreError
from resources.stores.backend import LostRaceError
from resources.stores.bucket.etag import EtagDigest, md5_of_etag
from resources.stores.bucket.location import ObjectLocation
from resources.stores.bucket.reader import open_object
from resources.stores.bucket.retrying import Requests

if TYPE_CHECKING:
    from obstore import Attributes, ListStream, ObjectMeta, PutMode, UpdateVersion

T = TypeVar("T")

MAX_KEY_BYTES = 1024  # S3's and Google's limit; Azure counts characters
PAGE_OBJECTS = 1000  # what one LIST gives
PARTS_AT_ONCE = 2  # of one object
# What is said of the first bytes when there is an object: that it has none, or that
# the answer is no part (rclone's server, which gives it all the same).
NO_PART = ("416 ", "non-partial response")


class _NoPartError(Exception):
    """There is an object, but no part of it to be had."""


class Found(NamedTuple):
    """A small object with what identifies this state of it."""

    content: bytes
    state: UpdateVersion
    modified: datetime


class Stored(NamedTuple):
    """What became of a write: the object's state, and whether the server's ETag proves
    that it has just the bytes that were sent."""

    state: UpdateVersion
    proven: bool


class Listed(NamedTuple):
    """An object of a LIST: its path, its size in bytes, and the MD5 that its ETag
    seems to be, empty where it can be none."""

    path: str
    size: int
    md5: str


class Bucket:
    """The objects beneath a location; keys are relative to it.

    Nothing is contacted before the first request. Failed requests are tried again, see
    ``requests.py``; then they are StoreErrors, or FullErrors where the server says that
    a quota is used up.
    """

    def __init__(self, location: ObjectLocation) -> None:
        self.name = location.url
        self.conditions = location.abilities.conditions
        # Azure's way is to list all from the beginning and to leave out what comes
        # before; directory buckets of S3 don't list in order.
        self.lists_from = location.url.startswith(("s3://", "gs://"))
        self._location = location
        self._requests = Requests(location)
        self._writes = 0
        self._tried_parts = False
        self._lock = threading.Lock()

    def check_key(self, key: str) -> None:
        """Raise RefusedFileError when no object can have this key."""
        check_key(self._location, key)

    @property
    def writes_under_way(self) -> bool:
        """A write was begun whose end isn't known: it may still come true."""
        return self._writes > 0

    def get(self, key: str) -> Found | None:
        """Return a small object, or None."""
        requests = self._requests

        def request() -> Found:
            found = requests.obstore.get(requests.client, key)
            meta = found.meta
            state = _state(meta["e_tag"], meta["version"])
            return Found(bytes(found.bytes()), state, meta["last_modified"])

        try:
            return requests.ask(request, f"read {key}")
        except MissingFileError:
            return None

    def open(self, key: str) -> BinaryIO:
        """Open an object for reading. Raises MissingFileError or RefusedFileError."""
        check_key(self._location, key)
        return open_object(self._requests, key)

    def is_there(self, key: str) -> bool:
        """Return whether there is an object, by reading its first byte."""
        try:
            with contextlib.suppress(_NoPartError):
                self._part(key, 1)
        except MissingFileError:
            return False
        return True

    def beginning(self, key: str, most_bytes: int) -> bytes | None:
        """Return the first bytes of an object, None where there is none."""
        with contextlib.suppress(MissingFileError):
            try:
                return self._part(key, most_bytes)
            except _NoPartError:
                with self.open(key) as stream:
                    return stream.read(most_bytes)
        return None

    def _part(self, key: str, length: int) -> bytes:
        """Return the first bytes of an object. Raises MissingFileError, and
        _NoPartError where there is an object, but no part of it to be had."""
        requests = self._requests

        def request() -> bytes:
            part = {"range": (0, length)}
            found = requests.obstore.get(requests.client, key, options=part)
            return bytes(found.bytes())

        try:
            return requests.ask(request, f"read {key}")
        except StoreError as error:
            if any(text in str(error) for text in NO_PART):
                raise _NoPartError from None
            raise

    def pages(
        self, prefix: str, after: str = "", last_path: str = ""
    ) -> Iterator[list[Listed]]:
        """Yield what lies beneath a folder, a LIST at a time: all of it, or what comes
        behind one path and not behind another, where the store lists in order."""
        requests = self._requests
        listing: ListStream[list[ObjectMeta]] | None = None
        last = f"{prefix}/{after}" if after else None

        def request() -> list[ObjectMeta]:
            nonlocal listing
            stream = listing
            if stream is None:
                stream = requests.obstore.list(
                    requests.client, prefix, offset=last, chunk_size=PAGE_OBJECTS
                )
            listing = None  # after a failure it goes on behind the last page, anew
            page: list[ObjectMeta] = next(stream, [])
            listing = stream
            return page

        start = len(prefix) + 1
        while page := requests.ask(request, f"list {prefix}"):
            last = page[-1]["path"]
            found = [
                Listed(item["path"][start:], item["size"], md5_of_etag(item["e_tag"]))
                for item in page
            ]
            is_last = bool(last_path) and last_path <= found[-1].path
            if is_last:
                found = [each for each in found if each.path <= last_path]
            if found:
                yield found
            if is_last:
                return

    def folders(self, prefix: str) -> list[str]:
        """Name the folders right beneath a folder."""
        requests = self._requests
        found = requests.ask(
            lambda: requests.obstore.list_with_delimiter(requests.client, prefix),
            f"list {prefix}",
        )
        return [path.rpartition("/")[2] for path in found["common_prefixes"]]

    def put(
        self,
        key: str,
        content: bytes,
        mode: PutMode = "overwrite",
        headers: Attributes | None = None,
    ) -> Stored:
        """Write an object in one request, to be served with ``headers``.

        Raises LostRaceError as ``mode`` says.
        """
        requests = self._requests

        def request() -> UpdateVersion:
            done = requests.obstore.put(
                requests.client,
                key,
                content,
                attributes=headers,
                use_multipart=False,
                mode=mode,
            )
            return _state(done["e_tag"], done["version"])

        state = self._write(key, request, conditional=mode != "overwrite")
        etag = EtagDigest()
        etag.update(content)
        return Stored(state, etag.matches(state.get("e_tag")))

    def put_parts(
        self,
        key: str,
        read: Callable[[], Iterator[bytes]],
        part_bytes: int,
        headers: Attributes | None = None,
    ) -> Stored:
        """Write an object in parts of ``part_bytes``; ``read`` gives its chunks.

        Parts become an object only after the last one; an exception of the iterator
        gives them up.
        """
        requests = self._requests

        def request() -> Stored:
            # The client that tries again by itself does so for two minutes where the
            # server knows no parts, too; so the first try is by the other one.
            client = requests.client_for_parts if self._tried_parts else requests.client
            etag = EtagDigest(part_bytes)
            reason: Exception | None = None

            def parts() -> Iterator[bytes]:
                nonlocal reason
                try:
                    yield from self._in_turns(read(), part_bytes, etag)
                except Exception as error:
                    reason = error
                    raise

            try:
                done = requests.obstore.put(
                    client,
                    key,
                    parts(),
                    attributes=headers,
                    use_multipart=True,
                    chunk_size=part_bytes,
                    max_concurrency=PARTS_AT_ONCE,
                )
            except Exception:
                # Of an upload that is given up, parts under way or the giving up itself
                # may fail; the library then tells that instead.
                if reason is not None:
                    raise reason from None
                raise
            finally:
                self._tried_parts = True
            state = _state(done["e_tag"], done["version"])
            return Stored(state, etag.matches(state.get("e_tag")))

        return self._write(key, request)

    def copy(self, key: str, new_key: str) -> None:
        """Let the server copy an object. Raises MissingFileError when there is none."""
        requests = self._requests
        check_key(self._location, new_key)
        with self.writing():
            requests.ask(
                lambda: requests.obstore.copy(requests.client, key, new_key),
                f"copy {key}",
            )

    def put_if(
        self,
        key: str,
        content: bytes,
        expected: UpdateVersion | None,
        headers: Attributes | None = None,
    ) -> UpdateVersion:
        """Write a small object if it is still in the state ``expected``, None for none.

        Raises LostRaceError when it isn't. Where an answer is lost, the write is tried
        again; if it then fails because the first one came true, that is success.
        """
        try:
            return self.put(key, content, expected or "create", headers).state
        except LostRaceError:
            found = self.get(key)
            if found is None or found.content != content:
                raise
            return found.state

    def delete(self, keys: list[str]) -> None:
        """Delete objects, those that are there, in as few requests as can be."""
        requests = self._requests
        with self.writing():
            try:
                requests.ask(
                    lambda: requests.obstore.delete(requests.client, keys), "delete"
                )
            except MissingFileError:
                if len(keys) > 1:
                    for key in keys:
                        self.delete([key])

    def now(self, key: str) -> datetime:
        """Return the time by the server's clock: when a new object was written."""
        self.put(key, b"")
        found = self.get(key)
        self.delete([key])
        if found is None:
            raise StoreError(f"{key} in {self.name} was deleted by another program")
        return found.modified

    def _write(
        self, key: str, request: Callable[[], T], *, conditional: bool = False
    ) -> T:
        check_key(self._location, key)
        with self.writing():
            try:
                return self._requests.ask(
                    request, f"write {key}", conditional=conditional
                )
            except MissingFileError:
                raise StoreError(f"cannot write {key} in {self.name}") from None

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        with self._lock:
            self._writes += 1
        try:
            yield
        except Exception:
            self._wrote()
            raise
        # After a CancelError another thread may still be sending.
        self._wrote()

    def _wrote(self) -> None:
        with self._lock:
            self._writes -= 1

    def _in_turns(
        self, chunks: Iterator[bytes], part_bytes: int, etag: EtagDigest
    ) -> Iterator[bytes]:
        """Pass the chunks on, and let each part after the first wait for its turn."""
        in_part = 0
        for chunk in chunks:
            if in_part >= part_bytes:
                self._requests.wait_for_turn()
                in_part -= part_bytes
            in_part += len(chunk)
            etag.update(chunk)
            yield chunk


def check_key(location: ObjectLocation, key: str) -> None:
    """Raise RefusedFileError when no object can have this key."""
    prefix = location.url.split("/", 3)[3:]
    length = len("/".join([*prefix, key]).encode(errors="surrogatepass"))
    if length > MAX_KEY_BYTES:
        raise RefusedFileError(
            f"has a key of {length} bytes, longer than {MAX_KEY_BYTES} bytes"
        )
    if any(part in ("", ".", "..") for part in key.split("/")):
        raise RefusedFileError("can't be the name of an object")


def _state(etag: str | None, version: str | None) -> UpdateVersion:
    state: UpdateVersion = {}
    if etag is not None:
        state["e_tag"] = etag
    if version is not None:
        state["version"] = version
    return state
