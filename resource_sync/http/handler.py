"""Django's requests: read, answered in a thread, and sent as their clients take it.

All our views and one middleware are synchronous. Left to itself Django would start a
thread for each request, however many there are, go there and back several times, and
hand a response to the server as fast as it is made. Here a request waits for one of a
few threads, is answered there in one go, and leaves the thread before it is sent.
"""

import asyncio
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
)
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, cast

from corsheaders.middleware import CorsMiddleware
from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.http import FileResponse, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import set_script_prefix
from django.utils import translation
from django.utils.translation import gettext as _

from resource_sync.http.request_threads import Busy, Threads
from streaming.backpressure import PatientSend
from streaming.refusals import with_common_headers
from streaming.waiters import until_ended
from tasks import problems
from tasks.access import request_id
from tasks.api.health import readiness
from tasks.api.metrics.view import metrics_without_database
from tasks.instruments import measures

# More than the cores can use, because some requests wait for a database or a store;
# and no more, because all of them want Python's lock: under 300 searches at once on two
# busy cores the worst /health took 1.8 s with 8 threads, 2.6 s with 16, 40 s with 300.
MOST_AT_WORK = 12
RETRY_SECONDS = 5
AREAS = {
    "api": "api",
    "admin": "admin",
    "static": "static",
    "health": "probes",
    "metrics": "probes",
}
PIECE_BYTES = 64 * 1024  # of a response that is made while it is sent

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Patience(NamedTuple):
    """How long whoever asks for a path waits, and what they are told then."""

    seconds: float | None
    otherwise: Callable[[Any, Any], HttpResponse]


class RequestHandler(ASGIHandler):
    def __init__(self) -> None:
        super().__init__()
        self._threads = Threads(MOST_AT_WORK)
        self._chores = Threads(1)
        self._late = Threads(1)  # what it answers asks no database
        # Whoever watches over the service hears of it when all else is busy. "live"
        # asks no database, so it has a thread that no database holds up.
        self._probes = {
            "/health": Threads(2),
            "/health/ready": Threads(2),
            "/health/live": Threads(1),
            "/metrics": Threads(2),
        }
        self._patience = {
            # A Kubernetes probe's timeoutSeconds is 1.
            "/health/ready": Patience(0.8, _not_ready),
            # Less than Prometheus' scrape_timeout of 10 s. More than the counts take
            # where 25 processes share two cores: the first scrape took 3.6 s there.
            "/metrics": Patience(5.0, _metrics_without_database),
        }

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    def between_requests(self, job: Callable[[], None]) -> Coroutine[Any, Any, None]:
        """Do something else in a thread of its own."""
        return self._chores.run(job, patient=True)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        try:
            await _unless_gone(receive, self._answer(scope, body, send))
        finally:
            body.close()

    async def _answer(self, scope: Any, body: Any, send: Send) -> None:
        began = time.monotonic()
        with measures.requests_at_work.track_inprogress():
            response = await self._response_in_time(scope, body)
        request_id.stamp(response)
        measures.count_request(scope["method"], response.status_code)
        area = measures.request_seconds.labels(area_of(scope["path"]))
        area.observe(time.monotonic() - began)
        held = getattr(response, "held", None)
        if held and await until_ended(
            held.task_id, held.seconds, held.by, held.after, held.every
        ):
            await self._threads.run(partial(held.renew, response), patient=True)
        await self._send(scope, response, send)

    async def _response_in_time(self, scope: Any, body: Any) -> Any:
        threads = self._probes.get(scope["path"], self._threads)
        patience = self._patience.get(scope["path"], Patience(None, _not_ready))
        try:
            async with asyncio.timeout(patience.seconds):
                return await threads.run(partial(self._response_to, scope, body))
        except Busy:
            return _busy(scope, body)
        except TimeoutError:  # the thread goes on, until the database answers or breaks
            answer = partial(patience.otherwise, scope, body)
            return await self._late.run(answer, patient=True)

    def _response_to(self, scope: Any, body: Any) -> HttpResponseBase:
        """In a thread."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, refusal = self.create_request(scope, body)
        if request is None:
            return cast("HttpResponseBase", refusal)
        response = self.get_response(request)
        if isinstance(response, FileResponse):
            response.block_size = PIECE_BYTES
        if not response.streaming or scope["method"] == "HEAD":
            response.close()
        return response

    async def _send(self, scope: Any, response: Any, send: Send) -> None:
        size = 0 if response.streaming else len(response.content)
        if response.streaming:
            is_head = scope["method"] == "HEAD"
            chunks = iter(()) if is_head else iter(response.streaming_content)
            response.streaming_content = self._made_in_threads(chunks, response)
        try:
            await self.send_response(response, PatientSend.over(send, size))
        finally:
            if response.streaming:
                response.close()

    async def _made_in_threads(
        self, chunks: Iterator[bytes], response: HttpResponseBase
    ) -> AsyncIterator[bytes]:
        is_over = False
        while not is_over:
            take = partial(_next_piece, chunks)
            piece, is_over = await self._threads.run(take, patient=True)
            yield piece


def _next_piece(chunks: Iterator[bytes]) -> tuple[bytes, bool]:
    """Return as much as is sent at a time, and whether that was the last."""
    taken, size = [], 0
    for chunk in chunks:
        taken.append(chunk)
        size += len(chunk)
        if size >= PIECE_BYTES:
            return b"".join(taken), False
    return b"".join(taken), True


async def _unless_gone(receive: Receive, answering: Coroutine[Any, Any, None]) -> None:
    """Answer, or stop doing so when the client hangs up."""
    answer = asyncio.ensure_future(answering)
    gone = asyncio.ensure_future(receive())
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not answer.done():
            answer.cancel()
    with suppress(asyncio.CancelledError, RequestAborted):
        await answer


def _not_ready(scope: Any, body: Any) -> HttpResponse:
    """Return what ``/health/ready`` says of a database that lets it wait."""
    request = ASGIRequest(scope, body)
    with translation.override(translation.get_language_from_request(request)):
        reason = _("The database does not answer.")
    response = JsonResponse(readiness("unavailable", reason), status=503)
    response["Cache-Control"] = "no-store"
    return with_common_headers(request, response)


def _metrics_without_database(scope: Any, body: Any) -> HttpResponse:
    request = ASGIRequest(scope, body)
    response = with_common_headers(request, metrics_without_database(request))
    response["Cache-Control"] = "no-store"
    return response


def area_of(path: str) -> str:
    """Return which part of the service a path belongs to: one of few, whatever is
    asked for."""
    first = path.partition("/")[2].partition("/")[0]
    return AREAS.get(first, "pages")


def _busy(scope: Any, body: Any) -> HttpResponse:
    """Return a 503: in English, as nobody has looked at the request yet."""
    response = problems.problem(
        503,
        None,
        f"Too many requests are waiting; try again in {RETRY_SECONDS} s.",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )
    CorsMiddleware(lambda _request: response)(ASGIRequest(scope, body))
    return response
