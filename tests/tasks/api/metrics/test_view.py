"""GET /metrics."""

import time
from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from tasks.api.metrics.view import collector, metrics_without_database
from tests.factories import ApiKeyFactory, RunnerFactory, TaskFactory
from tests.tasks.api.answers import problem_of
from tests.tasks.api.metrics.samples import samples

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture(autouse=True)
def _nothing_collected():
    collector.forget()


def test_it_counts_tasks_and_runners(stranger):
    RunnerFactory()
    RunnerFactory(stopped_at=timezone.now(), crashed=True)
    TaskFactory(created_at=timezone.now() - timedelta(seconds=90))
    TaskFactory(status="completed")
    TaskFactory(status="completed")
    found = samples(stranger.get("/metrics"))
    assert found["resource_sync_build_info", settings.VERSION] == 1
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


def test_it_costs_so_many_queries(stranger, django_assert_num_queries):
    # A file's size is its system's, and nobody else is connected to it.
    asks_of_server = 2 * (connection.vendor == "postgresql")
    with django_assert_num_queries(13 + asks_of_server):
        stranger.get("/metrics")


def test_within_a_second_nobody_asks_the_database_again(
    stranger, django_assert_num_queries
):
    collector._good_until = time.monotonic() + 60
    with django_assert_num_queries(0):
        samples(stranger.get("/metrics"))


def from_address(client, address, **headers):
    return client.get("/metrics", REMOTE_ADDR=address, headers=headers)


def test_this_machine_reads_them_without_a_key_and_nobody_else(stranger):
    for address in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"):
        assert from_address(stranger, address).status_code == 200
    for address in ("10.1.2.3", "2001:db8::1", ""):
        problem_of(from_address(stranger, address), 401)


def test_any_key_reads_them_from_anywhere(stranger):
    key = ApiKeyFactory(scope="read").secret
    assert from_address(stranger, "10.1.2.3", X_API_Key=key).status_code == 200
    problem_of(from_address(stranger, "10.1.2.3", X_API_Key="wrong"), 401)


def test_other_addresses_can_be_listed(stranger, settings):
    settings.METRICS_ALLOWLIST = [ip_network("10.0.0.0/8")]
    assert from_address(stranger, "10.1.2.3").status_code == 200
    problem_of(from_address(stranger, "127.0.0.1"), 401)


def test_prometheus_is_never_redirected(stranger, settings):
    settings.SECURE_SSL_REDIRECT = True
    client = type(stranger)()
    assert client.get("/metrics").status_code == 200
    assert client.get("/history").status_code == 301


def test_without_a_database_only_a_listed_address_is_answered(rf, settings):
    settings.METRICS_ALLOWLIST = [ip_network("10.0.0.0/8")]
    found = samples(
        metrics_without_database(rf.get("/metrics", REMOTE_ADDR="10.1.2.3"))
    )
    assert found["resource_sync_database_up",] == 0
    assert found["resource_sync_process_up", "web"] == 1
    for headers in ({}, {"X-API-Key": ApiKeyFactory(scope="read").secret}):
        request = rf.get("/metrics", REMOTE_ADDR="192.168.1.1", headers=headers)
        assert metrics_without_database(request).status_code == 503
