"""A log's pages, from real processes: by Durable Streams' own clients, and through a
cache."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor

import durable_streams
import pytest
import requests

from tests.waiting import PATIENCE_SECONDS, wait_until

from .conftest import ROOT
from .flow import Flow

pytestmark = pytest.mark.e2e
READER = ROOT / "tests" / "e2e" / "protocol" / "reader.mjs"
MODES = ["long-poll", "sse"]


def url_of(service, task_id):
    return f"{service.url}/api/tasks/{task_id}/log"


def read(service, task_id, *, live=False, offset="-1"):
    """All lines, by Python's client; which goes on asking where a log is closed
    (0.1.0), so that it is stopped at a task's last line."""
    found = []
    with durable_streams.stream(
        url_of(service, task_id),
        headers={"X-API-Key": service.api_key},
        offset=offset,
        live=live,
    ) as response:
        for line in response.iter_json():
            found.append(line)
            if line["level"] == "success":
                break
    return found


@pytest.fixture
def node(service):
    """Starts Node's client; whatever becomes of the test, none is left."""
    started = []

    def start(task_id, live, *offset):
        command = ["node", READER, url_of(service, task_id), service.api_key]
        started.append(
            subprocess.Popen(
                [*command, live, *offset],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def read_by_node(process):
    """All lines that Node's client printed, and where it stood in the end."""
    out, error = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, error
    return [json.loads(line) for line in out.splitlines()], json.loads(error)


def test_the_clients_catch_up_with_a_log_of_many_pages(service, node):
    task_id = service.create("count", n="3500")
    service.wait_for(task_id)
    lines = service.lines(task_id)
    assert read(service, task_id) == lines
    found, stands = read_by_node(node(task_id, "catch-up"))
    assert found == lines
    assert stands == {"offset": f"{len(lines):016}", "closed": True}


@pytest.mark.parametrize("live", MODES)
def test_the_clients_follow_a_task_to_its_end(service, node, live):
    flow = Flow(service)
    process = node(flow.task_id, live)
    with ThreadPoolExecutor(1) as pool:
        python = pool.submit(read, service, flow.task_id, live=live)
        wait_until(lambda: flow.printed > 100, "some lines")
        assert not python.done()
        flow.finish()
        found = python.result(PATIENCE_SECONDS)
    lines = service.lines(flow.task_id)
    assert found == lines
    assert read_by_node(process)[0] == lines


@pytest.mark.parametrize("live", MODES)
def test_a_client_goes_on_from_where_it_stood(service, node, live):
    task_id = service.create("count", n="50")
    service.wait_for(task_id)
    lines = service.lines(task_id)
    offset = f"{20:016}"
    assert read(service, task_id, live=live, offset=offset) == lines[20:]
    assert read_by_node(node(task_id, live, offset))[0] == lines[20:]


def events_of(service, task_id, query):
    """The events of a response that its server ends, as (name, data)."""
    with requests.get(
        f"{url_of(service, task_id)}?live=sse&{query}",
        headers={"X-API-Key": service.api_key},
        timeout=PATIENCE_SECONDS,
        stream=True,
    ) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/event-stream"
        text = answer.content.decode()
    found = []
    for event in filter(None, text.split("\n\n")):
        if event.startswith(":"):
            continue
        name, *data = event.split("\n")
        body = "\n".join(line.removeprefix("data:") for line in data)
        found.append((name.removeprefix("event: "), json.loads(body)))
    return found


def test_events_say_after_each_part_where_the_reader_stands(service):
    task_id = service.create("count", n="3000")
    service.wait_for(task_id)
    events = events_of(service, task_id, "offset=-1")
    names = [name for name, _data in events]
    assert names == ["data", "control"] * (len(events) // 2)
    lines, stands = [], 0
    for name, data in events:
        if name == "data":
            lines += data
        else:
            stands = int(data["streamNextOffset"])
            assert stands == lines[-1]["seq"]
    assert lines == service.lines(task_id)
    assert events[-1][1] == {
        "streamNextOffset": f"{stands:016}",
        "upToDate": True,
        "streamClosed": True,
    }


def test_a_reader_at_the_end_of_a_log_is_told_so_at_once(service):
    task_id = service.create("say")
    service.wait_for(task_id)
    ((name, data),) = events_of(service, task_id, "offset=now")
    assert name == "control"
    assert data["streamClosed"]


def test_an_offset_is_refused_alike_on_a_live_log(service):
    task_id = service.create("say")
    service.wait_for(task_id)
    for query in ("", "&offset=7", "&offset=", f"&offset={9:016}&offset={9:016}"):
        answer = service.request("GET", f"/api/tasks/{task_id}/log?live=sse{query}")
        assert answer.status_code == 400, query
        assert "offset" in answer.json()["errors"]
