"""One id for a request: taken from the proxy or made, in answer, problem and log."""

import json
import logging
import re

import pytest
from asgiref.sync import async_to_sync

from resource_sync.http.client_address import edge
from resource_sync.log_formats import SafeJsonFormatter
from streaming.refusals import refusal
from tasks import problems
from tasks.access import request_id

MADE = re.compile(r"[0-9a-f]{32}")


def scope(*ids):
    headers = [(b"x-request-id", one) for one in ids]
    return {
        "type": "http",
        "method": "GET",
        "path": "/api",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *headers],
        "client": ("127.0.0.1", 5),
    }


def seen_within(asked):
    """The id that the application sees, in its scope and around it."""
    seen = []

    async def app(scope, receive, send):
        seen.append((scope["request_id"], request_id.current()))

    async_to_sync(edge(app))(asked, None, None)
    ((in_scope, current),) = seen
    assert in_scope == current
    return current


@pytest.mark.parametrize(
    "sent",
    [
        b"4f6ab3c2d1e0f9a8b7c6d5e4f3a2b1c0",
        b"0a1b2c3d-0000-4000-8000-00000000000f",
        b"edge-1.Frankfurt_7",
        b"x" * 64,
    ],
)
def test_the_proxy_s_id_is_taken(sent):
    assert seen_within(scope(sent)) == sent.decode()


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [b""],
        [b"x" * 65],
        [b"two words"],
        [b'a", "level": "ERROR'],
        [b"a\nb"],
        [b"\xe4\xb8\xad"],
        [b"${jndi:ldap://x}"],
        [b"one", b"two"],
    ],
)
def test_anything_else_gets_one_that_is_made(sent):
    assert MADE.fullmatch(seen_within(scope(*sent)))


def test_two_requests_have_two(settings):
    assert seen_within(scope()) != seen_within(scope())


def test_it_is_in_the_problem_and_in_the_head_of_a_refusal():
    response = refusal(scope(b"from-nginx"), 403, "no")
    assert json.loads(response.content)["requestId"] == "from-nginx"
    assert response["X-Request-ID"] == "from-nginx"
    assert request_id.current() == ""


def test_a_problem_outside_of_any_request_has_none():
    assert "requestId" not in json.loads(problems.problem(500, None, "x").content)


def test_it_is_in_each_line_of_the_log():
    record = logging.LogRecord("a", logging.INFO, "", 0, "told", None, None)
    formatter = SafeJsonFormatter("%(message)s")
    assert json.loads(formatter.format(record)) == {"message": "told"}
    with request_id.answering(scope(b"from-nginx")):
        line = json.loads(formatter.format(record))
    assert line == {"message": "told", "requestId": "from-nginx"}
