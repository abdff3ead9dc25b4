"""Who may come in: keys, sessions, nobody else."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tasks.models import ApiKey, Task
from tests.factories import ApiKeyFactory, TaskFactory
from tests.tasks.api.answers import problem_of

pytestmark = pytest.mark.django_db
NEW = {"data": {"version": "v885"}, "content_type": "application/json"}


def test_a_key_opens_the_api_in_either_header(stranger, api_key):
    for headers in (
        {"X-API-Key": api_key.secret},
        {"Authorization": f"Bearer {api_key.secret}"},
        {"Authorization": f"bearer  {api_key.secret}"},
    ):
        assert stranger.get("/api/tasks", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/api/tasks", "/api/task-types", "/api/tasks/x", "/api/tasks/x/logs"],
)
def test_without_a_key_the_answer_is_401_and_says_how_to_come_in(stranger, path):
    response = stranger.get(path)
    assert "X-API-Key" in problem_of(response, 401)["detail"]
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "wrong"},
        {"X-API-Key": ""},
        {"X-API-Key": "schlüssel"},
        {"X-API-Key": "钥匙"},
        {"X-API-Key": "nul\0"},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
    ],
)
def test_a_wrong_key_is_401(stranger, headers, settings):
    settings.API_KEY = "the-right-one"
    response = stranger.get("/api/tasks", headers=headers)
    problem_of(response, 401)
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_another_scheme_of_authorization_is_no_key(stranger):
    headers = {"Authorization": "Basic YTpi"}
    problem_of(stranger.get("/api/tasks", headers=headers), 401)


def test_a_revoked_key_is_401(stranger, api_key):
    ApiKey.objects.update(revoked_at=timezone.now())
    headers = {"X-API-Key": api_key.secret}
    problem_of(stranger.get("/api/tasks", headers=headers), 401)


def test_a_key_with_the_prefix_of_another_is_401(stranger, api_key):
    headers = {"X-API-Key": api_key.secret[:-1] + "!"}
    problem_of(stranger.get("/api/tasks", headers=headers), 401)


def test_no_key_at_all_opens_nothing_while_there_is_no_bootstrap_key(
    stranger, settings
):
    settings.API_KEY = ""
    problem_of(stranger.get("/api/tasks", headers={"X-API-Key": ""}), 401)


@pytest.mark.parametrize("key", ["bootstrap-key-1", "Schlüssel-钥匙"])
def test_the_bootstrap_key_opens_the_api(stranger, settings, key):
    settings.API_KEY = key
    as_servers_decode_it = key.encode().decode("latin-1")
    response = stranger.post(
        "/api/tasks/check-integrity", **NEW, headers={"X-API-Key": as_servers_decode_it}
    )
    assert response.json()["createdBy"] == "bootstrap"


def test_a_task_says_which_key_made_it(program):
    response = program.post("/api/tasks/check-integrity", **NEW)
    assert response.json()["createdBy"] == "key:unity-editor"
    assert Task.objects.get().created_from == "127.0.0.1"


def test_a_task_says_which_person_made_it(alice):
    client = Client()
    client.force_login(alice)
    response = client.post("/api/tasks/check-integrity", **NEW)
    assert response.json()["createdBy"] == "alice"


def test_a_wrong_key_is_401_even_with_a_session(browser):
    problem_of(browser.get("/api/tasks", headers={"X-API-Key": "wrong"}), 401)


def test_staff_read_with_their_session(browser):
    assert browser.get("/api/tasks").status_code == 200


def test_a_session_without_the_csrf_token_changes_nothing(browser):
    task = TaskFactory()
    for path in (
        "/api/tasks/check-integrity",
        f"/api/tasks/{task.pk}/cancel",
        f"/api/tasks/{task.pk}/rerun",
    ):
        assert "CSRF" in problem_of(browser.post(path, **NEW), 403)["detail"]
    assert list(Task.objects.values_list("status", flat=True)) == ["pending"]


def test_a_session_with_the_csrf_token_starts_a_task(browser):
    token = "a" * 32
    browser.cookies["resource_sync_csrf"] = token
    response = browser.post(
        "/api/tasks/check-integrity", **NEW, headers={"X-CSRFToken": token}
    )
    assert response.status_code == 202


def test_whoever_is_no_staff_is_403(bob):
    client = Client()
    client.force_login(bob)
    assert "staff" in problem_of(client.get("/api/tasks"), 403)["detail"]


def test_whoever_is_no_longer_active_is_401(alice):
    client = Client()
    client.force_login(alice)
    type(alice).objects.update(is_active=False)
    problem_of(client.get("/api/tasks"), 401)


def test_a_key_remembers_when_it_was_last_used(program, api_key):
    program.get("/api/tasks")
    api_key.refresh_from_db()
    assert timezone.now() - api_key.last_used_at < timedelta(minutes=1)


def test_a_key_is_written_at_most_once_a_minute(
    program, api_key, django_assert_num_queries
):
    program.get("/api/task-types")
    with django_assert_num_queries(1):  # one look at the key, and no more
        program.get("/api/task-types")


def test_a_key_used_long_ago_is_written_again(stranger):
    long_ago = timezone.now() - timedelta(hours=1)
    key = ApiKeyFactory(last_used_at=long_ago)
    stranger.get("/api/task-types", headers={"X-API-Key": key.secret})
    key.refresh_from_db()
    assert key.last_used_at > long_ago
