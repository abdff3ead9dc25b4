"""Webhooks, schedules, keys, the database and Redis."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, Max, Min
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from tasks.disk import database_bytes
from tasks.models import ApiKey, Schedule, WebhookDelivery
from tasks.timestamps import seconds_since

REDIS_SECONDS = 0.5


def measured() -> Iterator[Metric]:
    yield from _webhooks()
    yield from _schedules()
    ends = ApiKey.objects.usable().aggregate(first=Min("expires_at"))["first"]
    first = GaugeMetricFamily(
        "resource_sync_api_key_expiry_timestamp_seconds",
        "When the first API key that is usable expires; missing where none does.",
    )
    if ends is not None:
        first.add_metric([], ends.timestamp())
    yield first
    yield GaugeMetricFamily(
        "resource_sync_database_bytes",
        "How large the database is.",
        value=database_bytes(),
    )
    connections = GaugeMetricFamily(
        "resource_sync_database_connections",
        "Connections to the database on PostgreSQL, whoever has them.",
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT numbackends FROM pg_stat_database "
                "WHERE datname = current_database()"
            )
            connections.add_metric([], cursor.fetchone()[0])
    yield connections


def _webhooks() -> Iterator[Metric]:
    deliveries = GaugeMetricFamily(
        "resource_sync_webhook_deliveries",
        "Messages to webhooks that are kept, by state.",
        labels=["state"],
    )
    found = WebhookDelivery.objects.order_by().values_list("state")
    counts: Any = {
        state: (count, oldest)
        for state, count, oldest in found.annotate(Count("id"), Min("created_at"))
    }
    for state in WebhookDelivery.State.values:
        deliveries.add_metric([state], counts.get(state, (0, None))[0])
    yield deliveries
    _, oldest = counts.get(WebhookDelivery.State.WAITING, (0, None))
    yield GaugeMetricFamily(
        "resource_sync_oldest_webhook_seconds",
        "How long the oldest message that was not delivered yet has waited.",
        value=seconds_since(oldest),
    )


def _schedules() -> Iterator[Metric]:
    due = Schedule.objects.due(timezone.now()).order_by()
    failing = Schedule.objects.active().order_by()
    yield GaugeMetricFamily(
        "resource_sync_schedule_late_seconds",
        "By how much the latest of the schedules that are due is late; 0 where none.",
        value=seconds_since(due.aggregate(first=Min("next_run_at"))["first"]),
    )
    yield GaugeMetricFamily(
        "resource_sync_schedule_failures",
        "The most runs in a row that failed, of any active schedule.",
        value=failing.aggregate(most=Max("failures"))["most"] or 0,
    )


def redis() -> Iterator[Metric]:
    """Whether Redis answers, where it is set; without it nothing is limited."""
    up = GaugeMetricFamily(
        "resource_sync_redis_up", "Whether Redis answers; missing without REDIS_URL."
    )
    if settings.REDIS_URL:
        up.add_metric([], _redis_answers())
    yield up


def _redis_answers() -> bool:
    from redis import Redis, RedisError

    client = Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=REDIS_SECONDS,
        socket_timeout=REDIS_SECONDS,
    )
    try:
        return bool(client.ping())
    except RedisError:
        return False
    finally:
        client.close()
