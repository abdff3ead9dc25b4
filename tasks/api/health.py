"""For those who watch over it: ``/health``."""

from typing import Any, TypedDict

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count, Min
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from tasks.access.admission import ApiView
from tasks.api.schema import described
from tasks.api.serializers import HealthSerializer, LiveSerializer, ReadySerializer
from tasks.databases import migrations
from tasks.databases.errors import outage_errors
from tasks.databases.sqlite3.base import DatabaseReplaced
from tasks.disk import database_is_full, full_disks
from tasks.models import CRASH_MINUTES, QueuePause, Runner, Task
from tasks.problems import database_replaced, disk_full
from tasks.timestamps import iso, seconds_since

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
        "oldestPendingSeconds": seconds_since(waiting["oldest"]),
    }


def _paused() -> list[dict[str, Any]]:
    """Return what is paused since when; not by whom, because everybody may ask."""
    return [
        {"type": one.type or None, "since": iso(one.paused_at)}
        for one in QueuePause.objects.all()
    ]


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
