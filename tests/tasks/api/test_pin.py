"""PUT and DELETE /api/tasks/{id}/pin: what is kept however much follows it."""

import pytest

from tasks.access.actor import Actor
from tasks.models import AuditEvent, Task
from tasks.pruning import prune_at_leisure
from tests.factories import KEEP_NONE, TaskFactory
from tests.tasks.api.answers import problem_of

pytestmark = pytest.mark.django_db


def test_a_pinned_task_outlives_the_retention_until_it_is_unpinned(program):
    task = TaskFactory(status="completed")
    path = f"/api/tasks/{task.pk}/pin"
    assert program.put(path).json()["pinned"] is True
    assert prune_at_leisure(KEEP_NONE, Actor("alice")).tasks == 0
    assert program.delete(path).json()["pinned"] is False
    assert prune_at_leisure(KEEP_NONE, Actor("alice")).tasks == 1
    assert not Task.objects.exists()


def test_pinning_is_written_down_once(program):
    path = f"/api/tasks/{TaskFactory().pk}/pin"
    for ask in (program.put, program.put, program.delete, program.delete):
        assert ask(path).status_code == 200
    events = AuditEvent.objects.order_by("pk").values_list("action", "actor")
    assert list(events) == [
        ("pin", "key:unity-editor"),
        ("unpin", "key:unity-editor"),
    ]


def test_lists_say_what_is_pinned(program):
    TaskFactory(pinned=True)
    assert program.get("/api/tasks").json()["tasks"][0]["pinned"] is True


def test_a_task_that_is_not_there_is_404(program):
    problem_of(program.put("/api/tasks/x/pin"), 404)


@pytest.mark.parametrize("verb", ["PUT", "DELETE"])
@pytest.mark.parametrize(
    ("body", "status"), [('{"pinned": false}', 400), ("[]", 400), ("pinned", 415)]
)
def test_a_body_that_nobody_reads_is_refused_and_changes_nothing(
    program, verb, body, status
):
    task = TaskFactory(pinned=verb == "DELETE")
    content_type = "text/plain" if status == 415 else "application/json"
    path = f"/api/tasks/{task.pk}/pin"
    problem_of(program.generic(verb, path, body, content_type=content_type), status)
    was, task.pinned = task.pinned, None
    task.refresh_from_db()
    assert task.pinned is was


def test_a_session_without_the_csrf_token_pins_nothing(browser):
    task = TaskFactory()
    problem_of(browser.put(f"/api/tasks/{task.pk}/pin"), 403)
    assert not Task.objects.filter(pinned=True).exists()
