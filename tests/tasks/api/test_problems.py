"""Errors are problem details, whoever raised them, and show nothing of the inside."""

import logging

import pytest
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.test import Client

from tasks import problems
from tests.tasks.api.answers import problem_of

pytestmark = pytest.mark.postgres


@pytest.fixture
def errors_are_logged(caplog):
    with caplog.at_level(logging.ERROR, logger="tasks.problems"):
        yield caplog


@pytest.mark.parametrize("path", ["/api/nothing", "/api/", "/api/tasks/x/y/z"])
@pytest.mark.parametrize("debug", [False, True])
def test_an_unknown_path_below_api_is_404(db, settings, path, debug):
    settings.DEBUG = debug
    if path == "/api/":
        assert Client().get(path).status_code == 200
    else:
        problem_of(Client().get(path), 404)
        problem_of(Client().post(path), 404)


def test_an_unknown_path_elsewhere_is_a_page(db):
    response = Client().get("/nothing")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/api", "/api/tasks", "/health"])
@pytest.mark.parametrize("host", ["evil.example.com", "evil_example.com:99"])
def test_a_wrong_host_is_400_and_is_named_with_the_setting(db, path, host):
    problem = problem_of(Client().get(path, HTTP_HOST=host), 400)
    assert problem["detail"] == (
        f"This service does not answer to the host {host}: add it to ALLOWED_HOSTS, "
        "or ask by a name that is there."
    )


@pytest.mark.parametrize("host", ["evil.example.com", "<script>", "a' header: 'b"])
def test_a_wrong_host_elsewhere_is_a_page_that_names_it(db, host):
    response = Client().get("/admin/", HTTP_HOST=host)
    assert response.status_code == 400
    assert response["Content-Type"].startswith("text/html")
    assert "ALLOWED_HOSTS" in response.text
    assert "<script>" not in response.text


def test_a_database_that_does_not_answer_is_503(stranger, broken_database):
    response = stranger.get("/api/tasks", headers={"X-API-Key": "any"})
    problem_of(response, 503)
    assert int(response["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (Http404("/etc/passwd"), 404),
        (PermissionDenied("/etc/passwd"), 403),
        (SuspiciousOperation("/etc/passwd"), 400),
        (BadRequest("/etc/passwd"), 400),
        (OperationalError("SELECT secret"), 503),
        (InterfaceError("SELECT secret"), 503),
        (KeyError("/etc/passwd"), 500),
    ],
)
def test_what_an_exception_says_stays_inside(raised, status):
    response = problems.from_exception(raised)
    problem_of(response, status)
    assert "passwd" not in response.content.decode()


def test_what_nobody_expected_is_logged_with_its_traceback(errors_are_logged):
    problem_of(problems.from_exception(KeyError("x")), 500)
    (record,) = errors_are_logged.records
    assert record.exc_info[0] is KeyError
