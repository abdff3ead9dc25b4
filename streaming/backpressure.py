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

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from daphne.http_protocol import WebRequest
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


def framed(data: bytes) -> bytes:
    """One chunk of HTTP/1.1's chunked transfer coding; made once for all the clients
    that are given the same object one after the other."""
    global _last_framed
    if data is not _last_framed[0]:
        _last_framed = (data, b"%x\r\n%b\r\n" % (len(data), data))
    return _last_framed[1]


_last_framed = (b"", b"")  # never asked for: an empty chunk would be the end


@implementer(IPushProducer)
class Outlet:
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
