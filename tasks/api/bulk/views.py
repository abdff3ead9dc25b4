"""Cancelling or running again all tasks that a filter finds: asked first, then done."""

from collections import Counter
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from tasks.access.admission import ApiView, actor_of
from tasks.api.bulk.body import (
    COUNT,
    FILTERS,
    confirmed_in,
    filters_in,
    task_filter_in,
)
from tasks.api.bulk.shapes import BODY, DoneSerializer, QuestionSerializer
from tasks.api.parsers import body_of, check_names
from tasks.api.schema import IDEMPOTENCY_KEY, described
from tasks.api.views import idempotency_key
from tasks.bulk.acting import Result, carry_out
from tasks.bulk.selection import MOST_AT_ONCE, SEEN, Act, Selection, selection
from tasks.timestamps import iso

EXAMPLES = 5
ASKED = (
    "Without `count` nothing is done: 200 says how many tasks the filter finds, and "
    "`seen`, which they are. The same request with that `count` and `seen` does it, "
    "and says of each task what came of it. Where the filter finds tasks by then that "
    "were not confirmed, 409 `more-than-confirmed`, and nothing is done. At least one "
    f"filter has a value; at most {MOST_AT_ONCE:,} tasks go at once. The filters are "
    "those of `GET /api/tasks`, and `ids`."
)
ANSWERS = {
    200: OpenApiResponse(QuestionSerializer, "Nothing was done; what it concerns."),
    202: OpenApiResponse(DoneSerializer, "What came of it, task by task."),
}
EXAMPLE = OpenApiExample(
    "Confirmed",
    {"status": "pending", "type": "full-sync", "count": 12},
    request_only=True,
)


def answer(act: Act, request: Request) -> Response:
    """Return the answer to a request for an act on several tasks."""
    body = body_of(request._request)
    check_names(body, *FILTERS, COUNT, SEEN)
    wanted = task_filter_in(body)
    confirmed = confirmed_in(body, idempotency_key(request))
    actor = actor_of(request)
    if confirmed is None:
        return Response(question(selection(act, wanted, actor)))
    results = carry_out(act, wanted, actor, confirmed, filters_in(body))
    return Response(done(results), 202)


def question(found: Selection) -> dict[str, Any]:
    return {
        "count": len(found.tasks),
        "seen": found.seen,
        "examples": [
            {
                "id": str(task.pk),
                "type": task.type,
                "version": task.version,
                "status": task.status,
                "createdAt": iso(task.created_at),
                "createdBy": task.created_by,
            }
            for task in found.tasks[:EXAMPLES]
        ],
        "refused": [
            {"reason": reason, "count": count}
            for reason, count in found.refusals.items()
        ],
    }


def done(results: list[Result]) -> dict[str, Any]:
    return {
        "count": len(results),
        "outcomes": dict(Counter(result.outcome.value for result in results)),
        "results": [
            {
                "taskId": str(result.task.pk),
                "type": result.task.type,
                "status": result.task.status,
                "outcome": result.outcome.value,
                "reason": result.reason or None,
                "newTaskId": result.made and str(result.made.pk),
            }
            for result in results
        ],
    }


class CancelSeveralView(ApiView):
    @described(
        "Cancel all tasks that a filter finds",
        f"Those that have not ended. {ASKED}",
        scope="`start` for tasks that it started; `cancel` for others",
        operation_id="cancelTasks",
        request={"application/json": BODY},
        parameters=(IDEMPOTENCY_KEY,),
        answers=ANSWERS,
        problems=(400, 409, 413, 415, 422),
        examples=(EXAMPLE,),
    )
    def post(self, request: Request) -> Response:
        return answer(Act.CANCEL, request)


class RerunSeveralView(ApiView):
    rate_scope = "create"

    @described(
        "Rerun all tasks that a filter finds",
        "Those that have ended, each with its parameters. Tasks of a type with "
        f"`confirm`, or with secret parameters, are refused. {ASKED}",
        scope="`start`",
        operation_id="rerunTasks",
        request={"application/json": BODY},
        parameters=(IDEMPOTENCY_KEY,),
        answers=ANSWERS,
        problems=(400, 409, 413, 415, 422),
        examples=(EXAMPLE,),
    )
    def post(self, request: Request) -> Response:
        return answer(Act.RERUN, request)
