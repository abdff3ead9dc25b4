"""``GET /api/events``: what changes among all tasks, for the schema."""

from django.http import HttpResponseBase
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from rest_framework.request import Request

from tasks.api import problems
from tasks.api.admission import ApiView
from tasks.api.schema import described


class EventsView(ApiView):
    @described(
        "Watch all tasks",
        "Server-sent events, each one JSON object with a `type`: `connected` first; "
        "`task` with a task that is new or has another status, step or progress, twice "
        "a second at most, without its lines and its result; `changed` with `what` "
        "(`tasks`, `runners` or `releases`) where it is best to ask again, and "
        "`keep-alive` in silence. Nothing is repeated to a client that comes back: it "
        "asks `GET /api/tasks` when it is `connected`. The server closes the stream "
        "each hour; come back then.",
        operation_id="streamEvents",
        tags=("tasks",),
        answers={(200, "text/event-stream"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> HttpResponseBase:
        # Answered in front of Django; whoever gets here runs a server without it.
        text = _("The stream is served by the ASGI application only.")
        return problems.problem(503, None, text)
