"""The queue over HTTP: how long it is, and whether it is paused."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample
from rest_framework.request import Request
from rest_framework.response import Response

from tasks.access.admission import ApiView, actor_of
from tasks.api.health import queue_now
from tasks.api.parsers import body_of, check_names
from tasks.api.queue_serializers import PAUSE_BODY, RESUME_BODY, QueueStateSerializer
from tasks.api.schema import described
from tasks.catalog.task_type import ParameterErrors
from tasks.models import ALL_TYPES
from tasks.queue.pauses import pause, pauses, resume
from tasks.timestamps import iso

TAGS = ("queue",)


def queue_state() -> dict[str, Any]:
    """Return how much waits and runs, and what is paused by whom."""
    paused = [
        {
            "type": one.type or None,
            "by": one.paused_by,
            "since": iso(one.paused_at),
            "reason": one.reason,
        }
        for one in pauses()
    ]
    return {**queue_now(), "paused": paused}


def _text(body: dict[str, Any], name: str) -> str:
    text = body.get(name, "")
    if not isinstance(text, str):
        raise ParameterErrors({name: [_("Must be a string.")]})
    return text


def _type(body: dict[str, Any]) -> str:
    """Return the type that a body names; ALL_TYPES where it names none."""
    name = _text(body, "type")
    if "type" in body and not name:
        raise ParameterErrors({"type": [_("Must be the name of a task type.")]})
    return name or ALL_TYPES


class QueueView(ApiView):
    @described(
        "The queue",
        "How much waits and runs, and what is paused: by whom, since when, why.",
        operation_id="getQueue",
        tags=TAGS,
        answers={200: QueueStateSerializer},
    )
    def get(self, request: Request) -> Response:
        return Response(queue_state())


class PauseView(ApiView):
    @described(
        "Pause the queue",
        "No runner claims a task any more, or none of `type`; what runs goes on. What "
        "is paused already stays as it is.",
        scope="`admin`",
        operation_id="pauseQueue",
        tags=TAGS,
        request={"application/json": PAUSE_BODY},
        answers={200: QueueStateSerializer},
        problems=(400, 413, 415),
        examples=(
            OpenApiExample(
                "One type",
                {"type": "full-sync", "reason": "The store is being moved"},
                request_only=True,
            ),
        ),
    )
    def post(self, request: Request) -> Response:
        body = body_of(request._request)
        check_names(body, "type", "reason")
        pause(_type(body), _text(body, "reason"), actor_of(request))
        return Response(queue_state())


class ResumeView(ApiView):
    @described(
        "Resume the queue",
        "Ends the pause of the whole queue, or that of `type`. The pauses of single "
        "types outlast that of the whole queue. What is not paused stays as it is.",
        scope="`admin`",
        operation_id="resumeQueue",
        tags=TAGS,
        request={"application/json": RESUME_BODY},
        answers={200: QueueStateSerializer},
        problems=(400, 413, 415),
    )
    def post(self, request: Request) -> Response:
        body = body_of(request._request)
        check_names(body, "type")
        resume(_type(body), actor_of(request))
        return Response(queue_state())
