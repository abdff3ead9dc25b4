"""The client examples, as their readers run them."""

import functools
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from httpx_sse import connect_sse
from playwright.sync_api import expect
from sseclient import SSEClient

from tests.e2e.conftest import PATIENCE_MS, ROOT, Service
from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.e2e

EXAMPLES = ROOT / "examples"
ENDED = re.compile(r"completed|failed|cancelled")
SLOW_TYPE = """
[slow-check]
title = "Slow check"
description = "Takes a version, as the clients send one, and its time"
[slow-check.params.version]
pattern = "v[0-9]+"
[[slow-check.steps]]
name = "slow"
command = ["sh", "-c", "for i in $(seq 60); do echo line $i; sleep 0.1; done"]
[endless-check]
title = "Endless check"
[endless-check.params.version]
pattern = "v[0-9]+"
[[endless-check.steps]]
name = "endless"
command = ["sh", "-c", "i=0; while :; do i=$((i + 1)); echo line $i; sleep 0.1; done"]
"""
SLOW_LINES = [f"line {number}" for number in range(1, 61)]


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")


@pytest.fixture(scope="session")
def node_modules():
    """What the Node client imports; a copy of the repository has to fetch it once."""
    need("node", "npm")
    if not (EXAMPLES / "node_modules").exists():
        command = ["npm", "ci", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=EXAMPLES, check=True)


@pytest.fixture
def node(node_modules):
    return ["node", "sse-client-example.js"]


@pytest.fixture
def minimal():
    need("node")
    return ["node", "minimal.js"]


@pytest.fixture
def python():
    return [sys.executable, "sse_client_example.py"]


@pytest.fixture
def curl():
    need("bash", "curl", "jq")
    return ["bash", "curl.sh"]


FULL_CLIENTS = [pytest.param("node", marks=pytest.mark.node), "python", "curl"]
CLIENTS = [*FULL_CLIENTS, pytest.param("minimal", marks=pytest.mark.node)]


@pytest.fixture
def client(request):
    """The command of the client that a test is parametrized with."""
    return request.getfixturevalue(request.param)


def start(service, command, *arguments, **env):
    """Start a client against a service; its output comes by a pipe."""
    return subprocess.Popen(
        [*command, *arguments],
        cwd=EXAMPLES,
        env={
            **os.environ,
            "API_URL": service.url,
            "API_KEY": service.api_key,
            **env,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group of its own, as a terminal's foreground has
    )


def run(service, command, *arguments, **env):
    """(exit code, output, errors) of a client that runs to its end."""
    with start(service, command, *arguments, **env) as process:
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors


# --- The whole way --------------------------------------------------------------------


@pytest.mark.parametrize("client", CLIENTS, indirect=True)
def test_a_client_shows_every_line_and_the_progress_and_ends_with_0(
    client, service, demo
):
    code, output, errors = run(service, client)
    assert code == 0, errors
    assert errors == ""
    assert "Checking iOS manifest..." in output
    assert "Total files checked: 1245" in output
    progress = [int(number) for number in re.findall(r"progress (\d+) %", output)]
    assert progress == sorted(progress)
    # Whoever catches up is told the newest progress alone: 33 % may be skipped.
    assert progress[-1] == 100
    assert set(progress) <= {0, 33, 67, 100}


@pytest.mark.parametrize("client", CLIENTS, indirect=True)
def test_a_client_ends_with_1_where_a_file_is_damaged(client, service, demo):
    file = demo / "source/ios/v884/assets/lobby/index.js"
    content = file.read_bytes()
    file.write_bytes(b"damaged" + content[7:])
    try:
        code, output, _ = run(service, client, "v884")
    finally:
        file.write_bytes(content)
    assert code == 1
    assert "assets/lobby/index.js" in output


@pytest.mark.parametrize("client", FULL_CLIENTS, indirect=True)
def test_a_client_ends_with_1_and_says_why_where_the_task_failed(client, service, demo):
    code, output, errors = run(service, client, "v1")
    assert code == 1, errors
    assert "iOS manifest" in output.splitlines()[-1] + output.splitlines()[-2]
    assert ENDED.search(output.splitlines()[-1])[0] == "failed"


# --- What cannot start ----------------------------------------------------------------


def assert_one_sentence(errors):
    assert len(errors.splitlines()) == 1, errors


@pytest.mark.parametrize("client", CLIENTS, indirect=True)
def test_a_wrong_key_is_one_sentence_and_exit_code_2(client, service):
    code, output, errors = run(service, client, API_KEY="wrong")
    assert code == 2
    assert output == ""
    assert_one_sentence(errors)
    assert "key is wrong" in errors


@pytest.mark.parametrize("client", CLIENTS, indirect=True)
def test_an_unreachable_server_is_one_sentence_and_exit_code_2(client, service):
    nowhere = f"http://127.0.0.1:{free_port()}"
    code, _, errors = run(service, client, API_URL=nowhere)
    assert code == 2
    assert_one_sentence(errors)


@pytest.mark.parametrize("client", FULL_CLIENTS, indirect=True)
@pytest.mark.parametrize(
    ("arguments", "key", "says"),
    [
        (["v885", "check-integrity", "more"], "key", "Usage"),
        (["--help"], "key", "Usage"),
        ([], "", "Set API_KEY"),
        ([], "two\nlines", "Set API_KEY"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(
    client, service, arguments, key, says
):
    code, output, errors = run(service, client, *arguments, API_KEY=key)
    assert code == 2
    assert output == ""
    assert_one_sentence(errors)
    assert says in errors


@pytest.mark.parametrize("client", CLIENTS, indirect=True)
@pytest.mark.parametrize("arguments", [["885"], ["v885", "no-such-type"]])
def test_a_wrong_version_or_type_is_the_servers_sentence_and_exit_code_2(
    client, service, arguments
):
    code, output, errors = run(service, client, *arguments)
    assert code == 2
    assert output == ""
    assert_one_sentence(errors)
    assert "v[0-9]+" in errors or "check-integrity" in errors


# --- What happens meanwhile -----------------------------------------------------------


@pytest.fixture(scope="session")
def breakable_service(tmp_path_factory, new_database_url, other_origin):
    """A service that may be broken; it has a task that takes some seconds, and lets
    the page in."""
    service = Service(
        tmp_path_factory.mktemp("breakable"),
        new_database_url(),
        CORS_ALLOWED_ORIGINS=f"{other_origin},null",
        RATE_LIMIT_CREATE="0",
        RATE_LIMIT_READ="0",
    )
    with Path(service.env["TASK_TYPES_FILE"]).open("a") as types:
        types.write(SLOW_TYPE)
    yield service
    service.stop()


@pytest.fixture
def slow_service(breakable_service):
    """The same, whole again after whatever another test did to it."""
    service = breakable_service
    for name, arguments in {"web": [], "runner": ["--concurrency", "8"]}.items():
        process = service.processes.get(name)
        if process is None or process.poll() is not None:
            service.start(name, *arguments)
    service.wait_healthy()
    return service


def read_to(process, text):
    """What a client prints, up to the line that ends so."""
    output = ""
    for line in process.stdout:
        output += line
        if line.rstrip("\n").endswith(text):
            return output
    raise AssertionError(f"{text} did not come: {output}{process.stderr.read()}")


def rest_of(process):
    """What else a client prints, to its end, and its errors. ``communicate`` would lose
    the lines that were read ahead with the last one that read_to() returned."""
    rest, errors = process.stdout.read(), process.stderr.read()
    process.wait(PATIENCE_SECONDS)
    return rest, errors


def task_id_in(output):
    return re.search(r"Connected to \S+-check (\S+):", output)[1]


def numbered_lines(output):
    return re.findall(r"\bline \d+$", output, re.MULTILINE)


@pytest.mark.parametrize("client", FULL_CLIENTS, indirect=True)
def test_a_client_loses_and_doubles_no_line_when_the_server_is_killed_and_started_again(
    client, slow_service
):
    with start(slow_service, client, "v885", "slow-check") as process:
        output = read_to(process, "line 10")
        slow_service.kill("web")
        slow_service.start("web")
        rest, errors = rest_of(process)
    assert process.returncode == 0, errors
    assert "Connection lost" in errors
    assert numbered_lines(output + rest) == SLOW_LINES


class BadGateway(http.server.BaseHTTPRequestHandler):
    """A proxy whose service is away."""

    def do_GET(self):
        self.send_error(502)
        self.server.asked.set()

    def log_message(self, *arguments):
        pass


@contextmanager
def bad_gateway(port):
    """Answers 502 at a port, and tells when it was asked."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), BadGateway) as server:
        server.asked = threading.Event()
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("client", FULL_CLIENTS, indirect=True)
def test_a_client_loses_and_doubles_no_line_when_a_proxy_answers_502_meanwhile(
    client, slow_service
):
    with start(slow_service, client, "v885", "slow-check") as process:
        output = read_to(process, "line 10")
        slow_service.kill("web")
        with bad_gateway(slow_service.port) as proxy:
            assert proxy.asked.wait(30)
        slow_service.start("web")
        rest, errors = rest_of(process)
    assert process.returncode == 0, errors
    assert numbered_lines(output + rest) == SLOW_LINES


@pytest.mark.parametrize("client", FULL_CLIENTS, indirect=True)
def test_a_client_stops_with_2_when_its_task_is_deleted(client, slow_service):
    with start(slow_service, client, "v885", "endless-check") as process:
        task_id = task_id_in(read_to(process, "line 3"))
        code = (
            "from tasks.models import *;"
            f"LogLine.objects.filter(task_id='{task_id}').delete();"
            f"Task.objects.filter(pk='{task_id}').delete()"
        )
        slow_service.manage("shell", "-v0", "-c", code)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert task_id in errors
    assert "404" in errors


@pytest.mark.parametrize("client", FULL_CLIENTS, indirect=True)
def test_ctrl_c_ends_the_client_names_the_task_and_leaves_it_running(
    client, slow_service
):
    with start(slow_service, client, "v885", "slow-check") as process:
        task_id = task_id_in(read_to(process, "line 3"))
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert_one_sentence(errors.lstrip("\n"))
    assert task_id in errors
    assert slow_service.task(task_id)["status"] == "running"


PROGRAMS = [pytest.param("node", marks=pytest.mark.node), "python"]


@pytest.mark.parametrize("client", PROGRAMS, indirect=True)
def test_ctrl_c_before_the_service_has_answered_is_one_sentence_too(client, service):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with start(service, client, API_URL=address) as process:
            connection, _ = silent.accept()
            os.killpg(process.pid, signal.SIGINT)
            _, errors = process.communicate(timeout=30)
            connection.close()
    assert process.returncode == 130
    assert_one_sentence(errors.lstrip("\n"))
    assert "may have started" in errors


@pytest.mark.parametrize("client", PROGRAMS, indirect=True)
def test_a_client_whose_output_nobody_reads_any_more_ends_without_a_word(
    client, slow_service
):
    with start(slow_service, client, "v885", "slow-check") as process:
        read_to(process, "line 3")
        process.stdout.close()
        assert process.wait(timeout=60) == 141
        assert process.stderr.read() == ""


# --- Programs of one's own ------------------------------------------------------------


def messages_of(events):
    return [event["log"]["message"] for event in events if event["type"] == "log"]


def test_sseclient_py_reads_the_stream_as_it_comes(service):
    task_id = service.create("count", n="2000")
    with service.stream(task_id) as response:
        events = [json.loads(event.data) for event in SSEClient(response).events()]
    assert events[-1]["type"] == "end"
    assert messages_of(events) == service.messages(task_id)


def test_httpx_sse_reads_the_stream_as_it_comes(service):
    task_id = service.create("count", n="2000")
    url = f"{service.url}/api/tasks/{task_id}/stream"
    with (
        httpx.Client(headers={"X-API-Key": service.api_key}) as client,
        connect_sse(client, "GET", url) as source,
    ):
        events = [event.json() for event in source.iter_sse()]
    assert events[-1]["type"] == "end"
    assert messages_of(events) == service.messages(task_id)


# --- In a browser ---------------------------------------------------------------------

PAGE = "sse-client-example.html"


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def other_origin():
    """A web server of somebody else's that has the page."""
    handler = functools.partial(QuietFiles, directory=EXAMPLES)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def open_page(chromium, other_origin):
    """Opens the example, from the other origin unless told."""
    contexts = []

    def opened(url=f"{other_origin}/{PAGE}", **options):
        contexts.append(chromium.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()


def fill(page, service, task_type="check-integrity", key=None):
    page.get_by_label("API URL").fill(service.url)
    page.get_by_label("Task type").fill(task_type)
    page.get_by_label("Version").fill("v885")
    page.get_by_label("API key").fill(key or service.api_key)


def begin(page, *arguments, **options):
    fill(page, *arguments, **options)
    page.get_by_role("button", name="Start task").click()


def state_of(page):
    return page.get_by_role("status")


def expect_state(page, text):
    expect(state_of(page)).to_contain_text(text, timeout=PATIENCE_MS)


def expect_line(page, text):
    line = page.get_by_role("log").get_by_text(text)
    expect(line.first).to_be_attached(timeout=PATIENCE_MS)


@pytest.mark.browser
def test_the_page_loses_and_doubles_no_line_when_the_server_is_killed_and_started_again(
    open_page, other_origin, slow_service
):
    page = open_page()
    begin(page, slow_service, "slow-check")
    expect_line(page, "line 10")
    slow_service.kill("web")
    expect_state(page, "Connection lost")
    slow_service.start("web")
    expect_state(page, "Completed · 100 %")
    assert numbered_lines(page.get_by_role("log").inner_text()) == SLOW_LINES
    expect(page.get_by_role("progressbar")).to_have_js_property("value", 100)


@pytest.mark.browser
def test_the_page_loses_and_doubles_no_line_when_a_proxy_answers_502_meanwhile(
    open_page, other_origin, slow_service
):
    page = open_page()
    begin(page, slow_service, "slow-check")
    expect_line(page, "line 10")
    slow_service.kill("web")
    with bad_gateway(slow_service.port) as proxy:
        assert proxy.asked.wait(30)
    slow_service.start("web")
    expect_state(page, "Completed · 100 %")
    assert numbered_lines(page.get_by_role("log").inner_text()) == SLOW_LINES


@pytest.mark.browser
def test_the_page_works_by_keyboard_opened_as_a_file_and_puts_the_key_into_no_url(
    open_page, slow_service
):
    page = open_page((EXAMPLES / PAGE).as_uri())
    urls = []
    page.on("request", lambda request: urls.append(request.url))
    fill(page, slow_service, "slow-check")
    page.keyboard.press("Enter")
    expect_line(page, "line 3")
    assert not page.get_by_role("button", name="Start task").is_enabled()
    expect_state(page, "Completed · 100 %")
    assert page.get_by_role("button", name="Start task").is_enabled()
    assert any("/stream?token=" in url for url in urls)
    assert not [url for url in urls if slow_service.api_key in url]
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0


@pytest.mark.browser
def test_the_page_says_which_setting_lets_it_in(open_page, other_origin, service):
    page = open_page()
    begin(page, service)
    expect_state(page, f"CORS_ALLOWED_ORIGINS={other_origin}")


@pytest.mark.browser
def test_the_page_says_why_a_task_did_not_start_or_failed(
    open_page, other_origin, slow_service
):
    page = open_page()
    begin(page, slow_service, key="wrong")
    expect_state(page, "HTTP 401")
    begin(page, slow_service, "no-such-type")
    expect_state(page, "HTTP 404")
    begin(page, slow_service)  # there are no demo resources
    expect_state(page, "Failed · ")
    expect_state(page, "iOS manifest")
    slow_service.kill("web")
    begin(page, slow_service)
    expect_state(page, f"Nothing answers at {slow_service.url}")


@pytest.mark.browser
def test_the_page_speaks_chinese_to_who_reads_it(open_page):
    page = open_page(locale="zh-CN")
    expect(page.get_by_role("heading")).to_have_text("启动任务并实时查看")
    expect(page.get_by_role("button")).to_have_text("启动任务")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
