"""A web process that is told to stop: what it was asked before is answered."""

import http.client
import os
import signal
import socket
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import psutil
import psycopg
import pytest

from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]
CROWD = 40


@pytest.fixture
def service(new_service):
    """A web server without a runner."""
    service = new_service()
    service.prepare()
    service.start("web")
    wait_until(lambda: ask(service, "/health/live") == 200, "the web server")
    return service


def ask(service, path):
    """Return the status that a connection of its own is answered with, or None."""
    try:
        return service.request("GET", path, timeout=30).status_code
    except OSError:
        return None


@contextmanager
def nobody_can_write(service):
    """Hold the table of tasks, so that a POST waits."""
    if url := service.env["DATABASE_URL"]:
        with psycopg.connect(url) as holder, holder.transaction():
            holder.execute("LOCK TABLE tasks_task IN EXCLUSIVE MODE")
            yield
        return
    holder = sqlite3.connect(service.data_dir / "db.sqlite3", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    yield
    holder.execute("ROLLBACK")
    holder.close()


@pytest.fixture
def connect(service):
    """Makes connections, which are closed after the test."""
    with ExitStack() as made:

        def connected():
            connection = http.client.HTTPConnection(
                "127.0.0.1", service.port, timeout=PATIENCE_SECONDS
            )
            made.callback(connection.close)
            connection.connect()
            return connection

        yield connected


def send_post(service, connection):
    headers = {"X-API-Key": service.api_key, "Content-Type": "application/json"}
    connection.request("POST", "/api/tasks/say", "{}", headers)


def takes_connections(service):
    try:
        socket.create_connection(("127.0.0.1", service.port)).close()
    except ConnectionError:
        return False
    return True


def has_read(service, connection):
    """Whether the server took all that was sent on this connection."""
    process = psutil.Process(service.processes["web"].pid)
    port = connection.sock.getsockname()[1]
    return any(x.raddr and x.raddr.port == port for x in process.net_connections("tcp"))


def test_a_request_that_is_under_way_is_answered_and_no_other_gets_in(service, connect):
    idle = connect()
    idle.request("GET", "/health/live")
    assert idle.getresponse().read()
    web = service.processes["web"]
    with ThreadPoolExecutor() as pool:
        with nobody_can_write(service):
            asked = connect()
            send_post(service, asked)
            wait_until(lambda: has_read(service, asked), "it to be accepted")
            web.send_signal(signal.SIGTERM)
            wait_until(lambda: not takes_connections(service), "the socket's end")
            # A connection from before is served, and closed by its answer.
            idle.request("GET", "/health/live")
            answer = idle.getresponse()
            assert (answer.status, answer.headers["Connection"]) == (200, "close")
            waiting = pool.submit(asked.getresponse)
            assert not waiting.done()
        answer = waiting.result(PATIENCE_SECONDS)
        assert (answer.status, answer.headers["Connection"]) == (202, "close")
        assert answer.read().endswith(b"}")
    assert web.wait(PATIENCE_SECONDS) == 0


def test_whoever_was_connected_before_the_stop_is_answered(service, connect):
    """Also those that the kernel has accepted and the process has not."""
    web = service.processes["web"]
    os.kill(web.pid, signal.SIGSTOP)
    crowd = [connect() for _ in range(CROWD)]
    for connection in crowd:
        send_post(service, connection)
    web.send_signal(signal.SIGTERM)
    os.kill(web.pid, signal.SIGCONT)
    assert [connection.getresponse().status for connection in crowd] == [202] * CROWD
    assert web.wait(PATIENCE_SECONDS) == 0


def test_streams_do_not_hold_up_a_stop(service):
    task_id = service.create("say")
    with service.stream(task_id) as stream:
        assert next(stream.iter_lines()).startswith(b"retry:")
        web = service.processes["web"]
        web.send_signal(signal.SIGTERM)
        assert web.wait(PATIENCE_SECONDS) == 0


def test_a_request_that_does_not_come_to_its_end_does_not_hold_up_a_stop_for_ever(
    service, connect
):
    half = connect()
    half.putrequest("POST", "/api/tasks/say")
    half.putheader("Content-Length", "2")
    half.endheaders(b"{")
    wait_until(lambda: has_read(service, half), "it to be accepted")
    web = service.processes["web"]
    web.send_signal(signal.SIGTERM)
    assert web.wait(PATIENCE_SECONDS) == 0
