"""Requests that wait for a task's end, or its next line: each is a viewer that is shown
nothing, so it costs no thread and no connection to the database, however many there
are."""

import asyncio
import time
import uuid
from contextlib import suppress

from streaming.hub import Viewer
from streaming.revalidation import revalidation_of
from streaming.stream import hub_of_loop
from tasks.access.credentials import Credential

_waiters: set["Waiter"] = set()
_stopping = False


class Waiter(Viewer):
    def __init__(self, task_id: uuid.UUID, after: int | None, every: int) -> None:
        super().__init__(task_id)
        self._after, self._every = after, every
        self._is_timed = False
        self.is_over = asyncio.Event()

    def advance(self) -> None:
        state = self.watched.state
        if state is None:
            return
        has_more = self._after is not None and state.last_seq > self._after
        if state.is_final or (has_more and not self._every):
            self.is_over.set()
        elif has_more and not self._is_timed:
            self._is_timed = True
            seconds = self._every - time.time() % self._every
            asyncio.get_running_loop().call_later(seconds, self.is_over.set)

    def dismiss(self) -> None:
        """What the request came in with is good no more."""
        self.is_over.set()


async def until_ended(
    task_id: uuid.UUID,
    seconds: float,
    by: Credential,
    after: int | None = None,
    every: int = 0,
) -> bool:
    """Wait until a task has ended, or has a line after a seq, the time is over, or what
    the request came in with is good no more. Returns False where the server stops
    before. With ``every`` a line is waited for until the clock comes to the next
    multiple of so many seconds, in all processes at once."""
    if _stopping:
        return False
    waiter, hub = Waiter(task_id, after, every), hub_of_loop()
    hub.join(waiter)
    _waiters.add(waiter)
    try:
        with revalidation_of(hub.loop).watching(by, waiter), suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await waiter.is_over.wait()
    finally:
        _waiters.remove(waiter)
        hub.leave(waiter)
    return not _stopping


def stop_waiting() -> None:
    """Let go of all who wait, and of those who still come."""
    global _stopping
    _stopping = True
    for waiter in _waiters:
        waiter.is_over.set()
