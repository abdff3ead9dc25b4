"""The process that runs tasks: claims them, runs them, stores what they print.

One loop over all children's pipes and one writer to the database. Each of its parts
(claim, hear, beat, flush) does one thing once and can be called by itself.
"""

import logging
import os
import selectors
import signal
import socket
import time
import uuid
from contextlib import suppress
from types import FrameType
from typing import Any

import psutil
from django.conf import settings
from django.db import (
    Error,
    InterfaceError,
    OperationalError,
    connection,
)
from django.db.models.functions import Now
from django.utils import timezone

from tasks.catalog import catalog
from tasks.claiming import claim
from tasks.execution import Execution
from tasks.guard import Guard
from tasks.models import HEARTBEAT_SECONDS, Runner, Task
from tasks.news import EVERYTHING, subscribe
from tasks.reaper import reap
from tasks.storing import Run, store
from tasks.task_types import TaskType

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0  # the safety net under the announcements
REAP_SECONDS = 5.0
PRUNE_SECONDS = 5.0
MIN_FLUSH_SECONDS, MAX_FLUSH_SECONDS = 0.002, 0.050
FULL_BATCH_LINES = 1_000  # flushed without waiting
STORE_RETRY_SECONDS = 0.5
INTERRUPTED = "Interrupted: the runner was shut down."


class LeaseLost(Exception):
    """This runner was declared dead; what it ran belongs to nobody or to others."""


class TaskRunner:
    """Runs tasks until it is told to stop."""

    def __init__(
        self,
        *,
        name: str = "",
        concurrency: int = 4,
        types: list[str] | None = None,
        drain_seconds: float = 0.0,
    ) -> None:
        self.concurrency, self.drain_seconds = concurrency, drain_seconds
        host = socket.gethostname()
        self.row = Runner.objects.create(
            name=name or f"{host}-{os.getpid()}",
            host=host,
            pid=os.getpid(),
            process_started=psutil.Process().create_time(),
            concurrency=concurrency,
            types=types or [],
        )
        self.runs: dict[uuid.UUID, Run] = {}
        self._guard = Guard()
        self._selector = selectors.DefaultSelector()
        self._news = subscribe("runners")
        self._news_fd = -1
        self._wakeup, self._signals = socket.socketpair()
        self._wakeup.setblocking(False)
        self._signals.setblocking(False)
        self._selector.register(self._signals, selectors.EVENT_READ)
        self._stop_signals = 0
        self._drain_until: float | None = None
        self._look_for_work = True
        self._flush_at = self._poll_at = self._beat_at = 0.0
        self._reap_at = self._prune_at = 0.0
        self._tasks_ended = True  # prune once at the start

    # --- The loop -------------------------------------------------------------------

    def run(self, *, once: bool = False) -> None:
        """Work until stopped; ``once``: until there is nothing left to do.

        Raises LeaseLost where others have taken this runner for dead.
        """
        self._catch_signals()
        logger.info("runner=%s started as %s", self.row.pk, self.row.name)
        try:
            while True:
                self._do_what_is_due()
                if not self.runs and (self._stop_signals or once):
                    break
                self._wait()
        finally:
            self._close()

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        if now >= self._beat_at:
            self._beat_at = now + HEARTBEAT_SECONDS
            self._try(self.beat)
        if now >= self._reap_at:
            self._reap_at = now + REAP_SECONDS
            self._try(reap)
        if now >= self._poll_at:
            self._try(self.hear)
        if self._stop_signals:
            self._shut_down()
        elif self._look_for_work:
            self._try(self._claim_all)
        for run in list(self.runs.values()):
            self._advance(run)
        self._flush_if_due()
        if self._tasks_ended and not self._stop_signals and now >= self._prune_at:
            self._prune_at = now + PRUNE_SECONDS
            self._try(self._prune)

    def _wait(self) -> None:
        """Until a pipe, a signal or news, or the next thing that is due."""
        self._watch_news()
        due = [self._beat_at, self._poll_at, self._reap_at]
        if self._look_for_work and not self._stop_signals:
            due.append(0.0)
        for run in self.runs.values():
            if (deadline := run.execution.next_deadline) is not None:
                due.append(deadline)
            if run.is_dirty:
                due.append(self._flush_at)
        if self._drain_until is not None:
            due.append(self._drain_until)
        for key, _ in self._selector.select(max(0.0, min(due) - time.monotonic())):
            if key.fileobj is self._signals:
                with suppress(BlockingIOError):
                    self._signals.recv(4096)
            elif key.data is None:
                self._poll_at = 0.0  # news: hear it now
            else:
                key.data.execution.read(key.fd)
                self._watch_pipes(key.data)

    # --- Parts ----------------------------------------------------------------------

    def beat(self) -> None:
        """Give a sign of life. Raises LeaseLost where nobody believes it any more."""
        alive = Runner.objects.filter(pk=self.row.pk, stopped_at=None)
        if not alive.update(heartbeat_at=Now()):
            raise LeaseLost

    def hear(self) -> None:
        """Take in the news: new work, and wishes to cancel what runs here."""
        self._poll_at = time.monotonic() + POLL_SECONDS
        news = self._news.receive()
        self._look_for_work = True
        mine = set(self.runs)
        if EVERYTHING not in news and news:
            mine &= {uuid.UUID(task_id) for task_id in news}
        if not mine:
            return
        wishes = Task.objects.filter(pk__in=mine, cancel_requested_at__isnull=False)
        for task_id, who in wishes.values_list("pk", "cancel_requested_by"):
            self.runs[task_id].execution.stop("cancelled", f"Cancelled by {who}.")

    def claim(self) -> bool:
        """Take one task from the queue and start it; False where there is none."""
        task = claim(self.row)
        if task is None:
            return False
        kind = catalog().get(task.type)
        run = Run(Execution(task.pk, kind or _gone(task.type), task.params))
        self.runs[task.pk] = run
        logger.info("task=%s type=%s claimed", task.pk, task.type)
        if kind is None:
            there = ", ".join(sorted(catalog()))
            run.execution.stop(
                "failed", f"There is no task type {task.type}; there are: {there}."
            )
        self._advance(run)
        return True

    def flush(self) -> None:
        """Store everything that has piled up, of all tasks, in one transaction."""
        dirty = [run for run in self.runs.values() if run.is_dirty]
        if not dirty:
            return
        started = time.monotonic()
        for run in store(dirty, self.row):
            logger.error("task=%s was taken away", run.execution.task_id)
            run.execution.kill()
            self._drop(run)
        for run in dirty:
            if run.execution.outcome is not None:
                logger.info("task=%s %s", run.execution.task_id, run.execution.outcome)
                self._drop(run)
                self._tasks_ended = self._look_for_work = True
        # Pause for as long as the flush took.
        cost = time.monotonic() - started
        pause = min(max(cost, MIN_FLUSH_SECONDS), MAX_FLUSH_SECONDS)
        self._flush_at = time.monotonic() + pause

    # --- Storing --------------------------------------------------------------------

    def _flush_if_due(self) -> None:
        pending = sum(len(run.execution.lines) for run in self.runs.values())
        if pending < FULL_BATCH_LINES and time.monotonic() < self._flush_at:
            return
        while True:
            try:
                self.flush()
            except (OperationalError, InterfaceError):
                # Nothing is read meanwhile, so the pipes fill and the children wait.
                logger.exception("Lines can't be stored; trying again.")
                connection.close()
                if self._stop_signals > 1:
                    raise
                time.sleep(STORE_RETRY_SECONDS)
            else:
                return

    def _drop(self, run: Run) -> None:
        self._watch_pipes(run)
        self.runs.pop(run.execution.task_id, None)

    # --- Children -------------------------------------------------------------------

    def _claim_all(self) -> None:
        self._look_for_work = False
        while len(self.runs) < self.concurrency and self.claim():
            pass

    def _advance(self, run: Run) -> None:
        run.execution.advance()
        self._watch_pipes(run)

    def _watch_pipes(self, run: Run) -> None:
        """Keep selector and guard in step with the child that a run has now.

        A new child may have the very numbers of pipes just closed, so pipes are
        compared by child, never by number alone.
        """
        child = run.execution.child
        wanted = set(child.open_pipes) if child else set()
        if child is run.child:
            for fd in run.fds - wanted:
                self._selector.unregister(fd)
            run.fds &= wanted
            return
        for fd in run.fds:
            self._selector.unregister(fd)
        for fd in wanted:
            self._selector.register(fd, selectors.EVENT_READ, run)
        if run.child is not None:
            self._guard.forget(run.child.pid)
        if child is not None:
            self._guard.watch(child.pid)
        run.child, run.fds = child, wanted

    def _watch_news(self) -> None:
        fd = self._news.fileno()
        if fd == self._news_fd:
            return
        if self._news_fd >= 0:
            with suppress(KeyError, ValueError):
                self._selector.unregister(self._news_fd)
        if fd >= 0:
            self._selector.register(fd, selectors.EVENT_READ, None)
        self._news_fd = fd

    # --- Life and death -------------------------------------------------------------

    def _try(self, part: Any) -> None:
        """Do a part that needs the database; where that is away, the next round
        does it."""
        try:
            part()
        except (OperationalError, InterfaceError):
            logger.exception("The database is away.")
            connection.close()

    def _prune(self) -> None:
        self._tasks_ended = False
        if settings.TASK_RETENTION:
            Task.objects.prune(settings.TASK_RETENTION)

    def _catch_signals(self) -> None:
        # SIGCHLD only has to wake the loop: children are looked at in every round.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)

    def _on_stop_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_signals += 1

    def _shut_down(self) -> None:
        """Take no more; let tasks finish for the drain time; then cancel them."""
        if self._drain_until is None:
            self._drain_until = time.monotonic() + self.drain_seconds
            logger.info("runner=%s stopping", self.row.pk)
        if self._stop_signals > 1 or time.monotonic() >= self._drain_until:
            self._drain_until = float("inf")
            for run in self.runs.values():
                run.execution.stop("cancelled", INTERRUPTED)

    def _close(self) -> None:
        signal.set_wakeup_fd(-1)
        for run in list(self.runs.values()):
            run.execution.kill()
        self._guard.close()
        with suppress(Error):
            Runner.objects.filter(pk=self.row.pk, stopped_at=None).update(
                stopped_at=timezone.now()
            )
        self._news.close()
        self._selector.close()
        self._signals.close()
        self._wakeup.close()
        logger.info("runner=%s stopped", self.row.pk)


def _gone(name: str) -> TaskType:
    """Stands for a type that was taken out of the file while a task of it waited."""
    return TaskType(name=name, title=name, description="", params=(), steps=())
