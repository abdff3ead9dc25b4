"""Looks after the tasks of runners that died without a word: each goes back to the
queue, where its type allows that, or ends and says why.

Whether a runner is dead is asked, not guessed: of the kernel where it runs on this
machine, else by watching its heartbeat by this process's own clock, which nobody sets.
See docs/decisions/0025-alive-is-asked-not-guessed.md.
"""

import logging
import math
import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from tasks.approvals.asking import so_far_of
from tasks.approvals.ending import end_overdue
from tasks.catalog.definitions import type_of
from tasks.disk import is_full
from tasks.liveness.lock_file import is_let_go
from tasks.liveness.processes import (
    ProcessState,
    end_programs,
    has_programs,
    is_here,
    state_of,
)
from tasks.logs import store as log_store
from tasks.logs.append import append
from tasks.logs.store import Line
from tasks.models import (
    HEARTBEAT_SECONDS,
    LEASE_SECONDS,
    PATIENCE_SECONDS,
    Event,
    Runner,
    StatusConflict,
    Task,
    WebhookEvent,
)
from tasks.notifications import announce
from tasks.reasons import Reason
from tasks.timestamps import iso

logger = logging.getLogger(__name__)

WATCH_SECONDS = 2.0


class Reaper:
    """Watches runners, all but the one that it may be part of: nobody ends himself."""

    def __init__(self, me: uuid.UUID | None = None) -> None:
        self._silences = Silences()
        self._known: set[uuid.UUID] = set()
        self._others = Runner.objects.exclude(pk=me) if me else Runner.objects.all()
        self._is_failing = False

    def look(self) -> int:
        """Declare dead who is, and end the tasks of the dead; returns how many."""
        overdue = Q(heartbeat_at__lte=Now() - timedelta(seconds=LEASE_SECONDS))
        others = self._others.not_stopped().annotate(
            is_overdue=ExpressionWrapper(overdue, output_field=BooleanField())
        )
        for runner, silence in self._silences.of(others.order_by()):
            if silence >= _patience_with(runner) and _is_over(runner):
                _declare_dead(runner)
            elif not runner.is_silent and self._seems_silent(runner, silence):
                _as_seen(runner).update(is_silent=True)
            self._known.add(runner.pk)
        end_overdue()
        return reap()

    def _seems_silent(self, runner: Any, silence: float) -> bool:
        """Return what pages say of it. Of one never seen before, the time that it left
        is the only hint; where a clock misleads, its next heartbeat mends that."""
        if is_here(runner):
            return False
        is_new = runner.pk not in self._known
        return silence >= LEASE_SECONDS or (is_new and runner.is_overdue)

    def look_or_log(self) -> None:
        """Never raises; of a failure that goes on it says one line."""
        try:
            self.look()
            self._is_failing = False
        except Exception as error:
            is_for_room = is_full(error)
            if not self._is_failing and is_for_room:
                logger.error("The disk of the database is full.")
            elif not self._is_failing:
                logger.exception("Runners can't be looked after; trying again.")
            self._is_failing = True
            connection.close()


class Silences:
    """For how long each runner's heartbeat has stayed the same, in seconds of this
    process's own clock in which it looked all the time.

    Who was stopped, or whose way to the database was closed, has seen nothing, and
    begins anew: others get the chance to say that they live first.
    """

    def __init__(self) -> None:
        self._looked_at = -math.inf
        self._since: dict[tuple[uuid.UUID, int, datetime], float] = {}

    def of(self, runners: Iterable[Runner]) -> Iterator[tuple[Runner, float]]:
        """Look at these once, and yield each with its silence."""
        found = list(runners)  # may take for as long as the database is away
        now = time.monotonic()
        was_away = now - self._looked_at > 2 * HEARTBEAT_SECONDS
        known = {} if was_away else self._since
        self._looked_at = now
        self._since = {key: known.get(key, now) for key in map(_heartbeat_key, found)}
        for runner in found:
            yield runner, now - self._since[_heartbeat_key(runner)]


def _heartbeat_key(runner: Runner) -> tuple[uuid.UUID, int, datetime]:
    return runner.pk, runner.beats, runner.heartbeat_at


def _patience_with(runner: Runner) -> float:
    """Return how many seconds of silence show that a runner is dead."""
    if not is_here(runner):
        patience = runner.patience_seconds or LEASE_SECONDS
        return 0 if is_let_go(runner) else patience
    match state_of(runner):
        case ProcessState.GONE:
            return 0
        case ProcessState.STOPPED:
            return LEASE_SECONDS
        case ProcessState.LIVES:  # it may be the database that does not take a beat
            return runner.patience_seconds or PATIENCE_SECONDS


def _is_over(runner: Runner) -> bool:
    """Return whether no program of it runs any more, which where it can be is seen
    to."""
    if not is_here(runner) or end_programs(runner):
        return True
    logger.error("runner=%s is dead, but its programs can't be killed", runner.pk)
    return False


def _declare_dead(runner: Runner) -> None:
    """Where it has given no sign of life since it was looked at."""
    with transaction.atomic():
        if not _as_seen(runner).update(stopped_at=Now(), crashed=True):
            return
        WebhookEvent.objects.emit_lost(runner.pk)
    logger.warning("runner=%s is gone: %s", runner.pk, runner.name)


def _as_seen(runner: Runner) -> QuerySet[Runner]:
    # Not its time: SQLite's own now is written with fewer digits than Django's.
    return Runner.objects.not_stopped().filter(pk=runner.pk, beats=runner.beats)


def reap() -> int:
    """Take every running task from a runner that has stopped; returns how many.

    Any number of processes may reap at once: each task is taken by one of them.
    """
    orphans = Task.objects.running().filter(
        Q(runner=None) | Q(runner__stopped_at__isnull=False)
    )
    found = orphans.select_related("runner").order_by()
    return sum(take_from_its_runner(task) for task in found)


def is_gone(runner: Runner | None) -> bool:
    """Return whether nobody can expect this runner to end its tasks, here and now."""
    if runner is None or runner.stopped_at:
        return True
    if not is_here(runner):
        return is_let_go(runner)
    return state_of(runner) is ProcessState.GONE and not has_programs(runner)


def disown(runner: Runner, task_ids: set[uuid.UUID]) -> None:
    """Let go of tasks in a runner's name that it does not run, so that they are not
    taken for running for ever."""
    mine = Task.objects.running().filter(runner=runner, pk__in=task_ids)
    mine.update(runner=None)


def take_from_its_runner(task: Task) -> bool:
    """Put a running task back into the queue, once, or end it; False where somebody
    else was first, or its runner is alive after all."""
    now = timezone.now()
    level, text, new, fields = _what_follows(task, now)
    line = Line(task.last_seq + 1, int(now.timestamp() * 1000), level, text)
    # Before the transaction, because on SQLite that holds up every other writer. If
    # anything is written meanwhile, nothing is moved.
    digest = log_store.digest(task.pk)
    digest.update(f"{text}\n".encode())
    if new != Task.Status.PENDING:
        fields["log_sha256"] = digest.hexdigest()
    as_it_was = Task.objects.filter(
        runner=task.runner,
        last_seq=task.last_seq,
        attempt=task.attempt,
        cancel_requested_at=task.cancel_requested_at,
    )
    try:
        with transaction.atomic():
            as_it_was.move(
                task.pk, Task.Status.RUNNING, new, last_seq=line.seq, **fields
            )
            append([(task.pk, [line])])
            WebhookEvent.objects.emit(_event_of(new), [task.pk])
            announce([task.pk], queue=True)
    except StatusConflict:
        return False
    logger.warning("task=%s %s", task.pk, text)
    return True


def _what_follows(task: Task, now: datetime) -> tuple[str, str, str, dict[str, Any]]:
    """The level and the text of the last line, the status, and the columns with it."""
    loss = _loss(task)
    kind = type_of(task)
    is_cancelled = task.cancel_requested_at is not None
    if kind and kind.idempotent and task.attempt == 1 and not is_cancelled:
        # Of a task that was approved: what it had to show then.
        summary = (task.taken_over or {}).get("summary")
        again: dict[str, Any] = {
            "attempt": 2,
            "runner": None,
            "slot": None,
            "started_at": None,
            "approval_ms": 0,
            "step_index": 0,
            "step_name": "",
            "stalled_since": None,
            "summary": summary,
            "summary_bytes": None if summary is None else len(summary.encode()),
        }
        text = f"{loss} The task goes back to the queue."
        return "info", text, Task.Status.PENDING, again
    outcome, reason = Task.Status.FAILED, loss
    if is_cancelled:
        outcome = Task.Status.CANCELLED
        reason = Reason("cancelled", by=task.cancel_requested_by, loss=loss)
    ended: dict[str, Any] = {
        "completed_at": now,
        "error": str(reason),
        "error_reason": reason.as_json(),
        "result": so_far_of(task),
        "stalled_since": None,
    }
    return "error", str(reason), outcome, ended


def _event_of(status: str) -> Event:
    """Return what webhooks are told where a task that was taken from its runner gets
    this status."""
    is_back = status == Task.Status.PENDING
    return Event.TASK_RECOVERED if is_back else Event(f"task.{status}")


def _loss(task: Task) -> Reason:
    runner, kept = task.runner, task.last_seq
    if runner is None:
        return Reason("runner-lost", keptLines=kept)
    return Reason(
        "runner-lost",
        runner=runner.name,
        at=str(iso(runner.heartbeat_at)),
        keptLines=kept,
    )
