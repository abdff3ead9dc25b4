"""Logs through the shipped cache of nginx: many readers are one for the service."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.waiting import PATIENCE_SECONDS, wait_until

from .flow import Flow
from .test_nginx import believing, in_front

pytestmark = [pytest.mark.e2e, pytest.mark.nginx]
READERS = 40


@pytest.fixture(scope="module")
def product(tmp_path_factory, new_database_url):
    folder = tmp_path_factory.mktemp("behind-a-cache")
    with believing(folder, new_database_url(), LOG_CACHE="public") as product:
        yield product


@pytest.fixture(scope="module")
def nginx(product, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    with in_front(folder, product, caches_logs=True) as nginx:
        yield nginx


def asked(nginx):
    """The queries of logs that reached the service."""
    log = (nginx.folder / "access.log").read_text()
    ends = [line.rpartition(" ")[2] for line in log.splitlines()]
    return [end.removeprefix("MISS|") for end in ends if end.startswith("MISS|")]


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


def test_who_may_not_read_gets_nothing_from_the_cache(nginx, product):
    task_id = product.create("say")
    product.wait_for(task_id)
    Reader(nginx, product, task_id).read()
    for headers in ({}, {"X-API-Key": "wrong"}):
        answer = requests.get(
            f"{nginx.url}/api/tasks/{task_id}/log?offset=-1",
            headers=headers,
            timeout=PATIENCE_SECONDS,
        )
        assert answer.status_code == 401


def test_events_are_not_held_back_by_the_cache(nginx, product):
    task_id = product.create("say")
    product.wait_for(task_id)
    reader = Reader(nginx, product, task_id)
    for _ in range(2):
        answer = reader.get(live="sse", offset="-1")
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert '"streamClosed":true' in answer.text
