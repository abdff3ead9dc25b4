"""Telling other processes that a task has something new, and hearing it.

An announcement is a hint: the ids of tasks that changed, and where all that is new are
lines, the number of the last, so that a reader can go straight to them. The tables are
the truth, so lost news costs a delay, never a line. PostgreSQL carries it by NOTIFY
inside the transaction that it speaks of; SQLite by a datagram to a socket per listener
beside the database file, sent after the commit.

There are two audiences. Viewers hear of every change; runners hear only of what
concerns the queue (a new task, a wish to cancel, a freed lock), so that no runner is
woken by the lines that it writes itself.
"""

import atexit
import errno
import hashlib
import logging
import os
import select
import socket
import tempfile
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from django.db import connection, transaction

from tasks.databases.errors import in_one_line

if TYPE_CHECKING:
    import psycopg  # else where PostgreSQL is used: 12 MB

logger = logging.getLogger(__name__)

CHANNELS = {"viewers": "resource_sync_viewers", "runners": "resource_sync_runners"}
EVERYTHING = "*"  # "look at all you care for": news may have been lost
MAX_SOCKET_PATH_BYTES = 100  # sun_path holds 104 on macOS, 108 on Linux
IDS_PER_MESSAGE = 100  # of 36 bytes, with a number: below NOTIFY's 8,000 bytes
RECONNECT_SECONDS = 1.0
POLL_SECONDS = 0.5

Audience = Literal["viewers", "runners"]
# Ids, each with the number of its last line where all that is new are lines, else None.
News = dict[str, int | None]


def announce(task_ids: Iterable[uuid.UUID], *, queue: bool = False) -> None:
    """Say that these tasks changed, once the current transaction is committed.

    ``queue``: it concerns the runners too.
    """
    audiences: tuple[Audience, ...] = ("viewers", "runners") if queue else ("viewers",)
    ids = [str(task_id) for task_id in task_ids]
    for audience in audiences:
        _announce(audience, ids)


def announce_lines(last_seqs: Mapping[uuid.UUID, int]) -> None:
    """Say to the viewers that these tasks, otherwise as they were, have lines up to
    these numbers, once the current transaction is committed."""
    _announce("viewers", parts_of(last_seqs))


def parts_of(last_seqs: Mapping[uuid.UUID, int]) -> list[str]:
    return [f"{task_id}:{last_seq}" for task_id, last_seq in last_seqs.items()]


def messages_of(parts: list[str]) -> list[str]:
    """Return what is sent: some of the parts each."""
    return [
        ",".join(parts[start : start + IDS_PER_MESSAGE])
        for start in range(0, len(parts), IDS_PER_MESSAGE)
    ]


def _announce(audience: Audience, parts: list[str]) -> None:
    for message in messages_of(parts):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_notify(%s, %s)", [CHANNELS[audience], message]
                )
        else:
            transaction.on_commit(partial(_send_datagrams, audience, message))


def _take(news: News, message: str) -> None:
    """Add a message's parts to what was heard before."""
    for part in message.split(","):
        task_id, _, seq = part.partition(":")
        note(news, task_id, int(seq) if seq else None)


def note(news: News, task_id: str, last_seq: int | None) -> None:
    """Add what was heard of a task; that more than lines is new outweighs the rest."""
    if news.get(task_id, 0) is not None:
        news[task_id] = last_seq


def subscribe(audience: Audience) -> "Subscription":
    """Start to listen. Close it when done; use it in one thread only."""
    if connection.vendor == "postgresql":
        return PostgresSubscription(audience)
    return DatagramSubscription(audience)


class HasFileno(Protocol):
    def fileno(self) -> int: ...


class Subscription(HasFileno, Protocol):
    """Where news arrives."""

    def fileno(self) -> int:
        """For select(); -1 while the connection is down (then only poll)."""

    def receive(self) -> News:
        """Return what was announced since the last call, EVERYTHING among it where some
        may have been lost; empty where there is nothing. Never waits."""

    def close(self) -> None: ...


def wait(subscription: Subscription, seconds: float, *others: HasFileno) -> News:
    """News, waiting for it, or for another source to be readable, for at most so
    long."""
    # Not select(): it fails on descriptors above 1,023, and each viewer has one.
    poller = select.poll()
    for source in (subscription, *others):
        if source.fileno() >= 0:
            poller.register(source.fileno(), select.POLLIN)
    if subscription.fileno() < 0:
        seconds = min(seconds, RECONNECT_SECONDS)
    poller.poll(max(0.0, seconds) * 1000)
    return subscription.receive()


# --- SQLite: datagrams --------------------------------------------------------------


def _sockets_folder() -> Path:
    """Return where the listeners of the database file have their sockets."""
    return _sockets_folder_of(str(connection.settings_dict["NAME"]))


@cache
def _sockets_folder_of(name: str) -> Path:
    database = Path(name).resolve()
    return folder_for_sockets(database.with_name(database.name + ".news"))


def folder_for_sockets(beside: Path) -> Path:
    """Return a folder, or one with a shorter path in its place where no socket's path
    would fit."""
    if len(os.fsencode(beside)) + 40 <= MAX_SOCKET_PATH_BYTES:
        return beside
    digest = hashlib.sha256(os.fsencode(beside)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"resource-sync-{os.getuid()}-{digest}"


def _send_datagrams(audience: Audience, message: str) -> None:
    folder = _sockets_folder()
    try:
        names = os.listdir(folder)  # noqa: PTH208 (a third of iterdir's time)
        listeners = [name for name in names if name.startswith(audience)]
    except OSError:  # nobody listens, or no file can be opened: listeners poll, too
        return
    for name in listeners:
        try:
            _sender().sendto(message.encode(), f"{folder}/{name}")
        except OSError as error:
            if error.errno in {errno.ECONNREFUSED, errno.ENOENT}:
                (folder / name).unlink(missing_ok=True)  # its process is gone
            # A full buffer loses nothing: that listener is awake and polls.


@cache
def _sender() -> socket.socket:
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    atexit.register(sender.close)
    return sender


class DatagramSubscription:
    def __init__(self, audience: Audience) -> None:
        folder = _sockets_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise PermissionError(f"The folder {folder} belongs to somebody else.")
        self.path = folder / f"{audience}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(str(self.path))
        self._data_version = self._read_data_version()
        self._looked_at = time.monotonic()

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self) -> News:
        news: News = {}
        with suppress(BlockingIOError):
            while True:
                _take(news, self.socket.recv(65536).decode())
        # The safety net: SQLite itself says whether anybody else wrote. Looked at
        # even while news comes in, because a full buffer drops some.
        now = time.monotonic()
        if now - self._looked_at >= POLL_SECONDS:
            self._looked_at = now
            if (version := self._read_data_version()) != self._data_version:
                self._data_version = version
                news[EVERYTHING] = None
        return news

    def _read_data_version(self) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA data_version")
            return cursor.fetchone()[0]

    def close(self) -> None:
        self.socket.close()
        self.path.unlink(missing_ok=True)


# --- PostgreSQL: LISTEN -------------------------------------------------------------


def connection_of_its_own() -> "psycopg.Connection[Any]":
    """A connection to PostgreSQL outside the pool, for what lasts: news, locks."""
    import psycopg

    from tasks.databases.postgresql.base import watch_the_client

    parameters = {
        key: value
        for key, value in connection.get_connection_params().items()
        if key not in {"pool", "cursor_factory", "context", "prepare_threshold"}
    }
    own = psycopg.connect(**parameters, autocommit=True)
    watch_the_client(own)
    return own


def why_unreachable(error: Exception) -> str:
    """Return in one line why the database can't be used. The pool says only that there
    is no connection; that a server has no TLS, say, is said by one outside of it."""
    if connection.vendor == "postgresql":
        import psycopg

        try:
            connection_of_its_own().close()
        except psycopg.Error as refusal:
            error = refusal
    return in_one_line(error)


class PostgresSubscription:
    """One connection outside the pool. Cut off, it comes back by itself, and then
    reports EVERYTHING, because nobody kept the news meanwhile."""

    def __init__(self, audience: Audience) -> None:
        self._channel = CHANNELS[audience]
        self._next_attempt = 0.0
        self._connection: psycopg.Connection[Any] | None = None
        self._connect()

    def _connect(self) -> None:
        self._connection = connection_of_its_own()
        self._connection.execute(f"LISTEN {self._channel}")

    def fileno(self) -> int:
        return self._connection.fileno() if self._connection else -1

    def receive(self) -> News:
        import psycopg

        news: News = {}
        try:
            if self._connection is None:
                if time.monotonic() < self._next_attempt:
                    return news
                self._connect()
                logger.info("Listening for news again.")
                return {EVERYTHING: None}
            for notify in self._connection.notifies(timeout=0):
                _take(news, notify.payload)
        except psycopg.Error as error:
            if self._connection is not None:  # else it was down before
                logger.warning("The connection for news is down: %s", error)
            self.close()
            self._next_attempt = time.monotonic() + RECONNECT_SECONDS
            return {EVERYTHING: None}
        return news

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
