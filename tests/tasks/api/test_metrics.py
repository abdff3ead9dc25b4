"""GET /metrics."""

from datetime import timedelta

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from tests.factories import RunnerFactory, TaskFactory

pytestmark = pytest.mark.django_db


def samples(response):
    assert response.status_code == 200
    families = text_string_to_metric_families(response.content.decode())
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_it_counts_tasks_and_runners(stranger):
    RunnerFactory()
    RunnerFactory(stopped_at=timezone.now(), crashed=True)
    TaskFactory(created_at=timezone.now() - timedelta(seconds=90))
    TaskFactory(status="completed")
    TaskFactory(status="completed")
    found = samples(stranger.get("/metrics"))
    assert found["resource_sync_build_info", "1.0.0"] == 1
    assert found["resource_sync_database_up",] == 1
    assert found["resource_sync_tasks", "pending"] == 1
    assert found["resource_sync_tasks", "running"] == 0
    assert found["resource_sync_tasks", "completed"] == 2
    assert found["resource_sync_runners_alive",] == 1
    assert found["resource_sync_runner_crashes",] == 1
    assert 90 <= found["resource_sync_oldest_pending_seconds",] < 120


def test_it_is_text_as_prometheus_reads_it(stranger):
    assert stranger.get("/metrics")["Content-Type"].startswith("text/plain; version=")
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    response = stranger.get("/metrics", headers=accept)
    assert response["Content-Type"].startswith("application/openmetrics-text")
    assert response.content.endswith(b"# EOF\n")


def test_without_a_database_it_says_so(stranger, broken_database):
    found = samples(stranger.get("/metrics"))
    assert found["resource_sync_database_up",] == 0
    assert ("resource_sync_tasks", "pending") not in found


def test_it_costs_five_queries(stranger, django_assert_num_queries):
    with django_assert_num_queries(5):
        stranger.get("/metrics")
