"""Who a request is from, and whether they may come in."""

import json
from ipaddress import ip_address, ip_network

import pytest
from asgiref.sync import async_to_sync

from resource_sync.http.client_address import (
    believed,
    client_address,
    edge,
    may_enter,
    parse_address,
)

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.1,", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("fd00::1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.5, ::ffff:10.0.0.2", "203.0.113.5"),
    ],
)
def test_the_client_is_the_nearest_address_that_is_no_proxy(
    peer, forwarded_for, expected
):
    found = client_address(ip_address(peer), forwarded_for, PROXIES)
    assert str(found) == expected


@pytest.mark.parametrize(
    "text", ["", "unknown", "1.2.3", "1.2.3.4.5", "01.2.3.4", "_hidden", "::g"]
)
def test_what_is_no_address_is_not_believed(text):
    assert parse_address(text) is None


@pytest.mark.parametrize(
    ("client", "path", "allowed", "expected"),
    [
        ("203.0.113.9", "/api/tasks", [], True),
        ("10.1.2.3", "/api/tasks", PROXIES, True),
        ("::ffff:10.1.2.3", "/api/tasks", PROXIES, True),
        ("203.0.113.9", "/api/tasks", PROXIES, False),
        ("203.0.113.9", "/", PROXIES, False),
        ("203.0.113.9", "/health", PROXIES, True),
        ("203.0.113.9", "/health/", PROXIES, False),
        ("", "/api/tasks", PROXIES, False),
        ("", "/api/tasks", [], True),
    ],
)
def test_only_listed_addresses_enter_but_a_probe_may_ask(
    client, path, allowed, expected
):
    assert may_enter(client, path, allowed) is expected


def scope(client=("10.0.0.1", 5555), path="/api", **headers):
    pairs = [(b"host", b"inside:3000")]
    for name, values in headers.items():
        name_bytes = name.replace("_", "-").encode()
        several = values if isinstance(values, list) else [values]
        pairs.extend((name_bytes, value.encode()) for value in several)
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "scheme": "http",
        "client": client,
        "headers": pairs,
    }


FORWARDED = {
    "x_forwarded_for": "198.51.100.1",
    "x_forwarded_proto": "https",
    "x_forwarded_host": "sync.example.com",
    "forwarded": "for=1.2.3.4",
}


def test_a_trusted_proxy_says_address_scheme_and_host():
    seen = believed(scope(**FORWARDED), PROXIES)
    assert seen["client"] == ("198.51.100.1", 0)
    assert seen["scheme"] == "https"
    assert seen["headers"] == [(b"host", b"sync.example.com")]


def test_anybody_else_says_nothing_and_the_headers_are_gone():
    seen = believed(scope(client=("203.0.113.9", 5555), **FORWARDED), PROXIES)
    assert seen["client"] == ("203.0.113.9", 5555)
    assert seen["scheme"] == "http"
    assert seen["headers"] == [(b"host", b"inside:3000")]


def test_a_header_with_underscores_is_taken_out_too():
    asked = scope()
    asked["headers"].append((b"X_Forwarded_Proto", b"https"))
    seen = believed(asked, PROXIES)
    assert seen["scheme"] == "http"
    assert seen["headers"] == [(b"host", b"inside:3000")]


def test_the_same_header_sent_twice_is_one_list():
    asked = scope(x_forwarded_for=["1.2.3.4", "198.51.100.1"])
    assert believed(asked, PROXIES)["client"] == ("198.51.100.1", 0)


def test_a_scheme_that_is_neither_http_nor_https_is_not_believed():
    assert believed(scope(x_forwarded_proto="ftp"), PROXIES)["scheme"] == "http"


def test_the_nearest_proxy_says_the_scheme():
    asked = scope(x_forwarded_proto="https, http")
    assert believed(asked, PROXIES)["scheme"] == "http"


def test_an_ipv4_address_inside_an_ipv6_one_is_ipv4():
    seen = believed(scope(client=("::ffff:203.0.113.9", 5555)), [])
    assert seen["client"] == ("203.0.113.9", 5555)


def test_a_request_without_an_address_passes_unchanged():
    assert believed(scope(client=None), PROXIES)["client"] is None


def answers(asked):
    """What the edge sends, and what got through to the application."""
    sent, passed = [], []

    async def app(scope, receive, send):
        passed.append(scope)

    async def send(message):
        sent.append(message)

    async_to_sync(edge(app))(asked, None, send)
    return sent, passed


def test_an_address_outside_the_list_gets_problem_details(settings):
    settings.TRUSTED_PROXIES = PROXIES
    settings.IP_ALLOWLIST = [ip_network("192.0.2.0/24")]
    (start, body), passed = answers(scope(x_forwarded_for="198.51.100.1"))
    assert passed == []
    assert start["status"] == 403
    assert dict(start["headers"])[b"content-type"] == b"application/problem+json"
    problem = json.loads(body["body"])
    assert problem["status"] == 403
    fields = {"type", "title", "status", "detail", "errors", "requestId"}
    assert set(problem) == fields
    assert "198.51.100.1" in problem["detail"]


def test_a_listed_address_behind_a_proxy_gets_through(settings):
    settings.TRUSTED_PROXIES = PROXIES
    settings.IP_ALLOWLIST = [ip_network("198.51.100.0/24")]
    sent, passed = answers(scope(x_forwarded_for="198.51.100.1"))
    assert sent == []
    assert passed[0]["client"][0] == "198.51.100.1"


def test_a_listed_address_cannot_be_claimed(settings):
    settings.TRUSTED_PROXIES = PROXIES
    settings.IP_ALLOWLIST = [ip_network("198.51.100.0/24")]
    asked = scope(client=("203.0.113.9", 1), x_forwarded_for="198.51.100.1")
    (start, _), passed = answers(asked)
    assert start["status"] == 403
    assert passed == []


def test_health_is_asked_with_any_host_and_hears_of_one_of_ours(settings):
    settings.ALLOWED_HOSTS = ["*.example.com"]
    for host in (b"10.0.0.7:3000", b"a b", b""):
        asked = scope(path="/health")
        asked["headers"] = [(b"host", host), (b"accept", b"*/*")]
        _, (seen,) = answers(asked)
        assert seen["headers"] == [(b"accept", b"*/*"), (b"host", b"example.com")]
    _, (seen,) = answers(scope(path="/api"))
    assert seen["headers"] == [(b"host", b"inside:3000")]


def test_what_is_not_http_goes_straight_through():
    _, passed = answers({"type": "websocket"})
    assert passed == [{"type": "websocket"}]
