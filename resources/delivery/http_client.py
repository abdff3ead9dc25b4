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
import socket
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import urlsplit

from resources.delivery.http_answers import GoneError, Head, Incoming, NoAnswerError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0  # without a byte


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
        import ssl  # slow to import

        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        return context


class Connection:
    """A connection that is kept from one request to the next, of one thread."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._socket: socket.socket | None = None
        self._incoming = Incoming()
        self._head: Head | None = None

    def get(self, target: str) -> Head:
        """Ask for what lies at a path, and return the head of the answer; its ``body``
        has to be read before the next request. Raises NoAnswerError."""
        is_kept = self._socket is not None
        try:
            self._head = self._ask(target)
        except GoneError:
            if not is_kept:
                raise
            # A server may end a connection that nobody used: RFC 9112, 9.3.1.
            self._head = self._ask(target)
        return self._head

    def body(self) -> Iterator[memoryview]:
        """Yield the body as it came, in pieces that hold until the next one is taken.
        Raises NoAnswerError where it ends before its end."""
        if self._socket is None or self._head is None:
            return
        reading = self._incoming.body(self._head)
        try:
            while True:
                try:
                    piece = next(reading)
                except StopIteration as end:
                    if not end.value:
                        self.close()
                    return
                if piece is None:
                    receive(self._socket, self._incoming)
                else:
                    yield piece
        except NoAnswerError:
            self.close()
            raise

    def close(self) -> None:
        """End the connection, also in the midst of an answer."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._incoming = Incoming()
        self._socket = None

    def _ask(self, target: str) -> Head:
        try:
            if self._socket is None:
                self._socket = self._client.opened()
            try:
                self._socket.sendall(self._client.request(target))
            except OSError as error:
                raise GoneError(_words(error)) from None
            reading = self._incoming.head()
            while True:
                try:
                    next(reading)
                except StopIteration as end:
                    head: Head = end.value
                    return head
                receive(self._socket, self._incoming)
        except NoAnswerError:
            self.close()
            raise


def receive(opened: socket.socket, incoming: Incoming) -> None:
    """Take what came over a connection, or its end. Raises NoAnswerError, and
    BlockingIOError where nothing is there and the socket does not wait for it."""
    try:
        count = opened.recv_into(incoming.room())
    except BlockingIOError:
        raise
    except TimeoutError:
        raise NoAnswerError(f"no byte came within {READ_SECONDS:.0f} s") from None
    except ConnectionError:
        count = 0
    except OSError as error:
        if _wants_to_wait(error):
            raise BlockingIOError from None
        raise NoAnswerError(_words(error)) from None
    incoming.received(count)


def _wants_to_wait(error: OSError) -> bool:
    """Return whether TLS has no whole record yet, of a socket that does not wait."""
    import ssl

    return isinstance(error, ssl.SSLWantReadError | ssl.SSLWantWriteError)


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
    import ssl

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
