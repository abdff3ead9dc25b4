"""Errors are problem details, whoever raised them, and show nothing of the inside."""

import logging

import pytest
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.test import Client, RequestFactory

from tasks.api import problems
from tests.tasks.api.answers import problem_of


@pytest.fixture
def errors_are_logged(caplog):
    with caplog.at_level(logging.ERROR, logger="tasks.api.problems"):
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
def test_a_wrong_host_is_400(db, path):
    problem_of(Client().get(path, HTTP_HOST="evil.example.com"), 400)


def test_a_wrong_host_elsewhere_is_a_page(db):
    response = Client().get("/admin/", HTTP_HOST="evil.example.com")
    assert response.status_code == 400
    assert response["Content-Type"].startswith("text/html")


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


def test_a_failed_csrf_check_is_403_below_api():
    request = RequestFactory().post("/api/tasks/check-integrity")
    problem_of(problems.csrf_failure(request, "no cookie"), 403)


def test_a_failed_csrf_check_elsewhere_is_a_page():
    response = problems.csrf_failure(RequestFactory().post("/"), "no cookie")
    assert response.status_code == 403
    assert response["Content-Type"].startswith("text/html")


def test_djangos_own_handlers_answer_programs_with_problems():
    request = RequestFactory().get("/api/tasks")
    problem_of(problems.bad_request(request, BadRequest("x")), 400)
    problem_of(problems.permission_denied(request, PermissionDenied("x")), 403)
    problem_of(problems.not_found(request, Http404("x")), 404)
    problem_of(problems.server_error(request), 500)
    try:
        raise OperationalError("SELECT secret")
    except OperationalError:
        problem_of(problems.server_error(request), 503)


def test_djangos_own_handlers_answer_people_with_pages(db):
    request = RequestFactory().get("/tasks")
    for response in (
        problems.bad_request(request, BadRequest("x")),
        problems.permission_denied(request, PermissionDenied("x")),
        problems.server_error(request),
    ):
        assert response["Content-Type"].startswith("text/html")
