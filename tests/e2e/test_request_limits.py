"""What is read of a request, and what is answered in its place; on real processes."""

import json
import select
import threading
import time
from contextlib import ExitStack, suppress

import psutil
import pytest
import requests

from tests.waiting import PATIENCE_SECONDS, wait_until

from .raw import FORM, MB, answer, chunk, connection, exchange, head, post

pytestmark = pytest.mark.e2e

TASK = "/api/tasks/say"
JSON = "application/json"
TYPES = [
    FORM,
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "application/octet-stream",
    JSON,
    "text/plain; charset=x",
]


@pytest.fixture
def key(service):
    return f"X-API-Key: {service.api_key}"


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("path", [TASK, "/health", "/", "/admin/login/", "/nothing"])
def test_an_announced_length_over_the_limit_is_refused_before_a_byte_of_it(
    service, path, content_type
):
    refused = exchange(service, post(path, content_type))
    assert refused.status == 413
    most = 1048576 if path in {"/", "/admin/login/"} else 65536
    assert f"at most {most} bytes" in refused.problem["detail"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "GET", "OPTIONS", "BREW"])
def test_a_body_is_refused_whatever_the_method(service, method):
    refused = exchange(service, head(method, TASK, "Content-Length: 65537"))
    assert refused.status == 413
    assert refused.problem


def test_a_head_request_is_refused_without_a_body(service):
    refused = exchange(service, head("HEAD", TASK, "Content-Length: 65537"))
    assert (refused.status, refused.body) == (413, b"")


def test_a_path_is_judged_as_it_is_read(service):
    assert (
        exchange(service, post("/%61pi/tasks/say?/admin/", FORM, 65537)).status == 413
    )
    assert exchange(service, post("/admin", FORM, 65537)).status == 413


def test_a_body_that_grows_over_the_limit_is_refused_on_the_way(service, key):
    parts = [chunk(b"a" * 65536)] * 480
    refused = exchange(service, post(TASK, JSON, None, key), *parts)
    assert refused.status == 413
    assert "at most 65536 bytes" in refused.problem["detail"]


def test_a_form_that_does_not_announce_its_length_has_the_limit_of_the_api(service):
    login = post("/admin/login/", FORM, None)
    refused = exchange(service, login, chunk(b"a" * 65537))
    assert refused.status == 413
    assert exchange(service, post("/admin/login/", FORM, MB + 1)).status == 413
    for length in (65537, MB):
        whole = post("/admin/login/", FORM, length, "Connection: close") + bytes(length)
        assert exchange(service, whole).status == 403, "no CSRF token: it was read"


def test_a_body_in_very_many_chunks_is_refused(service):
    login = post("/admin/login/", FORM, None)
    refused = exchange(service, login, chunk(b"a") * 5000)
    assert refused.status == 413
    assert "too many chunks: at most 4096" in refused.problem["detail"]


def test_floods_of_all_kinds_leave_the_memory_as_it_was(service):
    web = psutil.Process(service.processes["web"].pid)
    before = web.memory_info().rss
    most = 0
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    for piece, content_type in (
        (b"a=1&" * 16384, FORM),
        (b"a=%41%42&" * 7281, FORM),
        (part * 1310, TYPES[1]),
        (bytes(65536), TYPES[3]),
    ):
        for headers in ([], ["X-API-Key: wrong"], ["Expect: 100-continue"]):
            for length, made in ((30 * MB, piece), (None, chunk(piece))):
                request = post(TASK, content_type, length, *headers)
                refused = exchange(service, request, *([made] * 480))
                assert refused.status in {401, 413}
                assert refused.problem
                most = max(most, web.memory_info().rss)
        assert service.is_healthy()
    assert most - before < 60 * MB


def test_forms_at_once_hold_no_more_than_the_budget_and_the_api_goes_on(service, key):
    web = psutil.Process(service.processes["web"].pid)
    before = web.memory_info().rss
    with ExitStack() as stack:
        forms = [stack.enter_context(connection(service)) for _ in range(50)]
        for form in forms:
            with suppress(OSError):
                form.sendall(post("/admin/login/", FORM, MB) + bytes(MB - 1))
        wait_until(lambda: len(answered(forms)) >= 34, "all but 16 to be refused")
        assert web.memory_info().rss - before < 60 * MB
        for refused in map(answer, answered(forms)):
            assert refused.status == 503
            assert b"retry-after: 5" in refused.head.lower()
            assert refused.problem
        body = json.dumps({"text": "x" * 20_000}).encode()
        ask = post(TASK, JSON, len(body), key, "Connection: close") + body
        assert exchange(service, ask).status in {202, 400}, "forms had taken all"
    whole = post("/admin/login/", FORM, MB, "Connection: close") + bytes(MB)
    wait_until(lambda: exchange(service, whole).status == 403, "room for a form again")


def answered(forms):
    return select.select(forms, [], [], 0)[0]


# --- Who is asked first ---------------------------------------------------------------


@pytest.mark.parametrize("length", [9000, None])
@pytest.mark.parametrize(
    "credentials",
    [
        (),
        ("X-API-Key: wrong",),
        ("X-API-Key: \xa4",),
        ("Authorization: Bearer rs_wrong",),
        ("Cookie: resource_sync_session=0123456789abcdefghijklmnopqrstuv",),
        ("Cookie: resource_sync_session=../x",),
    ],
)
def test_the_body_of_somebody_unknown_is_not_awaited(service, length, credentials):
    refused = exchange(service, post(TASK, JSON, length, *credentials))
    assert refused.status == 401
    assert refused.problem
    assert b"connection: close" in refused.head.lower()


def test_without_a_key_other_answers_need_no_body_either(service):
    for path, status in (("/api/docs", 405), ("/api/nothing", 404), ("/nothing", 404)):
        assert exchange(service, post(path, JSON, None)).status == status


def test_who_is_known_is_read_after_having_been_asked(service, key):
    with connection(service) as opened:
        opened.sendall(post(TASK, JSON, None, key, "Connection: close"))
        opened.sendall(chunk(b'{"text": "hello"}') + chunk(b""))
        created = answer(opened)
    assert created.status == 202
    with connection(service) as opened:
        body = b'{"text": "hello"}'.ljust(20_000)
        request = post(TASK, JSON, len(body), key, "Connection: close")
        opened.sendall(request + body[:7000])
        opened.sendall(body[7000:])
        assert answer(opened).status == 202


def test_a_session_is_known(service):
    browser = requests.Session()
    browser.get(service.sign_in_link(), timeout=PATIENCE_SECONDS)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    token = browser.cookies["resource_sync_csrf"]
    body = b'{"text": "hello"}'.ljust(20_000)
    headers = (f"Cookie: {cookies}", f"X-CSRFToken: {token}", "Connection: close")
    assert exchange(service, post(TASK, JSON, len(body), *headers) + body).status == 202


def test_who_waits_for_leave_to_send_gets_it_only_where_the_body_is_wanted(
    service, key
):
    expect = ("Expect: 100-continue", "Connection: close")
    body = b'{"text": "hello"}'
    with connection(service) as opened:
        opened.sendall(post(TASK, JSON, len(body), key, *expect))
        assert opened.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        opened.sendall(body)
        assert answer(opened).status == 202
    wrong = post(TASK, JSON, len(body), "X-API-Key: wrong", *expect)
    assert exchange(service, wrong).status == 401
    assert exchange(service, post(TASK, JSON, 65537, key, *expect)).status == 413


def test_a_refused_address_sends_no_body_anywhere_but_to_health(new_service):
    service = new_service(IP_ALLOWLIST="10.0.0.0/8")
    service.prepare()
    service.run()
    key = f"X-API-Key: {service.api_key}"
    for path in (TASK, "/admin/login/", "/", "/api/events", "/nothing", "/metrics"):
        for length in (10, 30 * MB, None):
            refused = exchange(service, post(path, FORM, length, key))
            assert refused.status == 403, path
            assert "127.0.0.1" in refused.problem["detail"]
    preflight = head("OPTIONS", TASK, "Origin: http://a", "Connection: close")
    asked = b"Access-Control-Request-Method: POST\r\n\r\n"
    assert exchange(service, preflight[:-2] + asked).status == 403
    assert exchange(service, post("/health", FORM, 10) + bytes(10)).status is not None


# --- What is no HTTP ------------------------------------------------------------------


def test_a_request_line_that_is_too_long_is_414(service):
    for length in (16_400, 70_000, MB):
        refused = exchange(service, head("GET", "/" + "a" * length))
        assert (refused.status, refused.phrase) == (414, "Request-URI Too Long")
        assert "16384" in refused.problem["detail"]


def test_headers_that_are_too_long_are_431(service):
    one_long = [f"X-Long: {'a' * 20_000}"]
    many = [f"X-{number}: a" for number in range(501)]
    long_together = [f"X-{number}: {'a' * 1000}" for number in range(20)]
    for headers in (one_long, many, long_together):
        refused = exchange(service, head("GET", "/api/tasks", *headers))
        assert refused.status == 431
        assert refused.phrase == "Request Header Fields Too Large"
        assert "16384" in refused.problem["detail"]


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET /api HTTP/1.1 x\r\n\r\n",
        b"GET /api HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /api HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET /api HTTP/1.1\r\nHost: a\x00b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /?\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /api HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /api HTTP/1.1\r\nContent-Length: +2\r\n\r\nab",
        b"POST /api HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        b"PUT /api HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /api HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /admin/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /admin/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
    ],
)
def test_what_is_no_http_is_400_as_a_problem(service, raw):
    refused = exchange(service, raw)
    assert (refused.status, refused.phrase) == (400, "Bad Request")
    assert refused.problem


def test_the_answer_of_a_refusal_is_complete_in_every_language(service):
    chinese = "Accept-Language: zh-CN"
    refused = exchange(service, post(TASK, JSON, 30 * MB, chinese))
    assert "65536" in refused.problem["detail"]
    assert refused.problem["detail"] != "The body is too large: at most 65536 bytes."


def test_a_malformed_form_is_answered_by_a_problem(service, key):
    close = "Connection: close"
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=x"):
        sent = post(TASK, content_type, 4, key, close) + b"--x?"
        assert exchange(service, sent).problem["status"] == 415
        sent = post(TASK, content_type, 4, close) + b"--x?"
        assert exchange(service, sent).problem["status"] == 401


def test_requests_that_come_together_are_answered_in_order(service, key):
    body = b'{"text": "hello"}'
    with connection(service) as opened:
        opened.sendall(
            head("GET", "/health")
            + post(TASK, JSON, len(body), key)
            + body
            + post(TASK, JSON, None, key)
            + chunk(body)
            + chunk(b"")
            + head("GET", "/api/nothing", key, "Connection: close")
        )
        data = answer(opened)
    whole = data.head + data.body
    found = [whole.find(b"HTTP/1.1 %d" % status) for status in (200, 202, 404)]
    assert whole.count(b"HTTP/1.1 202") == 2
    assert -1 not in found
    assert found == sorted(found)


def test_websockets_are_plain_requests_here(service):
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    with connection(service) as opened:
        opened.sendall(head("GET", "/api/tasks", *upgrade, "Sec-WebSocket-Key: eA=="))
        assert opened.recv(65536).startswith(b"HTTP/1.1 401")


def test_nobody_says_from_outside_where_the_service_is_mounted(service):
    said = requests.get(
        f"{service.url}/api",
        headers={"Daphne-Root-Path": "/evil", "Accept": "application/json"},
        timeout=PATIENCE_SECONDS,
    )
    assert said.status_code == 200
    assert "evil" not in said.text


def test_the_reason_phrase_is_the_standard_one(new_service):
    service = new_service(RATE_LIMIT_READ="1/h").run()
    answers = [service.request("GET", "/api/tasks") for _ in range(2)]
    assert [answer.reason for answer in answers] == ["OK", "Too Many Requests"]


def test_health_answers_whatever_host_it_is_asked_with(service):
    for host in ("10.1.2.3:3000", "sync.internal", "a_b", "", "127.0.0.1:x", "é"):
        asked = head("GET", "/health", "Connection: close", host=host)
        assert exchange(service, asked).status == 200, host
    without = b"GET /health HTTP/1.0\r\n\r\n"
    assert exchange(service, without).status == 200
    other = head("GET", "/api/tasks", "Connection: close", host="sync.internal")
    assert exchange(service, other).status == 400


# --- Clients that trickle -------------------------------------------------------------


def test_who_trickles_is_cut_off_and_who_waits_for_an_answer_is_not(service, key):
    trickling = {
        "a request line": b"GET /api",
        "headers": head("GET", "/api/tasks", key)[:-4],
        "a body": post(TASK, JSON, 60_000, key),
        "a form": post("/admin/login/", FORM, MB),
        "chunks": post(TASK, JSON, None, key),
    }
    held = service.create("slowly", n="60", pause="1")
    with ExitStack() as stack:
        waiting = stack.enter_context(connection(service))
        body = b'{"n": "2", "pause": "13"}'
        prefer = ("Prefer: wait=60", "Connection: close")
        waiting.sendall(post("/api/tasks/slowly", JSON, len(body), key, *prefer) + body)
        stream = stack.enter_context(service.stream(held))
        open_ = {}
        for what, begun in trickling.items():
            open_[what] = stack.enter_context(connection(service))
            open_[what].sendall(begun)
        threads = [
            threading.Thread(target=trickle, args=(what, opened), daemon=True)
            for what, opened in open_.items()
        ]
        for thread in threads:
            thread.start()
        for what, opened in open_.items():
            cut = answer(opened)
            assert (cut.status, cut.phrase) == (408, "Request Timeout"), what
            assert cut.problem
        assert next(stream.iter_content(1))
        assert service.task(held)["status"] == "running"
        assert answer(waiting).status == 200
    service.request("POST", f"/api/tasks/{held}/cancel")


def trickle(what, opened):
    piece = chunk(b" ") if what == "chunks" else b"a"
    with suppress(OSError):
        while True:
            opened.sendall(piece)
            time.sleep(1)


def test_a_stop_waits_for_no_half_request_and_ends_the_streams(new_service):
    service = new_service().run()
    task_id = service.create("slowly", n="600", pause="0.1")
    with connection(service) as half, service.stream(task_id) as stream:
        half.sendall(post("/admin/login/", FORM, MB) + b"a")
        assert next(stream.iter_content(1))
        service.stop_one("web")
        assert answer(half).status is None
