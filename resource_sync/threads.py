"""Django's requests, each from beginning to end in one thread that is used again."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.db import close_old_connections, connections
from django.http import HttpRequest, HttpResponseBase

MOST_IDLE = 16  # threads kept, each of which may hold a connection to SQLite's file


class RequestThreads(ASGIHandler):
    """Django's handler but for two things.

    All our views and one middleware are synchronous. Left to itself Django would run
    the other middlewares in the event loop and go to a thread and back for each of
    them; here the whole chain runs in a thread, in one go.

    And it would start a thread for each request, another to see it end, and with the
    thread a connection to the database; here the next request gets the one before's.
    """

    def __init__(self) -> None:
        super().__init__()
        self._idle: deque[ThreadPoolExecutor] = deque()

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    def between_requests(self, job: Callable[[], None]) -> Future[None]:
        """Do something else in one of these threads."""
        thread = self._take()
        done = thread.submit(job)
        thread.submit(self._rest, thread)
        return done

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        thread = self._take()
        try:
            async with ThreadSensitiveContext(executor=thread):
                await super().__call__(scope, receive, send)
        finally:
            # In the thread itself, so behind whatever it still does.
            thread.submit(self._rest, thread)

    async def get_response_async(self, request: HttpRequest) -> HttpResponseBase:
        return await sync_to_async(self.get_response, thread_sensitive=True)(request)

    def _take(self) -> ThreadPoolExecutor:
        return self._idle.pop() if self._idle else ThreadPoolExecutor(1, "request")

    def _rest(self, thread: ThreadPoolExecutor) -> None:
        if len(self._idle) < MOST_IDLE:
            close_old_connections()  # also where the request was cut off
            self._idle.append(thread)
        else:
            connections.close_all()
            thread.shutdown(wait=False)
