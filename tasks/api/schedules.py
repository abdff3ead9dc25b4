"""``/api/schedules``: what starts by itself, when, and the acts on it."""

import uuid
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSetMixin

from tasks.access.admission import ApiView, actor_of
from tasks.api.parsers import body_of, check_names
from tasks.api.queries import Query
from tasks.api.schedule_serializers import (
    RUN_NOW_BODY,
    SchedulesSerializer,
    ScheduleWithRunsSerializer,
)
from tasks.api.schema import IDEMPOTENCY_KEY, STARTED_HEADERS, described, query
from tasks.api.serializers import TaskStartedSerializer
from tasks.api.views import idempotency_key, override_of, started
from tasks.catalog.loader import OVERRIDE_FREEZE
from tasks.models import Schedule
from tasks.schedules import acts
from tasks.schedules.representation import describe, describe_all, describe_runs

MOST_SCHEDULES = 200
RUNS = 50
ID = OpenApiParameter(
    "id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="The schedule's id."
)
TAGS = ("schedules",)
STARTS = "`start`, or `start:TYPE` of its type"


def schedule_of(text: str) -> Schedule:
    """Return the schedule of a path. Raises Schedule.DoesNotExist, also where it is no
    id at all."""
    try:
        return Schedule.objects.get(pk=uuid.UUID(text))
    except ValueError:
        raise Schedule.DoesNotExist from None


def shown(schedule: Schedule) -> dict[str, Any]:
    runs = list(schedule.runs.select_related("task")[:RUNS])
    told = describe(schedule, runs[0] if runs else None)
    return {**told, "runs": describe_runs(runs)}


class ScheduleViewSet(ViewSetMixin, ApiView):
    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        asked = super().initialize_request(request, *args, **kwargs)
        self.rate_scope = "create" if self.action == "run_now" else "read"
        return asked

    @described(
        "List schedules",
        "By name, each with its next five runs and its last one.",
        operation_id="listSchedules",
        tags=TAGS,
        parameters=(
            query(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": MOST_SCHEDULES},
                "How many on a page.",
            ),
            query("after", OpenApiTypes.UUID, "What `next` said."),
        ),
        answers={200: SchedulesSerializer},
    )
    def list(self, request: Request) -> Response:
        asked = Query(request._request.GET)
        limit = asked.number("limit", MOST_SCHEDULES, 1, MOST_SCHEDULES)
        after = asked.read("after", _last_seen, None)
        asked.check()
        found = Schedule.objects.with_last_run().order_by("name", "pk")
        if after:
            found = found.after(after)
        rows = list(found[: limit + 1])
        page = rows[:limit]
        is_more = len(rows) > limit
        following = str(page[-1].pk) if is_more else None
        return Response({"schedules": describe_all(page), "next": following})

    @described(
        "A schedule",
        "With its newest runs, also those that were skipped or missed.",
        operation_id="getSchedule",
        tags=TAGS,
        parameters=(ID,),
        answers={200: ScheduleWithRunsSerializer},
        problems=(404,),
    )
    def retrieve(self, request: Request, id: str) -> Response:  # noqa: A002
        return Response(shown(schedule_of(id)))

    @described(
        "Pause a schedule",
        "It starts nothing until it is resumed. Doing it twice is no error.",
        operation_id="pauseSchedule",
        tags=TAGS,
        scope=STARTS,
        parameters=(ID,),
        answers={200: ScheduleWithRunsSerializer},
        problems=(400, 404, 409, 413, 415),
    )
    def pause(self, request: Request, id: str) -> Response:  # noqa: A002
        check_names(body_of(request._request))
        return Response(shown(acts.pause(schedule_of(id), actor_of(request))))

    @described(
        "Resume a schedule",
        "It starts what comes from now on; what came meanwhile is not caught up. Doing "
        "it twice is no error.",
        operation_id="resumeSchedule",
        tags=TAGS,
        scope=STARTS,
        parameters=(ID,),
        answers={200: ScheduleWithRunsSerializer},
        problems=(400, 404, 409, 413, 415),
    )
    def resume(self, request: Request, id: str) -> Response:  # noqa: A002
        check_names(body_of(request._request))
        return Response(shown(acts.resume(schedule_of(id), actor_of(request))))

    @described(
        "Run a schedule now",
        "Its task is started at once, also while another run of it is not over, or "
        "while it is paused. When it is due next stays as it is. Where its type is "
        "frozen, `overrideFreeze` says why it starts all the same.",
        operation_id="runScheduleNow",
        tags=TAGS,
        scope=f"{STARTS}; `admin` for types with `confirm`",
        request={"application/json": RUN_NOW_BODY},
        parameters=(ID, IDEMPOTENCY_KEY, *STARTED_HEADERS),
        answers={202: TaskStartedSerializer},
        problems=(400, 404, 409, 413, 415, 422),
    )
    def run_now(self, request: Request, id: str) -> Response:  # noqa: A002
        body = body_of(request._request)
        check_names(body, OVERRIDE_FREEZE)
        task = acts.run_now(
            schedule_of(id),
            actor_of(request),
            override_freeze=override_of(body),
            idempotency_key=idempotency_key(request),
        )
        return started(request, task)


def _last_seen(text: str) -> Schedule:
    try:
        return schedule_of(text)
    except Schedule.DoesNotExist as error:
        raise ValueError(_("Must come from “next” of a response.")) from error
