"""What is written into logs of what a client sent."""

import io
import json
import logging
import sys

import pytest
from django.core.exceptions import DisallowedHost
from django.db import OperationalError
from django.test import RequestFactory

from resource_sync.log_formats import (
    SafeFormatter,
    SafeJsonFormatter,
    without_secrets,
)
from tasks.access import stream_tokens
from tasks.access.sign_in import sign_in_link
from tests.factories import ApiKeyFactory, UserFactory


@pytest.mark.django_db
def test_what_opens_something_is_recognised_wherever_it_stands():
    link = sign_in_link(UserFactory(is_staff=True), "https://a.example")
    token = link.rpartition("/")[2]
    key = ApiKeyFactory().secret
    stream = stream_tokens.issue("0a1b2c3d-0000-4000-8000-000000000000", 5)
    for secret in (token, key, stream, stream.replace(":", "%3A")):
        for text in (
            f"Not Found: /x/{secret}",
            f"GET /api/events?a=1&token={secret}&b=2",
            f"'{secret}'",
            f'{{"a": "{secret}"}}',
            secret,
        ):
            assert secret not in without_secrets(text)
            assert "***" in without_secrets(text)
    assert without_secrets(link) == "https://a.example/sign-in/***"


def test_the_service_s_own_secrets_are_recognised(settings):
    text = f"it is {settings.SECRET_KEY}."
    assert without_secrets(text) == "it is ***."


@pytest.mark.parametrize(
    "text",
    [
        "task=0a1b2c3d-0000-4000-8000-00000000000f claimed",
        "2026-11-28T10:30:01.234Z",
        "digest 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "runner=3 started as studio-1:4711",
        "/api/tasks?type=check-integrity&limit=10",
        "rs_short",
    ],
)
def test_other_texts_are_left_alone(text):
    assert without_secrets(text) == text


def logged(formatter, level, message, *args, **extra):
    """What a logger with this formatter writes."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(formatter)
    logger = logging.Logger("test")  # noqa: LOG001 (of this test alone)
    logger.addHandler(handler)
    logger.log(level, message, *args, **extra)
    return written.getvalue()


FORMATTERS = [SafeFormatter("%(message)s"), SafeJsonFormatter("%(message)s")]


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_of_a_refused_request_the_path_is_logged_and_not_the_query(formatter):
    request = RequestFactory().get("/api/nothing?q=private")
    text = logged(
        formatter,
        logging.WARNING,
        "%s: %s",
        "Not Found",
        request.path,
        extra={"request": request, "status_code": 404},
    )
    assert "Not Found: /api/nothing" in text
    assert "private" not in text


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_what_a_stranger_sends_fills_no_log(formatter):
    request = RequestFactory().get("/" + "a" * 15_000)
    try:
        raise DisallowedHost("b" * 15_000)
    except DisallowedHost as error:
        text = logged(
            formatter,
            logging.ERROR,
            str(error),
            exc_info=sys.exc_info(),
            extra={"request": request, "status_code": 400},
        )
    assert len(text) < 1000


def test_a_fault_of_ours_keeps_its_traceback():
    request = RequestFactory().get("/api")
    try:
        raise RuntimeError("ours, rs_" + "k" * 43)
    except RuntimeError:
        text = logged(
            FORMATTERS[1],
            logging.ERROR,
            "%s: %s",
            "Internal Server Error",
            "/api",
            exc_info=sys.exc_info(),
            extra={"request": request, "status_code": 500},
        )
    entry = json.loads(text)
    assert "test_log_formats.py" in entry["exc_info"]
    assert entry["request"] == "GET /api"
    assert "kkk" not in text


def test_an_outage_of_the_database_is_one_line_with_what_the_server_said():
    try:
        raise OperationalError("connection failed:\n  Is the server running?\n")
    except OperationalError:
        text = logged(
            FORMATTERS[0], logging.ERROR, "%s asked", "Who", exc_info=sys.exc_info()
        )
    assert text == "Who asked connection failed: Is the server running?\n"


def test_every_handler_of_the_product_writes_so(settings):
    handlers = settings.LOGGING["handlers"]
    safe = {
        name
        for name, formatter in settings.LOGGING["formatters"].items()
        if formatter["()"].startswith("resource_sync.log_formats.Safe")
    }
    assert {handler["formatter"] for handler in handlers.values()} <= safe
    # Django's own would print and mail requests as they are.
    for name in ("django", "django.request", "django.security", "django.server"):
        assert logging.getLogger(name).handlers == []
        assert logging.getLogger(name).propagate


def test_a_time_is_utc_and_says_so():
    record = logging.LogRecord("a", logging.INFO, "", 0, "told", None, None)
    record.created = 1_795_885_628.874
    line = json.loads(SafeJsonFormatter("%(asctime)s %(message)s").format(record))
    assert line == {"asctime": "2026-11-28T17:07:08.874Z", "message": "told"}
