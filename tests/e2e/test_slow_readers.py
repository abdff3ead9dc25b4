"""Clients that ask for much and do not read it, on the real server: they cost little
memory, and hold up nobody."""

import socket
from contextlib import ExitStack

import psutil
import pytest

from .conftest import Service

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]

CLIENTS = 6
# The log has 60 MB, so holding it for one of them would be seen.
LINES, WIDTH = 1_000, 60_000
MOST_MORE_BYTES = 50 * 1024 * 1024


@pytest.fixture(scope="module")
def product(tmp_path_factory, new_database_url):
    service = Service(
        tmp_path_factory.mktemp("slow"),
        new_database_url(),
        RATE_LIMIT_CREATE="0",
        RATE_LIMIT_READ="0",
    )
    service.prepare()
    yield service.run()
    service.stop()


@pytest.fixture(scope="module")
def wide(product):
    task_id = product.create("wide", n=str(LINES), width=str(WIDTH))
    product.wait_for(task_id, "completed")
    return task_id


def memory(service):
    return psutil.Process(service.processes["web"].pid).memory_info().rss


def ask(service, path):
    """Return a connection on which this was asked, and nothing is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", service.port))
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"X-API-Key: {service.api_key}\r\n\r\n".encode()
    )
    return connection


def test_a_download_that_nobody_reads_costs_almost_nothing(product, wide):
    path = f"/api/tasks/{wide}/logs.txt"
    assert len(product.request("GET", path).content) == LINES * (WIDTH + 1) + extra(
        product, wide
    )
    before = memory(product)
    with ExitStack() as open_connections:
        for _ in range(CLIENTS):
            open_connections.enter_context(ask(product, path))
        # Behind them, so that each has got as much as it ever will.
        for _ in range(50):
            assert product.request("GET", f"/api/tasks/{wide}").ok
        assert memory(product) - before < MOST_MORE_BYTES


def extra(service, task_id):
    """The bytes of the service's own two lines."""
    own = service.messages(task_id, "info", "success")
    return sum(len(message.encode()) + 1 for message in own)


def test_head_of_a_download_has_its_headers_and_no_body(product, wide):
    answer = product.request("HEAD", f"/api/tasks/{wide}/logs.txt")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.content == b""


def test_a_page_of_long_lines_is_bounded_and_leads_on(product, wide):
    before = memory(product)
    seqs, after = [], 0
    while after is not None:
        path = f"/api/tasks/{wide}/logs?after={after}&limit=10000"
        page = product.request("GET", path).json()
        assert sum(len(line["message"]) for line in page["logs"]) <= 2 * 1024 * 1024
        seqs += [line["seq"] for line in page["logs"]]
        after = page["next"]
    assert seqs == list(range(1, product.task(wide)["logCount"] + 1))
    assert memory(product) - before < MOST_MORE_BYTES
