"""Who watches what in this process, and what they are given.

A viewer is a cursor: where the newest batch of its task follows what it has, it writes
that; else it catches up page by page. Live, late and returning viewers take the same
path, and none of them has a queue. The bytes are read and encoded once for all of them
(streaming.reader).

Where writing to a task's viewers takes long, because they are many, the task then rests
for as long, and what comes meanwhile is written as one: a crowd costs latency in
proportion, and no task takes more than half of the loop's time.

All of this belongs to the event loop's thread; what the reader's thread brings enters
it through ``call_soon_threadsafe``.
"""

import asyncio
import time
import uuid
from abc import ABC, abstractmethod
from collections import OrderedDict

from streaming.eventstream import TaskListener, manager, publish
from streaming.outages import Outage, OutageWatch
from streaming.reader import PageKey, Reader, Unwatch, Watch
from streaming.sse import Page
from streaming.task_state import State
from tasks.instruments import measures

PAGE_LINES = 512
PAGE_CACHE_BYTES = 8 * 1024 * 1024
CROWD_SECONDS = 0.001  # a task whose viewers take less to write to need not rest


class Viewer(ABC):
    """A client that watches a task. Subclasses write."""

    watched: "Watched"  # set by joining

    def __init__(self, task_id: uuid.UUID) -> None:
        self.task_id = task_id

    @abstractmethod
    def advance(self) -> None:
        """Write what ``watched.state`` allows now."""


class Watched:
    """A task that somebody watches in this process."""

    def __init__(self, listener: TaskListener) -> None:
        self.listener = listener
        self.state: State | None = None  # until it was read
        self.viewers: set[Viewer] = set()


class Hub:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.reader = Reader(publish, self._on_page)
        self._outages = OutageWatch(
            loop, self.reader.answers, self._advance_all, "task"
        )
        self._watched: dict[uuid.UUID, Watched] = {}
        self._pages: OrderedDict[PageKey, Page] = OrderedDict()
        self._page_bytes = 0
        self._wanted: dict[PageKey, set[Viewer]] = {}  # pages asked for, and by whom

    @property
    def outage(self) -> Outage | None:
        """Return why no viewer gets anything now; None where that is not so."""
        return self._outages.outage

    def _advance_all(self) -> None:
        for watched in list(self._watched.values()):
            for viewer in tuple(watched.viewers):
                viewer.advance()

    def join(self, viewer: Viewer) -> None:
        """Let a viewer hear of its task from now on; it is advanced at once, or as
        soon as the task was read."""
        watched = self._watched.get(viewer.task_id)
        if watched is None:
            watched = self._watch(viewer.task_id)
        viewer.watched = watched
        watched.viewers.add(viewer)
        self._outages.start()
        viewer.advance()

    def _watch(self, task_id: uuid.UUID) -> Watched:
        def hand_on(state: State) -> None:  # in the reader's thread
            self.loop.call_soon_threadsafe(self._take_state, task_id, watched, state)

        watched = Watched(TaskListener(task_id, hand_on))
        self._watched[task_id] = watched
        manager().add_listener(watched.listener)
        self.reader.ask(Watch(task_id))
        return watched

    def leave(self, viewer: Viewer) -> None:
        watched = viewer.watched
        watched.viewers.remove(viewer)
        if not watched.viewers:
            del self._watched[viewer.task_id]
            manager().remove_listener(watched.listener)
            self.reader.ask(Unwatch(viewer.task_id))
        if not self._watched:
            self._outages.stop()

    def page_for(self, viewer: Viewer, cursor: int, last_seq: int) -> Page | None:
        """The page with the line after ``cursor``; None where it has to be read
        first (the viewer is advanced when it is there)."""
        key = page_key(viewer.task_id, cursor, last_seq)
        if (page := self._pages.get(key)) is None:
            self._want(key).add(viewer)
        else:
            self._pages.move_to_end(key)
        if key.upto < last_seq:
            # Read while this one is written.
            following = page_key(viewer.task_id, key.upto, last_seq)
            if following not in self._pages:
                self._want(following)
        return page

    def _want(self, key: PageKey) -> set[Viewer]:
        if key not in self._wanted:
            self._wanted[key] = set()
            self.reader.ask(key)
        return self._wanted[key]

    # --- What the reader brings -----------------------------------------------------

    def _on_page(self, key: PageKey, page: Page | None) -> None:
        self.loop.call_soon_threadsafe(self._take_page, key, page)

    def _take_state(self, task_id: uuid.UUID, watched: Watched, state: State) -> None:
        watched.state = state
        started = time.monotonic()
        for viewer in tuple(watched.viewers):
            viewer.advance()
        if watched.viewers and state.batch and (printed := state.batch.printed_ms):
            measures.line_seconds.observe(max(0.0, time.time() - printed / 1_000))
        seconds = time.monotonic() - started
        self.reader.rest(task_id, seconds if seconds > CROWD_SECONDS else 0)

    def _take_page(self, key: PageKey, page: Page | None) -> None:
        if page is not None:
            self._pages[key] = page
            self._page_bytes += len(page)
            while self._page_bytes > PAGE_CACHE_BYTES and len(self._pages) > 1:
                _, old = self._pages.popitem(last=False)
                self._page_bytes -= len(old)
        for viewer in self._wanted.pop(key, ()):
            viewer.advance()


def page_key(task_id: uuid.UUID, cursor: int, last_seq: int) -> PageKey:
    """The page with the line after ``cursor``, of a task that has so many."""
    after = cursor // PAGE_LINES * PAGE_LINES
    return PageKey(task_id, after, min(after + PAGE_LINES, last_seq))
