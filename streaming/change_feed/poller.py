"""The poller of the change feed: a thread that sees what changes among all tasks.

It looks twice a second at most, however much is announced, and reads each change once
for all who are told. While nobody listens it reads nothing. A task's lines are not its
subject: they have a stream of their own.
"""

import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import timedelta
from typing import Any

from django.db import close_old_connections, connection
from django.utils import timezone

from streaming.outages import Answers
from streaming.sse import changed_event, encoded, task_event
from tasks.models import WATCHED, Runner, Task, load_schedules
from tasks.notifications import EVERYTHING, News, subscribe, wait
from tasks.releases import FRESH_SECONDS, releases_within
from tasks.representation import describe
from tasks.waiting import waiting_for_all

LOOK_SECONDS = 0.5  # between two looks: a task is told of twice a second at most
POLL_SECONDS = 1.0  # the safety net under the announcements
SWEEP_SECONDS = 3.0  # all that waits or runs is looked at, news or not
RETRY_SECONDS = 1.0  # after a failure of the database
RELEASES_SECONDS = 30.0  # a store may be far away, and is written by others, too
STORE_PATIENCE_SECONDS = 0.3
# What began or ended so long before the last look is looked for again: clocks differ,
# and a commit comes later than the time that it carries.
MARGIN = timedelta(seconds=10)
MOST_TASKS = 100  # more that change at once are told as "look again"
REMEMBERED = 1_000  # ended tasks that were told of

# Values of WATCHED: what makes a change; more lines alone are none.
Watched = tuple[Any, ...]
Changes = Mapping[str, bytes]  # what changed, and the event that says so


class Poller:
    """``tell`` is called in the thread of its own."""

    def __init__(self, tell: Callable[[Changes], None]) -> None:
        self._tell = tell
        self.answers = Answers("What changes among the tasks")
        self._is_wanted = threading.Event()
        self._thread: threading.Thread | None = None
        self._watched: dict[uuid.UUID, Watched] = {}  # of those that wait or run
        self._ended: OrderedDict[uuid.UUID, Watched] = OrderedDict()
        self._seen_at = timezone.now()
        self._runners: frozenset[uuid.UUID] = frozenset()
        self._releases: list[dict[str, Any]] | None = None
        self._sweep_at = self._releases_at = 0.0

    def want(self, *, is_wanted: bool) -> None:
        """Begin to look, or stop; called from any thread."""
        if not is_wanted:
            self._is_wanted.clear()
            return
        self._is_wanted.set()
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="poller", daemon=True
            )
            self._thread.start()

    # --- The thread -----------------------------------------------------------------

    def _run(self) -> None:
        while True:
            self._is_wanted.wait()
            try:
                self._watch()
            except Exception as error:  # noqa: BLE001 (it is logged there)
                # Whoever listens is told to look again once this works again.
                self.answers.fail(error)
                time.sleep(RETRY_SECONDS)
            finally:
                connection.close()

    def _watch(self) -> None:
        self.answers.ask()
        with closing(subscribe("viewers")) as news:
            self.begin()
            self.answers.come()
            while self._is_wanted.is_set():
                self.answers.ask(within=POLL_SECONDS)
                self.look(wait(news, POLL_SECONDS))
                self.answers.come()
                if connection.vendor != "sqlite":
                    close_old_connections()  # gives it back to the pool
                time.sleep(LOOK_SECONDS)  # what is announced meanwhile waits

    def begin(self) -> None:
        """Take in how things are, and have everybody look: nobody knows what happened
        before."""
        self._seen_at = timezone.now()
        self._ended.clear()
        active = Task.objects.exclude(status__in=Task.ENDED)
        self._watched = _watched(active)
        self._runners = _runners()
        self._tell({"tasks": encoded(changed_event("tasks"))})

    def look(self, news: News) -> None:
        """Tell what changed, as far as the news says where to look."""
        now = time.monotonic()
        changes: dict[str, bytes] = {}
        if EVERYTHING in news or now >= self._sweep_at:
            self._sweep_at = now + SWEEP_SECONDS
            found = self._sweep()
            if (runners := _runners()) != self._runners:
                self._runners = runners
                changes["runners"] = encoded(changed_event("runners"))
        else:
            # A number says that all that is new are lines.
            ids = [uuid.UUID(key) for key, seq in news.items() if seq is None]
            found = _watched(Task.objects.filter(pk__in=ids)) if ids else {}
        changes |= self._changes(found)
        if now >= self._releases_at:
            self._releases_at = now + RELEASES_SECONDS
            changes |= self._look_at_stores()
        if changes:
            self._tell(changes)

    # --- What is new ----------------------------------------------------------------

    def _sweep(self) -> dict[uuid.UUID, Watched]:
        """The tasks of which something may be new: each by an index of its own, and
        few, however many there are."""
        since, self._seen_at = self._seen_at - MARGIN, timezone.now()
        tasks = Task.objects.order_by()
        found = _watched(tasks.running())
        found |= _watched(tasks.blocked())
        found |= _watched(tasks.filter(created_at__gt=since))
        found |= _watched(tasks.filter(completed_at__gt=since, pinned=False))
        # One that ran or was blocked, and is not any more, however that came.
        seen = {Task.Status.RUNNING, Task.Status.BLOCKED}
        known = {pk for pk, watched in self._watched.items() if watched[0] in seen}
        if missing := known - found.keys():
            found |= _watched(tasks.filter(pk__in=missing))
            for task_id in missing - found.keys():
                del self._watched[task_id]  # deleted
        return found

    def _changes(self, found: Mapping[uuid.UUID, Watched]) -> dict[str, bytes]:
        changed = [
            task_id
            for task_id, watched in found.items()
            if watched != self._watched.get(task_id)
            and watched != self._ended.get(task_id)
        ]
        for task_id in changed:
            self._note(task_id, found[task_id])
        if len(changed) > MOST_TASKS:
            return {"tasks": encoded(changed_event("tasks"))}
        return _events(changed)

    def _note(self, task_id: uuid.UUID, watched: Watched) -> None:
        if watched[0] not in Task.ENDED:
            self._watched[task_id] = watched
            return
        self._watched.pop(task_id, None)
        self._ended[task_id] = watched
        if len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)
        # It may have published; until then an older reading may be what is known.
        soon = time.monotonic() + FRESH_SECONDS + LOOK_SECONDS
        self._releases_at = min(self._releases_at, soon)

    def _look_at_stores(self) -> dict[str, bytes]:
        before = self._releases
        self._releases = releases_within(STORE_PATIENCE_SECONDS)
        if before is None or before == self._releases:
            return {}
        return {"releases": encoded(changed_event("releases"))}


def _watched(tasks: Any) -> dict[uuid.UUID, Watched]:
    return {pk: tuple(watched) for pk, *watched in tasks.values_list("pk", *WATCHED)}


def _runners() -> frozenset[uuid.UUID]:
    return frozenset(Runner.objects.alive().order_by().values_list("pk", flat=True))


def _events(task_ids: Iterable[uuid.UUID]) -> dict[str, bytes]:
    """An event for each of these tasks, without result and lines: they may be long."""
    tasks = Task.objects.defer("trail", "result").filter(pk__in=list(task_ids))
    found = list(tasks.order_by("number", "id"))
    load_schedules(found)
    waiting = waiting_for_all(found)
    events = {}
    for task in found:
        task.result = None
        shown = describe(task, waiting=waiting)
        events[str(task.pk)] = encoded(task_event(shown))
    return events
