"""Where a request goes: the stream to its own room, all else to Django."""

import os
from collections.abc import Awaitable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "resource_sync.settings")

import django

django.setup(set_prefix=False)  # what follows needs it

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.contrib.auth import get_backends  # noqa: E402
from django.http import QueryDict  # noqa: E402
from django.urls import get_resolver, re_path  # noqa: E402

from resource_sync.http.client_address import edge  # noqa: E402
from resource_sync.http.handler import RequestHandler  # noqa: E402
from streaming.change_feed.endpoint import events  # noqa: E402
from streaming.log_pages import log_pages  # noqa: E402
from streaming.several import several  # noqa: E402
from streaming.shutdown import answer_held_requests_before_shutdown  # noqa: E402
from streaming.stream import stream  # noqa: E402

answer_held_requests_before_shutdown()
django_app: Any = RequestHandler()
# All views now, and not with the first request: by then an update may have put files of
# another version in their place, which fit nothing that is loaded.
get_backends()
for status in (400, 403, 404, 500):
    get_resolver().resolve_error_handler(status)


def unless_preflight(app: Any) -> Any:
    """A stream, but for a browser's question before it, which Django answers.

    No coroutine of its own: one for each open stream would be kept with all of the
    request.
    """

    def answer(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        asked = django_app if scope["method"] == "OPTIONS" else app
        answered: Awaitable[None] = asked(scope, receive, send)
        return answered

    return answer


def live_pages_or(app: Any) -> Any:
    """A log's pages, where they are wanted live as events; else what answers the
    rest."""

    def answer(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        is_live = QueryDict(scope["query_string"]).get("live") == "sse"
        asked = unless_preflight(log_pages) if is_live else app
        answered: Awaitable[None] = asked(scope, receive, send)
        return answered

    return answer


LOG = r"^api/tasks/(?P<task_id>[^/]+)/log$"
STREAM = r"^api/tasks/(?P<task_id>[^/]+)/stream$"
BY_LINK = r"^shared/(?P<token>[^/]+)/stream$"
http = URLRouter(
    [
        re_path(BY_LINK, unless_preflight(stream)),
        re_path(STREAM, unless_preflight(stream)),
        re_path(LOG, live_pages_or(django_app), {"in_pages": True}),
        re_path(r"^api/events$", unless_preflight(events)),
        re_path(r"^api/streams$", unless_preflight(several), {"several": True}),
        re_path(r"", django_app),
    ]
)

application = edge(ProtocolTypeRouter({"http": http}))
