"""Webhooks, schedules, keys, the database and Redis."""

import os
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tasks.models import Schedule, Webhook, WebhookDelivery
from tests.factories import ApiKeyFactory
from tests.ports import free_port
from tests.tasks.api.metrics.samples import scrape

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def ago(seconds):
    return timezone.now() - timedelta(seconds=seconds)


def test_the_oldest_message_that_waits_for_a_webhook(stranger):
    webhook = Webhook.objects.create(sealed="", shown_url="", created_by="alice")
    for state, seconds in (("delivered", 900), ("waiting", 400), ("waiting", 30)):
        WebhookDelivery.objects.create(
            webhook=webhook,
            event="task.failed",
            payload={},
            state=state,
            created_at=ago(seconds),
        )
    found = scrape(stranger)
    assert found["resource_sync_webhook_deliveries", "waiting"] == 2
    assert 400 <= found["resource_sync_oldest_webhook_seconds",] < 500


def test_schedules_that_are_late_or_fail_again_and_again(stranger):
    at = {"type": "check-integrity", "cron": "0 3 * * *"}
    Schedule.objects.create(name="on time", next_run_at=ago(-60), failures=2, **at)
    Schedule.objects.create(name="late", next_run_at=ago(200), **at)
    Schedule.objects.create(
        name="paused", next_run_at=ago(900), failures=9, paused_at=ago(1000), **at
    )
    found = scrape(stranger)
    assert 200 <= found["resource_sync_schedule_late_seconds",] < 300
    assert found["resource_sync_schedule_failures",] == 2


def test_when_the_first_key_expires_that_is_still_good(stranger):
    name = ("resource_sync_api_key_expiry_timestamp_seconds",)
    ApiKeyFactory()
    assert name not in scrape(stranger)
    ends = ago(-5_000)
    for key in (ends, ago(-9_000), ago(100)):
        ApiKeyFactory(expires_at=key)
    ApiKeyFactory(expires_at=ago(-10), revoked_at=ago(20))
    assert scrape(stranger)[name] == pytest.approx(ends.timestamp())


def test_size_and_connections_of_the_database(stranger):
    found = scrape(stranger)
    assert found["resource_sync_database_bytes",] > 0
    connections = ("resource_sync_database_connections",)
    if connection.vendor == "postgresql":
        assert found[connections] >= 1
    else:
        assert connections not in found


def test_redis_is_asked_where_it_is_set(stranger, settings):
    name = ("resource_sync_redis_up",)
    settings.REDIS_URL = ""
    assert name not in scrape(stranger)
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    assert scrape(stranger)[name] == 0
    url = os.environ.get("TEST_REDIS_URL")
    if not url:
        pytest.skip("TEST_REDIS_URL names no Redis")
    settings.REDIS_URL = url
    assert scrape(stranger)[name] == 1
