"""``Prefer: wait=SECONDS`` (RFC 7240): the answer is held until the task has ended."""

import re
import threading
import time
import uuid
from collections.abc import Callable

import psycopg
from django.db import connection

from tasks import news
from tasks.models import Task

MAX_WAIT_SECONDS = 600
MAX_WAITING = 32  # each holds a thread and, on PostgreSQL, a connection for news
LOOK_SECONDS = 1.0  # the safety net below the news
STOP_SECONDS = 3.0  # more than a look takes

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 (RFC 9110's word for a word)
QUOTED = r'"(?:[^"\\]|\\.)*"'
PREFERENCE = re.compile(
    rf"\s*({TOKEN})\s*(?:=\s*({TOKEN}|{QUOTED})?)?(?:\s*;(?:[^,\"]|{QUOTED})*)?\s*(?:,|$)"
)

_places = threading.BoundedSemaphore(MAX_WAITING)
_stopping = threading.Event()


def seconds_to_hold(header: str) -> int | None:
    """N of ``wait=N``, capped; None without it, or where it is no number.

    Preferences we don't know are ignored, and of one given twice the first counts.
    """
    position = 0
    while position < len(header) and (match := PREFERENCE.match(header, position)):
        position = match.end()
        if match[1].lower() == "wait":
            value = (match[2] or "").strip('"')
            if not (value.isascii() and value.isdecimal()):
                return None
            return min(int(value[:9]), MAX_WAIT_SECONDS)
    return None


def stop_waiting() -> None:
    """Let go of all held requests, and return when they are: within a second or so.

    To be called in a thread while the server stops but still answers. Without it the
    threads of held requests keep the process alive.
    """
    _stopping.set()
    deadline = time.monotonic() + STOP_SECONDS
    gone = 0
    while gone < MAX_WAITING and _places.acquire(
        timeout=max(0.0, deadline - time.monotonic())
    ):
        gone += 1
    if gone:
        _places.release(gone)


def hold(task_id: uuid.UUID, seconds: int) -> bool:
    """Wait until the task has ended or the time is over.

    Returns False where it could not wait: too many do already, or the server stops.
    """
    if _stopping.is_set() or not _places.acquire(blocking=False):
        return False
    try:
        _wait_until(lambda: _has_ended(task_id), str(task_id), seconds)
    finally:
        _places.release()
    return not _stopping.is_set()


def _wait_until(done: Callable[[], bool], task_id: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    # First the subscription, then the look: nothing can happen in between unseen.
    subscription = _subscribe()
    try:
        while not done():
            next_look = time.monotonic() + LOOK_SECONDS
            while (now := time.monotonic()) < min(next_look, deadline):
                pause = min(next_look, deadline) - now
                if _hears_of(task_id, subscription, pause):
                    break
            if now >= deadline or _stopping.is_set():
                return
    finally:
        if subscription:
            subscription.close()


def _subscribe() -> news.Subscription | None:
    """News, or None where there is none to be had: then looking has to do, because
    the task is there already and the client must hear of it."""
    try:
        return news.subscribe("viewers")
    except (OSError, psycopg.Error):
        return None


def _hears_of(
    task_id: str, subscription: news.Subscription | None, seconds: float
) -> bool:
    if subscription is None:
        return _stopping.wait(seconds)
    _release_connection()
    heard = news.wait(subscription, seconds)
    return task_id in heard or news.EVERYTHING in heard


def _has_ended(task_id: uuid.UUID) -> bool:
    status = Task.objects.filter(pk=task_id).values_list("status", flat=True).first()
    _release_connection()
    return status is None or status in Task.ENDED


def _release_connection() -> None:
    """Give the connection back to the pool, so that waiting holds up nobody."""
    if not connection.in_atomic_block:
        connection.close()
