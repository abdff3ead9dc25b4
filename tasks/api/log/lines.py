"""A task's lines over HTTP: in pages, as a file, live."""

from django.http import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSetMixin

from tasks import problems
from tasks.access.admission import ApiView
from tasks.api.log.serializers import (
    LandmarksSerializer,
    LogMatchesSerializer,
    LogPageSerializer,
    LogSummarySerializer,
)
from tasks.api.queries import MAX_SEQ, Query
from tasks.api.schema import TASK_ID, answer_header, described, header, query
from tasks.api.views import task_of
from tasks.logs import search as log_search
from tasks.logs import store as log_store
from tasks.logs.download import log_download
from tasks.models import LogLine
from tasks.search import MAX_TEXT_LENGTH

DEFAULT_LINES, MAX_LINES = 1_000, 10_000


EVENT_ID = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
AFTER = query(
    "after",
    {"type": "integer", "minimum": 0, "maximum": MAX_SEQ, "default": 0},
    "Lines whose seq is greater.",
)
LEVEL = query(
    "level",
    {"type": "array", "items": {"type": "string", "enum": LogLine.Level.values}},
    "Lines of this level; or of any of several, with commas between.",
    style="form",
    explode=False,
)
TEXT = query(
    "q",
    {"type": "string", "maxLength": MAX_TEXT_LENGTH},
    "Lines that hold this text; case doesn't matter.",
)


class LogViewSet(ViewSetMixin, ApiView):
    @described(
        "Lines of a task",
        "In order. While the task runs, ask again with `after` = the last `seq`, or "
        "take the stream. With `before` and no `after`: the nearest lines before it; "
        "with both: what lies between.",
        operation_id="listTaskLogs",
        parameters=(
            TASK_ID,
            AFTER,
            query(
                "before",
                {"type": "integer", "minimum": 1, "maximum": MAX_SEQ},
                "Lines whose seq is less.",
            ),
            query(
                "limit",
                {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_LINES,
                    "default": DEFAULT_LINES,
                },
                "How many; fewer, but one at least, where they have more than 2 MiB.",
            ),
            LEVEL,
            TEXT,
        ),
        answers={200: LogPageSerializer},
        problems=(400, 404),
    )
    def logs(self, request: Request, id: str) -> Response:  # noqa: A002
        asked = Query(request._request.GET)
        after = asked.number("after", 0, 0, MAX_SEQ)
        before = asked.number("before", 0, 1, MAX_SEQ)
        limit = asked.number("limit", DEFAULT_LINES, 1, MAX_LINES)
        levels = asked.choices("level", LogLine.Level.values)
        text = asked.text("q")
        asked.check()
        task = task_of(id)
        if before and "after" not in asked.given:
            page = log_store.page_before(task.pk, before, limit, levels, text)
            previous = page.lines[0]["seq"] if page.has_more else None
            return Response({"logs": page.lines, "next": None, "previous": previous})
        upto = before - 1 if before else None
        page = log_store.page(task.pk, after, limit, levels, text, upto)
        following = page.lines[-1]["seq"] if page.has_more else None
        return Response({"logs": page.lines, "next": following, "previous": None})

    @described(
        "Search a log",
        "Which lines have one of some levels and hold a text, as ranges of `seq`, "
        "first and last included. A long log is looked through in several answers: ask "
        "again with `after` = `next` until that is null. While the task runs, look on "
        "later with `after` = `through`.",
        operation_id="searchTaskLog",
        parameters=(TASK_ID, AFTER, LEVEL, TEXT),
        answers={200: LogMatchesSerializer},
        problems=(400, 404),
    )
    def matches(self, request: Request, id: str) -> Response:  # noqa: A002
        asked = Query(request._request.GET)
        after = asked.number("after", 0, 0, MAX_SEQ)
        levels = asked.choices("level", LogLine.Level.values)
        text = asked.text("q")
        asked.check()
        task = task_of(id)
        found = log_search.matches(task.pk, after, task.last_seq, levels, text)
        return Response(
            {
                "count": found.line_count,
                "ranges": found.ranges,
                "through": found.through,
                "next": _next(found.through, task.last_seq),
            }
        )

    @described(
        "The landmarks of a log",
        "The lines that readers jump to: where each step begins, with what came of it, "
        "where groups begin and end, and the first error. Ask again with `after` = "
        "`next` until that is null; of several answers only the first error is the "
        "first one.",
        operation_id="listTaskLandmarks",
        parameters=(TASK_ID, AFTER),
        answers={200: LandmarksSerializer},
        problems=(400, 404),
    )
    def landmarks(self, request: Request, id: str) -> Response:  # noqa: A002
        asked = Query(request._request.GET)
        after = asked.number("after", 0, 0, MAX_SEQ)
        asked.check()
        task = task_of(id)
        landmarks = log_search.landmarks(task, after)
        return Response(
            {
                "landmarks": landmarks.found,
                "through": landmarks.through,
                "next": _next(landmarks.through, task.last_seq),
            }
        )

    @described(
        "A log in short",
        "How many lines it has, its digest once the task has ended, and when some of "
        "its lines were written: at most 512, spread evenly over the log.",
        operation_id="summarizeTaskLog",
        parameters=(TASK_ID,),
        answers={200: LogSummarySerializer},
        problems=(404,),
    )
    def summary(self, request: Request, id: str) -> Response:  # noqa: A002
        task = task_of(id)
        return Response(
            {
                "logCount": task.last_seq,
                "logSha256": task.log_sha256 or None,
                "samples": log_store.samples(task.pk, task.last_seq),
            }
        )

    @described(
        "Download the log",
        "The whole log as plain text, one line each.",
        operation_id="downloadTaskLog",
        parameters=(TASK_ID, answer_header("Content-Disposition", "A name.", 200)),
        answers={(200, "text/plain"): OpenApiTypes.STR},
        problems=(404,),
    )
    def download(self, request: Request, id: str) -> HttpResponseBase:  # noqa: A002
        return log_download(task_of(id))

    @described(
        "Watch a task live",
        "Server-sent events, each one JSON object with a `type`: `connected` with the "
        "task, `log` for each line, `update` on each change, `keep-alive` in silence, "
        "and `end` last. Each line's event has its `seq` as id; a client that returns "
        "with `Last-Event-ID` gets exactly what follows.",
        operation_id="streamTask",
        parameters=(
            TASK_ID,
            header("Last-Event-ID", EVENT_ID, "The id of the last event received."),
            query("lastEventId", EVENT_ID, "The same, in the URL."),
            query("tail", EVENT_ID, "Start N lines back."),
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


def _next(through: int, last_seq: int) -> int | None:
    """From where to look on; None at the end."""
    return through if through < last_seq else None
