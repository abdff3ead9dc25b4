"""What the OpenAPI schema needs to know beyond the serializers: keys, sessions,
problem answers, headers."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)

from tasks.api.serializers import ProblemSerializer
from tasks.problems import CONTENT_TYPE

View = TypeVar("View", bound=Callable[..., Any])

PROBLEMS = {
    400: "Something in the request is wrong; `errors` names each field. Or the Host is "
    "none of this service's.",
    401: "There is no key, or one that is wrong, revoked or expired.",
    403: "The key's scope, the address, the person's group or a missing CSRF token is "
    "the reason; `detail` and `WWW-Authenticate` name what is needed.",
    404: "There is no such task, schedule, webhook, type, platform or version; those "
    "there are are named, but for the first three.",
    409: "The task, or the schedule, is not in a state in which this can be done; its "
    "type is frozen, which `until` and `reason` explain; or a task was started by this "
    "Idempotency-Key and has been deleted since; or a version can't be compared; or a "
    "filter finds tasks that were not confirmed.",
    413: "The body is too large.",
    415: "The body is not `application/json`.",
    422: "The Idempotency-Key came before with another type or other parameters.",
    429: "Too many requests; `Retry-After` says when to come back.",
    503: "The database, or the store that is asked, does not answer, too many requests "
    "wait, or what is asked for is still being worked out; `Retry-After` says when to "
    "come back.",
}
SCOPES = (
    "A key has one or several scopes. `read`: everything that is read. `start`: also "
    "to start tasks and run them again, and to cancel and pin those that it started. "
    "`admin`: also to cancel and pin anybody's, and to start types with `confirm` "
    "(rollback, prune). "
    "`start:TYPE`: as `start`, but only that type, also where it has `confirm` or "
    "`allow`. "
    "`cancel`: also to cancel anybody's. `approve`: as `read`, so far."
)
EVERYWHERE = (400, 401, 403, 429, 503)


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tasks.access.authentication.ApiKeyAuthentication"
    name = ["apiKey", "bearer"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        """Either of the headers; the framework would ask for both at once."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {
                "type": "apiKey",
                "in": "header",
                "name": "X-API-Key",
                "description": SCOPES,
            },
            {"type": "http", "scheme": "bearer", "description": SCOPES},
        ]


class StaffSessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tasks.access.authentication.StaffSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        from django.conf import settings

        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "For staff in one of the groups viewer (scope `read`), "
            "operator (`start`) and admin (`admin`); unsafe methods need X-CSRFToken "
            "as well.",
        }


def query(name: str, kind: Any, text: str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, kind, OpenApiParameter.QUERY, description=text, **more
    )


def header(name: str, kind: Any, text: str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, kind, OpenApiParameter.HEADER, description=text, **more
    )


TASK_ID = OpenApiParameter(
    "id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="The task's id."
)
NOT_MODIFIED = OpenApiResponse(description="It is what `If-None-Match` names.")
PREFER = header(
    "Prefer",
    str,
    "`wait=SECONDS` (RFC 7240) holds the answer until the task has ended or the time "
    "is over, at most 600 s. A server that stops meanwhile answers 202 without "
    "`Preference-Applied`.",
)
IDEMPOTENCY_KEY = header(
    "Idempotency-Key",
    {"type": "string", "maxLength": 255, "pattern": "^[ -~]+$"},
    "1 to 255 printable ASCII characters: the same request sent again with the same "
    "key within 24 hours gets the first one's task, and starts nothing.",
)


def answer_header(
    name: str, text: str, *statuses: int, kind: Any = str
) -> OpenApiParameter:
    """A header of an answer."""
    return OpenApiParameter(
        name,
        kind,
        OpenApiParameter.HEADER,
        description=text,
        response=[str(status) for status in statuses],
    )


STARTED_HEADERS = (
    answer_header("Location", "The task's status URL.", 200, 202),
    answer_header("Preference-Applied", "Which wait was granted.", 200, 202),
)


def described(
    summary: str,
    description: str = "",
    *,
    answers: Mapping[Any, Any],
    problems: tuple[int, ...] = (),
    parameters: tuple[OpenApiParameter, ...] = (),
    is_public: bool = False,
    operation_id: str | None = None,
    request: Any = None,
    scope: str = "`read`",
    tags: tuple[str, ...] = ("tasks",),
    examples: tuple[OpenApiExample, ...] = (),
) -> Callable[[View], View]:
    """One operation: its answers, and each problem that it can end in.

    ``scope``: what a key needs for it, in words. ``problems`` of an operation that is
    public are all that it has; others have those that are everywhere, too.
    """
    if not is_public:
        description = f"{description}\n\nScope of a key: {scope}.".strip()
    statuses = sorted({*problems, *(() if is_public else EVERYWHERE)})
    text = "Whole seconds."
    headers = [
        answer_header("Retry-After", text, status, kind=int)
        for status in statuses
        if status in {429, 503}
    ]
    if not is_public:
        text = "How to come in, or the scope that is needed."
        headers.append(answer_header("WWW-Authenticate", text, 401, 403))
    return extend_schema(
        operation_id=operation_id,
        summary=summary,
        description=description,
        tags=list(tags),
        request=request,
        parameters=[*parameters, *headers],
        examples=list(examples),
        auth=[] if is_public else None,
        responses={
            **answers,
            **{
                (status, CONTENT_TYPE): OpenApiResponse(
                    ProblemSerializer, PROBLEMS[status]
                )
                for status in statuses
            },
        },
    )
