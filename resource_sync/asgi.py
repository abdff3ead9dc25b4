"""Where a request goes: the stream to its own room, all else to Django."""

import os
from collections.abc import Awaitable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "resource_sync.settings")

import django

django.setup(set_prefix=False)  # what follows needs it

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import re_path  # noqa: E402

from resource_sync.edge import edge  # noqa: E402
from resource_sync.threads import RequestThreads  # noqa: E402
from streaming.shutdown import answer_held_requests_before_shutdown  # noqa: E402
from streaming.stream import stream  # noqa: E402

answer_held_requests_before_shutdown()
django_app: Any = RequestThreads()


def stream_unless_preflight(scope: Any, receive: Any, send: Any) -> Awaitable[None]:
    """The stream, but for a browser's question before it, which Django answers.

    No coroutine of its own: one for each open stream would be kept with all of the
    request.
    """
    app = django_app if scope["method"] == "OPTIONS" else stream
    return app(scope, receive, send)


async def no_websocket(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.close"})


# With a page behind it where a push proxy goes on (streaming.grip).
STREAM = r"^api/tasks/(?P<task_id>[^/]+)/stream(?:/(?P<page>[^/]+))?$"
# Django's types know views only; channels routes ASGI applications.
streaming_app: Any = stream_unless_preflight
http = URLRouter([re_path(STREAM, streaming_app), re_path(r"", django_app)])

application = edge(ProtocolTypeRouter({"http": http, "websocket": no_websocket}))
