"""Requests to an object store, by obstore's blocking functions.

Two dangers rule how it is used. Its runtime doesn't survive a fork: a forked process
waits for ever (tried), so from the first request on workers are threads. And a signal
is only handled when a request is over, which may be minutes after its retries; so the
main thread lets another thread ask and waits for that one.

The asynchronous functions are not used: with obstore 0.12.1 they aborted the
interpreter at its end in 6 of 40 runs, the blocking ones in none.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cached_property, partial
from random import uniform
from types import ModuleType
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, TypeVar, cast

from resources.errors import (
    EngineError,
    FullError,
    MissingFileError,
    RefusedFileError,
    StoreError,
)
from resources.object_location import ObjectLocation
from resources.workers import forbid_forks

if TYPE_CHECKING:
    from obstore import ListStream, ObjectMeta, PutMode, UpdateVersion
    from obstore.store import ObjectStore as Client

T = TypeVar("T")

MAX_KEY_BYTES = 1024  # S3's and Google's limit; Azure counts characters
PAGE_OBJECTS = 1000  # what one LIST gives
READ_BYTES = 1 << 20
READ_TRIES = 5  # of an answer that was cut off; the library retries all else

_FULL = ("QuotaExceeded", "StorageFull", "Insufficient Storage", "QuotaLimitExceeded")


class LostRaceError(Exception):
    """A condition of a write did not hold: another writer was first."""


class CutAnswerError(StoreError):
    """An answer ended too early."""


class Found(NamedTuple):
    """A small object with what identifies this state of it."""

    content: bytes
    state: UpdateVersion
    modified: datetime


class Bucket:
    """The objects beneath a location; keys are relative to it.

    Nothing is contacted before the first request. Failed requests are tried again
    after growing, random pauses, so that a server that answers "slow down" gets less
    from every thread. Then they are StoreErrors, or FullErrors where the server says
    that a quota is used up.
    """

    def __init__(self, location: ObjectLocation) -> None:
        self.name = location.url
        self.conditions = location.conditions
        self._location = location
        self._asking = ThreadPoolExecutor(4, thread_name_prefix="requests")
        self._writes = 0
        self._lock = threading.Lock()

    @property
    def writes_under_way(self) -> bool:
        """A write was begun whose end isn't known: it may still come true."""
        return self._writes > 0

    def get(self, key: str) -> Found | None:
        """Give a small object, or None."""

        def ask() -> Found:
            found = self._obstore.get(self._client, key)
            meta = found.meta
            state = _state(meta["e_tag"], meta["version"])
            return Found(bytes(found.bytes()), state, meta["last_modified"])

        try:
            return self._read(ask, f"read {key}")
        except MissingFileError:
            return None

    def open(self, key: str) -> BinaryIO:
        """Open an object for reading. Raises MissingFileError or RefusedFileError."""
        check_key(self._location, key)

        def ask() -> Iterator[bytes]:
            found = self._obstore.get(self._client, key)
            return iter(found.stream(min_chunk_size=READ_BYTES))

        chunks = self._read(ask, f"read {key}")
        reader = _Reader(
            lambda: self._ask(lambda: next(chunks, b""), f"read {key}"),
        )
        return cast(BinaryIO, io.BufferedReader(reader, READ_BYTES))

    def is_there(self, key: str) -> bool:
        """Say whether there is an object, by a HEAD."""
        try:
            self._ask(lambda: self._obstore.head(self._client, key), f"look for {key}")
        except MissingFileError:
            return False
        return True

    def pages(self, prefix: str) -> Iterator[list[tuple[str, int]]]:
        """Yield what lies beneath a folder, a LIST at a time: path in it, and size."""
        start = len(prefix) + 1
        last: str | None = None
        none: list[ObjectMeta] = []
        listing = self._list(prefix, None)
        cuts = 0
        while True:
            try:
                page = self._ask(partial(next, listing, none), f"list {prefix}")
            except CutAnswerError:
                cuts += 1
                if cuts == READ_TRIES:
                    raise
                listing = self._list(prefix, last)
                continue
            if not page:
                return
            last = page[-1]["path"]
            yield [(item["path"][start:], item["size"]) for item in page]

    def folders(self, prefix: str) -> list[str]:
        """Name the folders right beneath a folder."""
        found = self._read(
            lambda: self._obstore.list_with_delimiter(self._client, prefix),
            f"list {prefix}",
        )
        return [path.rpartition("/")[2] for path in found["common_prefixes"]]

    def put(
        self,
        key: str,
        content: bytes | Iterator[bytes],
        part_bytes: int,
        mode: PutMode = "overwrite",
    ) -> UpdateVersion:
        """Write an object in one request, or in parts when it is an iterator.

        Parts become an object only after the last one; an exception of the iterator
        gives them up. Raises LostRaceError as ``mode`` says.
        """
        check_key(self._location, key)
        whole = isinstance(content, bytes)

        def ask() -> UpdateVersion:
            done = self._obstore.put(
                self._client,
                key,
                content,
                use_multipart=not whole,
                chunk_size=part_bytes,
                max_concurrency=2,
                mode=mode,
            )
            return _state(done["e_tag"], done["version"])

        with self._write():
            try:
                return self._ask(ask, f"write {key}")
            except MissingFileError:
                raise StoreError(f"cannot write {key} in {self.name}") from None

    def put_if(
        self, key: str, content: bytes, expected: UpdateVersion | None
    ) -> UpdateVersion:
        """Write a small object if it is still in the state ``expected``, None for none.

        Raises LostRaceError when it isn't. Where an answer is lost, the write is tried
        again; if it then fails because the first one came true, that is success.
        """
        mode: PutMode = "create" if expected is None else expected
        end = time.monotonic() + self._location.retry_seconds
        pause = 0.1
        while True:
            try:
                return self.put(key, content, len(content) + 1, mode)
            except LostRaceError:
                found = self.get(key)
                if found is None or found.content != content:
                    raise
                return found.state
            except FullError:
                raise
            except StoreError:
                if time.monotonic() > end:
                    raise
                time.sleep(uniform(pause / 2, pause))  # noqa: S311 - no secret
                pause *= 2

    def delete(self, keys: list[str]) -> None:
        """Delete objects, those that are there, in as few requests as can be."""
        with self._write():
            try:
                self._ask(lambda: self._obstore.delete(self._client, keys), "delete")
            except MissingFileError:
                if len(keys) > 1:
                    for key in keys:
                        self.delete([key])

    def now(self, key: str) -> datetime:
        """Give the time by the server's clock: when a new object was written."""
        self.put(key, b"", 1)
        found = self.get(key)
        self.delete([key])
        if found is None:
            raise StoreError(f"{key} in {self.name} was deleted by another program")
        return found.modified

    @contextlib.contextmanager
    def _write(self) -> Iterator[None]:
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

    def _list(self, prefix: str, after: str | None) -> ListStream[Sequence[ObjectMeta]]:
        return self._ask(
            lambda: self._obstore.list(
                self._client, prefix, offset=after, chunk_size=PAGE_OBJECTS
            ),
            f"list {prefix}",
        )

    def _read(self, request: Callable[[], T], what: str) -> T:
        """Ask for what nothing was taken of yet, again when the answer was cut off."""
        for _ in range(READ_TRIES - 1):
            with contextlib.suppress(CutAnswerError):
                return self._ask(request, what)
        return self._ask(request, what)

    def _ask(self, request: Callable[[], T], what: str) -> T:
        self._client  # noqa: B018 - made in the calling thread, before any other
        errors = self._obstore.exceptions
        try:
            if threading.current_thread() is threading.main_thread():
                return self._asking.submit(request).result()
            return request()
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise StoreError(
                    f"cannot {what} in {self.name}: there is no such bucket"
                ) from None
            raise MissingFileError from None
        except (errors.AlreadyExistsError, errors.PreconditionError):
            raise LostRaceError from None
        except errors.BaseError as error:
            raise _failure(error, f"{what} in {self.name}") from None

    @cached_property
    def _obstore(self) -> ModuleType:
        import obstore  # here, because it takes time and a directory needs none of it

        return obstore

    @cached_property
    def _client(self) -> Client:
        from obstore.store import from_url

        forbid_forks()
        options: dict[str, object] = {
            "allow_http": self._location.allow_http,
            "connect_timeout": timedelta(seconds=5),
            "read_timeout": timedelta(seconds=60),
            # Of a whole request; a part of 8 MB must pass on a slow line.
            "timeout": timedelta(minutes=10),
        }
        retries = {
            "max_retries": 1000 if self._location.retry_seconds else 0,
            "retry_timeout": timedelta(seconds=self._location.retry_seconds),
            "backoff": {"max_backoff": timedelta(seconds=10)},
        }
        config = {}
        if self.name.startswith("s3:"):
            config["checksum_algorithm"] = "SHA256"
        try:
            made = from_url(
                self.name,
                config=config,  # type: ignore[call-overload]
                client_options=options,
                retry_config=retries,
            )
        except (self._obstore.exceptions.BaseError, ValueError) as error:
            raise StoreError(f"cannot use {self.name}: {_reason(error)}") from None
        return cast("Client", made)


def check_key(location: ObjectLocation, key: str) -> None:
    """Raise RefusedFileError when no object can have this key."""
    prefix = location.url.split("/", 3)[3:]
    length = len("/".join([*prefix, key]).encode(errors="surrogatepass"))
    if length > MAX_KEY_BYTES:
        raise RefusedFileError(f"has a key longer than {MAX_KEY_BYTES} bytes")
    if any(part in ("", ".", "..") for part in key.split("/")):
        raise RefusedFileError("can't be the name of an object")


class EtagDigest:
    """The ETag a server that stores what it got gives: an MD5, or one of MD5s.

    S3 and its likes promise this for objects that are not encrypted with a key of
    their own. Source: Amazon S3 API Reference, "Object".
    """

    def __init__(self, part_bytes: int | None = None) -> None:
        self._part_bytes = part_bytes
        self._in_part = 0
        self._part = hashlib.md5(usedforsecurity=False)
        self._parts: list[bytes] = []

    def update(self, chunk: bytes) -> None:
        """Take the next bytes."""
        view = memoryview(chunk)
        while self._part_bytes and self._in_part + len(view) >= self._part_bytes:
            rest = self._part_bytes - self._in_part
            self._part.update(view[:rest])
            self._end_part()
            view = view[rest:]
        self._part.update(view)
        self._in_part += len(view)

    def matches(self, etag: str | None) -> bool:
        """Say whether a server that gives this ETag has got just these bytes."""
        if self._part_bytes is None:
            expected = self._part.hexdigest()
        else:
            if self._in_part:
                self._end_part()
            whole = hashlib.md5(b"".join(self._parts), usedforsecurity=False)
            expected = f"{whole.hexdigest()}-{len(self._parts)}"
        return etag is not None and etag.strip('"') == expected

    def _end_part(self) -> None:
        self._parts.append(self._part.digest())
        self._part = hashlib.md5(usedforsecurity=False)
        self._in_part = 0


class _Reader(io.RawIOBase):
    """A stream over chunks; no chunk may be empty but the last."""

    def __init__(self, next_chunk: Callable[[], bytes]) -> None:
        self._next_chunk = next_chunk
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = memoryview(bytes(self._next_chunk()))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _state(etag: str | None, version: str | None) -> UpdateVersion:
    state: UpdateVersion = {}
    if etag is not None:
        state["e_tag"] = etag
    if version is not None:
        state["version"] = version
    return state


def _failure(error: Exception, what: str) -> EngineError:
    text = f"cannot {what}: {_reason(error)}"
    if any(code in str(error) for code in _FULL):
        return FullError(text)
    return CutAnswerError(text) if "body error" in text else StoreError(text)


def _reason(error: Exception) -> str:
    """Make one line of an error that comes with a debugger's view of itself."""
    text, _, debug = str(error).partition("\n\nDebug source")
    answer: Mapping[str, str] = dict(
        re.findall(r"<(Code|Message)>([^<]{1,200})</\1>", text)
    )
    status = re.search(r"status code: (\d+ [A-Z][A-Za-z ]*)", text)
    server = re.search(r"performing [A-Z]+ (\w+://[^/\s]+)", text)
    cause = re.findall(r'message: "([^"]{1,200})"', debug)
    if status:
        reason = ": ".join([status[1], *answer.values()])
    else:
        reason = text.rpartition(" - ")[2].partition("\n")[0][:200]
        reason = ": ".join([reason, *cause[-1:]])
    retries = re.search(r"after (\d+) retries", text)
    tried = f" ({retries[1]} retries)" if retries and retries[1] != "0" else ""
    return (f"{server[1]}: " if server else "") + reason + tried
