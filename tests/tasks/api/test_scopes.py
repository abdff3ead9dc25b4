"""What a key may do, until when, and from where."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tasks.models import ApiKey, Task
from tests.factories import ApiKeyFactory, TaskFactory
from tests.tasks.api.answers import problem_of

pytestmark = pytest.mark.django_db
NEW = {"data": {"version": "v885"}, "content_type": "application/json"}
RELEASE = ("/api/tasks/check-integrity", NEW)
ROLLBACK = ("/api/tasks/rollback", NEW)


def client_of(key):
    return Client(headers={"X-API-Key": key.secret})


def refused_for_scope(response, needed, had):
    """The answer says which scope it would take, to people and to programs."""
    problem = problem_of(response, 403)
    assert problem["type"] == "urn:resource-sync:problem:insufficient-scope"
    assert f"“{needed}”" in problem["detail"]
    assert f"“{had}”" in problem["detail"]
    challenge = response["WWW-Authenticate"]
    assert challenge.startswith("Bearer ")
    assert f'error="insufficient_scope", scope="{needed}"' in challenge


@pytest.fixture(
    params=["read", "start", "admin", "cancel", "approve", "start:prune", "read cancel"]
)
def any_key(request, db):
    return ApiKeyFactory(scope=request.param)


def test_every_key_reads(any_key):
    task = TaskFactory(status="completed")
    for path in (
        "/api/tasks",
        "/api/task-types",
        f"/api/tasks/{task.pk}",
        f"/api/tasks/{task.pk}/status",
        f"/api/tasks/{task.pk}/logs",
        f"/api/tasks/{task.pk}/logs.txt",
    ):
        assert client_of(any_key).get(path).status_code == 200, path


def test_a_key_that_reads_changes_nothing(db):
    program = client_of(ApiKeyFactory(name="wall", scope="read"))
    task = TaskFactory(created_by="key:wall")
    before = Task.objects.values().get()
    for ask in (
        lambda: program.post(RELEASE[0], **NEW),
        lambda: program.post(f"/api/tasks/{task.pk}/cancel"),
        lambda: program.post(f"/api/tasks/{task.pk}/rerun"),
        lambda: program.put(f"/api/tasks/{task.pk}/pin"),
        lambda: program.delete(f"/api/tasks/{task.pk}/pin"),
    ):
        refused_for_scope(ask(), "start", "read")
    assert Task.objects.values().get() == before


def test_a_key_that_starts_cancels_its_own_and_nobody_elses(db):
    program = client_of(ApiKeyFactory(name="ci", scope="start"))
    own = program.post(RELEASE[0], **NEW).json()["taskId"]
    others = TaskFactory(created_by="key:unity")
    answer = program.post(f"/api/tasks/{others.pk}/cancel")
    refused_for_scope(answer, "admin", "start")
    assert program.post(f"/api/tasks/{own}/cancel").status_code == 202
    statuses = dict(Task.objects.values_list("created_by", "status"))
    assert statuses == {"key:ci": "cancelled", "key:unity": "pending"}


def test_a_key_that_starts_runs_anybodys_task_again(db):
    program = client_of(ApiKeyFactory(scope="start"))
    task = TaskFactory(status="failed")
    assert program.post(f"/api/tasks/{task.pk}/rerun").status_code == 202


def test_what_asks_before_it_starts_needs_admin_also_when_it_is_run_again(db):
    program = client_of(ApiKeyFactory(scope="start"))
    done = TaskFactory(type="rollback", status="completed")
    refused_for_scope(program.post(ROLLBACK[0], **NEW), "admin", "start")
    refused_for_scope(program.post(f"/api/tasks/{done.pk}/rerun"), "admin", "start")
    assert Task.objects.count() == 1


def test_a_key_with_admin_does_everything(db):
    program = client_of(ApiKeyFactory(scope="admin"))
    task = TaskFactory(created_by="key:unity")
    assert program.post(ROLLBACK[0], **NEW).status_code == 202
    assert program.put(f"/api/tasks/{task.pk}/pin").status_code == 200
    assert program.post(f"/api/tasks/{task.pk}/cancel").status_code == 202


ONLY = ("/api/tasks/full-sync", NEW)


def test_a_key_of_one_type_starts_that_type_alone(db):
    program = client_of(ApiKeyFactory(name="ci", scope="start:check-integrity"))
    own = program.post(RELEASE[0], **NEW).json()["taskId"]
    done, other = (
        TaskFactory(type=kind, status="completed")
        for kind in ("check-integrity", "full-sync")
    )
    refused_for_scope(program.post(ONLY[0], **NEW), "start", "start:check-integrity")
    assert program.post(f"/api/tasks/{done.pk}/rerun").status_code == 202
    assert program.post(f"/api/tasks/{other.pk}/rerun").status_code == 403
    assert program.put(f"/api/tasks/{own}/pin").status_code == 200
    assert program.post(f"/api/tasks/{own}/cancel").status_code == 202
    assert program.post(f"/api/tasks/{TaskFactory().pk}/cancel").status_code == 403


def test_a_key_that_names_a_type_that_asks_starts_it(db):
    program = client_of(ApiKeyFactory(scope="start:check-store start:rollback"))
    assert program.post(ROLLBACK[0], **NEW).status_code == 202
    assert program.post("/api/tasks/prune", **NEW).status_code == 403


def test_a_key_of_a_type_is_no_key_of_one_that_begins_alike(db, use_task_types):
    step = '[[{0}.steps]]\ncommand = ["true"]\n'
    use_task_types(step.format("sync") + step.format("sync-all"))
    program = client_of(ApiKeyFactory(scope="start:sync"))
    empty = {"data": {}, "content_type": "application/json"}
    assert program.post("/api/tasks/sync", **empty).status_code == 202
    assert program.post("/api/tasks/sync-all", **empty).status_code == 403


def test_a_key_that_cancels_cancels_anybodys_and_does_no_more(db):
    program = client_of(ApiKeyFactory(name="guard", scope="cancel"))
    task, own = TaskFactory(created_by="alice"), TaskFactory(created_by="key:guard")
    refused_for_scope(program.put(f"/api/tasks/{task.pk}/pin"), "admin", "cancel")
    refused_for_scope(program.post(RELEASE[0], **NEW), "start", "cancel")
    assert program.post(f"/api/tasks/{task.pk}/cancel").status_code == 202
    assert program.post(f"/api/tasks/{own.pk}/cancel").status_code == 202


def test_a_key_has_what_each_of_its_scopes_lets_it(db):
    program = client_of(ApiKeyFactory(scope="start cancel"))
    task = TaskFactory(created_by="alice")
    assert program.post(RELEASE[0], **NEW).status_code == 202
    assert program.post(f"/api/tasks/{task.pk}/cancel").status_code == 202
    refused_for_scope(program.post(ROLLBACK[0], **NEW), "admin", "cancel start")


def test_a_key_that_approves_reads_so_far(db):
    program = client_of(ApiKeyFactory(scope="approve"))
    assert program.get("/api/tasks").status_code == 200
    refused_for_scope(program.post(RELEASE[0], **NEW), "start", "approve")


def test_the_bootstrap_key_does_everything(stranger, settings):
    settings.API_KEY = "bootstrap-key-1"
    headers = {"X-API-Key": "bootstrap-key-1"}
    assert stranger.post(ROLLBACK[0], **NEW, headers=headers).status_code == 202


def test_a_key_from_before_there_were_scopes_does_everything(db):
    key = ApiKeyFactory()
    ApiKey.objects.filter(pk=key.pk).delete()
    old = ApiKey(name=key.name, prefix=key.prefix, digest=key.digest)
    old.save()  # as the code of then wrote it: without the new columns
    assert client_of(key).post(ROLLBACK[0], **NEW).status_code == 202


def test_a_scope_that_is_too_small_is_said_before_what_else_is_wrong(db):
    program = client_of(ApiKeyFactory(scope="read"))
    answer = program.post("/api/tasks/nope", **NEW)
    refused_for_scope(answer, "start", "read")


def test_an_expired_key_is_401_and_says_so(db):
    key = ApiKeyFactory(expires_at=timezone.now() - timedelta(seconds=1))
    answer = client_of(key).get("/api/tasks")
    assert problem_of(answer, 401)["detail"] == "The API key has expired."
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]


def test_a_key_opens_until_it_expires(db):
    key = ApiKeyFactory(expires_at=timezone.now() + timedelta(minutes=1))
    assert client_of(key).get("/api/tasks").status_code == 200


def test_a_revoked_key_is_401_and_says_so(db):
    key = ApiKeyFactory(revoked_at=timezone.now())
    problem = problem_of(client_of(key).get("/api/tasks"), 401)
    assert problem["detail"] == "The API key has been revoked."


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"])
def test_a_key_opens_from_the_addresses_of_its_list(db, address):
    key = ApiKeyFactory(networks="10.0.0.0/8, 2001:db8::/64")
    answer = client_of(key).get("/api/tasks", REMOTE_ADDR=address)
    assert answer.status_code == 200


@pytest.mark.parametrize("address", ["11.1.2.3", "2001:db8:0:1::7", ""])
def test_a_key_with_a_list_opens_from_nowhere_else(db, address):
    key = ApiKeyFactory(networks="10.0.0.0/8, 2001:db8::/64")
    answer = client_of(key).get("/api/tasks", REMOTE_ADDR=address)
    assert (address or "–") in problem_of(answer, 403)["detail"]
    key.refresh_from_db()
    assert key.last_used_at is None


def test_a_key_remembers_from_where_it_was_last_used(db):
    key = ApiKeyFactory()
    client_of(key).get("/api/tasks", REMOTE_ADDR="10.1.2.3")
    client_of(key).get("/api/tasks", REMOTE_ADDR="10.1.2.4")  # within the minute
    key.refresh_from_db()
    assert key.last_used_from == "10.1.2.3"
