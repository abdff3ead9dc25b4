"""A task's lines over HTTP: in pages, as a file, live."""

from django.http import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSetMixin

from tasks import log_store
from tasks.api import problems
from tasks.api.admission import ApiView
from tasks.api.log_download import log_download
from tasks.api.queries import MAX_SEQ, MAX_TEXT_LENGTH, Query
from tasks.api.schema import TASK_ID, answer_header, described, header, query
from tasks.api.serializers import LogPageSerializer
from tasks.api.views import task_of
from tasks.models import LogLine

DEFAULT_LINES, MAX_LINES = 1_000, 10_000


class LogViewSet(ViewSetMixin, ApiView):
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
