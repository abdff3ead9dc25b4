"""The stream through a push proxy: a real Pushpin, and a receiver of the protocol."""

import itertools
import json
import math
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt
import pytest
import requests

from tests.e2e.conftest import (
    PATIENCE_SECONDS,
    ROOT,
    Service,
    free_port,
    parse,
    wait_until,
)
from tests.e2e.test_stream import assert_whole, logs_of

pytestmark = pytest.mark.e2e
UNLIMITED = {"RATE_LIMIT_CREATE": "0", "RATE_LIMIT_READ": "0"}
KEY = "a-key-for-tests-of-32-characters"
# Two keep-alives of the proxy's. Under load Pushpin 1.36 now and then gives a client no
# answer to a page that it fetches for another one, too, who leaves meanwhile; that
# client has to notice by itself, as every client that lost its connection.
SILENCE_SECONDS = 30
CONFIG = """
[global]
include={{libdir}}/internal.conf
rundir={run}
ipc_prefix=t-

[runner]
services=condure,zurl,pushpin-proxy,pushpin-handler
http_port=127.0.0.1:{port}
logdir={folder}
log_level=2

[proxy]
routesfile={folder}/routes
sig_iss=pushpin
sig_key={key}
zurl_out_specs=ipc://{run}/t-zurl-in
zurl_out_stream_specs=ipc://{run}/t-zurl-in-stream
zurl_in_specs=ipc://{run}/t-zurl-out

[handler]
push_in_spec=ipc://{run}/t-push
push_in_sub_specs=ipc://{run}/t-sub
command_spec=ipc://{run}/t-command
stats_spec=ipc://{run}/t-stats
push_in_http_addr=127.0.0.1
push_in_http_port={control}
message_rate=100000
message_hwm=1000000
"""
# One prints a file once another one is there, and goes on when a third one is; one
# prints until a file is there.
TYPES = """
[print]
title = "Print"
description = "Print a text when told to, and end when told to"
[print.params.folder]
[[print.steps]]
name = "print"
command = ["sh", "-c", '''
until [ -e "$0/go" ]; do sleep 0.02; done; cat "$0/text"
until [ -e "$0/end" ]; do sleep 0.02; done
''', "{folder}"]
[talk]
title = "Talk"
description = "Print a line now and then until told to end"
[talk.params.folder]
[[talk.steps]]
name = "talk"
command = ["sh", "-c", "until [ -e $0/end ]; do echo 1; sleep 0.02; done", "{folder}"]
"""


# --- The programs -------------------------------------------------------------------


class Pushpin:
    """A real push proxy in front of a port, with a configuration of its own."""

    def __init__(self, folder: Path, port: int, control: int) -> None:
        folder.mkdir()
        self.folder, self.control = folder, control
        # Paths of Unix sockets are short.
        self.run = tempfile.mkdtemp(prefix="pushpin-")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        values = {"port": self.port, "control": control, "key": KEY}
        config = CONFIG.format(folder=folder, run=self.run, **values)
        (folder / "pushpin.conf").write_text(config)
        (folder / "routes").write_text(f"* 127.0.0.1:{port},trusted\n")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["pushpin", f"--config={self.folder}/pushpin.conf"]
        with (self.folder / "pushpin.out").open("ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        wait_until(self.is_up, f"Pushpin; see {self.folder}/*.log")

    def is_up(self) -> bool:
        try:
            requests.get(f"http://127.0.0.1:{self.control}/", timeout=5)
            return requests.get(f"{self.url}/health", timeout=5).status_code < 502
        except requests.RequestException:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE_SECONDS)

    def log(self) -> str:
        return (self.folder / "pushpin-handler.log").read_text()

    def published(self, task_id: str) -> int:
        """How many items for a task reached at least one client."""
        log = self.log().splitlines()
        wanted = f"publish channel=task-{task_id} receivers="
        return sum(wanted in line and not line.endswith("=0") for line in log)

    def looks(self, task_id: str, found: str = "") -> int:
        """How often it has looked for more of a task (and found so many bytes)."""
        wanted = rf"/api/tasks/{task_id}/stream/next-\d+\..* code=200 {found}"
        return len(re.findall(wanted, self.log()))

    def is_content(self, task_id: str) -> bool:
        """Whether it has found nothing, so that it will not look again soon."""
        return self.looks(task_id, "0 ") > 0


class Stack:
    """A product with a publisher, behind a Pushpin."""

    def __init__(self, folder: Path, database_url: str) -> None:
        control = free_port()
        self.service = service_for(control, folder / "service", database_url)
        self.pushpin = Pushpin(folder / "pushpin", self.service.port, control)

    def run(self) -> "Stack":
        self.service.run("--concurrency", "8")
        self.pushpin.start()
        start_publisher(self.service)
        self.service.create("say")
        wait_until(lambda: "POST /publish/" in self.pushpin.log(), "the publisher")
        return self

    def stop(self) -> None:
        self.service.stop()
        self.pushpin.stop()
        shutil.rmtree(self.pushpin.run)

    def open(self, task_id: str, query: str = "", **headers: str):
        return requests.get(
            f"{self.pushpin.url}/api/tasks/{task_id}/stream{query}",
            headers={"X-API-Key": self.service.api_key, **headers},
            stream=True,
            timeout=SILENCE_SECONDS,
        )


def service_for(control: int, folder: Path, database_url: str) -> Service:
    folder.mkdir()
    url = f"http://127.0.0.1:{control}?iss=pushpin&key={KEY}"
    service = Service(folder, database_url, GRIP_URL=url, **UNLIMITED)
    with (folder / "task_types.toml").open("a") as types:
        types.write(TYPES)
    return service


def start_publisher(service: Service, name: str = "publisher") -> None:
    with (service.data_dir / f"{name}.out").open("ab") as output:
        service.processes[name] = subprocess.Popen(
            [sys.executable, ROOT / "manage.py", "publish_streams"],
            cwd=ROOT,
            env=service.env,
            stdout=output,
            stderr=output,
        )


@contextmanager
def running_stack(folder: Path, new_database_url):
    if not shutil.which("pushpin"):
        pytest.skip("pushpin is not there")
    stack = Stack(folder, new_database_url())
    try:
        yield stack.run()
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory, new_database_url):
    with running_stack(tmp_path_factory.mktemp("stack"), new_database_url) as stack:
        yield stack


@pytest.fixture
def own_stack(tmp_path, new_database_url):
    """One for a test that breaks things."""
    with running_stack(tmp_path, new_database_url) as stack:
        yield stack


class Print:
    """A task that prints a text when told to."""

    def __init__(self, service: Service, folder: Path, text: str) -> None:
        self.folder = folder
        (folder / "text").write_text(text)
        self.id = service.create("print", folder=str(folder))

    def go(self) -> None:
        (self.folder / "go").touch()

    def end(self) -> None:
        (self.folder / "end").touch()


class Talk:
    """A task that prints until told to end, and its watchers in the middle of it."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.folder = folder
        task_id = stack.service.create("talk", folder=str(folder))
        self.watchers = [Watcher(stack, task_id) for _ in range(5)]
        self.wait_for_more()

    def wait_for_more(self) -> None:
        """Until each watcher has lines that it did not have before."""
        for watcher in self.watchers:
            wait_until(watcher.has(len(watcher.lines) + 20), "more lines")

    def finish(self) -> None:
        (self.folder / "end").touch()
        for watcher in self.watchers:
            watcher.assert_whole()


# --- The clients --------------------------------------------------------------------


def complete_events(response):
    """Each event that came whole; of one that is cut off, clients see nothing."""
    rest = b""
    for chunk in response.iter_content(None):
        *blocks, rest = (rest + chunk).split(b"\n\n")
        for block in blocks:
            yield json.loads(block.rpartition(b"data: ")[2])


class Watcher(threading.Thread):
    """A client that comes back with Last-Event-ID until it has had the end, as an
    EventSource does; with dice it also goes away now and then."""

    def __init__(self, stack: Stack, task_id: str, dice=None) -> None:
        super().__init__(daemon=True)
        self.stack, self.task_id, self.dice = stack, task_id, dice
        self.lines, self.updates, self.end, self.opened = [], [], None, 0
        self.start()

    def run(self) -> None:
        if self.dice:
            time.sleep(self.dice.random() * 2)
        while self.end is None:
            try:
                self.watch(self.dice.randrange(1, 6000) if self.dice else math.inf)
            except requests.RequestException:
                time.sleep(0.1)

    def watch(self, patience) -> None:
        last = {"Last-Event-ID": str(len(self.lines))} if self.lines else {}
        with self.stack.open(self.task_id, **last) as response:
            if response.status_code >= 500:
                time.sleep(0.1)
                return
            assert response.status_code == 200, response.text
            self.opened += 1
            for event in complete_events(response):
                if event["type"] == "log":
                    self.lines.append(event["log"])
                    patience -= 1
                elif event["type"] == "update":
                    self.updates.append(event["task"])
                elif event["type"] == "end":
                    self.end = event
                if patience == 0:
                    return

    def has(self, count: int):
        return lambda: len(self.lines) >= count

    def is_open(self) -> bool:
        return self.opened > 0

    def assert_whole(self) -> None:
        self.join(PATIENCE_SECONDS)
        assert self.end, f"no end after {len(self.lines)} lines"
        assert_whole(self.stack.service, self.task_id, self.lines, self.end)


# --- Through a real Pushpin ---------------------------------------------------------


def test_a_client_of_the_proxy_gets_what_a_direct_client_gets(stack):
    gate = stack.service.create("gate")
    stack.service.wait_for(gate, "running")
    task_id = stack.service.create("three-steps")
    with stack.open(task_id) as response:
        incoming = complete_events(response)
        events = [next(incoming)]
        stack.service.request("POST", f"/api/tasks/{gate}/cancel")
        events += incoming
    assert events[0]["type"] == "connected"
    assert events[0]["task"]["status"] == "pending"
    assert [event["type"] for event in events[-2:]] == ["update", "end"]
    assert events[-2]["task"]["status"] == "completed"
    assert_whole(stack.service, task_id, logs_of(events), events[-1])


def test_lines_are_published_and_urls_lead_through_the_proxy(stack):
    task_id = stack.service.create("slowly", n="40", pause="0.1")
    watcher = Watcher(stack, task_id)
    watcher.assert_whole()
    assert stack.pushpin.published(task_id) > 20
    assert watcher.updates
    for task in watcher.updates:
        assert task["statusUrl"] == f"{stack.pushpin.url}/api/tasks/{task_id}/status"


def test_any_text_comes_through_unchanged(stack, tmp_path):
    texts = [
        "100% %s %(base)s %% %",
        "版本 v885",
        "a\u2028b",
        'a"b\\c\\n',
        "x" * 70_000,
    ]
    task = Print(stack.service, tmp_path, "\n".join(texts * 3))
    watcher = Watcher(stack, task.id)
    wait_until(watcher.is_open)
    task.go()
    task.end()
    watcher.assert_whole()
    messages = [line["message"] for line in watcher.lines]
    assert messages[1 : len(texts)] == texts[:-1]


def test_admission_is_as_without_a_proxy(stack):
    task_id = stack.service.create("say")
    end = stack.service.events(task_id)[-1]
    last = str(end["logCount"] + 1)
    assert stack.open(task_id, **{"X-API-Key": "wrong"}).status_code == 401
    assert stack.open("nonsense").status_code == 404
    assert stack.open(task_id, "?lastEventId=4711").status_code == 400
    assert stack.open(task_id, **{"Last-Event-ID": last}).status_code == 204
    with stack.open(task_id) as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-cache, no-transform"
        assert not [name for name in response.headers if name.startswith("Grip")]
        assert logs_of(complete_events(response)) == stack.service.lines(task_id)


def test_a_returning_client_gets_exactly_what_it_missed(stack):
    task_id = stack.service.create("count", n="5000")
    whole = stack.service.wait_for(task_id) and stack.service.lines(task_id)
    for last in (1, 2500, 5001):
        with stack.open(task_id, **{"Last-Event-ID": str(last)}) as response:
            assert logs_of(complete_events(response)) == whole[last:]
    with stack.open(task_id, "?tail=7") as response:
        assert logs_of(complete_events(response)) == whole[-7:]


def test_20_clients_that_come_drop_and_return_in_a_flood_get_every_line_once(
    stack, tmp_path
):
    text = "".join(f"{n} {'x' * (n % 50)}\n" for n in range(20_000))
    task = Print(stack.service, tmp_path, text)
    steady = [Watcher(stack, task.id) for _ in range(10)]
    for watcher in steady:
        wait_until(watcher.is_open)
    task.go()
    fickle = [Watcher(stack, task.id, random.Random(n)) for n in range(10)]
    wait_until(steady[0].has(20_001))
    task.end()
    for watcher in [*steady, *fickle]:
        watcher.assert_whole()
    assert stack.pushpin.published(task.id)


def test_late_clients_get_a_big_log_page_by_page(stack):
    task_id = stack.service.create("count", n="20000")
    stack.service.wait_for(task_id)
    watchers = [Watcher(stack, task_id) for _ in range(10)]
    for watcher in watchers:
        watcher.assert_whole()


def test_a_silent_task_is_kept_alive_by_the_proxy(stack, tmp_path):
    task = Print(stack.service, tmp_path, "")
    with stack.open(task.id) as response:
        events = complete_events(response)
        kept = next(event for event in events if event["type"] == "keep-alive")
        assert kept == {"type": "keep-alive"}
        task.go()
        task.end()
        assert list(events)[-1]["type"] == "end"


def test_a_client_that_never_reads_holds_up_nobody(stack, tmp_path):
    task = Print(stack.service, tmp_path, "".join(f"{n}\n" for n in range(50_000)))
    with stack.open(task.id):
        watcher = Watcher(stack, task.id)
        wait_until(watcher.is_open)
        task.go()
        task.end()
        watcher.assert_whole()


def test_a_deleted_task_ends_its_streams(stack, tmp_path):
    task = Print(stack.service, tmp_path, "")
    with stack.open(task.id) as response:
        events = complete_events(response)
        next(events)
        wait_until(lambda: stack.pushpin.is_content(task.id), "the proxy to be content")
        code = (
            "from tasks.models import *;"
            f"LogLine.objects.filter(task_id='{task.id}').delete();"
            f"Task.objects.filter(pk='{task.id}').delete()"
        )
        stack.service.manage("shell", "-v0", "-c", code)
        deleted = time.monotonic()
        assert all(event["type"] != "end" for event in events)
        assert time.monotonic() - deleted < PATIENCE_SECONDS / 2


def test_nothing_is_lost_while_the_publisher_is_killed_and_started_again(
    own_stack, tmp_path
):
    service = own_stack.service
    talk = Talk(own_stack, tmp_path)
    opened = [watcher.opened for watcher in talk.watchers]
    for _ in range(2):
        service.kill("publisher")
        start_publisher(service)
        talk.wait_for_more()
    talk.finish()
    assert [x.opened for x in talk.watchers] == opened, "a client was cut off"


def test_what_ended_while_nobody_published_is_told_at_the_next_start(
    own_stack, tmp_path
):
    stack, service = own_stack, own_stack.service
    task = Print(service, tmp_path, "1\n2\n3\n")
    watcher = Watcher(stack, task.id)
    wait_until(lambda: stack.pushpin.is_content(task.id), "the proxy to be content")
    service.kill("publisher")
    task.go()
    task.end()
    service.wait_for(task.id)
    assert not watcher.end, "somebody told it, so the publisher will not be tested"
    start_publisher(service)
    wait_until(lambda: watcher.end, "the end", PATIENCE_SECONDS / 3)
    watcher.assert_whole()


def test_without_a_publisher_the_proxy_looks_for_itself(own_stack):
    own_stack.service.kill("publisher")
    task_id = own_stack.service.create("slowly", n="40", pause="0.1")
    watcher = Watcher(own_stack, task_id)
    watcher.assert_whole()


def test_a_stream_outlives_the_web_server(own_stack, tmp_path):
    stack, service = own_stack, own_stack.service
    task = Print(service, tmp_path, "".join(f"{n}\n" for n in range(500)))
    watchers = [Watcher(stack, task.id) for _ in range(5)]
    wait_until(lambda: stack.pushpin.looks(task.id, "0 ") >= 5, "the proxy's looks")
    service.kill("web")
    task.go()
    for watcher in watchers:
        wait_until(watcher.has(501), "lines without a web server")
    service.start("web")
    wait_until(service.is_healthy)
    late = Watcher(stack, task.id)
    task.end()
    for watcher in [*watchers, late]:
        watcher.assert_whole()


def test_a_web_server_killed_in_mid_stream_costs_no_line(own_stack, tmp_path):
    service = own_stack.service
    talk = Talk(own_stack, tmp_path)
    for _ in range(2):
        service.kill("web")
        service.start("web")
        wait_until(service.is_healthy)
        talk.wait_for_more()
    talk.finish()


def test_clients_come_back_to_a_proxy_that_was_restarted(own_stack, tmp_path):
    talk = Talk(own_stack, tmp_path)
    own_stack.pushpin.stop()
    own_stack.pushpin.start()
    talk.wait_for_more()
    talk.finish()
    assert all(watcher.opened > 1 for watcher in talk.watchers)


# --- Against a receiver of the protocol ---------------------------------------------


class Receiver(ThreadingHTTPServer):
    """Takes what is published, as a push proxy does."""

    def __init__(self, port: int) -> None:
        self.items: list[dict] = []
        self.refuses = False
        super().__init__(("127.0.0.1", port), Publishing)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def of(self, task_id: str) -> list[dict]:
        return [item for item in self.items if item["channel"] == f"task-{task_id}"]

    def has_closed(self, task_id: str):
        def closed() -> bool:
            items = self.of(task_id)
            return bool(items) and items[-1]["http-stream"].get("action") == "close"

        return closed


class Publishing(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        assert self.path == "/publish/"
        kind, _, token = self.headers["Authorization"].partition(" ")
        assert kind == "Bearer"
        claim = jwt.decode(token, KEY, algorithms=["HS256"])
        assert claim["iss"] == "pushpin"
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.server.refuses:
            self.server.items += body["items"]
        self.send_response(503 if self.server.refuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_) -> None:
        pass


def told(items):
    """What the items of a task say, to a client that uses this host."""
    content = "".join(item["http-stream"].get("content", "") for item in items)
    text = content.replace("%(base)s", "http://example.com").replace("%%", "%")
    return [
        json.loads(block.rpartition("data: ")[2]) for block in text.split("\n\n")[:-1]
    ]


def assert_chain(items):
    """Each item follows the one before, from the recall at the beginning on."""
    assert "id" not in items[0]
    for before, after in itertools.pairwise(items[1:]):
        assert after["prev-id"] == before["id"]
    assert len({item["id"] for item in items[1:]}) == len(items) - 1


@pytest.fixture
def receiving(tmp_path, new_database_url):
    """A product and a receiver; the publisher has not been started."""
    port = free_port()
    service = service_for(port, tmp_path / "service", new_database_url())
    receiver = Receiver(port)
    try:
        yield service.run(), receiver
    finally:
        service.stop()
        receiver.shutdown()
        receiver.server_close()


def test_each_batch_is_published_once_and_follows_the_one_before(receiving, tmp_path):
    service, receiver = receiving
    start_publisher(service)
    text = "100% %s\n版本\n" + "".join(f"{n}\n" for n in range(10_000))
    task = Print(service, tmp_path, text)
    wait_until(lambda: receiver.of(task.id), "the publisher")
    task.go()
    task.end()
    wait_until(receiver.has_closed(task.id), "the end")
    items = receiver.of(task.id)
    assert_chain(items)
    events = told(items)
    assert [event["type"] for event in events[-2:]] == ["update", "end"]
    assert events[-2]["task"]["statusUrl"].startswith("http://example.com/api/tasks/")
    lines = logs_of(events)
    assert lines == service.lines(task.id)[-len(lines) :]
    assert len(lines) >= 10_002
    assert len(items) < 2_000, "published line by line, not in batches"


def test_a_proxy_that_is_away_costs_nobody_anything_and_is_told_later(
    receiving, tmp_path
):
    service, receiver = receiving
    receiver.refuses = True
    start_publisher(service)
    task = Print(service, tmp_path, "1\n2\n3\n")
    output = service.data_dir / "publisher.out"
    wait_until(lambda: b"takes nothing" in output.read_bytes(), "the first failure")
    task.go()
    with service.stream(task.id) as response:
        direct = (event for _, event in parse(response))
        assert next(e["log"] for e in direct if e["type"] == "log")["seq"] == 1
    receiver.refuses = False
    wait_until(lambda: receiver.of(task.id), "the proxy to be told")
    task.end()
    wait_until(receiver.has_closed(task.id), "the end")
    assert_chain(receiver.of(task.id))
    assert output.read_bytes().count(b"takes nothing") == 1


def test_a_second_publisher_waits_until_the_first_is_gone(receiving, tmp_path):
    service, receiver = receiving
    start_publisher(service)
    task = Print(service, tmp_path, "1\n")
    wait_until(lambda: receiver.of(task.id), "the first publisher")
    start_publisher(service, "second")
    output = service.data_dir / "second.out"
    wait_until(lambda: b"waiting" in output.read_bytes(), "the second publisher")

    def recalls() -> int:
        return sum("id" not in item for item in receiver.of(task.id))

    assert recalls() == 1
    service.kill("publisher")
    wait_until(lambda: recalls() == 2, "the second publisher to take over")
    task.go()
    task.end()
    wait_until(receiver.has_closed(task.id), "the end")


def test_a_publisher_that_is_told_to_stop_ends_in_order(receiving):
    service, receiver = receiving
    start_publisher(service)
    task_id = service.create("say")
    wait_until(lambda: receiver.of(task_id), "the publisher")
    publisher = service.processes.pop("publisher")
    publisher.terminate()
    assert publisher.wait(PATIENCE_SECONDS) == 0


def test_only_what_the_proxy_signed_is_handed_over_to_it(receiving):
    service, _ = receiving
    task_id = service.create("slowly", n="1000", pause="1")
    service.wait_for(task_id, "running")
    claim = {"iss": "pushpin", "exp": int(time.time()) + 600}
    forged = {"Grip-Sig": jwt.encode(claim, KEY[::-1])}
    with service.stream(task_id, **forged) as response:
        assert "Grip-Hold" not in response.headers
    signed = {"Grip-Sig": jwt.encode(claim, KEY)}
    with service.stream(task_id, **signed) as response:
        channel, prev_id, _ = response.headers["Grip-Channel"].split("; ")
        link = response.headers["Grip-Link"].partition(">")[0].removeprefix("<")
    position = prev_id.replace("prev-id=", "last-id=")
    last = {"Grip-Last": f"{channel}; {position}"}
    url = service.url + link

    def status(url, **headers):
        return requests.get(url, headers={**last, **headers}, timeout=60).status_code

    assert status(url, **signed) == 200
    assert status(url) == 404
    assert status(url, **forged) == 404
    assert status(url[:-1] + "x", **signed) == 404
    other = service.create("say")
    assert status(url.replace(task_id, other), **signed) == 404


def test_the_proxy_looks_soon_and_then_less_and_less_often(receiving, tmp_path):
    service, _ = receiving
    task = Print(service, tmp_path, "")
    service.wait_for(task.id, "running")
    claim = {"iss": "pushpin", "exp": int(time.time()) + 600}
    signed = {"Grip-Sig": jwt.encode(claim, KEY)}
    silences, last = [], {}
    path = f"/api/tasks/{task.id}/stream"
    for _ in range(6):
        with service.request("GET", path, headers={**signed, **last}) as answer:
            channel, prev_id, _ = answer.headers["Grip-Channel"].split("; ")
            last = {"Grip-Last": f"{channel}; {prev_id.replace('prev', 'last')}"}
            link, _, silence = answer.headers["Grip-Link"].split("; ")
            path = link.strip("<>")
            silences.append((bool(answer.content), silence))
    assert silences[0] == (True, "timeout=2")
    after_nothing = [silence for has_news, silence in silences if not has_news]
    assert after_nothing[:4] == [f"timeout={n}" for n in (8, 32, 60, 60)]
