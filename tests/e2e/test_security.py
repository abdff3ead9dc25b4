"""Who may come in, how often, and what a wrong setting says; on real processes."""

import json
import os
import re
import socket
import subprocess
import sys

import pytest
import requests

from tests.e2e.conftest import ROOT
from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.e2e


def test_an_address_outside_the_list_is_refused_everywhere_but_at_health(new_service):
    service = new_service(IP_ALLOWLIST="10.0.0.0/8").run()
    for path in ("/", "/api", "/api/tasks", "/admin/", "/api/tasks/x/stream"):
        answer = service.request("GET", path)
        assert answer.status_code == 403, path
        assert answer.headers["Content-Type"] == "application/problem+json"
    # Not believed, because nobody said that this neighbour is a proxy.
    pretending = {"X-Forwarded-For": "10.1.2.3"}
    assert service.request("GET", "/api/tasks", headers=pretending).status_code == 403
    assert service.request("GET", "/health").status_code == 200


def test_behind_a_trusted_proxy_the_real_address_and_host_count(new_service):
    service = new_service(
        IP_ALLOWLIST="10.0.0.0/8",
        TRUSTED_PROXIES="127.0.0.0/8",
        ALLOWED_HOSTS="sync.example.com,127.0.0.1",
    ).run()
    proxied = {
        "X-Forwarded-For": "6.6.6.6, 10.1.2.3",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "sync.example.com",
    }
    answer = service.request("POST", "/api/tasks/say", json={}, headers=proxied)
    assert answer.status_code == 202
    assert answer.json()["streamUrl"].startswith("https://sync.example.com/api/tasks/")
    assert answer.headers["Location"] == answer.json()["statusUrl"]
    task_id = answer.json()["taskId"]
    with service.stream(task_id, **proxied) as response:
        assert response.status_code == 200
    outside = {"X-Forwarded-For": "10.1.2.3, 6.6.6.6"}
    assert service.request("GET", "/api/tasks", headers=outside).status_code == 403


def test_too_many_requests_get_429_and_are_told_when_to_come_back(new_service):
    service = new_service(RATE_LIMIT_CREATE="3/h", RATE_LIMIT_READ="50/h").run()
    answers = [
        service.request("POST", "/api/tasks/say", json={}).status_code for _ in range(3)
    ]
    assert answers == [202, 202, 202]
    refused = service.request("POST", "/api/tasks/say", json={})
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 3600
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert service.request("GET", "/api/tasks").status_code == 200


@pytest.mark.skipif(
    not os.environ.get("TEST_REDIS_URL"), reason="TEST_REDIS_URL is not set"
)
def test_two_web_servers_count_together_in_redis(new_service):
    service = new_service(
        RATE_LIMIT_CREATE="4/h", REDIS_URL=os.environ["TEST_REDIS_URL"]
    )
    service.run()
    second_port = free_port()
    second = subprocess.Popen(
        [sys.executable, "-m", "resource_sync.web"],
        cwd=ROOT,
        env={**service.env, "PORT": str(second_port)},
        stderr=subprocess.DEVNULL,
    )
    try:
        urls = [service.url, f"http://127.0.0.1:{second_port}"]
        wait_until(lambda: is_up(urls[1]), "the second web server")
        answers = [
            requests.post(
                f"{urls[n % 2]}/api/tasks/{task_type}",
                headers={"X-API-Key": service.api_key},
                json={},
                timeout=PATIENCE_SECONDS,
            ).status_code
            for n, task_type in enumerate(["say"] * 6)
        ]
    finally:
        second.terminate()
        second.wait()
    assert answers == [202, 202, 202, 202, 429, 429]


def is_up(url):
    try:
        return requests.get(f"{url}/health", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def test_a_page_on_another_origin_may_ask_only_where_it_is_allowed(new_service):
    service = new_service(CORS_ALLOWED_ORIGINS="https://tools.example.com").run()
    task_id = service.create("say")
    for path in ("/api/tasks", f"/api/tasks/{task_id}/stream"):
        for origin, allowed in (
            ("https://tools.example.com", "https://tools.example.com"),
            ("https://evil.example.com", None),
        ):
            answer = service.request("GET", path, headers={"Origin": origin})
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed
            preflight = requests.options(
                service.url + path,
                headers={
                    "Origin": origin,
                    "Access-Control-Request-Method": "GET",
                    "Access-Control-Request-Headers": "x-api-key",
                },
                timeout=PATIENCE_SECONDS,
            )
            assert preflight.headers.get("Access-Control-Allow-Origin") == allowed


def test_the_token_of_a_stream_opens_that_stream_and_no_other(service):
    origin = {"Origin": "https://tools.example.com"}
    answer = service.request("POST", "/api/tasks/say", json={}, headers=origin).json()
    url = answer["streamUrl"]
    assert "?token=" in url
    assert service.api_key not in url
    assert requests.get(url, timeout=PATIENCE_SECONDS).status_code == 200
    other = service.create("say")
    stolen = url.replace(answer["taskId"], other)
    assert requests.get(stolen, timeout=PATIENCE_SECONDS).status_code == 401
    assert requests.get(url + "x", timeout=PATIENCE_SECONDS).status_code == 401
    elsewhere = url.replace("/stream?", "/status?")
    assert requests.get(elsewhere, timeout=PATIENCE_SECONDS).status_code == 401
    for wrong in ({"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}):
        refused = requests.get(url, headers=wrong, timeout=PATIENCE_SECONDS)
        assert refused.status_code == 401, "a wrong key is refused whatever else comes"


def test_what_a_key_may_do_and_from_where_holds_for_the_stream_too(new_service):
    service = new_service(TRUSTED_PROXIES="127.0.0.0/8").run()
    options = ("--scope", "read", "--allow", "10.0.0.0/8", "--json")
    made = service.manage("create_api_key", "wall", *options).stdout
    inside = {"X-API-Key": json.loads(made)["key"], "X-Forwarded-For": "10.1.2.3"}
    outside = {**inside, "X-Forwarded-For": "11.1.2.3"}
    stream = f"/api/tasks/{service.create('say')}/stream"
    assert service.request("GET", stream, headers=inside).status_code == 200
    refused = service.request("GET", stream, headers=outside)
    assert refused.status_code == 403
    assert "11.1.2.3" in refused.json()["detail"]
    answer = service.request("POST", "/api/tasks/say", json={}, headers=inside)
    assert answer.status_code == 403
    assert 'scope="start"' in answer.headers["WWW-Authenticate"]
    service.manage("shell", "-v0", "-c", REVOKE_ALL)
    assert service.request("GET", stream, headers=inside).status_code == 401


REVOKE_ALL = (
    "from tasks.models import ApiKey; from tasks.access.api_keys import revoke_key;"
    "from tasks.access.actor import Actor;"
    "[revoke_key(key, Actor('test')) for key in ApiKey.objects.all()]"
)


def test_who_guesses_passwords_waits_behind_a_proxy_by_the_real_address(new_service):
    service = new_service(TRUSTED_PROXIES="127.0.0.0/8")
    service.prepare()
    service.run()
    login = f"{service.url}/admin/login/"

    def guess(address):
        browser = requests.Session()
        browser.headers["X-Forwarded-For"] = address
        browser.get(login, timeout=PATIENCE_SECONDS)
        form = {
            "username": "admin",
            "password": "guessed",
            "csrfmiddlewaretoken": browser.cookies["resource_sync_csrf"],
        }
        return browser.post(login, data=form, timeout=PATIENCE_SECONDS).text

    # Counting begins anew at fixed times, so it may take twice as many.
    answers = [guess("6.6.6.6") for _ in range(25)]
    assert any("Too many failed sign-ins" in answer for answer in answers)
    assert "Too many failed sign-ins" not in guess("10.1.2.3")


def test_no_form_leads_to_another_site(service):
    for path, form in (
        ("/i18n/setlang/", {"language": "en", "next": "//evil.example/x"}),
        ("/i18n/setlang/", {"language": "en", "next": "https://evil.example/"}),
        ("/i18n/setlang/", {"language": "en", "next": "/\\\\evil.example"}),
    ):
        browser = requests.Session()
        browser.get(f"{service.url}/admin/login/", timeout=PATIENCE_SECONDS)
        token = browser.cookies["resource_sync_csrf"]
        answer = browser.post(
            service.url + path,
            data={**form, "csrfmiddlewaretoken": token},
            headers={"Referer": "https://evil.example/"},
            allow_redirects=False,
            timeout=PATIENCE_SECONDS,
        )
        assert answer.status_code == 302
        assert answer.headers["Location"] == "/"


def test_what_is_downloaded_is_named_by_letters_alone(service):
    text = 'a"; filename="evil.exe'
    task_id = service.create("say", text=text)
    service.wait_for(task_id)
    path = f"/api/tasks/{task_id}/logs.txt"
    answer = service.request("GET", path)
    named = answer.headers["Content-Disposition"]
    assert re.fullmatch(r'attachment; filename="[\w.-]+"', named)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_every_page_says_what_a_browser_may_load_and_that_nobody_frames_it(service):
    for path in ("/admin/login/", "/api", "/sign-in/MQ/x", "/nothing/here"):
        headers = requests.get(service.url + path, timeout=PATIENCE_SECONDS).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"], path
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
        assert headers["X-Frame-Options"] == "DENY", path
        assert headers["Referrer-Policy"] == "same-origin", path


def test_the_cookies_of_a_session_are_kept_from_scripts_and_other_sites(service):
    browser = requests.Session()
    answer = browser.get(
        service.sign_in_link(), allow_redirects=False, timeout=PATIENCE_SECONDS
    )
    cookie = answer.headers["Set-Cookie"]
    assert "resource_sync_session=" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("PORT", "many", "a port from 1 to 65535"),
        ("PORT", "70000", "a port from 1 to 65535"),
        ("DEBUG", "maybe", "on or off"),
        ("DATABASE_URL", "mysql://x/y", "postgres://"),
        ("REDIS_URL", "http://x", "redis://"),
        ("IP_ALLOWLIST", "10.0.0.0/33", "CIDRs"),
        ("TRUSTED_PROXIES", "localhost", "CIDRs"),
        ("RATE_LIMIT_CREATE", "often", "30/m"),
        ("TASK_RETENTION", "-1", "a whole number"),
        ("TASK_RETENTION_AGE", "90", "90d"),
        ("TASK_RETENTION_SIZE", "2GB", "KiB, MiB or GiB"),
        ("CORS_ALLOWED_ORIGINS", "tools.example.com", "origins"),
        ("SECRET_KEY", "short", "at least 32"),
        ("DATA_DIR", "/proc/nothing/here", "can be written"),
        ("LOG_LEVEL", "LOUD", "DEBUG, INFO"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(name, value, takes):
    result = subprocess.run(
        [sys.executable, ROOT / "manage.py", "check"],
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert result.returncode != 0
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith(f"{name}: ")
    assert takes in line


def test_no_token_no_key_and_no_sign_in_link_gets_into_a_log(new_service):
    service = new_service()
    service.prepare()
    service.run()
    link = service.sign_in_link().removeprefix(service.url)
    token = link.rpartition("/")[2]
    key = "rs_s3cret-" + "x" * 40
    for path in (
        link,
        f"{link}/",
        link.replace("/sign-in/", "//sign-in/"),
        link.replace("sign-in", "Sign-In"),
        f"/signin/MQ/{token}",
        f"/api/nothing?token={token}",
        "/api/tasks/x/streem?token=s3cret",
        f"/api/tasks/{key}/status?key={key}",
        f"/api/tasks/{service.api_key}",
        f"/admin/?next={link}",
    ):
        # As a preview in a chat asks, which uses the link up no more than these do.
        for method in ("HEAD", "OPTIONS", "POST", "GET"):
            request(service, method, path, Referer=service.url + link)
    request(service, "GET", "/api/tasks?token=s3cret", Host=f"{token}.example.com")
    request(service, "GET", f"/api/{'a' * 15_000}?token=s3cret")
    service.stop()
    written = [*(service.data_dir / "logs").glob("*.log"), service.data_dir / "web.out"]
    assert len(written) >= 3
    for log in written:
        text = log.read_text()
        for secret in (token, "s3cret", service.api_key):
            assert secret not in text, log
        assert max(map(len, text.splitlines()), default=0) < 2000, log
    combined = (service.data_dir / "logs" / "combined.log").read_text()
    assert "/sign-in/***" in combined, "they were not logged at all"
    assert "Internal Server Error" not in combined


def request(service, method, path, **headers):
    """A stranger's, exactly as written."""
    raw = socket.create_connection(("127.0.0.1", service.port))
    headers = {"Host": "127.0.0.1", "Connection": "close", **headers}
    lines = [f"{name}: {value}" for name, value in headers.items()]
    with raw:
        head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
        raw.sendall(head.encode())
        return b"".join(iter(lambda: raw.recv(65536), b""))


def test_with_https_streams_are_as_all_else(new_service):
    service = new_service(HTTPS="on", TRUSTED_PROXIES="127.0.0.0/8").run()
    tls = {"X-Forwarded-Proto": "https"}
    task = service.request("POST", "/api/tasks/say", json={}, headers=tls).json()
    stream = f"/api/tasks/{task['taskId']}/stream"
    for path in (stream, f"{stream}?token=x", "/api/events?a=1", "/api/tasks", "/"):
        plain = service.request("GET", path, allow_redirects=False)
        assert plain.status_code == 301, path
        assert plain.headers["Location"] == f"https://127.0.0.1:{service.port}{path}"
    for path in (stream, "/api/events", "/api/tasks", "/api/tasks/x/stream"):
        answer = service.request("GET", path, headers=tls, stream=True)
        assert answer.status_code in {200, 404}
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        answer.close()
    for path in ("/health", "/metrics"):
        assert service.request("GET", path, allow_redirects=False).status_code == 200


def test_subdomains_and_preload_lists_are_named_only_where_it_is_wanted(new_service):
    service = new_service(
        HTTPS="on", HSTS_PRELOAD="on", TRUSTED_PROXIES="127.0.0.0/8"
    ).run()
    answer = service.request("GET", "/api", headers={"X-Forwarded-Proto": "https"})
    said = answer.headers["Strict-Transport-Security"]
    assert said == "max-age=31536000; includeSubDomains; preload"


def test_an_address_of_the_admin_without_its_slash_leads_there(service):
    browser = requests.Session()
    browser.get(service.sign_in_link(), timeout=PATIENCE_SECONDS)
    for path in ("/admin", "/admin/tasks/task", "/admin/tasks/task?status=failed"):
        answer = browser.get(
            service.url + path, allow_redirects=False, timeout=PATIENCE_SECONDS
        )
        name, mark, query = path.partition("?")
        leads_to = f"{name}/{mark}{query}"
        assert (answer.status_code, answer.headers["Location"]) == (301, leads_to)
    assert service.request("GET", "/api/nothing").status_code == 404
    assert service.request("GET", "/nothing").status_code == 404


def test_the_logs_are_json_lines_that_people_can_read(service):
    message = "版本 v885 已就绪"
    code = f"import logging; logging.getLogger('studio').error('{message}')"
    service.manage("shell", "-v0", "-c", code)
    for name in ("combined.log", "error.log"):
        lines = (service.data_dir / "logs" / name).read_text("utf-8").splitlines()
        entries = [json.loads(line) for line in lines]
        (entry,) = [entry for entry in entries if entry["logger"] == "studio"]
        assert message in "".join(lines)
        assert entry["message"] == message
        assert entry["level"] == "ERROR"
        assert {"time", "pid"} <= set(entry)
