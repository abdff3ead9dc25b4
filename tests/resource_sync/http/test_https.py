"""Plain requests where people come by https."""

import pytest
from django.test import Client

from tests.tasks.api.answers import problem_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _https(settings):
    settings.HTTPS = settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["localhost", "testserver", ".sync.example.com"]


@pytest.mark.parametrize("path", ["/api/tasks/check-integrity", "/tasks/x/cancel"])
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_what_would_do_something_is_refused_and_told_where_to_go(path, method):
    answer = problem_of(getattr(Client(), method)(path, HTTP_HOST="localhost"), 403)
    assert answer["title"] == "https only"
    assert answer["detail"] == (
        "Nothing was done: this service takes requests by https only: "
        f"https://testserver{path}"
    )


@pytest.mark.parametrize("path", ["/", "/api/tasks", "/api/events"])
def test_what_only_reads_is_redirected(path):
    answer = Client().get(path)
    assert (answer.status_code, answer["Location"]) == (
        301,
        f"https://testserver{path}",
    )


def test_probes_are_served():
    assert Client().get("/health/live").status_code == 200


def test_what_comes_by_https_is_not_refused():
    answer = Client().post("/api/tasks/check-integrity", secure=True)
    assert answer.status_code == 401
