"""The process that runs tasks: claims them, runs them, stores what they print.

One loop over all children's pipes and one writer to the database. Each of its parts
(claim, hear, beat, flush) does one thing once and can be called by itself.
"""

import logging
import math
import os
import signal
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from django.conf import settings
from django.db import DataError, Error, IntegrityError, connection
from django.db.models import F
from django.db.models.functions import Now

from tasks.access.actor import Actor
from tasks.catalog.loader import catalog
from tasks.catalog.task_type import TaskType
from tasks.disk import is_full
from tasks.models import (
    HEARTBEAT_SECONDS,
    LEASE_SECONDS,
    PATIENCE_SECONDS,
    Runner,
    Task,
)
from tasks.notifications import EVERYTHING, subscribe
from tasks.processes import process_space, process_started
from tasks.pruning import prune
from tasks.reaper import WATCH_SECONDS, Reaper, disown
from tasks.reasons import Reason
from tasks.runner.accepted import CannotRun, accepted
from tasks.runner.claim import claim
from tasks.runner.events import Events
from tasks.runner.execution import Outcome
from tasks.runner.pipes import MOST_BYTES, Piece
from tasks.runner.run import Run
from tasks.runner.stop_limit import StopLimit
from tasks.runner.writer import settle, store
from tasks.shim.client import ForkServer, LeaseLost

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0  # the safety net under the announcements
PRUNE_SECONDS = 5.0
MIN_FLUSH_SECONDS, MAX_FLUSH_SECONDS = 0.002, 0.050
FULL_BATCH_LINES = 1_000  # flushed without waiting
STORE_RETRY_SECONDS = 0.5
# After its patience and the grace of its tasks, others wait for so long before they
# take these from a runner that they can't ask.
FENCE_SECONDS = 2 * LEASE_SECONDS
# Asks for patience with what runs, before SIGTERM. Ignored by whoever does not know it,
# such as a runner of the version before.
PATIENT = signal.SIGURG


class TaskRunner:
    """Runs tasks until it is told to stop."""

    def __init__(
        self,
        *,
        name: str = "",
        concurrency: int = 4,
        types: list[str] | None = None,
        drain_seconds: float = 0.0,
        store_patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        row_id = uuid.uuid4()
        patience_seconds = store_patience_seconds + longest_grace()
        self._fork_server = ForkServer(row_id, patience_seconds + LEASE_SECONDS)
        self._reaper = Reaper(row_id)
        self.concurrency, self.drain_seconds = concurrency, drain_seconds
        self.store_patience_seconds = store_patience_seconds
        self.runs: dict[uuid.UUID, Run] = {}
        # Of these only a few have news in a round, however many run.
        self._awake: dict[uuid.UUID, Run] = {}
        self._dirty: dict[uuid.UUID, Run] = {}
        self._lost: set[uuid.UUID] = set()  # tasks that were taken away
        self._news = subscribe("runners")
        self._events = Events(self._news)
        self._stop_signals = 0
        self._stop_limit: StopLimit | None = None  # while it runs
        self._drain_until: float | None = None
        self._look_for_work = True
        self._is_claim_unheard = False
        self._refused: set[Callable[[], Any]] = set()  # when they were last tried
        self._not_stored_since: float | None = None
        self._confirmed_at = time.monotonic()  # the lease, by a heartbeat
        self._flush_at = self._poll_at = self._beat_at = 0.0
        self._reap_at = self._prune_at = 0.0
        self._tasks_ended = True  # prune once at the start
        self._pruning: Iterator[int] | None = None
        self._has_crashed = False
        # Before the row: whoever reads there that it runs may tell it to stop.
        self._catch_signals()
        host = socket.gethostname()
        self.row = Runner.objects.create(
            id=row_id,
            name=name or f"{host}-{os.getpid()}",
            host=host,
            pid=os.getpid(),
            process_space=process_space(),
            process_started=process_started(os.getpid()),
            patience_seconds=patience_seconds + FENCE_SECONDS,
            concurrency=concurrency,
            types=types or [],
            known_types=types or sorted(catalog()),
            version=settings.VERSION,
        )

    # --- The loop -------------------------------------------------------------------

    def run(self, *, once: bool = False) -> None:
        """Work until stopped; ``once``: until there is nothing left to do.

        Raises LeaseLost where others have taken this runner for dead.
        """
        logger.info("runner=%s started as %s", self.row.pk, self.row.name)
        self._stop_limit = StopLimit()
        try:
            while True:
                self._do_what_is_due()
                is_last = self._stop_signals or (once and not self._look_for_work)
                if is_last and not self.runs:
                    break
                self._wait()
        except Exception:
            self._has_crashed = True
            raise
        finally:
            self._close()

    def step(self) -> None:
        """Go once through the loop: do what is due, then wait for what comes."""
        self._do_what_is_due()
        self._wait()

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        if now >= self._beat_at:
            self._beat_at = now + HEARTBEAT_SECONDS
            self._beat_or_give_up()
        if now >= self._reap_at:
            self._reap_at = now + WATCH_SECONDS
            self._try(self.reap)
        if now >= self._poll_at:
            self._try(self.hear)
        if self._stop_signals:
            self._shut_down()
        elif self._look_for_work and self._not_stored_since is None:
            self._try(self._claim_one)
        self._advance_those_awake(now)
        self._flush_if_due()
        has_time = not self._stop_signals and self._not_stored_since is None
        if (self._tasks_ended or self._pruning) and has_time and now >= self._prune_at:
            self._prune_at = now + PRUNE_SECONDS
            self._try(self._prune)

    def _wait(self) -> None:
        """Until a pipe, a signal or news, or the next thing that is due."""
        due = [self._beat_at, self._poll_at, self._reap_at]
        is_storing = self._not_stored_since is None
        if self._pruning is not None and is_storing:
            due.append(self._prune_at)
        if self._look_for_work and is_storing and not self._stop_signals:
            due.append(0.0)
        due += [run.due_at for run in self.runs.values()]
        if self._dirty:
            due.append(self._flush_at)
        if self._drain_until is not None:
            due.append(self._drain_until)
        seconds = max(0.0, min(due) - time.monotonic())
        for run, fd in self._events.ready(seconds, with_output=self._may_read()):
            if run is None:
                self._poll_at = 0.0  # a notification: hear it now
            else:
                self._read(run, fd)

    def _may_read(self) -> bool:
        """Return whether there is room for output. While nothing can be stored there
        soon isn't; then the pipes fill and the programs wait."""
        if self._not_stored_since is None:
            return True
        return sum(run.unstored_bytes for run in self._dirty.values()) < MOST_BYTES

    def _read(self, run: Run, fd: int, ahead: Piece | None = None) -> None:
        had_spoken = run.execution.has_spoken
        run.execution.read(fd, ahead)
        self._events.watch(run)
        self._wake(run)
        if run.execution.has_spoken and not had_spoken:
            self._flush_at = 0.0  # a program's first line goes out at once

    # --- Parts ----------------------------------------------------------------------

    def beat(self) -> None:
        """Give a sign of life, and see that what runs here is still this runner's.

        Raises LeaseLost where nobody believes that it lives any more.
        """
        self._fork_server.check_lease()
        alive = Runner.objects.filter(pk=self.row.pk, stopped_at=None)
        if not alive.update(heartbeat_at=Now(), beats=F("beats") + 1, is_silent=False):
            raise LeaseLost
        self._confirmed_at = time.monotonic()
        self._fork_server.confirm_lease()
        # The sign of life waited for the disk, and what was stored before it with it.
        self._part_from(settle(self.runs.values(), self.row))
        self._dirty = {key: run for key, run in self.runs.items() if run.is_dirty}

    def reap(self) -> None:
        """End the tasks of runners that are gone."""
        self._reaper.look()
        # What stands in its name and is not run by it would run for ever.
        if self._lost:
            disown(self.row, self._lost)
            self._lost.clear()

    def hear(self) -> None:
        """Take in the news: new work, and wishes to cancel what runs here."""
        self._poll_at = time.monotonic() + POLL_SECONDS
        news = self._news.receive()
        # At once: the descriptor of a lost connection is closed, and its number goes to
        # whatever is opened next.
        self._events.watch_notifications()
        self._look_for_work = True
        mine = set(self.runs)
        if EVERYTHING not in news and news:
            mine &= {uuid.UUID(task_id) for task_id in news}
        if not mine:
            return
        wishes = Task.objects.filter(pk__in=mine, cancel_requested_at__isnull=False)
        columns = ("pk", "cancel_requested_by", "cancel_forced")
        for task_id, who, is_forced in wishes.values_list(*columns):
            reason = Reason("cancelled", by=who)
            self._stop(self.runs[task_id], "cancelled", reason, force=is_forced)

    def claim(self) -> bool:
        """Take one task from the queue and start it; False where there is none."""
        task = self._unheard_claim()
        if task is None:
            self._is_claim_unheard = True
            task = claim(self.row)
        if task is None:
            self._is_claim_unheard = False
            return False
        run = self._begun(task)
        self._is_claim_unheard = False
        self.runs[task.pk] = run
        self._advance(run)
        logger.info("task=%s type=%s claimed", task.pk, task.type)
        return True

    def _begun(self, task: Task) -> Run:
        """Return the run of a claimed task; of one that can't run any more it is one
        that fails."""
        try:
            kind, values = accepted(task)
        except CannotRun as cannot:
            run = Run.begun(task, _gone(task.type), self._fork_server, {})
            run.execution.stop("failed", cannot.reason)
            return run
        return Run.begun(task, kind, self._fork_server, values)

    def flush(self, runs: Iterable[Run] | None = None) -> None:
        """Store everything that has piled up, of all tasks (or these), in one
        transaction."""
        candidates = self.runs.values() if runs is None else runs
        dirty = [run for run in candidates if run.is_dirty]
        if not dirty:
            return
        started = self._flush_at = time.monotonic()
        with self._reading():
            lost = store(dirty, self.row)
        for run in dirty:
            if not run.is_dirty:
                self._dirty.pop(run.execution.task_id, None)
        self._part_from(lost)
        # Pause for as long as the flush took, unless a program's first line came
        # meanwhile.
        cost = time.monotonic() - started
        pause = min(max(cost, MIN_FLUSH_SECONDS), MAX_FLUSH_SECONDS)
        if self._flush_at:
            self._flush_at = time.monotonic() + pause

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Keep the programs' two pipes in order while the body waits for the
        database."""
        if not self._may_read():
            yield
            return
        try:
            with self._events.reading():
                yield
        finally:
            for run, piece in self._events.pieces():
                self._read(run, piece.fd, piece)

    # --- Storing --------------------------------------------------------------------

    def _flush_if_due(self) -> None:
        pending = sum(len(run.execution.lines) for run in self._dirty.values())
        is_full = pending >= FULL_BATCH_LINES and self._not_stored_since is None
        if not is_full and time.monotonic() < self._flush_at:
            return
        try:
            try:
                self.flush(self._dirty.values())
            except (DataError, IntegrityError):
                self._flush_one_by_one()
        except (Error, OSError) as error:
            self._wait_to_store(error)
        else:
            self._not_stored_since = None

    def _flush_one_by_one(self) -> None:
        """Store each task alone, and end those of which the database refuses a line
        whatever one does."""
        for run in list(self.runs.values()):
            try:
                self.flush([run])
            except (DataError, IntegrityError) as error:
                logger.exception("task=%s lines refused", run.execution.task_id)
                why = words_of(error)
                run.execution.lose_lines(run.last_seq, run.stored_trail, why)
                self.flush([run])

    def _wait_to_store(self, error: Exception) -> None:
        """Try again later; where that has been in vain for too long, stop the tasks,
        and say why as soon as it can be stored."""
        now = time.monotonic()
        if self._stop_signals > 1:
            raise error
        if self._not_stored_since is None:
            why = "the disk of the database is full" if is_full(error) else error
            logger.error("Lines can't be stored; trying again: %s", why)
            self._not_stored_since = now
        connection.close()
        self._flush_at = now + STORE_RETRY_SECONDS
        if now - self._not_stored_since >= self.store_patience_seconds:
            self._give_up(error)

    def _beat_or_give_up(self) -> None:
        """Give a sign of life; where that has been in vain for too long, stop the tasks
        before others take this runner for dead, and run them again."""
        self._try(self.beat, otherwise=self._give_up_in_time)

    def _give_up_in_time(self, error: Exception) -> None:
        silence = time.monotonic() - self._confirmed_at
        if silence >= self.store_patience_seconds:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        seconds, cause = self.store_patience_seconds, words_of(error)
        for run in self.runs.values():
            reason = Reason("output-not-stored", seconds=seconds, cause=cause)
            self._stop(run, "failed", reason)

    def _part_from(self, lost: list[Run]) -> None:
        """End the runs that are not this runner's any more, and let go of those whose
        end is stored."""
        for run in lost:
            logger.error("task=%s was taken away", run.execution.task_id)
            run.execution.kill()
            self._drop(run)
            self._lost.add(run.execution.task_id)
        for run in [run for run in self.runs.values() if run.is_over]:
            logger.info("task=%s %s", run.execution.task_id, run.execution.outcome)
            self._drop(run)
            self._tasks_ended = self._look_for_work = True

    def _drop(self, run: Run) -> None:
        self._events.watch(run)
        for runs in (self.runs, self._awake, self._dirty):
            runs.pop(run.execution.task_id, None)

    # --- Children -------------------------------------------------------------------

    def _claim_one(self) -> None:
        """One in a round, so that what it says first waits for no other claim."""
        self._look_for_work = False  # also where the claim fails
        self._look_for_work = len(self.runs) < self.concurrency and self.claim()

    def _unheard_claim(self) -> Task | None:
        """The task of a claim that failed in the end, but was committed."""
        if not self._is_claim_unheard:
            return None
        mine = Task.objects.running().filter(runner=self.row)
        return mine.exclude(pk__in={*self.runs, *self._lost}).first()

    def _wake(self, run: Run) -> None:
        self._awake[run.execution.task_id] = run

    def _stop(
        self, run: Run, outcome: Outcome, reason: Reason, *, force: bool = False
    ) -> None:
        run.execution.stop(outcome, reason, force=force)
        self._wake(run)

    def _advance_those_awake(self, now: float) -> None:
        for run in self.runs.values():
            if now >= run.due_at:
                self._wake(run)
        awake, self._awake = self._awake, {}
        for run in awake.values():
            self._advance(run)

    def _advance(self, run: Run) -> None:
        run.execution.advance()
        self._events.watch(run)
        deadline = run.execution.next_deadline
        run.due_at = math.inf if deadline is None else deadline
        if run.is_dirty:
            self._dirty[run.execution.task_id] = run

    # --- Life and death -------------------------------------------------------------

    def _try(
        self,
        part: Callable[[], Any],
        otherwise: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        """Do a part that needs the database; where that refuses, or the system (it has
        no more files), the next round does it.

        Whatever they refuse by: going on costs a line in the log, one an outage, and
        ending would cost the tasks that run here. What ends a runner is LeaseLost, and
        any error that is of its own making.
        """
        try:
            with self._reading():
                part()
        except OSError:
            logger.exception("The system refuses.")
        except Error as error:
            if is_full(error):
                logger.error("The disk of the database is full; trying again.")
            elif part not in self._refused:
                logger.exception("The database refuses.")
            self._refused.add(part)
            connection.close()
            otherwise(error)
        else:
            self._refused.discard(part)

    def _prune(self) -> None:
        """Forget a little of what is old, and rest for at least as long as it took."""
        started = time.monotonic()
        if self._pruning is None:
            actor = Actor(f"runner:{self.row.name}")
            self._pruning = prune(settings.TASK_RETENTION or None, actor)
            self._tasks_ended = False
        pruning, self._pruning = self._pruning, None
        try:
            is_done = next(pruning, None) is None
        except Error:
            self._tasks_ended = True  # once more, later
            raise
        if not is_done:
            self._pruning = pruning
            now = time.monotonic()
            self._prune_at = now + max(now - started, MIN_FLUSH_SECONDS)

    def _catch_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop_signal)
        signal.signal(PATIENT, self._on_patient_signal)
        self._events.wake_by_signals()

    def _on_patient_signal(self, _number: int, _frame: FrameType | None) -> None:
        """The stop that follows is a restart's, which cancels nothing."""
        self.drain_seconds = self.drain_seconds or math.inf

    def _on_stop_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_signals += 1
        self._limit_stop()

    def _limit_stop(self) -> float:
        """Have the stop end in time even if this loop hangs; returns the seconds that
        were promised to what runs."""
        graces = [run.execution.kind.stop_grace_seconds for run in self.runs.values()]
        drain_seconds = self.drain_seconds if self._stop_signals < 2 else 0.0
        promised = drain_seconds + max(graces, default=0.0)
        if self._stop_limit is not None and promised < math.inf:
            self._stop_limit.begin(promised)
        return promised

    def _shut_down(self) -> None:
        """Take no more; let tasks finish for the drain time; then cancel them."""
        if self._drain_until is None:
            self._drain_until = time.monotonic() + self.drain_seconds
            self._say_what_a_stop_waits_for(self._limit_stop())
        if self._stop_signals > 1 or time.monotonic() >= self._drain_until:
            self._drain_until = float("inf")
            is_forced = self._stop_signals > 1
            for run in self.runs.values():
                self._stop(
                    run, "cancelled", Reason("runner-shut-down"), force=is_forced
                )

    def _say_what_a_stop_waits_for(self, seconds: float) -> None:
        logger.info("runner=%s stopping", self.row.pk)
        if self.runs and self._stop_signals == 1:
            count = len(self.runs)
            # A warning, so that it is on the terminal, too.
            limit = f"up to {seconds:g} s"
            logger.warning(
                "Stopping: %s %s to end; a second signal ends %s at once.",
                "1 task has" if count == 1 else f"{count} tasks have",
                limit if seconds < math.inf else "as long as it takes",
                "it" if count == 1 else "them",
            )

    def _close(self) -> None:
        self._events.ignore_signals()
        if self._stop_limit is not None:
            self._stop_limit.close()
        for run in list(self.runs.values()):
            run.execution.kill()
        self._fork_server.close()
        with suppress(Error):
            Runner.objects.not_stopped().filter(pk=self.row.pk).update(
                stopped_at=Now(), crashed=self._has_crashed
            )
        self._news.close()
        self._events.close()
        logger.info("runner=%s stopped", self.row.pk)


def longest_grace() -> float:
    """Return the most seconds that any type's programs have to end in order."""
    return max((kind.stop_grace_seconds for kind in catalog().values()), default=0.0)


def _gone(name: str) -> TaskType:
    """Stands for a type that was taken out of the file while a task of it waited."""
    return TaskType(name=name, title=name, description="", params=(), steps=())


def words_of(error: Exception) -> str:
    """Return what a database says of an error, short enough for a line."""
    return str(error).partition("\n")[0].strip().rstrip(".")[:200]
