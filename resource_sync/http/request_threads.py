"""A bounded number of threads, and the queue of those who wait for one."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar

from django.db import close_old_connections

MOST_WAITING = 2_000
LONGEST_WAIT_SECONDS = 30.0  # proxies give up after 60

T = TypeVar("T")


class Busy(Exception):
    """No thread came free in time, or too many wait for one already."""


class Threads:
    """Threads that are used again, and with them what they opened: a connection to
    SQLite's file each. To be used in one event loop's thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made = 0
        # The one that was busy last comes first: what it needs is still in memory.
        self._idle: deque[ThreadPoolExecutor] = deque()
        self._queue: OrderedDict[asyncio.Future[ThreadPoolExecutor], None]
        self._queue = OrderedDict()

    async def run(self, job: Callable[[], T], *, patient: bool = False) -> T:
        """Return what a job returns that is done in one of the threads. Raises Busy,
        but for a patient one, which waits its turn however long that takes."""
        thread = await self._take(patient=patient)
        done = thread.submit(copy_context().run, job)
        # Behind the job, also where nobody waits for that any more.
        thread.submit(self._tidy, asyncio.get_running_loop(), thread)
        return await asyncio.wrap_future(done)

    async def _take(self, *, patient: bool) -> ThreadPoolExecutor:
        if self._idle:
            return self._idle.pop()
        if self._made < self._most:
            self._made += 1
            return ThreadPoolExecutor(1, "request")
        if len(self._queue) >= MOST_WAITING and not patient:
            raise Busy
        return await self._wait_for_turn(None if patient else LONGEST_WAIT_SECONDS)

    async def _wait_for_turn(self, seconds: float | None) -> ThreadPoolExecutor:
        turn: asyncio.Future[ThreadPoolExecutor]
        turn = asyncio.get_running_loop().create_future()
        self._queue[turn] = None
        try:
            async with asyncio.timeout(seconds):
                return await turn
        except TimeoutError:
            self._leave_queue(turn)
            raise Busy from None
        except asyncio.CancelledError:  # whoever asked has hung up
            self._leave_queue(turn)
            raise

    def _leave_queue(self, turn: "asyncio.Future[ThreadPoolExecutor]") -> None:
        self._queue.pop(turn, None)
        if turn.done() and not turn.cancelled():  # its turn had come all the same
            self._hand_on(turn.result())

    def _hand_on(self, thread: ThreadPoolExecutor) -> None:
        while self._queue:
            turn, _ = self._queue.popitem(last=False)
            if not turn.done():
                turn.set_result(thread)
                return
        self._idle.append(thread)

    def _tidy(
        self, loop: asyncio.AbstractEventLoop, thread: ThreadPoolExecutor
    ) -> None:
        close_old_connections()  # also where the request was cut off
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._hand_on, thread)
