"""``GET /api/releases/{platform}/history``: what was live when."""

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from tasks.access.admission import ApiView, base_url
from tasks.api.listing import DEFAULT_LIMIT, MAX_LIMIT
from tasks.api.queries import Query
from tasks.api.release_serializers import ReleaseHistorySerializer
from tasks.api.schema import described, query
from tasks.catalog.task_type import ParameterErrors
from tasks.keyset import Position
from tasks.localized import localized
from tasks.patient_reader import READ_SECONDS
from tasks.problems import problem
from tasks.reasons import Reason
from tasks.release_history import Span, channels_within, histories_within
from tasks.releases import FRESH_SECONDS, LIVE, require_platform, rollout_json
from tasks.timestamps import iso

NO_ID = uuid.UUID(int=0)  # of a span, whose number alone says where it is


class Page(NamedTuple):
    spans: Sequence[Span]
    next: Position | None
    previous: Position | None


class ReleaseHistoryView(ApiView):
    @described(
        "What was live when",
        "Newest first, each version with the time that it was served, as the store "
        "itself keeps it (the last 1,000). `next` and `previous` are whole URLs.",
        operation_id="listReleaseHistory",
        tags=("releases",),
        parameters=(
            OpenApiParameter(
                "platform", str, OpenApiParameter.PATH, description="Such as `ios`."
            ),
            query(
                "limit",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_LIMIT,
                    "default": DEFAULT_LIMIT,
                },
                "How many.",
            ),
            query("cursor", str, "From `next` or `previous`."),
            query("channel", str, "`live`, where it is left out, or another one."),
        ),
        answers={200: ReleaseHistorySerializer},
        problems=(400, 404),
    )
    def get(self, request: Request, platform: str) -> HttpResponse:
        asked = Query(request._request.GET)
        limit = asked.number("limit", DEFAULT_LIMIT, 1, MAX_LIMIT)
        position = asked.cursor()
        channel = asked.text("channel") or LIVE
        asked.check()
        require_platform(platform)
        if channel != LIVE:
            _require_channel(platform, channel)
        history = histories_within(READ_SECONDS, [platform], channel)[platform]
        if history.error:
            retry = {"Retry-After": str(int(FRESH_SECONDS))}
            return problem(503, None, history.error, headers=retry)
        page = page_of(history.spans, position, limit)
        return Response(
            {
                "platform": platform,
                "channel": channel,
                "history": [shown(span, channel) for span in page.spans],
                "next": _url(request, page.next),
                "previous": _url(request, page.previous),
                "count": len(history.spans),
            }
        )


def _require_channel(platform: str, channel: str) -> None:
    """Raise ParameterErrors where a platform's store has no such channel: what asks for
    any name must not have it looked for."""
    there_are = channels_within(READ_SECONDS, platform)
    if there_are is not None and channel not in there_are:
        choices = Reason("not-a-choice", choices=", ".join(there_are))
        raise ParameterErrors({"channel": [localized(choices)]})


def shown(span: Span, channel: str) -> dict[str, Any]:
    return {
        "version": span.version,
        "channel": channel,
        "live": span.is_live,
        "rollback": span.is_rollback,
        "since": iso(span.since),
        "until": iso(span.until),
        "previous": span.previous,
        "taskId": span.task_id,
        "manifestSha256": span.manifest_sha256,
        "rollouts": [rollout_json(rollout) for rollout in span.rollouts],
    }


def page_of(spans: Sequence[Span], position: Position | None, limit: int) -> Page:
    """Return up to so many spans from a position on, of all, newest first."""
    at = position.number if position else None
    if position is None or at is None:
        found = spans[:limit]
    elif position.is_newer:
        found = [span for span in spans if span.number > at][-limit:]
    else:
        found = [span for span in spans if span.number < at][:limit]
    if not found:
        return Page((), None, None)
    return Page(
        found,
        next=_beside(found[-1], is_newer=False, is_end=found[-1] is spans[-1]),
        previous=_beside(found[0], is_newer=True, is_end=found[0] is spans[0]),
    )


def _beside(span: Span, *, is_newer: bool, is_end: bool) -> Position | None:
    return None if is_end else Position(is_newer, NO_ID, span.number)


def _url(request: Request, position: Position | None) -> str | None:
    if position is None:
        return None
    given = request._request.GET.copy()
    given["cursor"] = position.as_cursor()
    return f"{base_url(request)}{request.path}?{given.urlencode()}"
