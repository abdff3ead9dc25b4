"""Ends the tasks of runners that died without a word."""

import logging
import socket

import psutil
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from tasks import log_store
from tasks.description import iso
from tasks.log_store import Line
from tasks.models import Runner, StatusConflict, Task
from tasks.news import announce

logger = logging.getLogger(__name__)


def reap() -> int:
    """End every running task whose runner is gone; returns how many.

    Gone is: silent for longer than its lease, or, where it ran on this host, no
    longer among the processes. Any number of processes may reap at once: each task
    is ended by one of them.
    """
    for runner in Runner.objects.lost() | _dead_on_this_host():
        logger.warning("runner=%s is gone: %s", runner.pk, runner.name)
        Runner.objects.filter(pk=runner.pk, stopped_at=None).update(
            stopped_at=timezone.now()
        )
    orphans = Task.objects.running().filter(
        Q(runner=None) | Q(runner__stopped_at__isnull=False)
    )
    return sum(_end(task) for task in orphans.select_related("runner"))


def _dead_on_this_host() -> QuerySet[Runner]:
    here = Runner.objects.filter(stopped_at=None, host=socket.gethostname())
    dead = [runner.pk for runner in here if not is_alive(runner)]
    return Runner.objects.filter(pk__in=dead)


def is_alive(runner: Runner) -> bool:
    """Whether the very process of a runner on this host still exists."""
    try:
        started = psutil.Process(runner.pid).create_time()
    except psutil.NoSuchProcess:
        return False
    return abs(started - runner.process_started) < 2.0


def _end(task: Task) -> bool:
    runner = task.runner
    who, when = (runner.name, iso(runner.heartbeat_at)) if runner else ("", "")
    count = f"{task.last_seq:,} line{'' if task.last_seq == 1 else 's'}"
    if task.cancel_requested_at:
        outcome = Task.Status.CANCELLED
        reason = f"Cancelled by {task.cancel_requested_by}; "
    else:
        outcome, reason = Task.Status.FAILED, ""
    error = (
        f"{reason}The runner {who} stopped at about {when}; {count} were kept."
        if runner
        else f"{reason}The runner is gone; {count} were kept."
    )
    now = timezone.now()
    line = Line(task.last_seq + 1, int(now.timestamp() * 1000), "error", error)
    try:
        with transaction.atomic():
            Task.objects.filter(runner=task.runner, last_seq=task.last_seq).move(
                task.pk,
                Task.Status.RUNNING,
                outcome,
                completed_at=now,
                error=error,
                result={"success": False, "results": []},
                last_seq=line.seq,
            )
            log_store.append([(task.pk, [line])])
            digest = log_store.sha256(task.pk)
            Task.objects.filter(pk=task.pk).update(log_sha256=digest)
            announce([task.pk], queue=True)
    except StatusConflict:
        return False  # somebody else was first, or its runner is alive after all
    return True
