"""Writing to a client that may be slow, through Daphne.

ASGI's ``send`` in Daphne 4.2 never waits, so a client that does not read would grow
the server's memory without bound. All that touches the inside of Daphne and Twisted
is here, on exact pins, and tests/streaming/test_backpressure.py fails loudly where a
new version moves it:

- ``send`` is ``functools.partial(Server.handle_reply, request)``;
- ``request`` is a ``twisted.web.http.Request`` that takes a streaming producer, which
  is paused when more than 64 KiB wait for the socket;
- a chunk framed once (RFC 9112, section 7.1) can be written to ``request.channel``
  for many clients, at a third to a quarter of ``Request.write``'s cost;
- where the transport holds nothing back (``dataBuffer``, ``_tempDataBuffer``), its
  ``socket`` can be written to without waiting for the next round of the reactor.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from daphne.http_protocol import WebRequest
from django.core.exceptions import RequestAborted
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from tasks.instruments import measures

STALL_SECONDS = 60.0  # a client that took nothing for so long is cut off
# What responses that wait for their clients may hold in all; beyond it the one that
# waits longest is cut off.
MOST_HELD_BYTES = 64 * 1024 * 1024

Send = Callable[[Mapping[str, Any]], Awaitable[None]]


def framed(data: bytes) -> bytes:
    """One chunk of HTTP/1.1's chunked transfer coding; made once for all the clients
    that are given the same object one after the other."""
    global _last_framed
    if data is not _last_framed[0]:
        _last_framed = (data, b"%x\r\n%b\r\n" % (len(data), data))
    return _last_framed[1]


_last_framed = (b"", b"")  # never asked for: an empty chunk would be the end


@implementer(IPushProducer)
class ResponseWriter:
    """The body of one response under way.

    ``is_full``: what was written waits for the client; write no more until
    ``on_room`` is called, which the writer sets. Use it after the response's first
    body bytes were sent, in the event loop's thread only.
    """

    on_room: Callable[[], None]

    def __init__(self, send: Callable[..., Awaitable[None]]) -> None:
        if not isinstance(send, partial) or not isinstance(send.args[0], WebRequest):
            raise TypeError("The stream is served by Daphne only.")
        self._request: Any = send.args[0]
        self.is_full = False
        # Kept here, because a crowd is written to a hundred times a second.
        self._transport: Any = None
        self._send: Callable[[bytes], int] | None = None
        self._is_chunked = bool(self._request.chunked)
        if self.is_open:
            self._transport = self._request.channel.transport
            self._send = self._transport.socket.send
            self._request.registerProducer(self, True)

    @property
    def is_open(self) -> bool:
        request = self._request
        return request.channel is not None and not request._disconnected

    def write(self, data: bytes) -> None:
        """Give the socket what it takes at once, and the rest to the transport.

        The transport would first ask to be told when the socket is writable, which
        it nearly always is: with 100 clients, the median latency falls to 0.6 times.
        """
        if self._is_chunked:
            data = framed(data)
        transport = self._transport
        if self._send and not (
            transport.dataBuffer
            or transport._tempDataBuffer
            or transport.disconnecting
            or not transport.connected
        ):
            try:
                sent = self._send(data)
            except OSError:  # full, or gone: the transport knows what to do
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        if self.is_open:
            self._request.channel.write(data)

    def finish(self) -> None:
        """End the response in order, after what waits has been sent."""
        if self.is_open and not self._request.finished:
            self._request.unregisterProducer()
            self._request.finish()

    def abort(self) -> None:
        """Cut the connection; what waits is dropped."""
        if self.is_open:
            self._request.channel.transport.abortConnection()

    # --- IPushProducer, called by the transport -------------------------------------

    def pauseProducing(self) -> None:  # noqa: N802 (Twisted's name)
        self.is_full = True

    def resumeProducing(self) -> None:  # noqa: N802 (Twisted's name)
        self.is_full = False
        self.on_room()

    def stopProducing(self) -> None:  # noqa: N802 (Twisted's name)
        self.is_full = True


@implementer(IPushProducer)
class PatientSend:
    """ASGI's ``send`` for one response, which waits until the client has room; raises
    RequestAborted where the client is cut off.

    ``size``: how many bytes the response holds while it is sent.
    """

    _waiting: OrderedDict["PatientSend", None] = OrderedDict()  # the longest first
    _held_bytes = 0

    @classmethod
    def over(cls, send: Send, size: int) -> Send:
        """Return a send that waits, over Daphne's; another server's as it is."""
        is_daphne = isinstance(send, partial) and isinstance(send.args[0], WebRequest)
        return cls(send, size) if is_daphne else send

    def __init__(self, send: Any, size: int) -> None:
        self._send, self._size = send, size
        self._request: Any = send.args[0]
        self._room = asyncio.Event()
        self._room.set()
        self._is_registered = self._is_aborted = False

    async def __call__(self, message: Mapping[str, Any]) -> None:
        if not message.get("more_body"):
            if message["type"] == "http.response.body":
                self._unregister()
            await self._send(message)
            return
        if not self._is_registered:
            self._register()
        await self._send(message)
        if not self._room.is_set():
            await self._wait_for_room()

    def _register(self) -> None:
        request = self._request
        if request.channel is None or request._disconnected:
            return
        request.registerProducer(self, True)
        self._is_registered = True
        if request.channel._waitingForTransport:  # it was full before
            self._room.clear()

    def _unregister(self) -> None:
        if self._is_registered and self._request.channel is not None:
            self._request.unregisterProducer()
        self._is_registered = False

    async def _wait_for_room(self) -> None:
        self._begin_to_hold()
        try:
            unsent = self._unsent_bytes()
            while True:
                try:
                    async with asyncio.timeout(STALL_SECONDS):
                        await self._room.wait()
                    break
                except TimeoutError:
                    before, unsent = unsent, self._unsent_bytes()
                    if unsent >= before:
                        self._abort("stalled")
        finally:
            self._waiting.pop(self, None)
            PatientSend._held_bytes -= self._size
        if self._is_aborted:
            raise RequestAborted

    def _begin_to_hold(self) -> None:
        self._waiting[self] = None
        PatientSend._held_bytes += self._size
        if self._held_bytes > MOST_HELD_BYTES:
            longest = next(one for one in self._waiting if one._size)
            longest._abort("memory")

    def _unsent_bytes(self) -> int:
        if self._request.channel is None:
            return 0
        transport = self._request.channel.transport
        buffered = len(transport.dataBuffer) - transport.offset
        return int(buffered + transport._tempDataLen)

    def _abort(self, reason: str) -> None:
        measures.streams_cut.labels(reason).inc()
        if self._request.channel is not None:
            self._request.channel.transport.abortConnection()
        self._is_aborted = True
        self._room.set()

    # --- IPushProducer, called by the transport -------------------------------------

    def pauseProducing(self) -> None:  # noqa: N802 (Twisted's name)
        self._room.clear()

    def resumeProducing(self) -> None:  # noqa: N802 (Twisted's name)
        self._room.set()

    def stopProducing(self) -> None:  # noqa: N802 (Twisted's name)
        self._room.set()
