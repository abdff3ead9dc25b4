"""Telling other processes that a task has something new, and hearing it.

An announcement is a hint that carries ids only; the tables are the truth, so lost
news costs a delay, never a line. PostgreSQL carries it by NOTIFY inside the
transaction that it speaks of; SQLite by a datagram to a socket per listener beside
the database file, sent after the commit.

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
from collections.abc import Iterable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, Protocol

import psycopg
from django.db import connection, transaction

logger = logging.getLogger(__name__)

CHANNELS = {"viewers": "resource_sync_viewers", "runners": "resource_sync_runners"}
EVERYTHING = "*"  # "look at all you care for": news may have been lost
MAX_SOCKET_PATH_BYTES = 100  # sun_path holds 104 on macOS, 108 on Linux
IDS_PER_MESSAGE = 100  # 36-byte ids: below NOTIFY's 8,000 bytes
RECONNECT_SECONDS = 1.0
POLL_SECONDS = 0.5

Audience = Literal["viewers", "runners"]


def announce(task_ids: Iterable[uuid.UUID], *, queue: bool = False) -> None:
    """Say that these tasks changed, once the current transaction is committed.

    ``queue``: it concerns the runners too.
    """
    audiences: tuple[Audience, ...] = ("viewers", "runners") if queue else ("viewers",)
    ids = [str(task_id) for task_id in task_ids]
    for start in range(0, len(ids), IDS_PER_MESSAGE):
        message = ",".join(ids[start : start + IDS_PER_MESSAGE])
        for audience in audiences:
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute(
                        "SELECT pg_notify(%s, %s)", [CHANNELS[audience], message]
                    )
            else:
                transaction.on_commit(partial(_send_datagrams, audience, message))


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

    def receive(self) -> set[str]:
        """Ids announced since the last call, EVERYTHING among them where some may
        have been lost; empty where there is nothing. Never waits."""

    def close(self) -> None: ...


def wait(subscription: Subscription, seconds: float, *others: HasFileno) -> set[str]:
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
    """Where the listeners of the database file have their sockets."""
    return _sockets_folder_of(str(connection.settings_dict["NAME"]))


@cache
def _sockets_folder_of(name: str) -> Path:
    database = Path(name).resolve()
    beside = database.with_name(database.name + ".news")
    if len(os.fsencode(beside)) + 40 <= MAX_SOCKET_PATH_BYTES:
        return beside
    digest = hashlib.sha256(os.fsencode(beside)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"resource-sync-{os.getuid()}-{digest}"


def _send_datagrams(audience: Audience, message: str) -> None:
    folder = _sockets_folder()
    try:
        listeners = [one for one in folder.iterdir() if one.name.startswith(audience)]
    except FileNotFoundError:
        return
    for path in listeners:
        try:
            _sender().sendto(message.encode(), str(path))
        except OSError as error:
            if error.errno in {errno.ECONNREFUSED, errno.ENOENT}:
                path.unlink(missing_ok=True)  # its process is gone
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

    def receive(self) -> set[str]:
        ids: set[str] = set()
        with suppress(BlockingIOError):
            while True:
                ids.update(self.socket.recv(65536).decode().split(","))
        # The safety net: SQLite itself says whether anybody else wrote. Looked at
        # even while news comes in, because a full buffer drops some.
        now = time.monotonic()
        if now - self._looked_at >= POLL_SECONDS:
            self._looked_at = now
            if (version := self._read_data_version()) != self._data_version:
                self._data_version = version
                ids.add(EVERYTHING)
        return ids

    def _read_data_version(self) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA data_version")
            return cursor.fetchone()[0]

    def close(self) -> None:
        self.socket.close()
        self.path.unlink(missing_ok=True)


# --- PostgreSQL: LISTEN -------------------------------------------------------------


class PostgresSubscription:
    """One connection outside the pool. Cut off, it comes back by itself, and then
    reports EVERYTHING, because nobody kept the news meanwhile."""

    def __init__(self, audience: Audience) -> None:
        self._channel = CHANNELS[audience]
        self._parameters = {
            key: value
            for key, value in connection.get_connection_params().items()
            if key not in {"pool", "cursor_factory", "context", "prepare_threshold"}
        }
        self._next_attempt = 0.0
        self._connection: psycopg.Connection[Any] | None = None
        self._connect()

    def _connect(self) -> None:
        self._connection = psycopg.connect(**self._parameters, autocommit=True)
        self._connection.execute(f"LISTEN {self._channel}")

    def fileno(self) -> int:
        return self._connection.fileno() if self._connection else -1

    def receive(self) -> set[str]:
        try:
            if self._connection is None:
                if time.monotonic() < self._next_attempt:
                    return set()
                self._connect()
                logger.info("Listening for news again.")
                return {EVERYTHING}
            ids: set[str] = set()
            for notify in self._connection.notifies(timeout=0):
                ids.update(notify.payload.split(","))
        except psycopg.Error as error:
            logger.warning("The connection for news is down: %s", error)
            self.close()
            self._next_attempt = time.monotonic() + RECONNECT_SECONDS
            return {EVERYTHING}
        return ids

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
