"""What is answered where a request fails outside of a view."""

import pytest
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import OperationalError, connection
from django.http import Http404
from django.test import Client, RequestFactory

from tasks.access import request_id
from tasks.web import failures
from tests.tasks.api.answers import problem_of


def test_a_failed_csrf_check_is_403_below_api():
    request = RequestFactory().post("/api/tasks/check-integrity")
    problem_of(failures.csrf_failure(request, "no cookie"), 403)


def test_a_failed_csrf_check_elsewhere_is_a_page():
    response = failures.csrf_failure(RequestFactory().post("/"), "no cookie")
    assert response.status_code == 403
    assert response["Content-Type"].startswith("text/html")


def test_djangos_own_handlers_answer_programs_with_problems():
    request = RequestFactory().get("/api/tasks")
    problem_of(failures.bad_request(request, BadRequest("x")), 400)
    problem_of(failures.permission_denied(request, PermissionDenied("x")), 403)
    problem_of(failures.not_found(request, Http404("x")), 404)
    problem_of(failures.server_error(request), 500)
    try:
        raise OperationalError("SELECT secret")
    except OperationalError:
        problem_of(failures.server_error(request), 503)


def test_djangos_own_handlers_answer_people_with_pages(db):
    request = RequestFactory().get("/tasks")
    for response in (
        failures.bad_request(request, BadRequest("x")),
        failures.permission_denied(request, PermissionDenied("x")),
        failures.server_error(request),
    ):
        assert response["Content-Type"].startswith("text/html")


def answer_to(error, method="get"):
    request = getattr(RequestFactory(), method)("/history?q=x")
    try:
        raise error
    except type(error):
        return failures.server_error(request)


def no_answer(execute, sql, params, many, context):
    raise OperationalError(f"connection refused while executing {sql}")


@pytest.mark.parametrize(
    ("error", "status"), [(OperationalError("SELECT x"), 503), (KeyError("/etc"), 500)]
)
def test_what_may_go_right_later_tries_again_and_says_nothing_of_the_inside(
    error, status
):
    response = answer_to(error)
    assert response.status_code == status
    assert "failure_page" in response.text
    assert 'href="/history?q=x"' in response.text
    assert str(error) not in response.text
    assert response["Cache-Control"] == "no-store"
    assert "failure_page" not in answer_to(error, "post").text


def test_a_page_without_the_database_says_when_to_come_back():
    assert answer_to(OperationalError("x"))["Retry-After"] == "5"
    assert "Retry-After" not in answer_to(KeyError("x"))


@pytest.mark.parametrize(
    ("accepted", "chosen", "language", "words"),
    [
        ("zh-CN,zh;q=0.9", "", "zh-hans", "数据库没有响应"),
        ("en", "zh-hans", "zh-hans", "数据库没有响应"),
        ("de", "", "en", "The database does not answer"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/history", "/nothing", "/admin/"])
def test_a_page_is_answered_in_the_language_of_its_reader_while_nothing_can_be_read(
    alice, path, accepted, chosen, language, words
):
    client = Client(raise_request_exception=False)
    client.force_login(alice)
    client.cookies["django_language"] = chosen
    with connection.execute_wrapper(no_answer):
        response = client.get(path, headers={"Accept-Language": accepted})
    if path == "/nothing":
        assert response.status_code == 404
    else:
        assert response.status_code == 503
        assert words in response.text
    assert f'<html lang="{language}">' in response.text


def test_files_that_were_not_collected_do_not_break_it(settings):
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {
            "BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
        },
    }
    assert answer_to(KeyError("x")).status_code == 500


def test_a_form_whose_page_is_from_another_session_is_refused_in_words(db):
    client = Client(enforce_csrf_checks=True)
    response = client.post("/sign-out", headers={"Accept-Language": "zh"})
    assert response.status_code == 403
    assert "表单" in response.text


def test_the_page_of_an_unexpected_error_shows_the_id_of_its_request():
    request = RequestFactory().get("/")
    with request_id.answering({"request_id": "from-nginx", "headers": []}):
        shown = failures.page(request, 500).content.decode()
        elsewhere = failures.page(request, 404).content.decode()
    assert "<code>from-nginx</code>" in shown
    assert "from-nginx" not in elsewhere
