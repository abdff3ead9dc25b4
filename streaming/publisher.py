"""The process that tells the push proxy what is new: ``manage.py publish_streams``.

It watches every task that waits or runs, as a viewer of its own hub, and publishes
each batch once, however many clients the proxy holds. It keeps no record: what a
client has is known to the proxy, and what there is, to the table. Where it can't know
what the proxy was told (at its start, after a failure) it recalls the task's clients,
and the proxy fetches for each what that one lacks.
"""

import asyncio
import fcntl
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import psycopg
from django.db import connection
from django.db.models import Q
from django.utils import timezone
from gripcontrol import HttpStreamFormat
from requests.adapters import HTTPAdapter

from streaming.bridge import channel_of
from streaming.encode import BASE, Shared
from streaming.grip import Position
from streaming.hub import Hub, Viewer
from tasks.models import Task
from tasks.news import EVERYTHING, News, connection_of_its_own, subscribe, wait

logger = logging.getLogger(__name__)

# Pushpin takes 1,000,000 bytes of JSON, in which a byte of text is at most three.
ITEM_BYTES = 256 * 1024
POST_SECONDS = 10.0  # a proxy that takes longer to answer counts as away
RETRY_SECONDS = 1.0
POLL_SECONDS = 0.5
SWEEP_SECONDS = 5.0
# Clients of a task that ended while nobody published are recalled; of one that ended
# earlier, the proxy itself has looked meanwhile (grip.SAFETY_NET_SECONDS).
RECENT = timedelta(minutes=5)
LOCK_KEY = 0x7265_736F_7572_6365  # "resource": one publisher for each database


class Item(NamedTuple):
    """What is published: content, or the end where there is none; and the positions
    of a client before and after it."""

    data: bytes | None
    after: str | None = None
    upto: str | None = None


class Relay(Viewer):
    """One task on its way to the proxy; one item at a time, so they stay in order."""

    def __init__(self, publisher: "Publisher", task_id: uuid.UUID) -> None:
        super().__init__(task_id)
        self._publisher = publisher
        # What the proxy was told last; None where that is not known.
        self._at: Position | None = None
        self._is_busy = False
        self._is_over = False

    def advance(self) -> None:
        if self._is_busy or self._is_over:
            return
        state = self.watched.state
        if state is None:
            return
        if self._at is None or state.is_gone:
            self._recall(Position(state.last_seq, state.stamp), state.is_final)
            return
        seq, stamp = self._at
        batch = state.batch
        if seq > state.last_seq:
            self._close()
        elif batch is not None and (seq, stamp) == (batch.after, batch.before):
            upto = Position(batch.upto, state.stamp)
            self._publish(batch.data.for_base(BASE), upto)
        elif seq < state.last_seq:
            page = self._publisher.hub.page_for(self, seq, state.last_seq)
            if page is not None:
                data, seq = page.piece(seq, ITEM_BYTES)
                self._publish(data, Position(seq, stamp))
        elif stamp != state.stamp:
            self._publish(state.update.for_base(BASE), Position(seq, state.stamp))
        elif state.end is not None:
            self._publish(state.end, Position(seq + 1, stamp))

    def _publish(self, data: bytes, upto: Position) -> None:
        if len(data) > ITEM_BYTES:
            self._at = None
            self.advance()
        else:
            self._send(Item(for_any_base(data), str(self._at), str(upto)), upto)

    def _recall(self, upto: Position, is_final: bool) -> None:
        """An item that follows nothing: each client's connection notices that it has
        missed something, and the proxy fetches that."""
        self._send(Item(b""), upto, is_last=is_final)

    def _close(self) -> None:
        self._send(Item(None, str(self._at), f"{self._at}-closed"), None, is_last=True)

    def _send(
        self, item: Item, upto: Position | None, *, is_last: bool = False
    ) -> None:
        self._is_busy = True
        sent = self._publisher.post(self.task_id, item)
        sent.add_done_callback(partial(self._on_sent, upto, is_last))

    def _on_sent(
        self, upto: Position | None, is_last: bool, sent: "asyncio.Future[None]"
    ) -> None:
        if sent.cancelled():
            return
        if error := sent.exception():
            self._publisher.on_failure(error)
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._start_over)
            return
        self._publisher.on_success()
        self._is_busy = False
        self._at = upto
        if is_last:
            self._is_over = True
            self._publisher.end(self)
        else:
            self.advance()

    def _start_over(self) -> None:
        self._is_busy = False
        self._at = None
        self.advance()

    def stop(self) -> None:
        self._is_over = True


def for_any_base(data: bytes) -> bytes:
    """The content as the proxy's filter ``var-subst`` takes it: it puts in, for each
    client, the host that this one uses, and reads ``%%`` as ``%``."""
    return Shared(data.replace(b"%", b"%%")).for_base("%(base)s")


class Publisher:
    """All tasks on their way to the proxy. In the event loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.hub = Hub(loop)
        self.hub.reader.start()
        self._proxy = Proxy()
        self._poster = ThreadPoolExecutor(1, thread_name_prefix="poster")
        self._relays: dict[uuid.UUID, Relay] = {}
        self._ended: set[uuid.UUID] = set()
        self._is_failing = False

    def watch(self, task_ids: Iterable[uuid.UUID]) -> None:
        """Publish these tasks from now on, where that is not done already."""
        for task_id in task_ids:
            if task_id not in self._relays and task_id not in self._ended:
                relay = self._relays[task_id] = Relay(self, task_id)
                self.hub.join(relay)

    def watch_only(self, task_ids: set[uuid.UUID]) -> None:
        """The same, where these are all that there are."""
        self._ended &= task_ids
        self.watch(task_ids)

    def end(self, relay: Relay) -> None:
        self.hub.leave(relay)
        del self._relays[relay.task_id]
        self._ended.add(relay.task_id)

    def post(self, task_id: uuid.UUID, item: Item) -> "asyncio.Future[None]":
        return self._loop.run_in_executor(
            self._poster, self._proxy.post, channel_of(task_id), item
        )

    def on_failure(self, error: BaseException) -> None:
        if not self._is_failing:
            logger.warning("The push proxy takes nothing; trying again: %s", error)
        self._is_failing = True

    def on_success(self) -> None:
        if self._is_failing:
            logger.info("The push proxy takes what is published again.")
        self._is_failing = False

    def stop(self) -> None:
        for relay in self._relays.values():
            relay.stop()
        self._poster.shutdown(wait=True, cancel_futures=True)


class Impatient(HTTPAdapter):
    def send(self, *args: Any, **options: Any) -> Any:
        return super().send(*args, **{**options, "timeout": POST_SECONDS})


class Proxy:
    """GRIP_URL's proxy, through django_grip."""

    def __init__(self) -> None:
        import django_grip  # reads the settings as it is imported

        # Left alone it would wait for ever for a proxy that does not answer.
        for client in django_grip.get_pubcontrol().clients:
            for scheme in ("http://", "https://"):
                client.requests_session.mount(scheme, Impatient(max_retries=1))
        self._publish = django_grip.publish

    def post(self, channel: str, item: Item) -> None:
        """Raises ValueError where the proxy is away or refuses."""
        if item.data is None:
            content = HttpStreamFormat(close=True)
        else:
            content = HttpStreamFormat(item.data.decode())
        self._publish(channel, content, id=item.upto, prev_id=item.after, blocking=True)


# --- Which tasks --------------------------------------------------------------------


def find_tasks(publisher: Publisher, loop: asyncio.AbstractEventLoop) -> None:
    """Tell the publisher of each task that begins; in a thread of its own."""
    while True:
        news = None
        try:
            news = subscribe("viewers")
            ids: News = {}
            sweep_at = 0.0
            while True:
                if EVERYTHING in ids or time.monotonic() >= sweep_at:
                    sweep_at = time.monotonic() + SWEEP_SECONDS
                    loop.call_soon_threadsafe(publisher.watch_only, current_tasks())
                elif ids:
                    found = {uuid.UUID(task_id) for task_id in ids}
                    loop.call_soon_threadsafe(publisher.watch, found)
                ids = wait(news, POLL_SECONDS)
        except Exception:
            logger.exception("Can't look for tasks to publish; trying again.")
            connection.close()
            if news is not None:
                news.close()
            time.sleep(RETRY_SECONDS)


def current_tasks() -> set[uuid.UUID]:
    """Those with news to come, or that had some a short while ago."""
    recent = timezone.now() - RECENT
    lives = Q(status__in=[Task.Status.PENDING, Task.Status.RUNNING])
    wanted = Task.objects.filter(lives | Q(completed_at__gt=recent))
    return set(wanted.values_list("pk", flat=True))


# --- One at a time ------------------------------------------------------------------


class Lock(Protocol):
    """Held by one publisher for each database. A second one for a moment would only
    tell the proxy what it knows already."""

    def take(self) -> bool: ...
    def is_held(self) -> bool: ...


class FileLock:
    """Beside SQLite's file."""

    def __init__(self) -> None:
        name = Path(str(connection.settings_dict["NAME"]))
        path = name.with_name(name.name + ".publisher")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def is_held(self) -> bool:
        return True


class AdvisoryLock:
    """PostgreSQL's, on a connection that lives as long as the lock."""

    def __init__(self) -> None:
        self._connection = connection_of_its_own()

    def take(self) -> bool:
        query = "SELECT pg_try_advisory_lock(%s)"
        row = self._connection.execute(query, [LOCK_KEY]).fetchone()
        return bool(row and row[0])

    def is_held(self) -> bool:
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True


def lock() -> Lock:
    return AdvisoryLock() if connection.vendor == "postgresql" else FileLock()


# --- The process --------------------------------------------------------------------


class LockLost(Exception):
    """The connection that held the lock is gone: another publisher may work."""


async def publish_until_told_to_stop(held: Lock) -> None:
    """Raises LockLost."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    publisher = Publisher(loop)
    finder = threading.Thread(
        target=find_tasks, args=(publisher, loop), name="finder", daemon=True
    )
    finder.start()
    try:
        while not told.is_set():
            try:
                await asyncio.wait_for(told.wait(), SWEEP_SECONDS)
            except TimeoutError:
                if not await loop.run_in_executor(None, held.is_held):
                    raise LockLost from None
    finally:
        publisher.stop()
