"""The body of a request: one JSON object of limited size."""

import io

import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest

from tasks.api.parsers import BodyTooLarge, body_of
from tests.tasks.api.answers import problem_of

PATH = "/api/tasks/check-integrity"
GOOD = b'{"version": "v885"}'


def post(client, raw, content_type="application/json"):
    return client.generic("POST", PATH, raw, content_type=content_type)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"{", "JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'"v885"', "object"),
        (b'{"version": "v885",}', "line 1"),
        (b'{"version": NaN}', "NaN"),
        (b'{"version": -Infinity}', "Infinity"),
        (b'{"version": "v885", "version": "v886"}', "twice"),
        (b'{"version": "\xff"}', "UTF-8"),
        (b'{"version": "\\ud800"}', "UTF-8"),
        (b"\xff\xfe{\x00}\x00", "UTF-8"),
        (b'\xef\xbb\xbf{"version": "v885"}', "BOM"),
        # How deep a parser goes differs between versions of Python; all refuse it.
        (b'{"a":' * 6000, "The body is "),
        (b"[" * 60000, "The body is "),
        (b'{"version": ' + b"9" * 5000 + b"}", "JSON"),
    ],
)
def test_what_is_no_json_object_is_400(program, raw, says):
    assert says in problem_of(post(program, raw), 400)["detail"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "",
    ],
)
def test_another_content_type_is_415_naming_the_right_one(program, content_type):
    detail = problem_of(post(program, GOOD, content_type), 415)["detail"]
    assert "application/json" in detail


@pytest.mark.django_db
@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=UTF-8", "Application/JSON"],
)
def test_json_in_utf_8_is_taken(program, content_type):
    assert post(program, GOOD, content_type).status_code == 202


@pytest.mark.django_db
@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-www-form-urlencoded", ""]
)
def test_an_empty_body_is_an_empty_object(program, content_type):
    errors = problem_of(post(program, b"", content_type), 400)["errors"]
    assert errors == {"version": ["Required."]}


@pytest.mark.django_db
def test_a_body_over_the_limit_is_413(program):
    raw = b'{"version": "' + b"v" * settings.BODY_LIMIT_BYTES + b'"}'
    problem = problem_of(post(program, raw), 413)
    assert str(settings.BODY_LIMIT_BYTES) in problem["detail"]
    assert list(problem["errors"]) == ["version"]


@pytest.mark.django_db
def test_a_large_body_without_a_text_that_goes_on_names_no_field(program):
    raw = b'{"version": ["v885"' + b" " * settings.BODY_LIMIT_BYTES + b"]}"
    assert problem_of(post(program, raw), 413)["errors"] == {}


@pytest.mark.django_db
def test_a_form_over_djangos_limit_is_413_with_a_session_too(browser, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    browser.cookies["resource_sync_csrf"] = "a" * 32
    content_type = "application/x-www-form-urlencoded"
    response = post(browser, b"a=" + b"x" * 2000, content_type)
    problem_of(response, 413)


def chunked(raw):
    """A request as an ASGI server hands it on where the length was not announced."""
    headers = [
        (b"transfer-encoding", b"chunked"),
        (b"content-type", b"application/json"),
    ]
    scope = {"type": "http", "method": "POST", "path": PATH, "headers": headers}
    return ASGIRequest(scope, io.BytesIO(raw))


def test_a_chunked_body_is_read():
    assert body_of(chunked(GOOD)) == {"version": "v885"}


def test_a_chunked_body_over_the_limit_is_refused():
    with pytest.raises(BodyTooLarge):
        body_of(chunked(b" " * (settings.BODY_LIMIT_BYTES + 1)))
