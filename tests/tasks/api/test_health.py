"""GET /health."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from tasks.databases import migrations
from tests.factories import RunnerFactory, TaskFactory
from tests.tasks.api.answers import problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_it_is_healthy_while_a_runner_is_alive(stranger):
    RunnerFactory()
    response = stranger.get("/health")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "version": settings.VERSION,
        "database": "ok",
        "runners": 1,
        "runnerCrashes": 0,
        "queue": {"pending": 0, "running": 0, "oldestPendingSeconds": 0, "paused": []},
    }


def test_it_counts_what_waits_and_runs(stranger):
    RunnerFactory()
    now = timezone.now()
    TaskFactory(created_at=now - timedelta(seconds=90))
    TaskFactory(created_at=now)
    TaskFactory(status="running", created_at=now - timedelta(hours=1))
    TaskFactory(status="completed", created_at=now - timedelta(hours=2))
    queue = stranger.get("/health").json()["queue"]
    assert (queue["pending"], queue["running"]) == (2, 1)
    assert 90 <= queue["oldestPendingSeconds"] < 120


@pytest.mark.parametrize(
    "gone",
    [
        {"is_silent": True},
        {"stopped_at": timezone.now()},
    ],
)
def test_a_queue_that_nobody_serves_is_not_healthy(stranger, gone):
    RunnerFactory(**gone)
    response = stranger.get("/health")
    assert response.status_code == 503
    body = response.json()
    assert (body["status"], body["database"], body["runners"]) == (
        "unavailable",
        "ok",
        0,
    )
    assert "runner" in body["reason"]


def test_a_database_that_does_not_answer_is_not_healthy(stranger, broken_database):
    response = stranger.get("/health")
    assert response.status_code == 503
    body = response.json()
    assert (body["status"], body["database"]) == ("unavailable", "unavailable")
    assert "database" in body["reason"]


@pytest.mark.parametrize(("crashes", "status"), [(4, "ok"), (5, "degraded")])
def test_runners_that_crash_again_and_again_are_told(stranger, crashes, status):
    now = timezone.now()
    long_ago = now - timedelta(minutes=11)
    RunnerFactory.create_batch(crashes, stopped_at=now, crashed=True)
    RunnerFactory.create_batch(9, stopped_at=long_ago, crashed=True)
    RunnerFactory.create_batch(9, stopped_at=now)
    assert stranger.get("/health").status_code == 503
    RunnerFactory()
    response = stranger.get("/health")
    assert response.status_code == 200
    body = response.json()
    assert (body["status"], body["runnerCrashes"]) == (status, crashes)
    assert body.get("reason") == (
        "Runners crash: 5 in 10 minutes." if status == "degraded" else None
    )


def test_it_costs_five_queries(stranger, django_assert_num_queries):
    with django_assert_num_queries(5):
        stranger.get("/health")


def test_a_post_is_405(stranger):
    problem_of(stranger.post("/health"), 405)


def test_it_reads_no_session_and_no_key(stranger):
    headers = {"X-API-Key": "wrong"}
    assert stranger.get("/health", headers=headers).status_code == 503


def test_it_is_ready_where_the_database_has_all_that_the_code_needs(stranger):
    response = stranger.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "version": settings.VERSION,
        "database": "ok",
    }


def test_it_is_not_ready_where_a_migration_is_missing(stranger):
    MigrationRecorder.Migration.objects.filter(app="tasks").latest("id").delete()
    response = stranger.get("/health/ready")
    assert response.status_code == 503
    body = response.json()
    assert (body["status"], body["database"]) == ("unavailable", "outdated")
    assert body["reason"] == "The database lacks migrations of this version."


def test_it_is_not_ready_where_the_database_was_never_prepared(stranger):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_migrations RENAME TO elsewhere")
    response = stranger.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["database"] == "outdated"


def test_it_is_ready_where_the_database_is_of_a_newer_version(stranger):
    MigrationRecorder.Migration.objects.create(app="tasks", name="9999_of_tomorrow")
    assert stranger.get("/health/ready").status_code == 200
    assert migrations.from_a_newer_version() == [("tasks", "9999_of_tomorrow")]


def test_it_is_not_ready_without_a_database(stranger, broken_database):
    response = stranger.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["database"] == "unavailable"


def test_readiness_costs_one_query(stranger, django_assert_num_queries):
    with django_assert_num_queries(1):
        stranger.get("/health/ready")
