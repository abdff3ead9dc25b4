"""POST /api/tasks/{id}/rerun."""

import uuid

import pytest

from tasks.models import AuditEvent, Task
from tests.factories import TaskFactory
from tests.tasks.api.answers import problem_of

pytestmark = pytest.mark.django_db


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
