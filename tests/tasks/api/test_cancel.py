"""POST /api/tasks/{id}/cancel."""

import uuid

import pytest

from tasks.models import AuditEvent, Task
from tests.factories import NOON, RunnerFactory, TaskFactory
from tests.tasks.api.answers import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


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
    task = running_task()
    body = cancel(program, task.pk).json()
    assert body["status"] == "running"
    assert body["cancelRequestedAt"]
    assert body["cancelRequestedBy"] == "key:unity-editor"
    assert Task.objects.get().cancel_requested_by == "key:unity-editor"


def test_asking_twice_is_no_error(program):
    task = running_task()
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


def asks(program, body, task=None):
    """The answer to a cancel with this body."""
    task = task or running_task()
    return cancel(program, task.pk, data=body, content_type="application/json")


def running_task():
    return TaskFactory(status="running", runner=RunnerFactory())


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_no_body_is_asked_for(program, content_type):
    task = running_task()
    response = cancel(program, task.pk, data="", content_type=content_type)
    assert response.status_code == 202
    assert response.json()["cancelForced"] is False


@pytest.mark.parametrize(
    ("body", "forced"),
    [("{}", False), ('{"force": false}', False), ('{"force": true}', True)],
)
def test_the_body_says_whether_it_is_forced(program, body, forced):
    assert asks(program, body).json()["cancelForced"] is forced


def test_asking_again_may_force_but_not_take_that_back(program):
    task = running_task()
    said = [
        asks(program, body, task).json()["cancelForced"]
        for body in ("{}", '{"force": true}', "{}", '{"force": true}')
    ]
    assert said == [False, True, True, True]
    details = [event.details.get("force", False) for event in AuditEvent.objects.all()]
    assert sorted(details) == [False, True]


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ('{"force": "yes"}', "force", "true or false"),
        ('{"force": null}', "force", "true or false"),
        ('{"force": 1}', "force", "true or false"),
        ('{"now": true}', "now", "there are: force"),
    ],
)
def test_a_wrong_body_is_400_and_cancels_nothing(program, body, field, says):
    errors = problem_of(asks(program, body), 400)["errors"]
    assert list(errors) == [field]
    assert says in errors[field][0]
    assert Task.objects.get().cancel_requested_at is None


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"force": true}', "application/x-www-form-urlencoded"),  # curl -d
        ("force=true", "application/x-www-form-urlencoded"),
        ("now!", "text/plain"),
        ('{"force": true}', ""),
    ],
)
def test_a_body_of_another_type_is_415_and_cancels_nothing(program, body, content_type):
    task = running_task()
    response = program.generic(
        "POST", f"/api/tasks/{task.pk}/cancel", body, content_type=content_type
    )
    assert "application/json" in problem_of(response, 415)["detail"]
    task.refresh_from_db()
    assert task.cancel_requested_at is None


def test_a_form_with_a_field_is_415(program):
    task = running_task()
    problem_of(cancel(program, task.pk, data={"force": "true"}), 415)
    task.refresh_from_db()
    assert task.cancel_requested_at is None


@pytest.mark.parametrize("body", ['{"force": tru', "[]"])
def test_broken_json_is_400_and_cancels_nothing(program, body):
    problem_of(asks(program, body), 400)
    assert Task.objects.get().cancel_requested_at is None


def test_a_task_whose_runner_is_gone_ends_with_the_request(program):
    runner = RunnerFactory(name="mac-1", stopped_at=NOON)
    body = cancel(program, TaskFactory(status="running", runner=runner).pk).json()
    assert body["status"] == "cancelled"
    assert body["error"].startswith("Cancelled by key:unity-editor; The runner mac-1 ")
    assert body["logs"][-1]["message"] == body["error"]


@pytest.mark.parametrize("task_id", [uuid.uuid4(), "nonsense"])
def test_what_is_no_task_is_404(program, task_id):
    problem_of(cancel(program, task_id), 404)


def test_a_get_is_405(program):
    response = program.get(f"/api/tasks/{TaskFactory().pk}/cancel")
    problem_of(response, 405)
    assert response["Allow"] == "POST, OPTIONS"
