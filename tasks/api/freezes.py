"""Freezes over HTTP: who may start nothing of which types, from when until when."""

import uuid
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from tasks.access.admission import ApiView, actor_of
from tasks.api.parsers import body_of, check_names
from tasks.api.queue_serializers import FREEZE, FREEZE_BODY, FREEZES
from tasks.api.schema import described
from tasks.catalog.task_type import ParameterErrors
from tasks.queue.freezes import NoSuchFreeze, Window, all_freezes, freeze, unfreeze
from tasks.timestamps import iso

TAGS = ("queue",)


def shown(window: Window, now: datetime) -> dict[str, Any]:
    """A freeze as programs see it."""
    made = window.freeze
    return {
        "id": str(made.pk) if made else None,
        "types": list(window.types),
        "from": iso(window.begins_at),
        "until": iso(window.ends_at),
        "reason": window.reason,
        "state": window.state(now),
        "repeats": window.is_repeating,
        "createdBy": made.created_by if made else None,
        "createdAt": iso(made.created_at) if made else None,
    }


class FreezesView(ApiView):
    @described(
        "List freezes",
        "Those that hold, those to come, and the newest 50 that are over. One that "
        "repeats (`[[freeze]]` in `task_types.toml`) has no id, and the time that "
        "holds or comes next.",
        operation_id="listFreezes",
        tags=TAGS,
        answers={200: FREEZES},
    )
    def get(self, request: Request) -> Response:
        now = timezone.now()
        return Response({"freezes": [shown(one, now) for one in all_freezes(now)]})

    @described(
        "Freeze task types",
        "From `from` (now, where it is left out) until `until` nothing of these types "
        "is started: 409 `frozen` with the reason and the end. What was accepted "
        "before runs.",
        scope="`admin`",
        operation_id="createFreeze",
        tags=TAGS,
        request={"application/json": FREEZE_BODY},
        answers={201: FREEZE},
        problems=(400, 413, 415),
        examples=(
            OpenApiExample(
                "Over a weekend",
                {
                    "types": ["sync-*"],
                    "from": "2025-11-28T16:00:00Z",
                    "until": "2025-12-01T08:00:00Z",
                    "reason": "Nobody releases over the weekend",
                },
                request_only=True,
            ),
        ),
    )
    def post(self, request: Request) -> Response:
        body = body_of(request._request)
        check_names(body, "types", "from", "until", "reason")
        now = timezone.now()
        errors: dict[str, list[str]] = {}
        times = {
            "from": _moment(body.get("from", now), "from", errors),
            "until": _moment(body.get("until"), "until", errors),
        }
        if errors:
            raise ParameterErrors(errors)
        made = freeze(
            body.get("types"),
            times["from"],
            times["until"],
            body.get("reason"),
            actor_of(request),
        )
        return Response(shown(made, now), 201)


class FreezeView(ApiView):
    @described(
        "End a freeze",
        "One that holds ends now; one to come does not come. One that repeats stands "
        "in `task_types.toml` and ends there.",
        scope="`admin`",
        operation_id="deleteFreeze",
        tags=TAGS,
        parameters=(
            OpenApiParameter(
                "id",
                OpenApiTypes.UUID,
                OpenApiParameter.PATH,
                description="The freeze's id.",
            ),
        ),
        answers={204: None},
        problems=(400, 404, 413, 415),
    )
    def delete(self, request: Request, id: str) -> Response:  # noqa: A002
        check_names(body_of(request._request))
        try:
            freeze_id = uuid.UUID(id)
        except ValueError:
            raise NoSuchFreeze from None
        unfreeze(freeze_id, actor_of(request))
        return Response(status=204)


def _moment(given: object, name: str, errors: dict[str, list[str]]) -> Any:
    """Return a time with its zone; otherwise note what is wrong with it."""
    if isinstance(given, datetime):
        return given
    try:
        found = parse_datetime(given) if isinstance(given, str) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not 1 < found.year < 9999:
        text = _("Must be a time with its zone, such as 2025-11-28T16:00:00Z.")
        errors[name] = [text]
    return found
