"""``GET /api/tasks/{id}/log``: the read side of Durable Streams.

https://github.com/durable-streams/durable-streams/blob/main/PROTOCOL.md, sections 5.5
to 5.8, 8 and 10, for streams of JSON. What is only written by its PUT, POST and DELETE
is written by runners here.
"""

import json
from functools import partial
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse
from rest_framework.request import Request

from tasks import problems
from tasks.access.admission import ApiView, credential_of
from tasks.api import prefer
from tasks.api.conditional import with_etag
from tasks.api.queries import Query
from tasks.api.schema import NOT_MODIFIED, TASK_ID, answer_header, described, query
from tasks.api.serializers import LogLineSerializer
from tasks.api.views import task_of
from tasks.catalog.task_type import ParameterErrors
from tasks.logs import store as log_store
from tasks.logs.pages import (
    FIRST,
    NOW,
    BadOffset,
    LogPage,
    next_cursor,
    offset_in,
    offset_of,
    page_from,
    seq_of,
)
from tasks.models import Task

LONG_POLL, SSE = "long-poll", "sse"
POLL_SECONDS = 25  # below the minute after which proxies give up
FULL_SECONDS = 24 * 60 * 60  # a cache has a deleted task's lines for no longer
# Ten thousand readers of a log that grows are one reader in each second.
TAIL_SECONDS = 1


class LogPagesView(ApiView):
    @described(
        "A log in pages that caches may keep",
        "The read side of [Durable Streams](https://durablestreams.com): a JSON array "
        "of lines from an offset on. Ask again from `Stream-Next-Offset`; a full page "
        "never changes. `Stream-Up-To-Date` says that there is no more now, and "
        "`Stream-Closed` that there never will be.",
        operation_id="readTaskLog",
        parameters=(
            TASK_ID,
            query(
                "offset",
                str,
                "`-1`, the beginning, which is the default; `now`, the end; or the "
                "`Stream-Next-Offset` of an earlier answer.",
            ),
            query(
                "live",
                {"type": "string", "enum": [LONG_POLL, SSE]},
                f"`{LONG_POLL}` waits for lines where there are none after the offset, "
                f"at most {POLL_SECONDS} s; `{SSE}` sends them as server-sent events.",
            ),
            query("cursor", str, "The `Stream-Cursor` of the answer before."),
            answer_header("Stream-Next-Offset", "From where to go on.", 200, 204),
            answer_header("Stream-Up-To-Date", "`true` at the end.", 200, 204),
            answer_header("Stream-Closed", "`true` where the task ended.", 200, 204),
            answer_header("Stream-Cursor", "For the next long poll.", 200, 204),
            answer_header("ETag", "Of the page.", 200),
        ),
        answers={
            200: LogLineSerializer(many=True),
            204: OpenApiResponse(description="No line came in time, or ever will."),
            304: NOT_MODIFIED,
        },
        problems=(400, 404),
    )
    def get(self, request: Request, id: str) -> HttpResponseBase:  # noqa: A002
        asked = Query(request._request.GET)
        live = asked.choice("live", [LONG_POLL, SSE])
        asked.check()
        if live == SSE:
            # Answered in front of Django; who gets here runs a server without it.
            text = _("The stream is served by the ASGI application only.")
            return problems.problem(503, None, text)
        task = task_of(id)
        if request._request.method == "HEAD":
            return _head(task)
        try:
            offset = offset_in(request._request.GET, None if live else FIRST)
            after = seq_of(offset, task)
        except BadOffset as error:
            raise ParameterErrors({"offset": [str(error)]}) from error
        if live:
            cursor = request._request.GET.get("cursor", "")
            return _polled(Poll(request, after, cursor, offset == NOW), task)
        return _page(request, page_from(task, after), task, is_now=offset == NOW)


def _head(task: Task) -> HttpResponse:
    """Return where a log ends, now."""
    response = HttpResponse(content_type="application/json")
    _say(response, task.last_seq, is_last=False, is_closed=task.has_ended)
    response["Cache-Control"] = "no-store"
    return response


def _page(
    request: Request, page: LogPage, task: Task, *, is_now: bool = False
) -> HttpResponseBase:
    lines = [log_store.as_json(log_store.Line._make(row)) for row in page.rows]
    body = json.dumps(lines, ensure_ascii=False, separators=(",", ":"))
    response = HttpResponse(body, content_type="application/json")
    is_closed = page.is_last and task.has_ended
    _say(response, page.upto, is_last=page.is_last, is_closed=is_closed)
    if not (page.is_full or is_closed):
        # So that those who come and those who are there ask the same next.
        response["Stream-Cursor"] = next_cursor("", page.upto)
    if is_now:
        response["Cache-Control"] = "no-store"
        return response
    response["Cache-Control"] = _cached(page.is_full or is_closed)
    closed = ":c" if is_closed else ""
    return with_etag(request, response, f"{task.pk}:{page.after}:{page.upto}{closed}")


class Poll(NamedTuple):
    """A long poll from a reader with the lines up to a seq."""

    request: Request
    after: int
    cursor: str
    is_now: bool  # it asked for what comes from now on, without a seq


def _polled(poll: Poll, task: Task) -> HttpResponseBase:
    """Return the lines after a seq, or nothing as soon as nothing will come, or none
    came; such an answer waits without a thread (tasks.api.prefer).

    Where a cache is in front, lines wait for the next full second, too: all who read
    the log are then at the same line, however they came, and their next question is
    one. Answered at each line, 500 readers of 20 lines a second were at 170 different
    lines at a time, and behind by 6 s."""
    response, may_wait = _poll_answer(poll, task)
    is_for_crowds = settings.LOG_CACHE == "public"
    if may_wait and (is_for_crowds or task.last_seq <= poll.after):
        by = credential_of(poll.request._request)
        later = partial(_update, poll, task.pk)
        every = TAIL_SECONDS if is_for_crowds else 0
        held = prefer.Held(task.pk, POLL_SECONDS, by, later, poll.after, every)
        response.held = held  # type: ignore[attr-defined]
    return response


def _poll_answer(poll: Poll, task: Task) -> tuple[HttpResponseBase, bool]:
    """Return what a poll is answered now, and whether there may be more later."""
    page = page_from(task, poll.after)
    is_final = page.is_full or (page.is_last and task.has_ended)
    if page.rows:
        response = _page(poll.request, page, task)
    else:
        response = HttpResponse(status=204)
        del response["Content-Type"]
        _say(response, page.upto, is_last=True, is_closed=task.has_ended)
        response["Cache-Control"] = _cached(task.has_ended)
    response["Stream-Cursor"] = next_cursor(poll.cursor, page.upto)
    # Not where the question means something else later; nor that nothing came, where no
    # cursor makes the next question another: a client would be told so over and over.
    if not is_final and (poll.is_now or not (page.rows or poll.cursor)):
        response["Cache-Control"] = "no-store"
    return response, not is_final


def _update(poll: Poll, task_id: Any, response: HttpResponse) -> None:
    """Bring an answer that waited up to date, or say that its task is gone."""
    task = Task.objects.defer("trail").filter(pk=task_id).first()
    if task is None:
        prefer.replace(response, problems.no_such_task())
    elif task.last_seq > poll.after or task.has_ended:
        prefer.replace(response, _poll_answer(poll, task)[0])


def _say(response: HttpResponse, upto: int, *, is_last: bool, is_closed: bool) -> None:
    """Say in the headers where a reader stands."""
    response["Cross-Origin-Resource-Policy"] = "same-origin"  # as section 12 wants it
    response["Stream-Next-Offset"] = offset_of(upto)
    if is_last:
        response["Stream-Up-To-Date"] = "true"
    if is_closed:
        response["Stream-Closed"] = "true"


def _cached(for_good: bool) -> str:
    if for_good:
        return f"{settings.LOG_CACHE}, max-age={FULL_SECONDS}, immutable"
    return f"{settings.LOG_CACHE}, max-age={TAIL_SECONDS}"
