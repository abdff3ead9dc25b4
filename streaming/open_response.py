"""A response that stays open: written to as the client takes it, kept alive in
silence, cut off where nobody reads."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Self

from django.http import HttpResponse

from streaming.backpressure import STALL_SECONDS, ResponseWriter
from streaming.refusals import raw_headers
from streaming.sse import KEEP_ALIVE
from tasks.instruments import measures

KEEP_ALIVE_SECONDS = 15.0

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def begin(
    response: HttpResponse, first: bytes | None, scope: dict[str, Any], send: Send
) -> bool:
    """Send a response's head, and its first bytes where it stays open; False where
    that was all."""
    is_head = scope["method"] == "HEAD"
    measures.count_request(scope["method"], response.status_code)
    await send(
        {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": raw_headers(response),
        }
    )
    if first is None or is_head:
        body = b"" if is_head else response.content
        await send({"type": "http.response.body", "body": body})
        return False
    await send({"type": "http.response.body", "body": first, "more_body": True})
    return True


async def until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Producer(ABC):
    """Who writes to a response, for as long as it is not over and not full."""

    _writer: ResponseWriter
    _is_over: bool

    @abstractmethod
    def advance(self) -> None:
        """Write what there is, until the writer is full."""

    def leave(self) -> None:  # noqa: B027 (a mixin that leaves more calls it)
        """The client is gone, or has had everything."""

    @abstractmethod
    def _write(self, data: bytes) -> None: ...

    @abstractmethod
    def _finish(self) -> None:
        """There is nothing more to write."""


class OpenResponse(Producer):
    """One response under way, which is left at the end of ``with``. Subclasses say
    what to write."""

    KEEP_ALIVE = KEEP_ALIVE
    KIND: str  # by which it is counted: see tasks.instruments.measures

    def __init__(self, loop: asyncio.AbstractEventLoop, writer: ResponseWriter) -> None:
        self._loop = loop
        self._writer = writer
        writer.on_room = self.advance
        self._wrote_at = monotonic()
        self._timer = loop.call_later(KEEP_ALIVE_SECONDS, self._on_timer)
        self._is_over = False

    def __enter__(self) -> Self:
        measures.open_streams.labels(self.KIND).inc()
        return self

    def __exit__(self, *_: object) -> None:
        measures.open_streams.labels(self.KIND).dec()
        self.leave()

    def leave(self) -> None:
        self._is_over = True
        self._timer.cancel()

    def dismiss(self) -> None:
        """End the response: its client would not be let in any more. One that comes
        back is told why."""
        if self._is_over:
            return
        measures.streams_cut.labels("access").inc()
        if self._writer.is_full:  # what waits for it is not for it any more
            self._is_over = True
            self._writer.abort()
        else:
            self._finish()

    def _write(self, data: bytes) -> None:
        self._wrote_at = monotonic()
        self._writer.write(data)

    def _finish(self) -> None:
        self._is_over = True
        self._writer.finish()

    def _on_timer(self) -> None:
        if self._is_over:
            return
        silent = monotonic() - self._wrote_at
        limit = STALL_SECONDS if self._writer.is_full else KEEP_ALIVE_SECONDS
        if silent >= limit - 0.001:
            if self._writer.is_full:
                measures.streams_cut.labels("stalled").inc()
                self._writer.abort()
                return
            self._write(self.KEEP_ALIVE)
            silent, limit = 0.0, KEEP_ALIVE_SECONDS
        wait = min(limit - silent, KEEP_ALIVE_SECONDS)
        self._timer = self._loop.call_later(wait, self._on_timer)
