"""Whether the database answers: noted by the threads that ask it, seen by the loop."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import connection

from streaming.sse import degraded_event, encoded
from tasks.databases.errors import outage_errors
from tasks.databases.sqlite3.base import DatabaseReplaced
from tasks.instruments import measures
from tasks.problems import database_replaced
from tasks.timestamps import iso

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 5.0  # who has not answered for so long does not answer
NO_ANSWER = "The database does not answer."
LOOK_SECONDS = 1.0  # between two looks of the loop


class Outage(NamedTuple):
    since: float  # seconds since 1970
    reason: str

    @property
    def event(self) -> bytes:
        since = iso(datetime.fromtimestamp(self.since, UTC))
        return encoded(degraded_event(str(since), self.reason))


class Answers:
    """What a thread notes of its questions to the database. ``outage`` may be asked
    for in any thread."""

    def __init__(self, what: str) -> None:
        self._what = what  # "The tasks"
        self._asked: tuple[float, float] | None = None  # monotonic, since 1970
        self._broke_at: float | None = None  # since 1970
        self._failure: Outage | None = None

    def ask(self, *, within: float = 0.0) -> None:
        """It asks now, or within so many seconds."""
        self._asked = (time.monotonic() + within, time.time() + within)

    def come(self) -> None:
        """It has all its answers."""
        self._asked = self._broke_at = None
        if self._failure is not None:
            logger.info("%s can be read again.", self._what)
            self._failure = None

    def fail(self, error: Exception) -> None:
        """It has none. A connection that broke is no outage: it may be left from one
        that is over. Only when a new one fails, too, there is one, and of that nothing
        more is logged while it goes on."""
        asked_at = self._asked[1] if self._asked else time.time()
        self._asked = None
        connection.close()
        if self._failure is not None:
            return
        is_first = self._broke_at is None
        self._broke_at = min(asked_at, self._broke_at or time.time())
        is_down = isinstance(error, outage_errors())
        if is_down and is_first:
            return
        text = "%s can't be read; trying again: %s"
        logger.error(text, self._what, error, exc_info=None if is_down else error)
        self._failure = Outage(self._broke_at, _reason_of(error))

    @property
    def outage(self) -> Outage | None:
        """Since when there is no answer, and why; None while all is well."""
        failure, asked = self._failure, self._asked
        if failure is not None or asked is None:
            return failure
        is_late = time.monotonic() - asked[0] > PATIENCE_SECONDS
        return Outage(asked[1], NO_ANSWER) if is_late else None


def _reason_of(error: Exception) -> str:
    if isinstance(error, DatabaseReplaced):
        return database_replaced()
    if isinstance(error, outage_errors()):
        return NO_ANSWER
    return "The tasks can't be read; the service's log says why."


class OutageWatch:
    """Looks once a second whether there is an outage, from ``start`` to ``stop``.

    outage  as it was at the last look
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        answers: Answers,
        looked: Callable[[], None],
        kind: str,
    ) -> None:
        """``looked`` is called after each look that found another than before;
        ``kind``: of the streams, as they are counted."""
        self._gauge = measures.stream_outage.labels(kind)
        self._loop, self._answers, self._looked = loop, answers, looked
        self._timer: asyncio.TimerHandle | None = None
        self.outage: Outage | None = None

    def start(self) -> None:
        if self._timer is None:
            self._look()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._gauge.set(0)  # nobody is there to whom anything is not told

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
        before, self.outage = self.outage, self._answers.outage
        self._gauge.set(self.outage is not None)
        if before != self.outage:
            self._looked()
