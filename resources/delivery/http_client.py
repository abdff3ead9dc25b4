"""An HTTP client that gives an answer as it came over the line.

Other clients decode a body before anybody can see how it was sent, and take longer:
10,000 answers cost ``http.client`` 1.3 s of processor time, three quarters of it to
read headers as those of an e-mail, urllib3 2.9 s, and this one 0.35 s (curl 0.5 s). It
knows what a check needs: GET, kept connections, TLS, and the proxies that the
environment names (``https_proxy``, ``no_proxy``).

https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0  # without a byte
BUFFER_BYTES = 1 << 17  # a connection's; most files of a game fit
MAX_HEAD_BYTES = 1 << 16
_STATUS = re.compile(r"HTTP/1\.([01]) ([1-5][0-9]{2})(?: |$)")
_LENGTH = re.compile("[0-9]{1,18}")
_CHUNK = re.compile(rb"[0-9A-Fa-f]{1,15}")


class NoAnswerError(Exception):
    """No whole answer came; the message is the reason. ``is_passing`` says whether
    another try may have one."""

    def __init__(self, reason: str, *, is_passing: bool = True) -> None:
        super().__init__(reason)
        self.is_passing = is_passing


class Head(NamedTuple):
    """An answer's status, and its headers by their names in lower case; what stands
    there several times has commas between."""

    status: int
    headers: dict[str, str]


class Origin(NamedTuple):
    """Whom to ask: scheme, host and port of an address."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """Return that of an address, which was found to be one."""
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.scheme, parts.hostname or "", port)

    @property
    def name(self) -> str:
        """Return host and port as a request names them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_usual = self.port == (443 if self.scheme == "https" else 80)
        return host if is_usual else f"{host}:{self.port}"


class Client:
    """Makes connections to one origin: threads share it, but not its connections."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self._proxy = _proxy_for(origin)

    def connect(self) -> Connection:
        """Return a connection; nothing is opened before its first request."""
        return Connection(self)

    def opened(self) -> socket.socket:
        """Return a new connection's socket, behind TLS if that is due. Raises
        NoAnswerError."""
        origin, proxy = self.origin, self._proxy
        opened: socket.socket | None = None
        try:
            if proxy is not None and origin.scheme == "https":
                opened = _tunnel(proxy, origin)
            else:
                to = proxy or origin
                opened = socket.create_connection((to.host, to.port), CONNECT_SECONDS)
            if origin.scheme == "https":
                opened = self._tls.wrap_socket(opened, server_hostname=origin.host)
            opened.settimeout(READ_SECONDS)
        except OSError as error:
            if opened is not None:
                opened.close()
            raise _no_connection(error, (proxy or origin).host) from None
        return opened

    def request(self, target: str) -> bytes:
        """Return the request for what lies at a path of the origin."""
        if self._proxy and self.origin.scheme == "http":
            target = f"http://{self.origin.name}{target}"
        # As a browser does; and since Python can't decode it, without br.
        return (
            f"GET {target} HTTP/1.1\r\nHost: {self.origin.name}\r\n"
            "User-Agent: resource-sync\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n"
        ).encode("ascii")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        return context


class Connection:
    """A connection that is kept from one request to the next, of one thread."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._socket: socket.socket | None = None
        self._buffer = bytearray(BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0  # of what was received and not yet read
        self._is_kept = False
        self._head = Head(0, {})

    def get(self, target: str) -> Head:
        """Ask for what lies at a path, and return the head of the answer; its ``body``
        has to be read before the next request. Raises NoAnswerError."""
        is_kept = self._socket is not None
        try:
            self._ask(target)
        except _GoneError:
            if not is_kept:
                raise
            # A server may end a connection that nobody used: RFC 9112, 9.3.1.
            self._ask(target)
        return self._head

    def body(self) -> Iterator[memoryview]:
        """Yield the body as it came, in pieces that hold until the next one is taken.
        Raises NoAnswerError where it ends before its end."""
        headers = self._head.headers
        if "chunked" in headers.get("transfer-encoding", "").lower():
            yield from self._chunks()
        elif (length := headers.get("content-length")) is not None:
            if not _LENGTH.fullmatch(length):
                raise self._broken(f"its Content-Length is no length: {length[:40]}")
            yield from self._bytes(int(length))
        elif self._head.status not in (204, 304):
            self._is_kept = False
            yield from self._rest()
        if not self._is_kept:
            self.close()

    def close(self) -> None:
        """End the connection, also in the midst of an answer."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
        self._socket = None
        self._start = self._end = 0

    def _ask(self, target: str) -> None:
        if self._socket is None:
            self._socket = self._client.opened()
        try:
            self._socket.sendall(self._client.request(target))
        except OSError as error:
            self.close()
            raise _GoneError(_words(error)) from None
        self._head, self._is_kept = self._read_head()
        while self._head.status < 200:
            self._head, self._is_kept = self._read_head()

    def _read_head(self) -> tuple[Head, bool]:
        end = -1
        while (end := self._buffer.find(b"\r\n\r\n", self._start, self._end)) < 0:
            if self._end - self._start > MAX_HEAD_BYTES:
                raise self._broken("its headers have no end")
            if not self._fill():
                is_begun = self._end > self._start
                self.close()
                reason = "the connection ended before an answer came"
                raise NoAnswerError(reason) if is_begun else _GoneError(reason)
        lines = str(self._view[self._start : end], "latin-1").split("\r\n")
        self._start = end + 4
        status = _STATUS.match(lines[0])
        if status is None:
            raise self._broken("the answer is not HTTP/1.1")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        connection = headers.get("connection", "").lower()
        is_kept = status[1] == "1" and "close" not in connection
        return Head(int(status[2]), headers), is_kept

    def _bytes(self, length: int) -> Iterator[memoryview]:
        left = length
        while left:
            if self._start == self._end and not self._fill():
                came = length - left
                self.close()
                raise NoAnswerError(
                    f"the connection ended after {came:,} of {length:,} bytes"
                )
            piece = self._view[self._start : min(self._end, self._start + left)]
            self._start += len(piece)
            left -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[memoryview]:
        while True:
            size = _CHUNK.match(self._line())
            if size is None:
                raise self._broken("a chunk of its body has no size")
            if not (length := int(size[0], 16)):
                break
            yield from self._bytes(length)
            if self._line():
                raise self._broken("a chunk of its body has no end")
        while self._line():  # what comes after the body
            pass

    def _rest(self) -> Iterator[memoryview]:
        while self._start < self._end or self._fill():
            yield self._view[self._start : self._end]
            self._start = self._end

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n", self._start, self._end)) < 0:
            if self._end - self._start > MAX_HEAD_BYTES:
                raise self._broken("its body has a line without an end")
            if not self._fill():
                raise self._broken("the connection ended before the body did")
        line = bytes(self._view[self._start : end])
        self._start = end + 2
        return line

    def _fill(self) -> bool:
        """Receive more, and return whether there was any."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._end == BUFFER_BYTES:
            rest = bytes(self._view[self._start : self._end])
            self._view[: len(rest)] = rest
            self._start, self._end = 0, len(rest)
        if self._socket is None:
            return False
        try:
            received = self._socket.recv_into(self._view[self._end :])
        except TimeoutError:
            raise self._broken(f"no byte came within {READ_SECONDS:.0f} s") from None
        except ConnectionError:
            return False
        except OSError as error:
            raise self._broken(_words(error)) from None
        self._end += received
        return received > 0

    def _broken(self, reason: str) -> NoAnswerError:
        self.close()
        return NoAnswerError(reason)


class _GoneError(NoAnswerError):
    """The connection ended before a byte of the answer came."""


def _tunnel(proxy: Origin, origin: Origin) -> socket.socket:
    """Return a connection to an origin through a proxy. Raises OSError."""
    import http.client  # slow to import, and seldom wanted

    connection = http.client.HTTPConnection(proxy.host, proxy.port, CONNECT_SECONDS)
    connection.set_tunnel(origin.host, origin.port)
    try:
        connection.connect()
    except http.client.HTTPException as error:
        connection.close()
        raise OSError(f"the proxy {proxy.name} does not answer: {error}") from None
    return connection.sock


def _no_connection(error: OSError, host: str) -> NoAnswerError:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"the certificate is not valid: {error.verify_message}"
        return NoAnswerError(reason, is_passing=False)
    if isinstance(error, ssl.SSLError):
        return NoAnswerError(f"no TLS connection: {error.reason or error}")
    if isinstance(error, socket.gaierror):
        is_passing = error.errno == socket.EAI_AGAIN
        return NoAnswerError(f"the name {host} is not known", is_passing=is_passing)
    if isinstance(error, TimeoutError):
        return NoAnswerError(f"no connection within {CONNECT_SECONDS:.0f} s")
    return NoAnswerError(f"no connection: {error.strerror or error}")


def _words(error: OSError) -> str:
    return f"the connection failed: {error.strerror or error}"


def _proxy_for(origin: Origin) -> Origin | None:
    """Return the proxy that the environment names for an origin."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib import request  # slow to import, and seldom wanted

    url = request.getproxies().get(origin.scheme)
    if not url or request.proxy_bypass(origin.host):
        return None
    proxy = Origin.of(url if "://" in url else f"http://{url}")
    return proxy if proxy.host else None
