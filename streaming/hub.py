"""One thread and one database connection that read for all clients of a process.

The hub reads what is new of each watched task once, encodes it once, and hands the
same bytes to every viewer. A viewer is a cursor: where the newest batch follows what
it has, it writes that; else it catches up page by page from the table. Live, late
and returning viewers take the same path, and none of them has a queue.

Two threads: the hub's own reads the database; everything else (viewers, pages,
states) belongs to the event loop's thread. The hub's thread enters it through
``call_soon_threadsafe`` alone, the loop's thread the hub's through ``_asks``.
"""

import asyncio
import logging
import queue
import socket
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from django.db import DatabaseError, InterfaceError, connection

from streaming.bridge import TaskListener, manager, publish
from streaming.encode import BASE, Page, Shared, end_event, line_event, update_event
from tasks import log_store
from tasks.description import describe
from tasks.log_store import Line
from tasks.models import Task
from tasks.news import EVERYTHING, Subscription, subscribe, wait

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5  # the safety net under the announcements
SWEEP_SECONDS = 5.0  # every watched task is looked at, news or not
RETRY_SECONDS = 0.5  # after a failure of the database
PAGE_LINES = 512
PAGE_CACHE_BYTES = 16 * 1024 * 1024
LIVE_LINES = 2_000  # a larger step forward is left to the pages

RANKS = {Task.Status.PENDING: 0, Task.Status.RUNNING: 1}
ENDED_RANK = 2
STAMPED = ("status", "trail", "cancel_requested_at")  # what a Stamp is made of


class Stamp(NamedTuple):
    """How far a task's state is; only ever grows."""

    rank: int
    changes: int  # of step or progress
    cancel_requested: bool

    @classmethod
    def of(cls, status: str, trail: list[Any], cancel_requested_at: Any) -> "Stamp":
        rank = RANKS.get(Task.Status(status), ENDED_RANK)
        return cls(rank, len(trail), cancel_requested_at is not None)

    @classmethod
    def of_task(cls, task: Task) -> "Stamp":
        return cls.of(*(getattr(task, name) for name in STAMPED))


def stamp_of_newcomer(task: Task) -> Stamp:
    """What a client has seen that was only told ``connected``. The update with the
    end state comes last in every stream, so an end does not count as seen."""
    stamp = Stamp.of_task(task)
    return stamp._replace(rank=min(stamp.rank, ENDED_RANK - 1))


@dataclass(frozen=True)
class Batch:
    """What to write to a viewer that stands at ``after`` and has seen ``before``."""

    after: int
    upto: int
    before: Stamp
    data: Shared


@dataclass(frozen=True)
class State:
    """What is known of a task. ``end`` only after its end."""

    last_seq: int
    stamp: Stamp
    update: Shared
    end: bytes | None = None
    batch: Batch | None = None
    is_gone: bool = False

    @property
    def is_final(self) -> bool:
        return self.is_gone or self.end is not None


PageKey = tuple[uuid.UUID, int, int]  # the lines of a task: after, up to


class Viewer(TaskListener, ABC):
    """A client that watches a task. Subclasses write."""

    def __init__(self, task_id: uuid.UUID, hub: "Hub") -> None:
        super().__init__(task_id, hub.woken)

    @abstractmethod
    def advance(self) -> None:
        """Write what the task's state allows now. In the event loop's thread."""


class Hub:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # The event loop's.
        self.states: dict[uuid.UUID, State] = {}
        self._viewer_counts: dict[uuid.UUID, int] = {}
        self._joined: dict[uuid.UUID, list[Viewer]] = {}  # since the last state
        self._pages: OrderedDict[PageKey, Page] = OrderedDict()
        self._page_bytes = 0
        self._waiting_for_page: dict[PageKey, set[Viewer]] = {}
        # Written by the hub's thread under the manager's lock, then handed over.
        self.woken: list[TaskListener] = []
        # The hub's thread's.
        self._known: dict[uuid.UUID, State] = {}
        # Between them.
        self._asks: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._bell, self._bell_push = socket.socketpair()
        self._bell.setblocking(False)
        self._bell_push.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="hub", daemon=True)
        self._thread.start()

    # --- The event loop's side ------------------------------------------------------

    def join(self, viewer: Viewer) -> None:
        """Let a viewer hear of its task from now on; it is advanced at once, or as
        soon as the task was read."""
        task_id = viewer.task_id
        count = self._viewer_counts.get(task_id, 0)
        self._viewer_counts[task_id] = count + 1
        manager().add_listener(viewer)
        # A state that is on its way into the loop was told before this viewer
        # listened; without this it would wait for the one after.
        self._joined.setdefault(task_id, []).append(viewer)
        if count == 0:
            self._ask("watch", task_id)
        elif task_id in self.states:
            viewer.advance()

    def leave(self, viewer: Viewer) -> None:
        manager().remove_listener(viewer)
        self._viewer_counts[viewer.task_id] -= 1
        if not self._viewer_counts[viewer.task_id]:
            del self._viewer_counts[viewer.task_id]
            self._joined.pop(viewer.task_id, None)
            self.states.pop(viewer.task_id, None)
            self._ask("unwatch", viewer.task_id)

    def page_for(self, viewer: Viewer, cursor: int, last_seq: int) -> Page | None:
        """The page with the line after ``cursor``; None where it has to be read
        first (the viewer is advanced when it is there)."""
        after = cursor // PAGE_LINES * PAGE_LINES
        key = (viewer.task_id, after, min(after + PAGE_LINES, last_seq))
        if (page := self._pages.get(key)) is not None:
            self._pages.move_to_end(key)
            return page
        waiting = self._waiting_for_page.setdefault(key, set())
        if not waiting:
            self._ask("page", key)
        waiting.add(viewer)
        return None

    def _ask(self, what: str, about: Any) -> None:
        self._asks.put((what, about))
        with suppress(BlockingIOError):  # full: it rings already
            self._bell_push.send(b"!")

    def _take_state(
        self, task_id: uuid.UUID, state: State, viewers: Iterable[Viewer]
    ) -> None:
        if task_id not in self._viewer_counts:
            return
        self.states[task_id] = state
        for viewer in {*viewers, *self._joined.pop(task_id, ())}:
            viewer.advance()

    def _take_page(self, key: PageKey, page: Page | None) -> None:
        if page is not None:
            self._pages[key] = page
            self._page_bytes += len(page)
            while self._page_bytes > PAGE_CACHE_BYTES and len(self._pages) > 1:
                _, old = self._pages.popitem(last=False)
                self._page_bytes -= len(old)
        elif (state := self.states.get(key[0])) is not None:
            # Lines that were there are not: the task was deleted.
            self.states[key[0]] = replace(state, is_gone=True)
        for viewer in self._waiting_for_page.pop(key, ()):
            viewer.advance()

    # --- The hub's thread -----------------------------------------------------------

    def _run(self) -> None:
        news: Subscription | None = None
        while True:
            try:
                if news is None:
                    news = subscribe("viewers")
                    self._look_at(self._known)
                self._work(news)
            except Exception:
                # Viewers stay; they miss nothing, because the table is the truth.
                logger.exception("The hub can't read; trying again.")
                connection.close()
                if news is not None:
                    news.close()
                news = None
                time.sleep(RETRY_SECONDS)

    def _work(self, news: Subscription) -> None:
        """Hear and answer until something fails."""
        sweep_at = 0.0
        while True:
            ids = wait(news, POLL_SECONDS if self._known else 5.0, self._bell)
            with suppress(BlockingIOError):
                self._bell.recv(4096)
            if time.monotonic() >= sweep_at:
                sweep_at = time.monotonic() + SWEEP_SECONDS
                ids.add(EVERYTHING)
            if EVERYTHING in ids:
                self._look_at(self._known)
            elif ids:
                self._look_at(known for known in self._known if str(known) in ids)
            self._answer()

    def _answer(self) -> None:
        while True:
            try:
                what, about = self._asks.get_nowait()
            except queue.Empty:
                return
            try:
                if what == "watch":
                    self._watch(about)
                elif what == "unwatch":
                    self._known.pop(about, None)
                else:
                    lines = log_store.read(about[0], about[1], about[2], PAGE_LINES)
                    page = Page(lines) if lines else None
                    self._loop.call_soon_threadsafe(self._take_page, about, page)
            except (DatabaseError, InterfaceError):
                self._asks.put((what, about))
                raise

    def _watch(self, task_id: uuid.UUID) -> None:
        task = Task.objects.filter(pk=task_id).first()
        self._tell(task_id, gone() if task is None else state_of(task))

    def _look_at(self, task_ids: Iterable[uuid.UUID]) -> None:
        """Read what is new of these watched tasks, and tell."""
        ids = [one for one in task_ids if not self._known[one].is_final]
        if not ids:
            return
        found = Task.objects.filter(pk__in=ids).values_list("pk", "last_seq", *STAMPED)
        rows = {pk: (last_seq, Stamp.of(*rest)) for pk, last_seq, *rest in found}
        for task_id in ids:
            known = self._known[task_id]
            last_seq, stamp = rows.get(task_id, (0, None))
            if stamp is not None and stamp != known.stamp:
                # The whole task is needed, and may be further already.
                task = Task.objects.filter(pk=task_id).first()
                self._tell(task_id, changed(known, task) if task else gone())
            elif stamp is None:
                self._tell(task_id, gone())
            elif last_seq != known.last_seq:
                self._tell(task_id, with_more_lines(known, task_id, last_seq))

    def _tell(self, task_id: uuid.UUID, state: State) -> None:
        self._known[task_id] = state
        publish(task_id, state)
        viewers, self.woken[:] = self.woken[:], []
        self._loop.call_soon_threadsafe(self._take_state, task_id, state, viewers)


def gone() -> State:
    """A task that was deleted: whoever watches it gets no more."""
    return State(0, Stamp(ENDED_RANK, 0, False), Shared(b""), is_gone=True)


def state_of(task: Task) -> State:
    """What a viewer that comes now needs to know."""
    end = None
    if task.has_ended:
        digest = task.log_sha256 or log_store.sha256(task.pk)
        end = end_event(task.status, task.last_seq, digest)
    update = Shared(update_event(describe(task, BASE)))
    return State(task.last_seq, Stamp.of_task(task), update, end)


def with_more_lines(known: State, task_id: uuid.UUID, last_seq: int) -> State:
    """The state after ``known`` of a task that only said more."""
    state = replace(known, last_seq=last_seq, batch=None)
    lines = new_lines(known, task_id, last_seq)
    if lines is None:
        return state
    data = Shared(b"".join(map(line_event, lines)))
    return replace(state, batch=Batch(known.last_seq, last_seq, known.stamp, data))


def changed(known: State, task: Task) -> State:
    """The state after ``known`` of a task that moved on: in its batch each change
    stands behind the lines that led to it."""
    state = state_of(task)
    lines = new_lines(known, task.pk, task.last_seq)
    if lines is None:
        return state
    events = [line_event(line) for line in lines]
    parts: list[bytes] = []
    taken, told = 0, known.stamp
    for number in range(known.stamp.changes, len(task.trail)):
        then = as_it_was(task, number)
        upto = max(taken, then.last_seq - known.last_seq)
        parts += events[taken:upto]
        taken = upto
        parts.append(update_event(describe(then, BASE)))
        told = Stamp.of_task(then)
    parts += events[taken:]
    if state.stamp != told:
        parts.append(state.update.for_base(BASE))
    data = Shared(b"".join(parts))
    batch = Batch(known.last_seq, task.last_seq, known.stamp, data)
    return replace(state, batch=batch)


def new_lines(known: State, task_id: uuid.UUID, last_seq: int) -> list[Line] | None:
    """The lines since ``known``; None where there are so many that the pages serve
    them better, or where they are gone (then the pages find that out)."""
    count = last_seq - known.last_seq
    if count > LIVE_LINES:
        return None
    if not count:
        return []
    lines = log_store.read(task_id, known.last_seq, last_seq, LIVE_LINES)
    return lines if len(lines) == count else None


def as_it_was(task: Task, number: int) -> Task:
    """The task, still running, just after one of the changes in its trail."""
    then = copy(task)
    then.trail = task.trail[: number + 1]
    then.last_seq, then.step_index, then.step_name, then.progress = task.trail[number]
    then.status = Task.Status.RUNNING
    then.completed_at = then.result = then.error = None
    return then
