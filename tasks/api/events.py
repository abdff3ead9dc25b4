"""``GET /api/events`` and ``GET /api/streams``, answered in front of Django: their part
of the schema."""

from django.http import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from tasks import problems
from tasks.access.admission import ApiView
from tasks.api.schema import described


class EventsView(ApiView):
    @described(
        "Watch all tasks",
        "Server-sent events, each one JSON object with a `type`: `connected` first; "
        "`task` with a task that is new or has another status, step or progress, twice "
        "a second at most, without its lines and its result; `changed` with `what` "
        "(`tasks`, `runners` or `releases`) where it is best to ask again, and "
        "`keep-alive` in silence. Nothing is repeated to a client that comes back: it "
        "asks `GET /api/tasks` when it is `connected`.",
        operation_id="streamEvents",
        tags=("tasks",),
        answers={(200, "text/event-stream"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> HttpResponseBase:
        return served_elsewhere()


class StreamsView(ApiView):
    @described(
        "Watch several things over one connection",
        "Server-sent events of several sources in one response: of tasks, and of what "
        "changes among all (`events`). `source` with its `index` says whose the events "
        "are that follow it, up to the next `source`: exactly those of that source's "
        "own stream. `closed` says that a source gives no more before its `end`, with "
        "the `status` and `detail` of what its own stream would be answered. "
        "`keep-alive` is the connection's. The server closes after the last source's "
        "`end`. `Last-Event-ID` is not looked at: whoever comes back names each task's "
        "last line in the query.",
        operation_id="streamSeveral",
        tags=("tasks",),
        parameters=(
            OpenApiParameter(
                "source",
                str,
                required=True,
                many=True,
                description="`ID:SEQ` is a task from the line after SEQ on, `ID` all "
                "of it, `events` what `GET /api/events` gives; 32 at most",
            ),
        ),
        answers={(200, "text/event-stream"): OpenApiTypes.STR},
        problems=(400,),
    )
    def get(self, request: Request) -> HttpResponseBase:
        return served_elsewhere()


def served_elsewhere() -> HttpResponseBase:
    """Return what a server without the application in front of Django answers."""
    text = _("The stream is served by the ASGI application only.")
    return problems.problem(503, None, text)
