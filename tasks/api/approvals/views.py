"""Decisions on tasks that await an approval: ``tasks.approvals.decisions`` decides."""

import re
from collections.abc import Callable

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from tasks.access.admission import ApiView, actor_of
from tasks.api.parsers import body_of, check_names
from tasks.api.schema import TASK_ID, View, described
from tasks.api.serializers import TaskSerializer
from tasks.api.views import task_of, with_newest_lines
from tasks.approvals import decisions
from tasks.catalog.task_type import ParameterErrors
from tasks.models import LONGEST_COMMENT, Task

SHA256 = re.compile(r"[0-9a-f]{64}")
DECISION_BODY = {
    "type": "object",
    "properties": {
        "comment": {
            "type": "string",
            "maxLength": LONGEST_COMMENT,
            "default": "",
            "description": "why; it stands in the log, the result and the audit trail",
        },
        "approvedSha256": {
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "description": "of the task's `approval`, as it was looked at: where it "
            "has changed meanwhile the answer is 409",
        },
    },
    "additionalProperties": False,
}
WHO = "`approve`; a person is in one of the groups that the step or its type names"


def decision_of(request: Request) -> tuple[str, str | None]:
    """Return the comment of a body, and the digest of what was seen. Raises
    ParameterErrors."""
    body = body_of(request._request)
    check_names(body, "comment", "approvedSha256")
    comment, seen = body.get("comment", ""), body.get("approvedSha256")
    if not isinstance(comment, str):
        raise ParameterErrors({"comment": [_("Must be a string.")]})
    if seen is not None and not (isinstance(seen, str) and SHA256.fullmatch(seen)):
        text = _("Must be 64 hexadecimal digits, as the task's approval has them.")
        raise ParameterErrors({"approvedSha256": [text]})
    return comment, seen


class DecisionView(ApiView):
    decide: Callable[..., Task]

    def answer(self, request: Request, text: str) -> Response:
        actor, task_id = actor_of(request), task_of(text).pk
        comment, seen = decision_of(request)
        task = type(self).decide(task_id, actor, comment, seen)
        return Response(with_newest_lines(request, task))


def _described(title: str, what: str, operation_id: str) -> Callable[[View], View]:
    return described(
        title,
        what,
        scope=WHO,
        operation_id=operation_id,
        request={"application/json": DECISION_BODY},
        parameters=(TASK_ID,),
        answers={200: OpenApiResponse(TaskSerializer, "It was decided.")},
        problems=(400, 404, 409, 413, 415),
        examples=(
            OpenApiExample("Why", {"comment": "Tested on beta."}, request_only=True),
        ),
    )


class ApproveView(DecisionView):
    decide = staticmethod(decisions.approve)

    @_described(
        "Approve a task",
        "A task that is `blocked` goes on with the step after the one that asks. Of "
        "two who decide at the same time one wins; the other gets 409, naming who "
        "did. Who started it, or what it is a rerun of, gets 403 where the step says "
        "`not_self`, by a key of theirs as well.",
        "approveTask",
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        return self.answer(request, id)


class RejectView(DecisionView):
    decide = staticmethod(decisions.reject)

    @_described(
        "Reject a task",
        "A task that is `blocked` ends as `cancelled`; its `error` says who rejected "
        "it, and the comment. Who may approve it may reject it.",
        "rejectTask",
    )
    def post(self, request: Request, id: str) -> Response:  # noqa: A002
        return self.answer(request, id)
