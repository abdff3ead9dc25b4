"""The process that runs tasks: claims them, runs them, stores what they print.

One loop over all children's pipes and one writer to the database. Each of its parts
(claim, hear, beat, flush) does one thing once and can be called by itself.
"""

import logging
import math
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from django.db import DataError, Error, IntegrityError, connection

from tasks.disk import is_full
from tasks.liveness.lock_file import LockFile
from tasks.models import HEARTBEAT_SECONDS, LEASE_SECONDS, PATIENCE_SECONDS, Task
from tasks.notifications import EVERYTHING, subscribe
from tasks.reaper import WATCH_SECONDS, Reaper, disown
from tasks.reasons import Reason
from tasks.runner.attempts import Attempts
from tasks.runner.claim import claim, unheard_claim
from tasks.runner.events import Events
from tasks.runner.execution import Outcome
from tasks.runner.output.pipes import MOST_BYTES, Piece
from tasks.runner.registration import beat, deregister, longest_grace, register
from tasks.runner.run import Run
from tasks.runner.shutdown import Shutdown
from tasks.runner.side_jobs import SideJobs
from tasks.runner.writer import settle, store, words_of
from tasks.shim.client import ForkServer, LeaseLost

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0  # the safety net under the announcements
MIN_FLUSH_SECONDS, MAX_FLUSH_SECONDS = 0.002, 0.050
FULL_BATCH_LINES = 1_000  # flushed without waiting
STORE_RETRY_SECONDS = 0.5


class TaskRunner:
    """Runs tasks until it is told to stop."""

    def __init__(
        self,
        *,
        name: str = "",
        concurrency: int = 4,
        types: list[str] | None = None,
        labels: Sequence[str] = (),
        drain_seconds: float = 0.0,
        store_patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        row_id = uuid.uuid4()
        patience = store_patience_seconds + longest_grace()
        lock = self._lock = LockFile(row_id)
        self._fork_server = ForkServer(row_id, patience + LEASE_SECONDS, lock.fd)
        self._reaper = Reaper(row_id)
        self.concurrency = concurrency
        self._shutdown = Shutdown(drain_seconds, self._grace)
        self.store_patience_seconds = store_patience_seconds
        self.runs: dict[uuid.UUID, Run] = {}
        # Of these only a few have news in a round, however many run.
        self._awake: dict[uuid.UUID, Run] = {}
        self._dirty: dict[uuid.UUID, Run] = {}
        self._lost: set[uuid.UUID] = set()  # tasks that were taken away
        self._news = subscribe("runners")
        self._events = Events(self._news)
        self._look_for_work, self._is_claim_unheard = True, False
        self._attempts = Attempts(self._reading)
        self._not_stored_since: float | None = None
        self._confirmed_at = time.monotonic()  # the lease, by a heartbeat
        self._flush_at = self._poll_at = self._beat_at = self._reap_at = 0.0
        self._has_crashed = False
        # Before the row: whoever reads there that it runs may tell it to stop.
        self._shutdown.catch_signals()
        self._events.wake_by_signals()
        self.row = register(lock, name, concurrency, types or [], labels, patience)
        self._side_jobs = SideJobs(self.row, self._attempts.attempt, self._events.wake)

    # --- The loop -------------------------------------------------------------------

    def run(self, *, once: bool = False) -> None:
        """Work until stopped; ``once``: until there is nothing left to do.

        Raises LeaseLost where others have taken this runner for dead.
        """
        logger.info("runner=%s started as %s", self.row.pk, self.row.name)
        self._shutdown.limit()
        try:
            while True:
                self._do_what_is_due()
                is_last = self._shutdown.is_asked or (once and not self._look_for_work)
                if is_last and not self.runs:
                    break
                self._wait()
            if not self._shutdown.is_asked:
                self._side_jobs.finish()
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
            self._attempts.attempt(self.reap)
        if now >= self._poll_at:
            self._attempts.attempt(self.hear)
        if self._shutdown.is_asked:
            self._shut_down()
        elif self._look_for_work and self._not_stored_since is None:
            self._attempts.attempt(self._claim_one)
        self._advance_those_awake(now)
        self._flush_if_due()
        is_stopping, has_time = self._shutdown.is_asked, self._not_stored_since is None
        if has_time and self._side_jobs.do(now, is_stopping=is_stopping):
            self._look_for_work = True

    def _wait(self) -> None:
        """Until a pipe, a signal or news, or the next thing that is due."""
        due = [self._beat_at, self._poll_at, self._reap_at]
        if self._not_stored_since is None and not self._shutdown.is_asked:
            due.append(0.0 if self._look_for_work else self._side_jobs.due_at)
        due += [run.due_at for run in self.runs.values()]
        if self._dirty:
            due.append(self._flush_at)
        if self._shutdown.until is not None:
            due.append(self._shutdown.until)
        seconds = max(0.0, min(due) - time.monotonic())
        for run, fd, piece in self._events.ready(seconds, with_output=self._may_read()):
            if run is None:
                self._poll_at = 0.0  # a notification: hear it now
            else:
                self._read(run, fd, piece)

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

    def beat(self) -> list[Run]:
        """Give a sign of life; return the runs that are not this runner's any more.

        Raises LeaseLost where nobody believes that it lives any more.
        """
        self._fork_server.check_lease()
        if not beat(self.row):
            raise LeaseLost
        self._confirmed_at = time.monotonic()
        self._fork_server.confirm_lease()
        # The sign of life waited for the disk, and what was stored before it with it.
        lost = settle(self.runs.values(), self.row)
        self._dirty = {key: run for key, run in self.runs.items() if run.is_dirty}
        return lost

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
        self._side_jobs.tell()
        mine = set(self.runs)
        if EVERYTHING not in news and news:
            mine &= {uuid.UUID(task_id) for task_id in news}
        if not mine:
            return
        wishes = Task.objects.filter(pk__in=mine, cancel_requested_at__isnull=False)
        for wish in wishes.only("cancel_requested_by", "cancel_forced"):
            run = self.runs[wish.pk]
            reason = Reason("cancelled", by=wish.cancel_requested_by)
            self._stop(run, "cancelled", reason, force=wish.cancel_forced)

    def claim(self) -> bool:
        """Take one task from the queue and start it; False where there is none."""
        task = None
        if self._is_claim_unheard:
            task = unheard_claim(self.row, {*self.runs, *self._lost})
        if task is None:
            self._is_claim_unheard = True
            task = claim(self.row)
        if task is None:
            self._is_claim_unheard = False
            return False
        run = Run.claimed(task, self._fork_server)
        self._is_claim_unheard = False
        self._lost.discard(task.pk)  # it is this runner's again, and runs here
        self.runs[task.pk] = run
        self._advance(run)
        self._side_jobs.tell()
        logger.info("task=%s type=%s claimed", task.pk, task.type)
        return True

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
        if self._shutdown.is_forced:
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
        """Give a sign of life, or stop the tasks before others run them again."""
        lost = self._attempts.attempt(self.beat, otherwise=self._give_up_in_time)
        self._part_from(lost or [])  # now that no thread reads their pipes

    def _give_up_in_time(self, error: Exception) -> None:
        if time.monotonic() - self._confirmed_at >= self.store_patience_seconds:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        seconds, cause = self.store_patience_seconds, words_of(error)
        reason = Reason("output-not-stored", seconds=seconds, cause=cause)
        for run in self.runs.values():
            self._stop(run, "failed", reason)

    def _part_from(self, lost: list[Run]) -> None:
        """End the runs that are others' now; let go of those whose end is stored."""
        for run in lost:
            logger.error("task=%s was taken away", run.execution.task_id)
            run.execution.kill()
            self._drop(run)
            self._lost.add(run.execution.task_id)
        for run in [run for run in self.runs.values() if run.is_over]:
            logger.info("task=%s %s", run.execution.task_id, run.execution.outcome)
            self._drop(run)
            self._look_for_work = True
            self._side_jobs.ask()

    def _drop(self, run: Run) -> None:
        self._events.watch(run)
        for runs in (self.runs, self._awake, self._dirty):
            runs.pop(run.execution.task_id, None)

    # --- Children -------------------------------------------------------------------

    def _claim_one(self) -> None:
        """One in a round, so that what it says first waits for no other claim."""
        self._look_for_work = False  # also where the claim fails
        self._look_for_work = len(self.runs) < self.concurrency and self.claim()

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

    def _grace(self) -> float:
        """Return the seconds that what runs has to end, once it is asked to."""
        graces = (run.execution.kind.stop_grace_seconds for run in self.runs.values())
        return max(graces, default=0.0)

    def _shut_down(self) -> None:
        """Take no more; let tasks finish for the drain time; then cancel them."""
        if self._shutdown.until is None:
            logger.info("runner=%s stopping", self.row.pk)
        if self._shutdown.is_over(len(self.runs)):
            reason = Reason("runner-shut-down")
            for run in self.runs.values():
                self._stop(run, "cancelled", reason, force=self._shutdown.is_forced)

    def _close(self) -> None:
        self._events.ignore_signals()
        self._shutdown.close()
        for run in list(self.runs.values()):
            run.execution.kill()
        self._fork_server.close()
        self._side_jobs.close()
        with suppress(Error):
            deregister(self.row, has_crashed=self._has_crashed)
        self._lock.close()  # not before, or others would take it for dead
        self._news.close()
        self._events.close()
        logger.info("runner=%s stopped", self.row.pk)
