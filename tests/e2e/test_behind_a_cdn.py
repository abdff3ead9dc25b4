"""The service behind a CDN: an nginx with the configuration of the document, in front
of the shipped site."""

import re
import subprocess
import time
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS, wait_until

from .conftest import ROOT, parse
from .test_nginx import NGINX, Nginx, answers, believing, create, open_stream

pytestmark = [pytest.mark.e2e, pytest.mark.nginx]
PAGE = ROOT / "docs/how-to/behind-a-cdn.md"
VISITOR = "127.0.0.2"  # on Linux all of 127.0.0.0/8 is this machine


def printed():
    """The two blocks of nginx: the edge's, and the origin's."""
    found = re.findall(r"^```nginx\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    assert len(found) == 2
    return found


def replaced(text, *changes):
    for old, new in changes:
        assert old in text, f"the document no longer has {old!r}"
        text = text.replace(old, new)
    return text


class Edge:
    """A running nginx with the document's site, its places and names replaced."""

    def __init__(self, folder, origin_url):
        self.url = f"http://127.0.0.1:{free_port()}"
        self.folder = folder
        site = replaced(
            printed()[0],
            ("/var/cache/nginx/edge", f"{folder}/kept"),
            ("listen 443 ssl;", f"listen {urlsplit(self.url).netloc};"),
            ("https://origin.example.com", origin_url),
        )
        site = re.sub(r"^ *ssl_certificate.*\n", "", site, flags=re.M)
        config = folder / "nginx.conf"
        places = "".join(
            f"{kind}_temp_path {folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config.write_text(
            f"user root; pid {folder}/nginx.pid; error_log {folder}/error.log;"
            f"daemon off; events {{}} http {{ access_log off; {places} {site} }}"
        )
        self.process = subprocess.Popen(
            [NGINX, "-e", str(folder / "error.log"), "-c", str(config)]
        )

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def product(tmp_path_factory, new_database_url):
    folder = tmp_path_factory.mktemp("behind-a-cdn")
    with believing(folder, new_database_url()) as product:
        yield product


@pytest.fixture(scope="module")
def edge(product, tmp_path_factory):
    if NGINX is None:
        pytest.skip("nginx is not there")
    whose_word = replaced(printed()[1], ("203.0.113.0/24", "127.0.0.1"))
    upstream = "upstream resource_sync {"
    folder = tmp_path_factory.mktemp("origin")
    origin = Nginx(folder, product.port, (upstream, f"{whose_word}\n{upstream}"))
    edge = Edge(tmp_path_factory.mktemp("edge"), origin.url)
    try:
        wait_until(lambda: answers(edge.url), "the edge")
        yield edge
    finally:
        edge.stop()
        origin.stop()


class FromElsewhere(HTTPAdapter):
    """Connects from another address of this machine."""

    def init_poolmanager(self, *arguments, **options):
        super().init_poolmanager(*arguments, source_address=(VISITOR, 0), **options)


@pytest.fixture
def visitor(product):
    with requests.Session() as session:
        session.mount("http://", FromElsewhere())
        session.headers["X-API-Key"] = product.api_key
        yield session


def test_files_whose_names_change_are_kept(edge, visitor):
    page = visitor.get(f"{edge.url}/admin/login/", timeout=PATIENCE_SECONDS)
    path = re.search(r'"(/static/[^"]+\.css)"', page.text)[1]
    seen = [visitor.get(edge.url + path, timeout=PATIENCE_SECONDS) for _ in range(2)]
    assert [one.headers["X-Cache"] for one in seen] == ["MISS", "HIT"]
    assert "immutable" in seen[1].headers["Cache-Control"]
    assert seen[0].content == seen[1].content


def test_nothing_else_is_kept(edge, product, visitor):
    for path in ("/admin/login/", "/api/task-types", "/api/tasks", "/client"):
        answer = visitor.get(edge.url + path, timeout=PATIENCE_SECONDS)
        assert answer.status_code == 200, path
        assert "X-Cache" not in answer.headers, path
        stored = answer.headers.get("Cache-Control", "")
        assert "public" not in stored, f"{path}: a CDN may keep it ({stored})"


def test_lines_come_one_by_one_through_both(edge, product):
    task = create(edge, product, "slowly", n="20", pause="0.1")
    came = []
    with open_stream(task["streamUrl"], product) as response:
        assert task["streamUrl"].startswith(edge.url)
        assert "Content-Encoding" not in response.headers
        for _, event in parse(response):
            if event["type"] == "log":
                came.append(time.monotonic())
    assert event["status"] == "completed"
    assert came[-1] - came[0] > 1, "one of the two held the lines back"


def test_the_service_sees_the_visitor_s_address_and_no_claimed_one(
    edge, product, visitor
):
    answer = visitor.post(
        f"{edge.url}/api/tasks/say",
        json={"text": "hello"},
        headers={"X-Forwarded-For": "203.0.113.66"},
        timeout=PATIENCE_SECONDS,
    )
    assert answer.status_code == 202, answer.text
    code = (
        "from tasks.models import Task;"
        f"print(Task.objects.get(pk='{answer.json()['taskId']}').created_from)"
    )
    shown = product.manage("shell", "-v0", "-c", code).stdout.strip()
    assert shown.splitlines()[-1] == VISITOR
