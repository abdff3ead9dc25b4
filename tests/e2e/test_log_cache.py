"""Logs through the shipped cache of nginx: many readers are one for the service."""

import asyncio
import json
import resource
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.waiting import PATIENCE_SECONDS, wait_until

from . import raw
from .flow import Flow
from .test_nginx import answers, believing, in_front

pytestmark = [pytest.mark.e2e, pytest.mark.nginx]
READERS = 40
THOUSANDS = 2_100  # more than twice what nginx counts up to
ORIGINS = ["https://one.example.com", "https://two.example.com"]


@pytest.fixture(scope="module")
def product(tmp_path_factory, new_database_url):
    folder = tmp_path_factory.mktemp("behind-a-cache")
    settings = {"LOG_CACHE": "public", "CORS_ALLOWED_ORIGINS": ",".join(ORIGINS)}
    with believing(folder, new_database_url(), **settings) as product:
        yield product


@pytest.fixture(scope="module")
def nginx(product, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with in_front(folder, product, caches_logs=True) as nginx:
        yield nginx


@pytest.fixture
def many_open_files():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 2 * THOUSANDS:
        pytest.skip("too few files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def asked(nginx):
    """The queries of logs that reached the service."""
    log = (nginx.folder / "access.log").read_text()
    ends = [line.rpartition(" ")[2].partition("|") for line in log.splitlines()]
    return [query for status, _, query in ends if status in ("MISS", "EXPIRED")]


class Reader:
    """Reads a log to its end by catching up and then by long polls."""

    def __init__(self, nginx, product, task_id):
        self.url = f"{nginx.url}/api/tasks/{task_id}/log"
        self.key = product.api_key
        self.polls = 0

    def get(self, **query):
        answer = requests.get(
            self.url,
            params=dict(sorted(query.items())),
            headers={"X-API-Key": self.key},
            timeout=PATIENCE_SECONDS,
        )
        assert answer.status_code in (200, 204), answer.text
        return answer

    def read(self):
        lines, offset, live = [], "-1", {}
        while True:
            self.polls += bool(live)
            answer = self.get(offset=offset, **live)
            lines += answer.json() if answer.content else []
            offset = answer.headers["Stream-Next-Offset"]
            if "Stream-Closed" in answer.headers:
                return lines
            if "Stream-Up-To-Date" in answer.headers:
                live = {"live": "long-poll"}
            if cursor := answer.headers.get("Stream-Cursor", ""):
                live["cursor"] = cursor


def test_many_readers_of_a_log_that_ended_are_one_for_the_service(nginx, product):
    task_id = product.create("count", n="2500")
    product.wait_for(task_id)
    lines = product.lines(task_id)
    before = len(asked(nginx))
    with ThreadPoolExecutor(READERS) as pool:
        reading = [
            pool.submit(Reader(nginx, product, task_id).read) for _ in range(READERS)
        ]
        for one in reading:
            assert one.result(PATIENCE_SECONDS) == lines
    new = asked(nginx)[before:]
    assert sorted(new) == ["offset=-1", f"offset={1000:016}", f"offset={2000:016}"]


def test_many_readers_who_wait_for_a_line_are_one_for_the_service(nginx, product):
    flow = Flow(product, lines="50", gate="opened")
    product.wait_for(flow.task_id, "running")
    readers = [Reader(nginx, product, flow.task_id) for _ in range(READERS)]
    with ThreadPoolExecutor(READERS) as pool:
        reading = [pool.submit(reader.read) for reader in readers]
        wait_until(lambda: all(reader.polls for reader in readers), "all to wait")
        (product.data_dir / "opened").touch()
        found = [one.result(PATIENCE_SECONDS) for one in reading]
    lines = product.lines(flow.task_id)
    assert all(one == lines for one in found)
    reached = sum("live=long-poll" in query for query in asked(nginx))
    assert reached < sum(reader.polls for reader in readers) / 2


def poll_after(answer):
    """The query of the long poll that follows an answer."""
    return (
        f"cursor={answer.headers['Stream-Cursor']}&live=long-poll"
        f"&offset={answer.headers['Stream-Next-Offset']}"
    )


async def read_through(opened):
    reader, writer = opened
    try:
        return raw.Raw(await reader.read())
    finally:
        writer.close()


def test_of_thousands_who_wait_for_a_line_not_one_more_asks(
    nginx, product, many_open_files
):
    flow = Flow(product, lines="50", gate="thousands")
    product.wait_for(flow.task_id, "running")
    first = Reader(nginx, product, flow.task_id).get(offset="-1")
    query = poll_after(first)
    head = raw.head(
        "GET",
        f"/api/tasks/{flow.task_id}/log?{query}",
        f"X-API-Key: {product.api_key}",
        "Connection: close",
    )
    before = len(asked(nginx))

    async def read_all():
        opened = []
        for _ in range(THOUSANDS):
            opened.append(await asyncio.open_connection("127.0.0.1", nginx.port))
            opened[-1][1].write(head)
        # Its only worker takes connections in turn: it has read what came before.
        assert await asyncio.to_thread(answers, nginx.url)
        (product.data_dir / "thousands").touch()
        return await asyncio.gather(*map(read_through, opened))

    found = asyncio.run(read_all())
    assert {one.status for one in found} == {200}
    assert len({one.body for one in found}) == 1
    assert asked(nginx)[before:] == [query]


def test_readers_who_come_while_lines_are_printed_have_each_line_once(nginx, product):
    flow = Flow(product, lines="2000", burst="10", pause="0.05")
    readers = [Reader(nginx, product, flow.task_id) for _ in range(READERS)]
    with ThreadPoolExecutor(READERS) as pool:
        reading = []
        for reader in readers:
            reading.append(pool.submit(reader.read))
            printed = flow.printed
            wait_until(lambda printed=printed: flow.printed > printed, "more lines")
        flow.finish()
        found = [one.result(PATIENCE_SECONDS) for one in reading]
    lines = product.lines(flow.task_id)
    assert all(one == lines for one in found)


def test_who_hangs_up_costs_the_others_nothing(nginx, product):
    flow = Flow(product, lines="50", gate="hungup")
    product.wait_for(flow.task_id, "running")
    readers = [Reader(nginx, product, flow.task_id) for _ in range(READERS)]
    first = readers[0].get(offset="-1")
    query = poll_after(first)
    with socket.create_connection(("127.0.0.1", nginx.port)) as leader:
        leader.sendall(
            f"GET /api/tasks/{flow.task_id}/log?{query} HTTP/1.1\r\n"
            f"Host: localhost\r\nX-API-Key: {product.api_key}\r\n\r\n".encode()
        )
        with ThreadPoolExecutor(READERS) as pool:
            reading = [pool.submit(reader.read) for reader in readers]
            wait_until(lambda: all(reader.polls for reader in readers), "all to wait")
            leader.close()
            (product.data_dir / "hungup").touch()
            found = [one.result(PATIENCE_SECONDS) for one in reading]
    assert all(one == product.lines(flow.task_id) for one in found)


def log_of(nginx, task_id, method="GET", **headers):
    url = f"{nginx.url}/api/tasks/{task_id}/log?offset=-1"
    return requests.request(method, url, headers=headers, timeout=PATIENCE_SECONDS)


def test_who_may_not_read_gets_nothing_from_the_cache(nginx, product):
    task_id = product.create("say")
    product.wait_for(task_id)
    Reader(nginx, product, task_id).read()
    for headers in ({}, {"X-API-Key": "wrong"}, {"Cookie": "sessionid=wrong"}):
        answer = log_of(nginx, task_id, **headers)
        assert answer.status_code == 401
        # As the service says it, not nginx.
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == 401
    other = log_of(nginx, task_id, **{"X-API-Key": product.api_key})
    assert other.status_code == 200


REVOKE = """
from tasks.access.actor import Actor
from tasks.access.api_keys import revoke_key
from tasks.models import ApiKey
revoke_key(ApiKey.objects.get(name="leaves"), Actor("test"))
"""


def test_a_key_that_is_revoked_reads_no_more_however_many_ask(nginx, product):
    """What is too old is given to the others while one asks; a no ends that."""
    task_id = product.create("say")
    product.wait_for(task_id)
    made = product.manage("create_api_key", "leaves", "--json").stdout
    key = {"X-API-Key": json.loads(made)["key"]}
    assert log_of(nginx, task_id, **key).status_code == 200
    product.manage("shell", "-v0", "-c", REVOKE)
    with ThreadPoolExecutor(READERS) as pool:

        def is_refused():
            asked = [pool.submit(log_of, nginx, task_id, **key) for _ in range(READERS)]
            statuses = Counter(one.result().status_code for one in asked)
            return set(statuses) == {401}

        wait_until(is_refused, "the key to be refused")
        assert is_refused()


def test_a_page_says_to_each_browser_that_it_may_read_it(nginx, product):
    task_id = product.create("say")
    product.wait_for(task_id)
    key = {"X-API-Key": product.api_key}
    for origin in (*ORIGINS, ORIGINS[0]):
        answer = log_of(nginx, task_id, Origin=origin, **key)
        assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert "Access-Control-Allow-Origin" not in log_of(nginx, task_id, **key).headers


def test_a_browser_may_ask_beforehand_without_a_key(nginx, product):
    task_id = product.create("say")
    answer = log_of(
        nginx,
        task_id,
        "OPTIONS",
        **{
            "Origin": ORIGINS[0],
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "x-api-key",
        },
    )
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGINS[0]
    assert "x-api-key" in answer.headers["Access-Control-Allow-Headers"]


def test_a_key_beyond_its_rate_is_told_when_to_come_back(new_service, tmp_path):
    product = new_service(
        LOG_CACHE="public", TRUSTED_PROXIES="127.0.0.1", RATE_LIMIT_READ="1/d"
    ).run()
    task_id = product.create("say")
    (tmp_path / "nginx").mkdir()
    with in_front(tmp_path / "nginx", product, caches_logs=True) as nginx:
        log_of(nginx, task_id, **{"X-API-Key": product.api_key})
        answer = log_of(nginx, task_id, Authorization=f"Bearer {product.api_key}")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


def test_events_are_not_held_back_by_the_cache(nginx, product):
    task_id = product.create("say")
    product.wait_for(task_id)
    reader = Reader(nginx, product, task_id)
    for _ in range(2):
        answer = reader.get(live="sse", offset="-1")
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert '"streamClosed":true' in answer.text
