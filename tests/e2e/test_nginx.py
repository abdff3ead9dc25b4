"""The shipped nginx site in front of the real product."""

import json
import os
import random
import re
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import requests
from httpx_sse import connect_sse
from playwright.sync_api import expect

from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS, wait_until

from . import raw as raw_requests
from .conftest import PATIENCE_MS, ROOT, Service, parse
from .flow import Flow
from .hosts import Host
from .listeners import listening
from .viewers import Viewer, assert_exact, watching

pytestmark = [pytest.mark.e2e, pytest.mark.nginx]
NGINX = shutil.which(
    "nginx", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"
)
SITE = ROOT / "deploy" / "nginx" / "resource-sync.conf"


class Nginx:
    """A running nginx with the shipped site, its two ports replaced, and whatever else
    a test wants changed."""

    def __init__(
        self,
        folder: Path,
        upstream_port: int,
        *changes: tuple[str, str],
        caches_logs: bool = False,
        host: Host | None = None,
    ) -> None:
        """``host``: one of the tests' own, on which it runs and is reached."""
        self.port, self.folder = free_port(), folder
        address = host.address if host else "127.0.0.1"
        self.url = f"http://{address}:{self.port}"
        site = SITE.read_text()
        for old, new in [
            ("listen 80;", f"listen {address}:{self.port};"),
            ("server 127.0.0.1:3000;", f"server 127.0.0.1:{upstream_port};"),
            ("server_name sync.example.com;", "server_name localhost;"),
            ("/var/log/nginx/resource-sync.access.log", f"{folder}/access.log"),
            ("/var/log/nginx/resource-sync.error.log", f"{folder}/site-error.log"),
            *(self.cache_lines() if caches_logs else []),
            *changes,
        ]:
            assert site.count(old) == 1, f"the shipped site no longer has {old!r}"
            site = site.replace(old, new)
        (folder / "site.conf").write_text(site)
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        self.config = folder / "nginx.conf"
        # Its workers write large bodies into the folder, which is the user's alone.
        user = "user root; " if os.geteuid() == 0 else ""
        self.config.write_text(
            f"{user}pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off;"
            f"events {{ worker_connections 4096; }} http {{ access_log off; {temporary}"
            f"include {folder}/site.conf; }}"
        )
        errors = str(folder / "error.log")
        command = [str(NGINX), "-e", errors, "-c", str(self.config)]
        self.process = subprocess.Popen(host.command(*command) if host else command)

    def cache_lines(self) -> list[tuple[str, str]]:
        """What is taken from comments for a cache of logs, as log-cache.conf says."""
        path, zone = "proxy_cache_path", "keys_zone=resource_sync"
        installed = "/etc/nginx/resource-sync-log-cache.conf"
        return [
            *(
                change
                for folder, name in (("", "logs"), ("-rights", "rights"))
                for change in (
                    (
                        f"# {path} /var/cache/nginx/resource-sync{folder} ",
                        f"{path} {self.folder}/{name} ",
                    ),
                    (f"#                  {zone}_{name}:", f"{zone}_{name}:"),
                )
            ),
            (f"# include {installed};", f"include {SITE.with_name('log-cache.conf')};"),
            # Which requests were answered by the cache.
            ("'$request_id';", "'$request_id $upstream_cache_status|$args';"),
        ]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_SECONDS)


def answers(url):
    try:
        return requests.get(f"{url}/health", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


@contextmanager
def believing(folder, database_url, **settings):
    """A product that believes its proxy."""
    product = Service(
        folder,
        database_url,
        TRUSTED_PROXIES="127.0.0.1",
        RATE_LIMIT_CREATE="0",
        RATE_LIMIT_READ="0",
        **settings,
    )
    product.prepare()
    try:
        yield product.run()
    finally:
        product.stop()


@contextmanager
def in_front(folder, product, *, changes=(), **options):
    """An nginx that serves, in front of a product."""
    if NGINX is None:
        pytest.skip("nginx is not there")
    nginx = Nginx(folder, product.port, *changes, **options)
    try:
        wait_until(lambda: answers(nginx.url), "nginx")
        yield nginx
    finally:
        nginx.stop()


@pytest.fixture(scope="module")
def product(tmp_path_factory, new_database_url):
    """The tests here share it."""
    folder = tmp_path_factory.mktemp("behind-nginx")
    with believing(folder, new_database_url()) as product:
        yield product


@pytest.fixture(scope="module")
def nginx(product, tmp_path_factory):
    with in_front(tmp_path_factory.mktemp("nginx"), product) as nginx:
        yield nginx


def create(nginx, product, task_type, **params):
    answer = requests.post(
        f"{nginx.url}/api/tasks/{task_type}",
        json=params,
        headers={"X-API-Key": product.api_key, "X-Forwarded-For": "203.0.113.66"},
        timeout=PATIENCE_SECONDS,
    )
    assert answer.status_code == 202, answer.text
    return answer.json()


def open_stream(url, product, **headers):
    return requests.get(
        url,
        headers={"X-API-Key": product.api_key, **headers},
        stream=True,
        timeout=PATIENCE_SECONDS,
    )


def test_urls_in_answers_lead_through_nginx(nginx, product):
    task = create(nginx, product, "say", text="hello")
    assert task["streamUrl"].startswith(nginx.url)
    assert task["statusUrl"].startswith(nginx.url)


def test_lines_come_one_by_one_not_at_the_end(nginx, product):
    task = create(nginx, product, "slowly", n="20", pause="0.1")
    came = []
    with open_stream(task["streamUrl"], product) as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert "Content-Encoding" not in response.headers
        for _, event in parse(response):
            if event["type"] == "log":
                came.append(time.monotonic())
    assert event["type"] == "end"
    assert event["status"] == "completed"
    assert came[-1] - came[0] > 1, "nginx held the lines back"


def test_clients_that_drop_and_return_through_nginx_miss_and_double_nothing(
    nginx, product
):
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    task_id = product.create("flow", lines="10000", burst="200")
    viewers = [
        Viewer(
            product,
            task_id,
            query=dice.choice(["", "?tail=100"]),
            url=nginx.url,
            most_bytes=lambda: 2 ** dice.uniform(8, 21),
        )
        for _ in range(10)
    ]
    try:
        with watching(*viewers):
            pass
        assert_exact(product, task_id, *viewers)
    except AssertionError as failure:
        raise AssertionError(f"with the seed {seed}") from failure


def test_a_start_that_waits_is_answered_with_its_end(nginx, product):
    answer = requests.post(
        f"{nginx.url}/api/tasks/say",
        json={"text": "50 % 版本"},
        headers={"X-API-Key": product.api_key, "Prefer": "wait=600"},
        timeout=PATIENCE_SECONDS,
    )
    # By the location that waits longer than a host may be silent otherwise.
    assert "proxy_read_timeout 620s" in SITE.read_text().partition("@held {")[2]
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert answer.json()["params"] == {"text": "50 % 版本"}


def test_a_start_goes_on_to_the_next_host_where_one_refuses_connections(
    product, tmp_path
):
    closed = f"127.0.0.1:{free_port()}"
    both = f"server {closed} max_fails=0; server 127.0.0.1:{product.port};"
    changes = [
        (f"server 127.0.0.1:{product.port};", both),
        ("'$request_id';", "'$request_id $upstream_addr';"),
    ]
    with in_front(tmp_path, product, changes=changes) as nginx:
        texts = [f"{number} of {nginx.port}" for number in range(10)]
        for text in texts:
            create(nginx, product, "say", text=text)
    log = (tmp_path / "access.log").read_text().splitlines()
    assert [line for line in log if '"POST ' in line and f" {closed}, " in line]
    tasks = product.request("GET", "/api/tasks?type=say&limit=100").json()["tasks"]
    started = [task["params"].get("text") for task in tasks]
    assert [started.count(text) for text in texts] == 10 * [1]


def test_what_a_client_claims_to_be_reaches_nobody(nginx, product):
    task = create(nginx, product, "say", text="hello")
    code = (
        "from tasks.models import Task;"
        f"print(Task.objects.get(pk='{task['taskId']}').created_from)"
    )
    shown = product.manage("shell", "-v0", "-c", code).stdout.strip()
    assert shown.splitlines()[-1] == "127.0.0.1"


def test_problems_and_pages_pass_through_unchanged(nginx, product):
    answer = open_stream(f"{nginx.url}/api/tasks/no-such-task/stream", product)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert requests.get(f"{nginx.url}/api/tasks", timeout=10).status_code == 401
    assert requests.get(f"{nginx.url}/admin/login/", timeout=10).status_code == 200


def test_bodies_are_bounded_as_the_product_bounds_them(nginx):
    for path, size, status in (
        ("/api/tasks/say", 65_537, 413),
        ("/api/tasks/x/stream", 65_537, 413),
        ("/api/tasks/x/logs.txt", 65_537, 413),
        ("/api/events", 65_537, 413),
        ("/health", 65_537, 413),
        ("/admin/login/", 1024 * 1024 + 1, 413),
        ("/api/tasks/say", 65_536, 401),
        ("/admin/login/", 1024 * 1024, 403),
    ):
        for body in (bytes(size), iter([bytes(size)])):
            answer = requests.post(nginx.url + path, data=body, timeout=30)
            assert answer.status_code in {status, 413}, path
            if status != 403 or answer.status_code == 413:
                problem = answer.json()
                assert problem["status"] == answer.status_code, path
                kind = answer.headers["Content-Type"]
                assert kind == "application/problem+json", path
                assert set(problem) == raw_requests.PROBLEM


def test_what_nginx_refuses_itself_is_a_problem_too(nginx):
    for raw, status in (
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
    ):
        with raw_requests.connection(nginx) as opened:
            opened.sendall(raw)
            refused = raw_requests.answer(opened)
        assert refused.status == status
        assert json.loads(refused.body)["status"] == status
        assert b"application/problem+json" in refused.head


def test_one_id_leads_from_nginx_to_the_log_and_the_problem(nginx, product):
    answer = requests.post(
        f"{nginx.url}/api/tasks/say",
        json={"text": "hello"},
        headers={"X-API-Key": product.api_key, "X-Request-ID": "of-the-client"},
        timeout=PATIENCE_SECONDS,
    )
    name, task_id = answer.headers["X-Request-ID"], answer.json()["taskId"]
    assert re.fullmatch("[0-9a-f]{32}", name)
    access = nginx.folder / "access.log"
    wait_until(lambda: f" {name}\n" in access.read_text(), "nginx's line")
    written = (product.data_dir / "logs" / "combined.log").read_text().splitlines()
    lines = [json.loads(line) for line in written if name in line]
    assert any(task_id in line["message"] for line in lines)
    assert {line["requestId"] for line in lines} == {name}

    for path in ("/api/tasks/nothing", "/api/tasks/nothing/stream"):
        refused = open_stream(f"{nginx.url}{path}", product)
        assert refused.json()["requestId"] == refused.headers["X-Request-ID"]
    with open_stream(answer.json()["streamUrl"], product) as stream:
        assert re.fullmatch("[0-9a-f]{32}", stream.headers["X-Request-ID"])


def test_no_token_no_key_and_no_sign_in_link_gets_into_its_logs(nginx, product):
    task = create(nginx, product, "say", text="hello")
    secrets = {
        "token": f"{task['streamUrl']}?token=s3cret-of-a-stream",
        "key": f"{nginx.url}/api/tasks/rs_s3cret-{'x' * 40}",
        "link": f"{nginx.url}/sign-in/MQ/abc123-{'0' * 32}?s3cret",
        "slip": f"{nginx.url}/signin/MQ/abc123-{'0' * 32}",
        "case": f"{nginx.url}/Sign-In/MQ/s3cret",
    }
    for url in secrets.values():
        for method in ("GET", "HEAD", "POST"):
            headers = {"Referer": f"{nginx.url}/?token=s3cret", "Connection": "close"}
            requests.request(method, url, headers=headers, timeout=30)
    log = nginx.folder / "access.log"
    wait_until(lambda: log.read_text().count("***") >= 12, "all to be logged")
    for written in nginx.folder.glob("*.log"):
        text = written.read_text()
        assert "s3cret" not in text, written
        assert "abc123" not in text, written
    assert f"GET /api/tasks/{task['taskId']}/stream HTTP/1.1" in log.read_text()


def test_while_the_web_server_is_away_a_stream_says_come_back(nginx, product):
    task = create(nginx, product, "slowly", n="30", pause="0.1")
    with open_stream(task["streamUrl"], product) as response:
        position = next(found for found, _ in parse(response) if found)
    product.kill("web")

    away = open_stream(f"{task['streamUrl']}?token=x", product)
    assert away.status_code == 200
    assert away.headers["Content-Type"].startswith("text/event-stream")
    assert re.fullmatch(rb"retry: [1-4]000\n", away.content)
    url, headers = task["streamUrl"], {"X-API-Key": product.api_key}
    with (
        httpx.Client() as client,
        connect_sse(client, "GET", url, headers=headers) as s,
    ):
        assert list(s.iter_sse()) == [], "an empty event reached a client"
    for path in ("/health", "/api/tasks"):
        told = requests.get(f"{nginx.url}{path}", timeout=10)
        assert (told.status_code, told.headers["Retry-After"]) == (503, "2")
        assert told.json()["status"] == 503
    assert "token" not in (nginx.folder / "site-error.log").read_text()

    product.start("web")
    product.wait_healthy()
    back = {"Last-Event-ID": position}
    with open_stream(task["streamUrl"], product, **back) as response:
        events = [event for _, event in parse(response)]
    seqs = [event["log"]["seq"] for event in events if event["type"] == "log"]
    assert seqs == list(range(int(position) + 1, events[-1]["logCount"] + 1))
    assert events[-1]["status"] == "completed", json.dumps(events[-1])


def test_while_the_web_server_is_away_people_read_so_and_the_page_comes_back(
    nginx, product, chromium
):
    context = chromium.new_context()
    page = context.new_page()
    product.kill("web")
    answer = page.goto(f"{nginx.url}/admin/login/")
    assert (answer.status, answer.headers["cache-control"]) == (503, "no-store")
    expect(page.get_by_role("heading")).to_have_text("The service does not answer")
    expect(page.get_by_text("服务暂无响应")).to_be_visible()
    sent = requests.post(nginx.url, headers={"Accept": "text/html"}, timeout=10)
    assert sent.status_code == 503
    assert "refresh" not in sent.text, "a form would be forgotten"

    product.start("web")
    expect(page.get_by_label("Username")).to_be_visible()
    context.close()


def test_what_changes_among_all_tasks_passes_at_once_and_survives_a_restart(
    nginx, product
):
    with listening(product, url=nginx.url) as (one,):
        first = product.create("say")
        wait_until(lambda: "completed" in one.statuses(first), "the first task's end")
        product.kill("web")
        product.start("web")
        product.wait_healthy()
        wait_until(lambda: one.count(type="connected") == 2, "the return")
        second = product.create("say")
        wait_until(lambda: "completed" in one.statuses(second), "the second one's")


WATCH = """(path) => {
    window.seen = {ids: [], lines: [], opened: 0, end: null};
    const source = new EventSource(path);
    source.onopen = () => { seen.opened += 1; };
    source.onmessage = ({data, lastEventId}) => {
        const event = JSON.parse(data);
        if (event.type === "log") {
            seen.ids.push(Number(lastEventId));
            seen.lines.push(event.log);
        } else if (event.type === "end") seen.end = event;
    };
    window.source = source;
}"""


def test_an_eventsource_survives_that_the_web_server_is_killed(
    nginx, product, chromium
):
    link = product.sign_in_link().replace(product.url, nginx.url)
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(link)
    # No faster than a browser on a busy machine can follow.
    flow = Flow(product, burst="2", pause="0.02")
    viewer = Viewer(product, flow.task_id, url=nginx.url)

    def wait_for_more(what):
        before = page.evaluate(f"() => {what}")
        page.wait_for_function(f"before => {what} > before", arg=before)

    with watching(viewer):
        try:
            page.evaluate(WATCH, f"/api/tasks/{flow.task_id}/stream")
            wait_for_more("seen.ids.length")
            product.kill("web")
            # It tries while there is nobody, and nginx answers for the server.
            wait_for_more("seen.opened")
            product.start("web")
            wait_for_more("seen.ids.length")
        finally:
            flow.finish()
    # It comes back after the end, is told 204, and stops for good.
    page.wait_for_function("() => source.readyState === EventSource.CLOSED")
    seen = page.evaluate("seen")
    context.close()
    stored = assert_exact(product, flow.task_id, viewer)
    assert seen["ids"] == [line["seq"] for line in stored]
    assert seen["lines"] == stored
    assert seen["end"] == viewer.end
