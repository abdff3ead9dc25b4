"""The thread that reads the database for all viewers of a process.

It looks at what is new of each watched task once, encodes it once, and hands it over;
pages of older lines likewise. It has one connection for reading and one for news,
however many viewers there are.
"""

import queue
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError

from streaming.outages import Answers
from streaming.sse import Page
from streaming.task_state import (
    VERSIONED,
    State,
    Version,
    changed,
    gone,
    state_of,
    with_more_lines,
)
from tasks.logs import store as log_store
from tasks.models import Task
from tasks.notifications import EVERYTHING, News, Subscription, note, subscribe, wait

POLL_SECONDS = 0.5  # the safety net under the announcements
IDLE_SECONDS = 5.0  # the same while nobody watches anything
SWEEP_SECONDS = 5.0  # every watched task is looked at, news or not
RETRY_SECONDS = 0.5  # after a failure of the database


class Watch(NamedTuple):
    """Tell what happens to this task from now on."""

    task_id: uuid.UUID


class Unwatch(NamedTuple):
    task_id: uuid.UUID


class PageKey(NamedTuple):
    """The lines of a task with ``after < seq <= upto``."""

    task_id: uuid.UUID
    after: int
    upto: int


Ask = Watch | Unwatch | PageKey


class Reader:
    """Called from any thread: ``start``, ``ask``, ``rest``. It calls, in its own:

    on_state  a watched task has this state now
    on_page   the lines that were asked for; None where their task is gone
    """

    def __init__(
        self,
        on_state: Callable[[uuid.UUID, State], None],
        on_page: Callable[[PageKey, Page | None], None],
    ) -> None:
        self._on_state, self._on_page = on_state, on_page
        self.answers = Answers("The tasks that are watched")
        self._known: dict[uuid.UUID, State] = {}  # of the watched tasks
        self._unread: News = {}  # what was announced and not looked at yet
        self._rests: dict[str, float] = {}  # until when a task is left alone
        self._asks: queue.SimpleQueue[Ask] = queue.SimpleQueue()
        self._asks_for_later: list[Ask] = []
        self._sweep_at = 0.0
        self._bell, self._bell_push = socket.socketpair()
        self._bell.setblocking(False)
        self._bell_push.setblocking(False)

    def start(self) -> None:
        threading.Thread(target=self._run, name="reader", daemon=True).start()

    def ask(self, ask: Ask) -> None:
        self._asks.put(ask)
        self._ring()

    def rest(self, task_id: uuid.UUID, seconds: float) -> None:
        """Leave a task alone for so long, and from then on after each of its states
        until this is called again; 0 ends that."""
        if seconds:
            self._rests[str(task_id)] = time.monotonic() + seconds
        else:
            self._rests.pop(str(task_id), None)
        if str(task_id) in self._unread:
            self._ring()

    def close(self) -> None:
        """Free what it holds; only where it was never started."""
        self._bell.close()
        self._bell_push.close()

    def _ring(self) -> None:
        with suppress(BlockingIOError):  # full: it rings already
            self._bell_push.send(b"!")

    # --- The thread -----------------------------------------------------------------

    def _run(self) -> None:
        news: Subscription | None = None
        while True:
            try:
                if news is None:
                    self.answers.ask()
                    news = subscribe("viewers")
                    self.work({EVERYTHING: None})
                    self.answers.come()
                while True:
                    patience = self._patience()
                    self.answers.ask(within=patience)
                    heard = wait(news, patience, self._bell)
                    with suppress(BlockingIOError):
                        self._bell.recv(4096)
                    self.work(heard)
                    self.answers.come()
            except Exception as error:  # noqa: BLE001 (it is logged there)
                # Viewers stay; they miss nothing, because the table is the truth.
                self.answers.fail(error)
                if news is not None:
                    news.close()
                news = None
                time.sleep(RETRY_SECONDS)

    def _patience(self) -> float:
        """Return how long there is nothing to do without news."""
        if not self._known:
            return IDLE_SECONDS
        now = time.monotonic()
        rests = (self._rests.get(task_id, 0.0) - now for task_id in self._unread)
        return min(POLL_SECONDS, *rests) if self._unread else POLL_SECONDS

    def work(self, news: News) -> None:
        """Look at the tasks that have news, and answer what was asked."""
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + SWEEP_SECONDS
            news = {EVERYTHING: None}
        self._note(news)
        self._look()
        self._answer()

    def _note(self, news: News) -> None:
        if EVERYTHING in news:
            news = {str(task_id): None for task_id in self._known}
        for task_id, last_seq in news.items():
            note(self._unread, task_id, last_seq)

    def _look(self) -> None:
        """Tell what is new of the tasks that have news and do not rest."""
        now = time.monotonic()
        due = {
            task_id: last_seq
            for task_id, last_seq in self._unread.items()
            if self._rests.get(task_id, 0.0) <= now
        }
        unclear = []
        for key, last_seq in due.items():
            task_id = uuid.UUID(key)
            known = self._known.get(task_id)
            if known is None or known.is_final:
                del self._unread[key]
            elif last_seq is None:
                unclear.append(task_id)
            elif last_seq > known.last_seq:
                self._tell(task_id, with_more_lines(known, task_id, last_seq))
            else:
                del self._unread[key]
        if unclear:
            self._look_closely(unclear)

    def _look_closely(self, task_ids: Iterable[uuid.UUID]) -> None:
        """At tasks of which anything may have changed."""
        found = Task.objects.filter(pk__in=task_ids)
        values = found.values_list("pk", "last_seq", *VERSIONED)
        rows = {pk: (last_seq, Version.of(*rest)) for pk, last_seq, *rest in values}
        for task_id in task_ids:
            known = self._known[task_id]
            last_seq, version = rows.get(task_id, (0, None))
            if version is None:
                self._tell(task_id, gone())
            elif version != known.version:
                # The whole task is needed, and may be further already.
                task = Task.objects.short().filter(pk=task_id).first()
                self._tell(task_id, changed(known, task) if task else gone())
            elif last_seq > known.last_seq:
                self._tell(task_id, with_more_lines(known, task_id, last_seq))
            else:
                # Fewer: a crash of the database took some back (docs/decisions/0009),
                # which the runner stores again.
                del self._unread[str(task_id)]

    def _answer(self) -> None:
        asks, self._asks_for_later = self._asks_for_later, []
        for ask in asks:
            self._asks.put(ask)
        while True:
            try:
                ask = self._asks.get_nowait()
            except queue.Empty:
                return
            try:
                self._do(ask)
            except (DatabaseError, InterfaceError):
                self._asks.put(ask)
                raise

    def _do(self, ask: Ask) -> None:
        match ask:
            case Watch(task_id):
                task = Task.objects.short().filter(pk=task_id).first()
                self._tell(task_id, state_of(task) if task else gone())
            case Unwatch(task_id):
                self._known.pop(task_id, None)
                self._rests.pop(str(task_id), None)
            case PageKey():
                self._read_page(ask)

    def _read_page(self, key: PageKey) -> None:
        count = key.upto - key.after
        lines = log_store.rows(key.task_id, key.after, key.upto, count)
        if len(lines) == count:
            self._on_page(key, Page(lines))
        elif Task.objects.filter(pk=key.task_id).exists():
            # A crash of the database took lines back (docs/decisions/0009), which the
            # runner stores again.
            self._asks_for_later.append(key)
        else:
            if key.task_id in self._known:
                self._tell(key.task_id, gone())
            self._on_page(key, None)

    def _tell(self, task_id: uuid.UUID, state: State) -> None:
        key = str(task_id)
        if key in self._rests:
            self._rests[key] = float("inf")  # until its viewers have this state
        self._known[task_id] = state
        self._unread.pop(key, None)
        self._on_state(task_id, state)
