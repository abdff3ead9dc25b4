"""Clients that trickle, by a clock that is set; and the touched inside of Twisted."""

import inspect
import json

import pytest
from daphne.http_protocol import WebRequest
from daphne.server import Server as DaphneServer
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.http import HTTPChannel, Request

from resource_sync.http.body_policy import BodyPolicy
from streaming.http import limits as http_limits
from streaming.http.channel import Channel, LimitedRequest
from streaming.http.limits import Budget, body_limit
from streaming.http.server import Factory, Server

KIB = 1024


class Transport(StringTransport):
    """Twisted's for tests, which can be half closed as well."""

    half_closed = aborted = False

    def loseWriteConnection(self):
        self.half_closed = True

    def abortConnection(self):
        self.aborted = True


@pytest.fixture
def connection():
    """A connection whose clock is ``connection.clock``."""

    async def app(scope, receive, send):
        """Never answers."""

    server = Server(app, endpoints=["none"])
    server.connections = {}
    server.create_application = lambda *_: None
    factory = Factory(BodyPolicy(), server)
    factory.reactor = clock = Clock()
    factory.seconds = clock.seconds
    channel = factory.buildProtocol(None)
    channel.clock = clock
    channel.makeConnection(Transport())
    return channel


def wait(connection, seconds, *, sending=b""):
    """Let time pass, in which the client sends a piece each second."""
    for _ in range(seconds):
        connection.clock.advance(1)
        if sending and not connection.transport.half_closed:
            connection.dataReceived(sending)


def status_of(connection):
    said = connection.transport.value()
    return int(said.split()[1]) if said else None


def form(length):
    head = f"POST /admin/ HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
    return head.encode()


def test_a_head_that_trickles_is_answered_after_the_grace(connection):
    connection.dataReceived(b"GET /api HTTP/1.1\r\nX-A: ")
    wait(connection, 19, sending=b"a")
    assert status_of(connection) is None
    wait(connection, 1)
    assert status_of(connection) == 408
    head, _, body = connection.transport.value().partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert b"content-type: application/problem+json" in head
    assert json.loads(body)["title"] == "Request Timeout"


def test_who_says_nothing_is_cut_off_by_the_idle_timeout_alone(connection):
    wait(connection, 59)
    assert not connection.transport.disconnecting
    wait(connection, 1)
    assert connection.transport.disconnecting
    assert status_of(connection) is None


def test_a_body_has_longer_the_more_of_it_has_come(connection):
    connection.dataReceived(form(1000 * KIB))
    wait(connection, 60, sending=bytes(5 * KIB))
    assert status_of(connection) is None
    wait(connection, 34)
    assert status_of(connection) is None, "300 KiB are worth 75 s more"
    wait(connection, 1)
    assert status_of(connection) == 408


def test_a_body_of_a_byte_a_second_is_cut_off(connection):
    connection.dataReceived(form(1000))
    wait(connection, 21, sending=b"a")
    assert status_of(connection) == 408


def test_chunks_without_end_buy_no_time(connection):
    head = b"POST /admin/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.dataReceived(head)
    wait(connection, 21, sending=b"1;" + b"x" * 900 + b"\r\na\r\n")
    assert status_of(connection) == 408


def test_a_request_that_is_there_has_no_deadline(connection):
    connection.dataReceived(form(3) + b"a=b")
    assert connection.requests[0].content.getvalue() == b"a=b"
    wait(connection, 3600)
    assert status_of(connection) is None
    assert not connection.transport.disconnecting


def test_the_next_request_has_its_own_grace(connection):
    connection.dataReceived(form(3) + b"a=b")
    wait(connection, 100)
    connection.requests[0].setResponseCode(200)
    connection.requests[0].finish()
    connection.transport.clear()
    connection.dataReceived(b"GET /a")
    wait(connection, 19)
    assert status_of(connection) is None
    wait(connection, 1)
    assert status_of(connection) == 408


def test_what_a_refused_client_still_sends_is_dropped_for_a_while(connection):
    connection.dataReceived(form(10_000 * KIB))
    assert status_of(connection) == 413
    transport = connection.transport
    assert transport.half_closed, "or the client would not get to the answer"
    for _ in range(25):
        connection.dataReceived(bytes(64 * KIB))
        connection.clock.advance(1)
    assert not transport.aborted
    assert connection.factory.budget.held == 0
    connection.clock.advance(5)
    assert transport.aborted


def test_a_refused_client_that_falls_silent_is_let_go_sooner(connection):
    connection.dataReceived(form(10_000 * KIB))
    connection.clock.advance(4)
    assert not connection.transport.disconnecting
    connection.clock.advance(1)
    assert connection.transport.disconnecting


def test_what_a_body_held_is_given_back_however_it_ends(connection):
    budget = connection.factory.budget
    connection.dataReceived(form(300 * KIB) + bytes(100 * KIB))
    assert budget.held == 100 * KIB
    wait(connection, 46)
    assert (status_of(connection), budget.held) == (408, 0)


def test_a_body_is_given_back_when_it_was_answered_or_its_client_left(connection):
    budget = connection.factory.budget
    connection.dataReceived(form(3) + b"a=b")
    assert budget.held == 3
    connection.requests[0].finish()
    assert budget.held == 0
    connection.dataReceived(form(300 * KIB) + bytes(KIB))
    assert budget.held == KIB
    connection.connectionLost()
    assert budget.held == 0
    wait(connection, 100)
    assert connection.clock.getDelayedCalls() == []


def test_large_bodies_leave_some_of_the_budget_to_small_ones(settings):
    budget = Budget()
    small = settings.BODY_LIMIT_BYTES
    while budget.take(small, held_by_one=10 * small):
        """As many large ones as there may be."""
    assert budget.held == http_limits.BUDGET_LARGE_BYTES
    while budget.take(small, held_by_one=0):
        """As many small ones as there may be."""
    assert budget.held == http_limits.BUDGET_BYTES
    budget.give_back(small)
    assert budget.take(small, held_by_one=0)


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/api/tasks/say", 64),
        ("/api/", 64),
        ("/health", 64),
        ("/metrics", 64),
        ("/static/x.js", 64),
        ("/tasks", 64),
        ("/admin", 64),
        ("//admin/", 64),
        ("/nothing", 64),
        ("/", 1024),
        ("/admin/login/", 1024),
        ("/admin/tasks/task/", 1024),
        ("/sign-in/MQ/token", 1024),
        ("/sign-out", 1024),
        ("/i18n/setlang/", 1024),
        ("/tasks/1234/rerun", 1024),
    ],
)
def test_forms_may_be_longer_where_people_send_them(path, most):
    assert body_limit(path, 10) == most * KIB
    assert body_limit(path, None) == 64 * KIB


def test_the_query_of_a_request_is_in_no_text_of_it(connection):
    connection.dataReceived(b"GET /api/events?token=s3cret HTTP/1.1\r\nHost: a\r\n\r\n")
    assert "s3cret" not in repr(connection.requests[0])
    assert "/api/events" in repr(connection.requests[0])


# --- The inside of Daphne and Twisted, which these subclass ---------------------------


def test_what_is_overridden_is_there():
    for mine, theirs in (
        (Channel, HTTPChannel),
        (LimitedRequest, WebRequest),
        (Server, DaphneServer),
    ):
        new = {"_expect_progress", "_on_deadline", "_forget_deadline", "_stop_reading"}
        new |= {"_ask", "_on_known", "_read_body", "_leave_unread", "may_hold"}
        new |= {"_refuse_head", "_refuse_length", "refuse", "head", "forget_body"}
        new |= {"_linger", "_give_back", "_is_small", "_waits_for_leave"}
        new |= {"close_when_answered", "drain", "_drain_and_kill", "_stop_listening"}
        new |= {"is_answering", "_kill"}
        for name, member in vars(mine).items():
            if inspect.isfunction(member) and name not in new:
                assert callable(getattr(theirs, name)), name


def test_a_channel_goes_on_by_its_length_after_the_head():
    source = inspect.getsource(HTTPChannel.lineReceived)
    assert "self.allHeadersReceived()\n            if self.length == 0:" in source
    assert "self._command = command" in source
    assert "del self._command" in inspect.getsource(HTTPChannel.allContentReceived)
    assert HTTPChannel.totalHeadersSize == HTTPChannel.MAX_LENGTH == 16384


def test_twisted_parses_no_form_where_it_is_told_so():
    assert "_parsePOSTFormSubmission" in inspect.getsource(Request.requestReceived)
