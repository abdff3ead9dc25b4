"""POST /api/tasks/{type}."""

import uuid

import pytest
from django.utils import timezone

from tasks.models import AuditEvent, Task
from tests.tasks.api.answers import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
PATH = "/api/tasks/check-integrity"


def post(client, data, path=PATH, **more):
    return client.post(path, data, content_type="application/json", **more)


def test_it_answers_at_once_with_a_task_that_waits(program):
    response = post(program, {"version": "v885"})
    assert response.status_code == 202
    body = response.json()
    task = Task.objects.get()
    assert body["taskId"] == body["id"] == str(task.pk)
    assert body["type"] == "check-integrity"
    assert body["status"] == "pending"
    assert body["params"] == {"version": "v885"}
    assert body["logs"] == []
    base = f"http://testserver/api/tasks/{task.pk}"
    assert body["statusUrl"] == response["Location"] == f"{base}/status"
    assert body["streamUrl"] == f"{base}/stream"


def test_its_urls_have_the_host_and_scheme_that_the_client_used(program):
    more = {"HTTP_HOST": "localhost:3000", "wsgi.url_scheme": "https"}
    body = post(program, {"version": "v885"}, **more).json()
    assert body["statusUrl"].startswith("https://localhost:3000/api/tasks/")


def test_it_is_in_the_audit_trail(program):
    body = post(program, {"version": "v885"}).json()
    event = AuditEvent.objects.get()
    assert (event.actor, event.action) == ("key:unity-editor", "create")
    assert event.target == body["id"]


def test_a_request_without_an_address_is_fine(program):
    assert post(program, {"version": "v885"}, REMOTE_ADDR="").status_code == 202
    assert Task.objects.get().created_from is None


def test_an_unknown_type_is_404_naming_those_there_are(program):
    response = post(program, {}, path="/api/tasks/no-such-type")
    assert "check-integrity" in problem_of(response, 404)["detail"]


def test_a_missing_parameter_is_400_naming_it(program):
    body = problem_of(post(program, {}), 400)
    assert body["errors"] == {"version": ["Required."]}
    assert "version" in body["detail"]


@pytest.mark.parametrize(
    "version",
    ["885", "v", "v885\n", "v８８５", "", None, 885, ["v885"], {}, True, "v\0"],
)
def test_a_version_that_is_none_is_400(program, version):
    assert set(problem_of(post(program, {"version": version}), 400)["errors"]) == {
        "version"
    }


def test_every_wrong_parameter_is_named(program):
    body = problem_of(post(program, {"version": "x", "force": 1, "y": 2}), 400)
    assert set(body["errors"]) == {"version", "force", "y"}


def test_the_sentence_names_a_few_of_many_wrong_parameters(program):
    body = problem_of(post(program, {f"p{n}": n for n in range(50)}), 400)
    assert len(body["detail"]) < 400
    assert len(body["errors"]) == 51


def test_nothing_is_made_by_a_refused_request(program):
    post(program, {"version": "x"})
    assert not Task.objects.exists()


# --- Idempotency-Key ----------------------------------------------------------------


def test_a_retried_post_gets_the_first_ones_task(program):
    key = {"Idempotency-Key": "build 42"}
    first = post(program, {"version": "v885"}, headers=key)
    again = post(program, {"version": "v885"}, headers=key)
    assert again.status_code == 202
    assert again.json()["taskId"] == first.json()["taskId"]
    assert Task.objects.count() == 1


def test_a_retried_post_shows_what_became_of_the_task(program):
    key = {"Idempotency-Key": "k"}
    first = post(program, {"version": "v885"}, headers=key)
    Task.objects.update(status="completed", completed_at=timezone.now())
    again = post(program, {"version": "v885"}, headers=key)
    assert again.status_code == 202
    assert again.json()["taskId"] == first.json()["taskId"]
    assert again.json()["status"] == "completed"


@pytest.mark.parametrize("prefer", ["", "wait=1"])
def test_a_retried_post_whose_task_was_deleted_is_409_and_names_it(program, prefer):
    key = {"Idempotency-Key": "deploy-1", "Prefer": prefer}
    first = post(program, {"version": "v885"}, headers=key).json()["taskId"]
    Task.objects.update(status="completed", completed_at=timezone.now())
    Task.objects.forget([first])
    problem = problem_of(post(program, {"version": "v885"}, headers=key), 409)
    assert first in problem["detail"]
    assert problem["type"].endswith("task-deleted")
    assert not Task.objects.exists()


def test_the_same_key_for_something_else_is_422(program):
    key = {"Idempotency-Key": "k"}
    post(program, {"version": "v885"}, headers=key)
    problem_of(post(program, {"version": "v886"}, headers=key), 422)
    assert Task.objects.count() == 1


def test_keys_of_different_clients_are_different(program, stranger, settings):
    settings.API_KEY = "bootstrap-key"
    post(program, {"version": "v885"}, headers={"Idempotency-Key": "k"})
    headers = {"Idempotency-Key": "k", "X-API-Key": "bootstrap-key"}
    post(stranger, {"version": "v885"}, headers=headers)
    assert Task.objects.count() == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel", "tab\there"])
def test_an_idempotency_key_that_is_none_is_400(program, key):
    response = post(program, {"version": "v885"}, headers={"Idempotency-Key": key})
    assert set(problem_of(response, 400)["errors"]) == {"Idempotency-Key"}


def test_an_idempotency_key_may_have_255_characters(program):
    headers = {"Idempotency-Key": "x" * 255}
    assert post(program, {"version": "v885"}, headers=headers).status_code == 202


# --- Only POST and GET --------------------------------------------------------------


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_405_naming_those_there_are(program, method):
    response = getattr(program, method)(PATH)
    problem_of(response, 405)
    assert {"GET", "POST"} <= set(response["Allow"].split(", "))


def test_a_trailing_slash_is_another_path(program):
    problem_of(post(program, {"version": "v885"}, path=PATH + "/"), 404)


def test_a_uuid_is_no_type(program):
    problem_of(post(program, {}, path=f"/api/tasks/{uuid.uuid4()}"), 404)
