"""Tasks over HTTP: views translate, ``tasks.lifecycle`` decides."""

import re
import uuid
from typing import Any

from django.http import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSetMixin

from tasks import lifecycle, log_store
from tasks.api import listing, prefer, problems
from tasks.api.admission import ApiView, actor_of, base_url, stream_query
from tasks.api.log_download import log_download
from tasks.api.parsers import body_of
from tasks.api.queries import MAX_SEQ, MAX_TEXT_LENGTH, Cursor, Query
from tasks.api.schema import (
    IDEMPOTENCY_KEY,
    PREFER,
    STARTED_HEADERS,
    TASK_ID,
    answer_header,
    described,
    header,
    query,
)
from tasks.api.serializers import (
    JSON_OBJECT,
    LogPageSerializer,
    TaskListSerializer,
    TaskSerializer,
    TaskStartedSerializer,
    TaskTypesSerializer,
)
from tasks.catalog import ParameterErrors, TaskType, catalog
from tasks.description import NEWEST_LINES, LineJson, describe
from tasks.models import LogLine, Task

DEFAULT_LINES, MAX_LINES = 1_000, 10_000
IDEMPOTENCY_KEYS = re.compile(r"[\x20-\x7e]{1,255}")
TASK_IDS = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def task_of(text: str) -> Task:
    """The task of a path. Raises Task.DoesNotExist, also where it is no id at all."""
    if not TASK_IDS.fullmatch(text):
        raise Task.DoesNotExist
    return Task.objects.defer("trail").get(pk=uuid.UUID(text))


def shown(
    request: Request, task: Task, logs: list[LineJson] | None = None
) -> dict[str, Any]:
    """A task as the client that asks gets it."""
    return describe(task, base_url(request), logs or [], stream_query(request, task.pk))


def with_newest_lines(request: Request, task: Task) -> dict[str, Any]:
    lines: list[LineJson] = []
    if task.last_seq:
        lines = log_store.newest(task.pk, task.last_seq, NEWEST_LINES)
    return shown(request, task, lines)


def idempotency_key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not IDEMPOTENCY_KEYS.fullmatch(key):
        text = _("It must be 1 to 255 printable ASCII characters.")
        raise ParameterErrors({"Idempotency-Key": [text]})
    return key


def started(request: Request, task: Task) -> Response:
    """202 with a task that was just submitted; held, where the client prefers it, and
    then 200 if it has ended."""
    headers, status = {}, 202
    seconds = prefer.seconds_to_hold(request.headers.get("Prefer", ""))
    if seconds is not None and prefer.hold(task.pk, seconds):
        headers["Preference-Applied"] = f"wait={seconds}"
        task = Task.objects.defer("trail").get(pk=task.pk)
        status = 200 if task.has_ended else 202
    body = {"taskId": str(task.pk), **with_newest_lines(request, task)}
    headers["Location"] = body["statusUrl"]
    return Response(body, status, headers=headers)


class TaskViewSet(ViewSetMixin, ApiView):
    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        asked = super().initialize_request(request, *args, **kwargs)
        self.rate_scope = "create" if self.action in {"create", "rerun"} else "read"
        return asked

    @described(
        "Start a task",
        "The job runs in the background; `Prefer: wait=SECONDS` makes it synchronous. "
        "`GET /api/task-types` has the schema of each type's body.",
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
            202: OpenApiResponse(TaskStartedSerializer, "It waits or runs."),
        },
        problems=(400, 404, 413, 415, 422),
        examples=(OpenApiExample("A version", {"version": "v885"}, request_only=True),),
    )
    def create(self, request: Request, type: str) -> Response:  # noqa: A002 (the path's word)
        task = lifecycle.submit(
            type,
            body_of(request._request),
            actor_of(request),
            idempotency_key=idempotency_key(request),
        )
        return started(request, task)

    @described(
        "Start a task again",
        "A new task with the same type and parameters, linked by `rerunOf`.",
        operation_id="rerunTask",
        parameters=(TASK_ID, PREFER, IDEMPOTENCY_KEY, *STARTED_HEADERS),
        answers={
            200: OpenApiResponse(TaskStartedSerializer, "It has ended while waiting."),
            202: OpenApiResponse(TaskStartedSerializer, "It waits or runs."),
        },
        problems=(400, 404, 422),
    )
    def rerun(self, request: Request, id: str) -> Response:  # noqa: A002
        first = task_of(id)
        task = lifecycle.submit(
            first.type,
            first.params,
            actor_of(request),
            idempotency_key=idempotency_key(request),
            rerun_of=first,
        )
        return started(request, task)

    @described(
        "Cancel a task",
        "A waiting task ends at once; of a running one the whole process tree is "
        "stopped. Asking twice is no error.",
        operation_id="cancelTask",
        parameters=(TASK_ID,),
        answers={202: OpenApiResponse(TaskSerializer, "It ends, or has just ended.")},
        problems=(404, 409),
    )
    def cancel(self, request: Request, id: str) -> Response:  # noqa: A002
        task = lifecycle.request_cancel(task_of(id).pk, actor_of(request))
        return Response(with_newest_lines(request, task), 202)

    @described(
        "List tasks",
        "Newest first. `next` and `previous` are whole URLs; pages stay stable while "
        "new tasks arrive.",
        operation_id="listTasks",
        parameters=(
            query("type", str, "The type's name."),
            query(
                "status",
                str,
                "One status, or several with commas between.",
                examples=[OpenApiExample("Two", "pending,running")],
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

        def url(cursor: Cursor | None) -> str | None:
            if cursor is None:
                return None
            given = request._request.GET.copy()
            given["cursor"] = cursor.encoded()
            return f"{base_url(request)}/api/tasks?{given.urlencode()}"

        return Response(
            {
                "tasks": [shown(request, task) for task in page.tasks],
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
        answers={200: TaskSerializer},
        problems=(404,),
    )
    def retrieve(self, request: Request, type: str) -> Response:  # noqa: A002
        return Response(with_newest_lines(request, task_of(type)))

    @described(
        "One task",
        "With its newest lines.",
        operation_id="getTaskStatus",
        parameters=(TASK_ID,),
        answers={200: TaskSerializer},
        problems=(404,),
    )
    def status(self, request: Request, id: str) -> Response:  # noqa: A002
        return Response(with_newest_lines(request, task_of(id)))

    @described(
        "Lines of a task",
        "In order. While the task runs, ask again with `after` = the last `seq`, or "
        "take the stream.",
        operation_id="listTaskLogs",
        parameters=(
            TASK_ID,
            query(
                "after",
                {"type": "integer", "minimum": 0, "default": 0},
                "Lines whose seq is greater.",
            ),
            query(
                "limit",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_LINES,
                    "default": DEFAULT_LINES,
                },
                "How many.",
            ),
            query("level", str, "Lines of this level.", enum=LogLine.Level.values),
            query(
                "q",
                {"type": "string", "maxLength": MAX_TEXT_LENGTH},
                "Lines that hold this text; case doesn't matter.",
            ),
        ),
        answers={200: LogPageSerializer},
        problems=(400, 404),
    )
    def logs(self, request: Request, id: str) -> Response:  # noqa: A002
        asked = Query(request._request.GET)
        after = asked.number("after", 0, 0, MAX_SEQ)
        limit = asked.number("limit", DEFAULT_LINES, 1, MAX_LINES)
        level = asked.choice("level", LogLine.Level.values)
        text = asked.text("q")
        asked.check()
        task = task_of(id)
        lines = log_store.page(task.pk, after, limit + 1, level, text)
        has_more = len(lines) > limit
        del lines[limit:]
        return Response({"logs": lines, "next": lines[-1]["seq"] if has_more else None})

    @described(
        "Download the log",
        "The whole log as plain text, one line each.",
        operation_id="downloadTaskLog",
        parameters=(TASK_ID, answer_header("Content-Disposition", "A name.", 200)),
        answers={(200, "text/plain"): OpenApiTypes.STR},
        problems=(404,),
    )
    def download(self, request: Request, id: str) -> HttpResponseBase:  # noqa: A002
        return log_download(request._request, task_of(id))

    @described(
        "Watch a task live",
        "Server-sent events, each one JSON object with a `type`: `connected` with the "
        "task, `log` for each line, `update` on each change, `keep-alive` in silence, "
        "and `end` last. Each line's event has its `seq` as id; a client that returns "
        "with `Last-Event-ID` gets exactly what follows.",
        operation_id="streamTask",
        parameters=(
            TASK_ID,
            header("Last-Event-ID", "The id of the last event received."),
            query(
                "lastEventId",
                {"type": "integer", "minimum": 0},
                "The same, in the URL.",
            ),
            query("tail", {"type": "integer", "minimum": 0}, "Start N lines back."),
            query("token", str, "The signed token of a browser's `streamUrl`."),
        ),
        answers={
            (200, "text/event-stream"): OpenApiTypes.STR,
            204: OpenApiResponse(description="This client has had the `end`."),
        },
        problems=(400, 404),
    )
    def stream(self, request: Request, id: str) -> HttpResponseBase:  # noqa: A002
        # Answered in front of Django; whoever gets here runs a server without it.
        text = _("The stream is served by the ASGI application only.")
        return problems.problem(503, None, text)


class TaskTypesView(ApiView):
    @described(
        "Types of tasks",
        "Each with the JSON Schema of its parameters.",
        operation_id="listTaskTypes",
        answers={200: TaskTypesSerializer},
    )
    def get(self, request: Request) -> Response:
        base = base_url(request)
        kinds = [_described_type(k, base) for k in catalog().values() if not k.hidden]
        return Response({"taskTypes": kinds})


def _described_type(kind: TaskType, base: str) -> dict[str, Any]:
    return {
        "type": kind.name,
        "name": kind.name,
        "title": kind.title,
        "description": kind.description,
        "params": kind.schema(),
        "steps": [{"name": step.name} for step in kind.steps],
        "timeoutSeconds": kind.timeout_seconds,
        "idempotent": kind.idempotent,
        "confirm": kind.confirm,
        "createUrl": f"{base}/api/tasks/{kind.name}",
    }
