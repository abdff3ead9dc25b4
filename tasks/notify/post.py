"""One HTTP request of a webhook: to an address that was looked at, within a time, with
an answer of limited size.

``http.client`` on a socket of our own: libraries above it resolve the name a second
time, follow redirects, or limit each read and not the whole.
"""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import NamedTuple

from tasks.notify.targets import Address, Target
from tasks.reasons import Reason

TOTAL_SECONDS = 20.0
CONNECT_SECONDS = 5.0  # for each address
MOST_ANSWER_BYTES = 64 * 1024


class Unanswered(Exception):
    """There was no answer; ``reason`` says why."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(str(reason))


class Answer(NamedTuple):
    """``flaw``: what was wrong with its body, where something was."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    flaw: Reason | None = None


@cache
def tls() -> ssl.SSLContext:
    """Return what every TLS connection is made with: verified, by name."""
    return ssl.create_default_context()


def post(
    target: Target,
    addresses: Sequence[Address],
    headers: Mapping[str, str],
    body: bytes,
    seconds: float = TOTAL_SECONDS,
) -> Answer:
    """Send a body and return what is answered, whatever it is. Raises Unanswered."""
    deadline = time.monotonic() + seconds
    sock = _connected(target, addresses, deadline)
    has_timed_out = threading.Event()

    def cut() -> None:
        # Whatever the other side sends, and however slowly. Not sock.shutdown(), which
        # takes the TLS layer from under whoever reads.
        has_timed_out.set()
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    late = Reason("webhook-timed-out", seconds=round(seconds))
    try:
        sock.settimeout(seconds)
        if target.scheme == "https":
            # In two parts, or there was nothing to cut while hands are shaken.
            sock = secure = tls().wrap_socket(
                sock, server_hostname=target.host, do_handshake_on_connect=False
            )
            _shake_hands(secure, target)
        return _exchange(sock, target, headers, body, late, has_timed_out)
    except (Unanswered, OSError, http.client.HTTPException, ValueError) as error:
        if has_timed_out.is_set() or isinstance(error, TimeoutError):
            raise Unanswered(late) from error
        if isinstance(error, Unanswered):
            raise
        raise Unanswered(_reason_of(error, target)) from error
    finally:
        timer.cancel()
        sock.close()


def _connected(
    target: Target, addresses: Sequence[Address], deadline: float
) -> socket.socket:
    last: OSError = OSError("it has no address")
    for address in addresses:
        seconds = min(CONNECT_SECONDS, deadline - time.monotonic())
        if seconds <= 0:
            break
        try:
            return socket.create_connection((str(address), target.port), seconds)
        except OSError as error:
            last = error
    cause = (
        "timed out" if isinstance(last, TimeoutError) else last.strerror or str(last)
    )
    reason = Reason("webhook-not-connected", host=target.authority, cause=cause)
    raise Unanswered(reason) from last


def _shake_hands(sock: ssl.SSLSocket, target: Target) -> None:
    try:
        sock.do_handshake()
    except ssl.SSLError as error:
        words = getattr(error, "verify_message", "") or error.reason
        cause = str(words or error).rstrip(".")
        reason = Reason("webhook-tls", host=target.authority, cause=cause)
        raise Unanswered(reason) from error


def _exchange(
    sock: socket.socket,
    target: Target,
    headers: Mapping[str, str],
    body: bytes,
    late: Reason,
    has_timed_out: threading.Event,
) -> Answer:
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = sock  # so it makes none of its own
    wanted = {"Host": target.authority, **headers, "Accept-Encoding": "identity"}
    connection.request("POST", target.path, body, {**wanted, "Connection": "close"})
    response = connection.getresponse()
    found, flaw = b"", None
    try:
        found = response.read(MOST_ANSWER_BYTES + 1)
        if response.length and len(found) <= MOST_ANSWER_BYTES:
            flaw = Reason("webhook-answer-cut")
    except TimeoutError:
        flaw = late
    except (OSError, http.client.HTTPException):
        flaw = Reason("webhook-answer-cut")
    if has_timed_out.is_set():
        flaw = late
    elif len(found) > MOST_ANSWER_BYTES:
        flaw = Reason("webhook-answer-too-long", bytes=MOST_ANSWER_BYTES)
    lower = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, lower, found[:MOST_ANSWER_BYTES], flaw)


def _reason_of(error: Exception, target: Target) -> Reason:
    is_cut = isinstance(error, ConnectionError | http.client.RemoteDisconnected)
    if is_cut or isinstance(error, ssl.SSLError):
        return Reason("webhook-cut", host=target.authority)
    return Reason("webhook-answer-not-http", host=target.authority)
