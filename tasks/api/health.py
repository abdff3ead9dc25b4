"""For those who watch over it: ``/health`` for all, ``/metrics`` for some."""

import ipaddress
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypedDict

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count, Min
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from rest_framework.request import Request
from rest_framework.response import Response

from tasks.access.addresses import address_of
from tasks.access.admission import ApiView
from tasks.access.authentication import KeyOwner
from tasks.access.rights import Rights
from tasks.api.schema import described
from tasks.api.serializers import HealthSerializer, LiveSerializer, ReadySerializer
from tasks.databases import migrations
from tasks.databases.errors import outage_errors
from tasks.databases.sqlite3.base import DatabaseReplaced
from tasks.disk import database_bytes, database_is_full, free_bytes, full_disks
from tasks.models import CRASH_MINUTES, QueuePause, Runner, Task, WebhookDelivery
from tasks.problems import database_replaced, disk_full
from tasks.timestamps import iso

METRICS_SECONDS = 1.0
CRASH_LOOP = 5  # so many crashes in CRASH_MINUTES
# The tables may be missing as well as the server.
NO_DATABASE: tuple[type[Exception], ...] = (DatabaseError, *outage_errors())


class Queue(TypedDict):
    pending: int
    running: int
    oldestPendingSeconds: int


NOTHING_QUEUED = Queue(pending=0, running=0, oldestPendingSeconds=0)


def queue_now() -> Queue:
    """Return how much waits and runs: two queries, each on an index of few rows."""
    waiting: dict[str, Any] = Task.objects.pending().aggregate(
        count=Count("id"), oldest=Min("created_at")
    )
    return {
        "pending": waiting["count"],
        "running": Task.objects.running().count(),
        "oldestPendingSeconds": _seconds_since(waiting["oldest"]),
    }


def _paused() -> list[dict[str, Any]]:
    """Return what is paused since when; not by whom, because everybody may ask."""
    return [
        {"type": one.type or None, "since": iso(one.paused_at)}
        for one in QueuePause.objects.all()
    ]


def _seconds_since(moment: datetime | None) -> int:
    if moment is None:
        return 0
    return max(0, int((timezone.now() - moment).total_seconds()))


class OpenView(ApiView):
    """Open to everybody, and never limited: it must work when all else is busy."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()


HEALTH_ANSWERS = {
    200: HealthSerializer,
    (503, "application/json"): OpenApiResponse(
        HealthSerializer, "It is not; `reason` says why."
    ),
}


class HealthView(OpenView):
    @described(
        "Is it healthy?",
        "A queue that no runner serves is not healthy. One whose runners crash again "
        "and again is `degraded`, with status 200 as long as one lives. A full disk of "
        "the database is not healthy, one of the logs is `degraded`.",
        operation_id="getHealth",
        is_public=True,
        tags=("operations",),
        answers=HEALTH_ANSWERS,
        problems=(400,),
    )
    def get(self, request: Request) -> Response:
        body: dict[str, Any] = {
            "status": "ok",
            "version": settings.VERSION,
            "database": "ok",
            "runners": 0,
            "runnerCrashes": 0,
            "queue": {**NOTHING_QUEUED, "paused": []},
        }
        try:
            body["runners"] = Runner.objects.alive().count()
            body["runnerCrashes"] = Runner.objects.crashed_lately().count()
            body["queue"] = {**queue_now(), "paused": _paused()}
        except DatabaseReplaced:
            body["database"] = "unavailable"
            body["reason"] = database_replaced()
        except NO_DATABASE:
            body["database"] = "unavailable"
            body["reason"] = _("The database does not answer.")
        else:
            if database_is_full():
                body["database"] = "full"
                body["reason"] = disk_full()
            elif not body["runners"]:
                body["reason"] = _("No runner is active, so no task is started.")
        if "reason" in body:
            body["status"] = "unavailable"
        elif full := full_disks():
            body["status"] = "degraded"
            body["reason"] = _("The disk of %(folders)s is full.") % {
                "folders": ", ".join(full)
            }
        elif body["runnerCrashes"] >= CRASH_LOOP:
            body["status"] = "degraded"
            body["reason"] = _("Runners crash: %(count)s in %(minutes)s minutes.") % {
                "count": body["runnerCrashes"],
                "minutes": CRASH_MINUTES,
            }
        response = Response(body, 503 if body["status"] == "unavailable" else 200)
        # Whoever asks is told; in the logs it would be an error a second.
        response._has_been_logged = True  # type: ignore[attr-defined]
        return response


class ReadyView(OpenView):
    """One query; resource_sync.http.handler answers in its place where none comes."""

    @described(
        "Is it ready?",
        "200 where this process can serve: its database answers, and has all that the "
        "code needs. Runners don't count, because pages and logs need none. Answered "
        "within a second, also where the database hangs.",
        operation_id="getReadiness",
        is_public=True,
        tags=("operations",),
        answers={
            200: ReadySerializer,
            (503, "application/json"): OpenApiResponse(
                ReadySerializer, "It is not; `reason` says why."
            ),
        },
    )
    def get(self, request: Request) -> Response:
        database, reason = "ok", ""
        try:
            if migrations.missing():
                database = "outdated"
                reason = _("The database lacks migrations of this version.")
        except DatabaseReplaced:
            database, reason = "unavailable", database_replaced()
        except NO_DATABASE:
            database, reason = "unavailable", _("The database does not answer.")
        response = Response(readiness(database, reason), 503 if reason else 200)
        response._has_been_logged = True  # type: ignore[attr-defined]
        return response


def readiness(database: str, reason: str) -> dict[str, str]:
    """Return what ``/health/ready`` says."""
    status = "unavailable" if reason else "ok"
    body = {"status": status, "version": settings.VERSION, "database": database}
    return {**body, "reason": reason} if reason else body


class LiveView(OpenView):
    @described(
        "Is it alive?",
        "200 where this process answers at all, whatever the database and the runners "
        "do: an orchestrator restarts it where this fails.",
        operation_id="getLiveness",
        is_public=True,
        tags=("operations",),
        answers={200: LiveSerializer},
    )
    def get(self, request: Request) -> Response:
        return Response({"status": "ok", "version": settings.VERSION})


class TaskCollector(Collector):
    """Counts as they are at the moment of asking: right for any number of processes,
    each of which would otherwise count only what it did itself.

    Asked anew once a second at most: among 100,000 tasks it takes 33 ms.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        self._collected: list[Metric] = []
        self._good_until = 0.0

    def collect(self) -> list[Metric]:
        with self._lock:
            if time.monotonic() >= self._good_until:
                self._collected = list(self._collect())
                self._good_until = time.monotonic() + METRICS_SECONDS
            return self._collected

    def _collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "resource_sync_build",
            "What runs here.",
            value={"version": settings.VERSION},
        )
        try:
            measured = list(self._measured())
        except NO_DATABASE:
            measured = []
        yield GaugeMetricFamily(
            "resource_sync_database_up",
            "Whether the database answers.",
            value=1 if measured else 0,
        )
        free = GaugeMetricFamily(
            "resource_sync_disk_free_bytes",
            "What the service may still write to a disk; `database` is SQLite's.",
            labels=["folder"],
        )
        for name, count in free_bytes().items():
            free.add_metric([name], count)
        yield free
        yield from measured

    def _measured(self) -> Iterator[Metric]:
        tasks = GaugeMetricFamily(
            "resource_sync_tasks", "Tasks kept, by status.", labels=["status"]
        )
        counts = dict(
            Task.objects.order_by().values_list("status").annotate(Count("id"))
        )
        for status in Task.Status.values:
            tasks.add_metric([status], counts.get(status, 0))
        yield tasks
        deliveries = GaugeMetricFamily(
            "resource_sync_webhook_deliveries",
            "Messages to webhooks that are kept, by state.",
            labels=["state"],
        )
        found = WebhookDelivery.objects.order_by().values_list("state")
        counts = dict(found.annotate(Count("id")))
        for state in WebhookDelivery.State.values:
            deliveries.add_metric([state], counts.get(state, 0))
        yield deliveries
        yield GaugeMetricFamily(
            "resource_sync_database_bytes",
            "How large the database is.",
            value=database_bytes(),
        )
        yield GaugeMetricFamily(
            "resource_sync_oldest_pending_seconds",
            "How long the oldest waiting task has waited.",
            value=queue_now()["oldestPendingSeconds"],
        )
        yield GaugeMetricFamily(
            "resource_sync_runners_alive",
            "Runners with a sign of life within the lease.",
            value=Runner.objects.alive().count(),
        )
        yield GaugeMetricFamily(
            "resource_sync_runner_crashes",
            f"Runners that crashed within the last {CRASH_MINUTES} minutes.",
            value=Runner.objects.crashed_lately().count(),
        )


collector = TaskCollector()
registry = CollectorRegistry(auto_describe=False)
registry.register(collector)


class MetricsView(ApiView):
    throttle_classes = ()  # it must work when all else is busy

    def perform_authentication(self, request: Request) -> None:
        """A listed address is as good as a key with `read`, whatever else it sends."""
        if _is_listed(address_of(request._request)):
            owner: Any = KeyOwner("metrics", "metrics", Rights.of_key("read"))
            request.user = owner
        else:
            super().perform_authentication(request)

    @described(
        "Metrics for Prometheus",
        "An address in `METRICS_ALLOWLIST` needs no key.",
        operation_id="getMetrics",
        tags=("operations",),
        answers={
            (200, "text/plain"): OpenApiTypes.STR,
            (200, "application/openmetrics-text"): OpenApiTypes.STR,
        },
        problems=(400,),
    )
    def get(self, request: Request) -> HttpResponse:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return HttpResponse(encode(registry), content_type=content_type)


def _is_listed(address: str | None) -> bool:
    return address is not None and any(
        ipaddress.ip_address(address) in network
        for network in settings.METRICS_ALLOWLIST
    )
