"""POST /api/tasks/{id}/rerun."""

import uuid

import pytest

from tasks.models import AuditEvent, Task
from tests.factories import TaskFactory
from tests.tasks.api.answers import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def rerun(client, task_id, **more):
    return client.post(f"/api/tasks/{task_id}/rerun", **more)


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "running"])
def test_it_makes_a_new_task_with_the_same_parameters(program, status):
    first = TaskFactory(status=status, version="v7")
    response = rerun(program, first.pk)
    assert response.status_code == 202
    body = response.json()
    assert body["taskId"] == body["id"] != str(first.pk)
    assert body["rerunOf"] == str(first.pk)
    assert (body["type"], body["params"]) == ("check-integrity", {"version": "v7"})
    assert body["status"] == "pending"
    assert response["Location"] == body["statusUrl"]
    assert AuditEvent.objects.get().action == "rerun"


def test_a_retried_rerun_makes_one_task(program):
    first = TaskFactory(status="failed")
    headers = {"Idempotency-Key": "again"}
    answers = [rerun(program, first.pk, headers=headers) for _ in range(2)]
    assert len({answer.json()["taskId"] for answer in answers}) == 1
    assert Task.objects.count() == 2


def test_a_type_that_is_gone_is_404_naming_those_there_are(program):
    first = TaskFactory(status="failed", type="of-yesteryear")
    assert "check-integrity" in problem_of(rerun(program, first.pk), 404)["detail"]


def test_parameters_that_are_not_allowed_any_more_are_400(program):
    first = TaskFactory(status="failed", version="trunk")
    assert set(problem_of(rerun(program, first.pk), 400)["errors"]) == {"version"}


@pytest.mark.parametrize("task_id", [uuid.uuid4(), "nonsense"])
def test_what_is_no_task_is_404(program, task_id):
    problem_of(rerun(program, task_id), 404)


TWO = """
[two]
[two.params.version]
pattern = "v[0-9]+"
[two.params.site]
required = false
[[two.steps]]
command = ["true"]
"""


def asks(client, task, body, content_type="application/json"):
    path = f"/api/tasks/{task.pk}/rerun"
    return client.generic("POST", path, body, content_type=content_type)


def test_parameters_that_are_given_take_the_place_of_the_first_ones(
    program, use_task_types
):
    use_task_types(TWO)
    first = TaskFactory(type="two", params={"version": "v1", "site": "eu"})
    answer = asks(program, first, '{"params": {"version": "v2"}}')
    assert answer.status_code == 202
    assert answer.json()["params"] == {"version": "v2", "site": "eu"}
    assert answer.json()["rerunOf"] == str(first.pk)


@pytest.mark.parametrize("body", ["{}", '{"params": {}}', ""])
def test_a_body_that_gives_nothing_changes_nothing(program, body):
    first = TaskFactory(status="failed")
    answer = asks(program, first, body)
    assert answer.json()["params"] == first.params


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ('{"version": "v900"}', "version", "there are: params"),
        ('{"params": {}, "fromstep": 3}', "fromstep", "there are: params"),
        ('{"params": ["v900"]}', "params", "object"),
        ('{"params": null}', "params", "object"),
        ('{"params": "v900"}', "params", "object"),
        ('{"params": {"version": 900}}', "version", "string"),
        ('{"params": {"version": null}}', "version", "string"),
        ('{"params": {"versoin": "v900"}}', "versoin", "there are: version"),
    ],
)
def test_a_body_that_is_not_understood_is_400_and_starts_nothing(
    program, body, field, says
):
    errors = problem_of(asks(program, TaskFactory(), body), 400)["errors"]
    assert list(errors) == [field]
    assert says in errors[field][0]
    assert Task.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ('{"params": {"version": "v900"}}', "application/x-www-form-urlencoded", 415),
        ("version=v900", "application/x-www-form-urlencoded", 415),
        ("v900", "text/plain", 415),
        ('{"params": ', "application/json", 400),
        ("[]", "application/json", 400),
        ('{"params": {"version": "' + "9" * 70_000 + '"}}', "application/json", 413),
    ],
)
def test_a_body_that_cannot_be_read_starts_nothing(program, body, content_type, status):
    problem_of(asks(program, TaskFactory(), body, content_type), status)
    assert Task.objects.count() == 1


SECRET = """
[login]
[login.params.token]
secret = true
[login.params.site]
[[login.steps]]
command = ["true"]
"""


def test_a_secret_has_to_be_given_again(program, use_task_types):
    use_task_types(SECRET)
    given = {"token": "t0ken-abc", "site": "eu"}
    first = program.post("/api/tasks/login", given, content_type="application/json")
    task = Task.objects.get(pk=first.json()["id"])
    problem = problem_of(asks(program, task, ""), 400)
    again = "It is secret, so it has to be given again."
    assert problem["errors"] == {"token": [again]}
    answer = asks(program, task, '{"params": {"token": "t0ken-xyz"}}')
    assert answer.status_code == 202
    assert answer.json()["params"] == {"token": "***", "site": "eu"}
    assert answer.json()["rerunOf"] == str(task.pk)


def test_a_mask_is_never_taken_for_a_secret(program, use_task_types):
    use_task_types(SECRET)
    first = TaskFactory(type="login", params={"token": "***", "site": "eu"})
    assert set(problem_of(asks(program, first, "{}"), 400)["errors"]) == {"token"}
    answer = asks(program, first, '{"params": {"token": "***"}}')
    assert set(problem_of(answer, 400)["errors"]) == {"token"}
