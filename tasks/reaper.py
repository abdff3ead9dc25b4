"""Looks after the tasks of runners that died without a word: each goes back to the
queue, where its type allows that, or ends and says why."""

import logging
import math
import socket
import time
import uuid
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from tasks import log_store
from tasks.catalog import catalog
from tasks.description import iso
from tasks.log_store import Line
from tasks.models import (
    HEARTBEAT_SECONDS,
    LEASE_SECONDS,
    Runner,
    StatusConflict,
    Task,
)
from tasks.news import announce

logger = logging.getLogger(__name__)

WATCH_SECONDS = 2.0


def reap(*, silence_counts: bool = True) -> int:
    """Take every running task from a runner that is gone; returns how many.

    Gone is: silent for longer than its lease (where ``silence_counts``), or, where it
    ran among the processes here, none of these any more. Any number of processes may
    reap at once: each task is taken by one of them.
    """
    silent = Runner.objects.lost() if silence_counts else Runner.objects.none()
    for runner in silent:
        _declare_dead(runner, Runner.objects.lost())
    for runner in _dead_among_us():
        _declare_dead(runner, Runner.objects.not_stopped())
    orphans = Task.objects.running().filter(
        Q(runner=None) | Q(runner__stopped_at__isnull=False)
    )
    found = orphans.select_related("runner").order_by()
    return sum(take_from_its_runner(task) for task in found)


def _declare_dead(runner: Runner, such: QuerySet[Runner]) -> None:
    """Where it is still such a runner: it may have said that it lives meanwhile."""
    if such.filter(pk=runner.pk).update(stopped_at=Now(), crashed=True):
        logger.warning("runner=%s is gone: %s", runner.pk, runner.name)


def _dead_among_us() -> list[Runner]:
    here = Runner.objects.not_stopped().filter(process_space=process_space())
    return [runner for runner in here if not is_alive(runner)]


def is_alive(runner: Runner) -> bool:
    """Whether the very process of a runner in this process space still exists."""
    try:
        # The second for runners that began before the first was what they noted.
        starts = process_started(runner.pid), psutil.Process(runner.pid).create_time()
    except psutil.NoSuchProcess:
        return False
    return any(abs(start - runner.process_started) < 2.0 for start in starts)


@cache
def process_space() -> str:
    """Within what a process's number is its own. Containers may share the name of a
    host, and need not share its processes: on Linux it is the machine's start and the
    PID namespace (pid_namespaces(7)), elsewhere the host."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def process_started(pid: int) -> float:
    """When a process here began, by a clock that nobody sets where there is
    one: in seconds since the start of Linux, elsewhere since 1970.

    Raises psutil.NoSuchProcess.
    """
    since_1970: float = psutil.Process(pid).create_time()
    return since_1970 - psutil.boot_time() if psutil.LINUX else since_1970


def is_gone(runner: Runner | None) -> bool:
    """Whether nobody can expect this runner to end its tasks, here and now."""
    if runner is None or not Runner.objects.alive().filter(pk=runner.pk).exists():
        return True
    return runner.process_space == process_space() and not is_alive(runner)


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
            log_store.append([(task.pk, [line])])
            announce([task.pk], queue=True)
    except StatusConflict:
        return False
    logger.warning("task=%s %s", task.pk, text)
    return True


def _what_follows(task: Task, now: datetime) -> tuple[str, str, str, dict[str, Any]]:
    """The level and the text of the last line, the status, and the columns with it."""
    text = _what_happened(task)
    kind = catalog().get(task.type)
    is_cancelled = task.cancel_requested_at is not None
    if kind and kind.idempotent and task.attempt == 1 and not is_cancelled:
        again: dict[str, Any] = {
            "attempt": 2,
            "runner": None,
            "slot": None,
            "started_at": None,
            "step_index": 0,
            "step_name": "",
            "stalled_since": None,
        }
        text = f"{text} The task goes back to the queue."
        return "info", text, Task.Status.PENDING, again
    outcome = Task.Status.FAILED
    if is_cancelled:
        outcome = Task.Status.CANCELLED
        text = f"Cancelled by {task.cancel_requested_by}; {text}"
    ended: dict[str, Any] = {
        "completed_at": now,
        "error": text,
        "result": {"success": False, "results": []},
        "stalled_since": None,
    }
    return "error", text, outcome, ended


def _what_happened(task: Task) -> str:
    runner, count = task.runner, task.last_seq
    lines = "1 line was" if count == 1 else f"{count:,} lines were"
    kept = f"{lines if count else 'no line was'} kept."
    if runner is None:
        return f"The runner is gone; {kept}"
    when = iso(runner.heartbeat_at)
    return f"The runner {runner.name} stopped at about {when}; {kept}"


class Watchman:
    """Reaps in a process that runs no tasks itself.

    Silence counts for it after its own way to the database has been open for a whole
    lease: where the database was away for all, they get the chance to say that they
    live first.
    """

    def __init__(self) -> None:
        self._looked_at = self._open_since = -math.inf
        self._is_failing = False

    def look(self) -> None:
        Runner.objects.lost().exists()  # may hang for as long as the database does
        now = time.monotonic()
        if now - self._looked_at > 2 * HEARTBEAT_SECONDS:
            self._open_since = now
        self._looked_at = now
        reap(silence_counts=now - self._open_since >= LEASE_SECONDS)

    def look_or_log(self) -> None:
        """Never raises; of a failure that goes on it says one line."""
        try:
            self.look()
            self._is_failing = False
        except Exception:
            if not self._is_failing:
                logger.exception("Runners can't be looked after; trying again.")
            self._is_failing = True
            connection.close()
