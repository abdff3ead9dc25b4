"""Tasks over HTTP: views translate, ``tasks.lifecycle`` decides."""

import re
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSetMixin

from tasks import lifecycle
from tasks.access.admission import (
    ApiView,
    actor_of,
    base_url,
    credential_of,
    stream_query,
)
from tasks.api import listing, prefer
from tasks.api.conditional import with_digest_as_etag
from tasks.api.parsers import body_of, check_names, is_forced
from tasks.api.schema import (
    IDEMPOTENCY_KEY,
    NOT_MODIFIED,
    PREFER,
    STARTED_HEADERS,
    TASK_ID,
    described,
    query,
)
from tasks.api.serializers import (
    CANCEL_BODY,
    JSON_OBJECT,
    RERUN_BODY,
    TaskListSerializer,
    TaskSerializer,
    TaskStartedSerializer,
)
from tasks.approvals.representation import describe_approval
from tasks.catalog.loader import OVERRIDE_FREEZE
from tasks.catalog.task_type import ParameterErrors
from tasks.keyset import Position
from tasks.logs import store as log_store
from tasks.logs.store import LineJson
from tasks.models import Task, load_schedules, task_id_of
from tasks.queue.freezes import checked_override
from tasks.representation import NEWEST_LINES, describe, summary_of, urls_of
from tasks.reruns import FROM_STEP
from tasks.search import MAX_TEXT_LENGTH
from tasks.waiting import WaitingFor, waiting_for_all

IDEMPOTENCY_KEYS = re.compile(r"[\x20-\x7e]{1,255}")
OWN_OR_ANY = "`start` for tasks that it started; `admin` for others"


def task_of(text: str) -> Task:
    """The task of a path. Raises Task.DoesNotExist, also where it is no id at all."""
    if (task_id := task_id_of(text)) is None:
        raise Task.DoesNotExist
    return Task.objects.defer("trail").get(pk=task_id)


def shown(
    request: Request,
    task: Task,
    logs: list[LineJson] | None = None,
    waiting: Mapping[uuid.UUID, WaitingFor] | None = None,
) -> dict[str, Any]:
    """A task as the client that asks gets it."""
    query = stream_query(request, task.pk)
    urls = urls_of(task, base_url(request), query)
    return {**describe(task, logs or [], waiting), **urls}


def with_newest_lines(
    request: Request,
    task: Task,
    waiting: Mapping[uuid.UUID, WaitingFor] | None = None,
) -> dict[str, Any]:
    lines: list[LineJson] = []
    if task.last_seq:
        lines = log_store.newest(task.pk, task.last_seq, NEWEST_LINES)
    approval = describe_approval(task, whole=True)
    more = {"summary": summary_of(task), "approval": approval}
    return {**shown(request, task, lines, waiting), **more}


def idempotency_key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not IDEMPOTENCY_KEYS.fullmatch(key):
        text = _("Must be 1 to 255 printable ASCII characters.")
        raise ParameterErrors({"Idempotency-Key": [text]})
    return key


def rerun_of(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the body of a rerun says: the parameters that it gives anew, and what
    else ``lifecycle.rerun`` takes. Raises ParameterErrors.

    A key's owner is a program, which nobody asks; a session's is a person, so that for
    one nothing is confirmed unless it is said.
    """
    body = body_of(request._request)
    check_names(body, "params", lifecycle.CONFIRM, FROM_STEP, OVERRIDE_FREEZE)
    params = body.get("params", {})
    if not isinstance(params, dict):
        text = _("Must be a JSON object of parameters: {…}.")
        raise ParameterErrors({"params": [text]})
    is_person = credential_of(request._request).session_key is not None
    confirmed = body.get(lifecycle.CONFIRM, "" if is_person else None)
    if lifecycle.CONFIRM in body and not isinstance(confirmed, str):
        text = _("Must be a string.")
        raise ParameterErrors({lifecycle.CONFIRM: [text]})
    from_step = body.get(FROM_STEP, 1)
    if isinstance(from_step, bool) or not isinstance(from_step, int):
        raise ParameterErrors({FROM_STEP: [_("Must be a whole number from 1.")]})
    more = {"confirmed": confirmed, "from_step": from_step}
    return params, {**more, "override_freeze": override_of(body)}


def override_of(body: dict[str, Any]) -> str | None:
    """Take the reason for which a freeze is overridden out of a body, and return it;
    None where there is none. Raises ParameterErrors."""
    if OVERRIDE_FREEZE not in body:
        return None
    return checked_override(body.pop(OVERRIDE_FREEZE))


def status_of(request: Request, task: Task) -> Response:
    """Return a task; of one that has ended, nothing to who has it already."""
    response = Response(with_newest_lines(request, task))
    return with_digest_as_etag(request, response) if task.has_ended else response


def started(request: Request, task: Task) -> Response:
    """Return 202 with a task that was just submitted; held, where the client prefers
    it, and then 200 if it has ended."""
    seconds = prefer.seconds_to_hold(request.headers.get("Prefer", ""))
    response = Response()
    if seconds and not task.has_ended:
        by = credential_of(request._request)
        later = partial(update, request, task.pk, seconds)
        response.held = prefer.Held(task.pk, seconds, by, later)  # type: ignore[attr-defined]
        seconds = None  # not yet
    tell_of(response, request, task, seconds)
    return response


def tell_of(
    response: Response, request: Request, task: Task, seconds: int | None
) -> None:
    """Make a response tell of a task. ``seconds``: which wait was granted."""
    # Whether it has to wait will show; looking for it here would delay its start.
    body = {"taskId": str(task.pk), **with_newest_lines(request, task, {})}
    response.data = body
    response.status_code = 202 if seconds is None or not task.has_ended else 200
    response["Location"] = body["statusUrl"]
    if seconds is not None:
        response["Preference-Applied"] = f"wait={seconds}"


def update(
    request: Request, task_id: uuid.UUID, seconds: int, response: Response
) -> None:
    """Bring a held response up to date, unless its task was deleted meanwhile."""
    if task := Task.objects.defer("trail").filter(pk=task_id).first():
        tell_of(response, request, task, seconds)
        response.content = response.rendered_content
        response["Content-Length"] = str(len(response.content))


class TaskViewSet(ViewSetMixin, ApiView):
    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        asked = super().initialize_request(request, *args, **kwargs)
        self.rate_scope = "create" if self.action in {"create", "rerun"} else "read"
        return asked

    @described(
        "Start a task",
        "The job runs in the background; `Prefer: wait=SECONDS` makes it synchronous. "
        "`GET /api/task-types` has the schema of each type's body.",
        scope="`start`; `admin` for types with `confirm`",
        operation_id="createTask",
        request={"application/json": JSON_OBJECT},
        parameters=(
            OpenApiParameter(
                "type", str, OpenApiParameter.PATH, description="The type's name."
            ),
            PREFER,
            IDEMPOTENCY_KEY,
            *STARTED_HEADERS,
        ),
        answers={
            200: OpenApiResponse(TaskStartedSerializer, "It has ended while waiting."),
            202: OpenApiResponse(
                TaskStartedSerializer, "The task is queued or running."
            ),
        },
        problems=(400, 404, 409, 413, 415, 422),
        examples=(OpenApiExample("A version", {"version": "v885"}, request_only=True),),
    )
    def create(self, request: Request, type: str) -> Response:  # noqa: A002 (the path's word)
        params = body_of(request._request)
        override = override_of(params)
        task = lifecycle.submit(
            type,
            params,
            actor_of(request),
            override_freeze=override,
            idempotency_key=idempotency_key(request),
        )
        return started(request, task)

    @described(
        "Rerun a task",
        "A new task of the same type, linked by `rerunOf`, with the parameters of the "
        "first one; those in `params` take their place. Secret ones have to be given "
        "again: they are forgotten once a task has ended. With a session instead of a "
        "key, a type with `confirm` wants its version (or name) once more, as "
        "`confirm`.",
        scope="`start`; `admin` for types with `confirm`",
        operation_id="rerunTask",
        request={"application/json": RERUN_BODY},
        parameters=(TASK_ID, PREFER, IDEMPOTENCY_KEY, *STARTED_HEADERS),
        answers={
            200: OpenApiResponse(TaskStartedSerializer, "It has ended while waiting."),
            202: OpenApiResponse(
                TaskStartedSerializer, "The task is queued or running."
            ),
        },
        problems=(400, 404, 409, 413, 415, 422),
        examples=(
            OpenApiExample(
                "Another guard", {"params": {"guard": "30"}}, request_only=True
            ),
        ),
    )
    def rerun(self, request: Request, id: str) -> Response:  # noqa: A002
        params, more = rerun_of(request)
        task = lifecycle.rerun(
            task_of(id),
            actor_of(request),
            params,
            idempotency_key=idempotency_key(request),
            **more,
        )
        return started(request, task)

    @described(
        "Cancel a task",
        "A waiting task ends at once, and so does one whose runner is gone; of a "
        "running one the whole process tree is stopped: in order, or killed at once "
        "where `force` is true. Asking twice is no error, and the second time may "
        "force.",
        scope=OWN_OR_ANY,
        operation_id="cancelTask",
        request={"application/json": CANCEL_BODY},
        parameters=(TASK_ID,),
        answers={202: OpenApiResponse(TaskSerializer, "It ends, or has just ended.")},
        problems=(400, 404, 409, 413, 415),
        examples=(OpenApiExample("At once", {"force": True}, request_only=True),),
    )
    def cancel(self, request: Request, id: str) -> Response:  # noqa: A002
        force = is_forced(request._request)
        task = lifecycle.request_cancel(task_of(id).pk, actor_of(request), force=force)
        return Response(with_newest_lines(request, task), 202)

    @described(
        "Pin a task",
        "A pinned task is kept however many follow it, until it is unpinned. Doing it "
        "twice is no error.",
        scope=OWN_OR_ANY,
        operation_id="pinTask",
        parameters=(TASK_ID,),
        answers={200: TaskSerializer},
        problems=(400, 404, 413, 415),
    )
    def pin(self, request: Request, id: str) -> Response:  # noqa: A002
        check_names(body_of(request._request))
        task = task_of(id)
        lifecycle.pin(task, actor_of(request))
        return Response(with_newest_lines(request, task))

    @described(
        "Unpin a task",
        "It goes when enough tasks have followed it.",
        scope=OWN_OR_ANY,
        operation_id="unpinTask",
        parameters=(TASK_ID,),
        answers={200: TaskSerializer},
        problems=(400, 404, 413, 415),
    )
    def unpin(self, request: Request, id: str) -> Response:  # noqa: A002
        check_names(body_of(request._request))
        task = task_of(id)
        lifecycle.pin(task, actor_of(request), pinned=False)
        return Response(with_newest_lines(request, task))

    @described(
        "List tasks",
        "Newest first. `next` and `previous` are whole URLs; pages stay stable while "
        "new tasks arrive.",
        operation_id="listTasks",
        parameters=(
            query("type", str, "The type's name."),
            query(
                "status",
                {
                    "type": "array",
                    "items": {"type": "string", "enum": Task.Status.values},
                },
                "One status, or several with commas between.",
                style="form",
                explode=False,
                examples=[OpenApiExample("Two", ["pending", "running"])],
            ),
            query("version", str, "The version."),
            query("createdAfter", OpenApiTypes.DATETIME, "Later than this."),
            query("createdBefore", OpenApiTypes.DATETIME, "Earlier than this."),
            query(
                "q",
                {"type": "string", "maxLength": MAX_TEXT_LENGTH},
                "Text in version, type, person or error, or the start of an id.",
            ),
            query(
                "limit",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": listing.MAX_LIMIT,
                    "default": listing.DEFAULT_LIMIT,
                },
                "How many.",
            ),
            query("cursor", str, "From `next` or `previous`."),
        ),
        answers={200: TaskListSerializer},
        problems=(400,),
    )
    def list(self, request: Request) -> Response:
        page = listing.page_of(request._request.GET)

        def url(cursor: Position | None) -> str | None:
            if cursor is None:
                return None
            given = request._request.GET.copy()
            given["cursor"] = cursor.as_cursor()
            return f"{base_url(request)}/api/tasks?{given.urlencode()}"

        load_schedules(page.tasks)
        waiting = waiting_for_all(page.tasks)
        return Response(
            {
                "tasks": [shown(request, task, None, waiting) for task in page.tasks],
                "next": url(page.next),
                "previous": url(page.previous),
                "count": page.count,
            }
        )

    @described(
        "One task",
        "The same as `/api/tasks/{id}/status`: here, too, the last part of the path "
        "is the task's id.",
        operation_id="getTask",
        parameters=(
            OpenApiParameter(
                "type",
                OpenApiTypes.UUID,
                OpenApiParameter.PATH,
                description="The task's id.",
            ),
        ),
        answers={200: TaskSerializer, 304: NOT_MODIFIED},
        problems=(404,),
    )
    def retrieve(self, request: Request, type: str) -> Response:  # noqa: A002
        return status_of(request, task_of(type))

    @described(
        "One task",
        "With its newest lines.",
        operation_id="getTaskStatus",
        parameters=(TASK_ID,),
        answers={200: TaskSerializer, 304: NOT_MODIFIED},
        problems=(404,),
    )
    def status(self, request: Request, id: str) -> Response:  # noqa: A002
        return status_of(request, task_of(id))
