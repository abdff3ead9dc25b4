"""Requests go ahead of answers, and none is lost where a server ends a connection."""

import contextlib
import socket
import threading

import pytest

from resources.delivery import http_client
from resources.delivery.asking_ahead import CONNECTIONS, Asker, Wanted
from resources.delivery.http_client import Client, Origin

COUNT = 100
CLOSE = object()  # what a server does instead of an answer
HUSH = object()


class Last(bytes):
    """An answer after which a server ends the connection."""


def ok(target, extra=b""):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n%b" % (
        len(target), extra, target,
    )  # fmt: skip


class Server:
    """Gives for each request what ``answer(target, number)`` says, where ``number``
    counts the requests of its connection from 1."""

    def __init__(self, answer, *, takes_ahead=True):
        self._answer, self._takes_ahead = answer, takes_ahead
        self.batches = 0  # requests that came with others
        self.connections = 0
        self.asked = []
        self.most_at_once = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.origin = Origin("http", "127.0.0.1", self._listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections += 1
                threading.Thread(
                    target=self._serve, args=(connection,), daemon=True
                ).start()

    def _serve(self, connection):
        received, number = b"", 0
        with connection, contextlib.suppress(ConnectionError):
            while data := connection.recv(1 << 16):
                received += data
                *requests, received = received.split(b"\r\n\r\n")
                self.most_at_once = max(self.most_at_once, len(requests))
                self.batches += len(requests) > 1
                is_last = len(requests) > 1 and not self._takes_ahead
                for request in requests:
                    number += 1
                    target = request.split(b" ")[1]
                    self.asked.append(target)
                    answer = self._answer(target, number)
                    if answer is CLOSE:
                        return
                    if answer is not HUSH:
                        connection.sendall(answer)
                    if isinstance(answer, Last) or is_last:
                        return

    def close(self):
        self._listening.close()


@contextlib.contextmanager
def asked(answer, count=COUNT, *, takes_ahead=True):
    """Give the server, and what came of so many requests by their places."""
    server = Server(answer, takes_ahead=takes_ahead)
    asker = Asker(Client(server.origin))
    wanted = [Wanted(f"/{place}", 1 << 20) for place in range(count)]
    try:
        yield server, {came.place: came for came in asker.answers(wanted)}
    finally:
        asker.close()
        server.close()


def are_right(came, places=range(COUNT)):
    """Return whether each of these places has the answer to its own request."""
    return sorted(came) == list(places) and all(
        one.body.sink.size == len(f"/{place}") for place, one in came.items()
    )


def test_each_request_gets_its_own_answer_and_some_go_ahead():
    with asked(lambda target, _: ok(target)) as (server, came):
        assert are_right(came)
        assert server.connections <= CONNECTIONS
        assert server.most_at_once > 1
        assert len(server.asked) == COUNT, "none was asked for twice"


def test_a_server_may_end_a_connection_after_some_requests():
    def answer(target, number):
        if number > 20:
            return CLOSE
        return ok(target, b"Connection: close\r\n" if number == 20 else b"")

    with asked(answer) as (server, came):
        assert are_right(came)
        assert server.most_at_once > 1


def test_a_server_that_takes_no_requests_ahead_gets_one_after_the_other():
    with asked(lambda target, _: ok(target), takes_ahead=False) as (server, came):
        assert are_right(came)
    assert 0 < server.batches <= CONNECTIONS, "it was learned after the first few"


def test_a_server_that_forgets_requests_ahead_loses_no_other(monkeypatch):
    monkeypatch.setattr(http_client, "READ_SECONDS", 0.3)
    with asked(lambda target, number: HUSH if number == 2 else ok(target)) as (
        _,
        came,
    ):
        missing = set(range(COUNT)) - set(came)
    assert len(missing) <= COUNT // 2


@pytest.mark.parametrize(
    "broken",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nabc\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ],
    ids=["cut off", "no length", "no chunk", "no HTTP"],
)
def test_only_what_got_no_whole_answer_is_left_out(broken):
    def answer(target, number):
        if target == b"/57":
            return Last(broken)
        return ok(target)

    with asked(answer) as (server, came):
        assert are_right(came, [place for place in range(COUNT) if place != 57])
        assert server.asked.count(b"/57") == 1


def test_answers_of_every_kind_are_read_to_their_end():
    large = bytes(300_000)

    def answer(target, number):
        place = int(target[1:])
        if place % 3 == 0:
            return ok(target)
        if place % 3 == 1:
            return (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"%x\r\n%b\r\n0\r\n\r\n" % (len(large), large)
            )
        return b"HTTP/1.1 404 No\r\nContent-Length: 300000\r\n\r\n" + large

    with asked(answer) as (_, came):
        sizes = [came[place].body.sink.size for place in range(COUNT)]
        statuses = [came[place].head.status for place in range(COUNT)]
    assert sizes == [
        300_000 if place % 3 else len(f"/{place}") for place in range(COUNT)
    ]
    assert statuses == [404 if place % 3 == 2 else 200 for place in range(COUNT)]
