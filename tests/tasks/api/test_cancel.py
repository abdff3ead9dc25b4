"""POST /api/tasks/{id}/cancel."""

import uuid

import pytest

from tasks.models import AuditEvent, Task
from tests.factories import TaskFactory
from tests.tasks.api.answers import problem_of

pytestmark = pytest.mark.django_db


def cancel(client, task_id, **more):
    return client.post(f"/api/tasks/{task_id}/cancel", **more)


def test_a_waiting_task_is_cancelled_at_once(program):
    task = TaskFactory()
    response = cancel(program, task.pk)
    assert response.status_code == 202
    assert response.json()["status"] == "cancelled"
    assert response.json()["completedAt"]
    assert "key:unity-editor" in response.json()["error"]
    assert AuditEvent.objects.get().action == "cancel"


def test_of_a_running_task_the_wish_is_noted(program):
    task = TaskFactory(status="running")
    body = cancel(program, task.pk).json()
    assert body["status"] == "running"
    assert body["cancelRequestedAt"]
    assert Task.objects.get().cancel_requested_by == "key:unity-editor"


def test_asking_twice_is_no_error(program):
    task = TaskFactory(status="running")
    answers = [cancel(program, task.pk) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("completed", "has already completed; it cannot be cancelled."),
        ("failed", "has already failed; it cannot be cancelled."),
        ("cancelled", "has already been cancelled; it cannot be cancelled."),
    ],
)
def test_what_has_ended_is_409(program, status, says):
    task = TaskFactory(status=status)
    body = problem_of(cancel(program, task.pk), 409)
    assert body["detail"] == f"Task {task.pk} {says}"
    assert body["type"] == "urn:resource-sync:problem:status-conflict"


def test_no_body_is_asked_for_and_any_is_ignored(program):
    response = cancel(program, TaskFactory().pk, data="now!", content_type="text/plain")
    assert response.status_code == 202


@pytest.mark.parametrize("task_id", [uuid.uuid4(), "nonsense"])
def test_what_is_no_task_is_404(program, task_id):
    problem_of(cancel(program, task_id), 404)


def test_a_get_is_405(program):
    response = program.get(f"/api/tasks/{TaskFactory().pk}/cancel")
    problem_of(response, 405)
    assert response["Allow"] == "POST, OPTIONS"
