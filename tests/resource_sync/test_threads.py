"""Django's requests and the threads that they run in."""

import asyncio
import gc
import threading

import pytest
from asgiref.sync import iscoroutinefunction
from asgiref.testing import ApplicationCommunicator
from django.core.signals import request_finished
from django.db import connection
from django.http import HttpResponse
from django.urls import path
from django.utils.decorators import sync_and_async_middleware

from resource_sync.threads import MOST_IDLE, RequestThreads

GET = {
    "type": "http",
    "method": "GET",
    "query_string": b"",
    "headers": [(b"host", b"127.0.0.1")],
}
seen: list[tuple[str, threading.Thread]] = []
everybody_is_here = threading.Event()
are_inside = threading.Semaphore(0)


def note(place, **_):
    seen.append((place, threading.current_thread()))


def view(_request):
    note("view")
    return HttpResponse("hello")


def meeting(_request):
    are_inside.release()
    assert everybody_is_here.wait(20)
    return HttpResponse("hello")


def meeting_with_a_connection(request):
    connection.ensure_connection()
    connection.close_at = 0  # as on PostgreSQL: it is given back after the request
    return meeting(request)


urlpatterns = [
    path("", view),
    path("meeting", meeting),
    path("meeting-with-a-connection", meeting_with_a_connection),
]


@sync_and_async_middleware
def noting(get_response):
    def in_a_thread(request):
        note("middleware")
        return get_response(request)

    async def in_the_loop(request):
        note("middleware")
        return await get_response(request)

    return in_the_loop if iscoroutinefunction(get_response) else in_a_thread


def noted_finish(**_):
    note("finish")


async def answer(app, url="/"):
    request = ApplicationCommunicator(app, {**GET, "path": url})
    await request.send_input({"type": "http.request", "body": b""})
    assert (await request.receive_output(20))["status"] == 200
    assert (await request.receive_output(20))["body"] == b"hello"
    await request.wait(20)


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (nobody would set an event)
            await asyncio.sleep(0.01)


def threads_of_requests():
    return {one for one in threading.enumerate() if one.name.startswith("request")}


def test_one_request_after_the_other_runs_in_one_thread(settings):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.noting"]
    app = RequestThreads()
    seen.clear()

    async def three_requests():
        for _ in range(3):
            await answer(app)
            await until(lambda: app._idle)

    request_finished.connect(noted_finish)
    try:
        asyncio.run(three_requests())
    finally:
        request_finished.disconnect(noted_finish)
    assert [place for place, _ in seen] == ["middleware", "view", "finish"] * 3
    assert len({thread for _, thread in seen}) == 1
    assert seen[0][1] is not threading.main_thread()


def test_what_is_done_between_requests_has_their_thread_and_gives_it_back(settings):
    settings.ROOT_URLCONF = __name__
    app = RequestThreads()
    seen.clear()

    async def a_request_and_another_job():
        await answer(app)
        await until(lambda: app._idle)
        await asyncio.wrap_future(app.between_requests(lambda: note("job")))
        await until(lambda: app._idle)
        with pytest.raises(ZeroDivisionError):
            await asyncio.wrap_future(app.between_requests(lambda: 1 / 0))
        await until(lambda: app._idle)
        await answer(app)

    asyncio.run(a_request_and_another_job())
    assert [place for place, _ in seen] == ["view", "job", "view"]
    assert len({thread for _, thread in seen}) == 1


def test_requests_at_the_same_time_have_a_thread_each_and_few_threads_stay(settings):
    settings.ROOT_URLCONF = __name__
    app = RequestThreads()
    before, crowd = threads_of_requests(), MOST_IDLE + 5
    everybody_is_here.clear()

    async def all_at_once():
        answers = [asyncio.create_task(answer(app, "/meeting")) for _ in range(crowd)]
        for _ in range(crowd):
            assert await asyncio.to_thread(are_inside.acquire, timeout=20)
        everybody_is_here.set()
        await asyncio.gather(*answers)
        await until(lambda: len(threads_of_requests() - before) == MOST_IDLE)

    asyncio.run(all_at_once())
    assert len(app._idle) == MOST_IDLE


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:.*SpooledTemporaryFile")  # Django leaves it open
def test_a_request_that_is_cut_off_gives_its_connection_back(settings):
    settings.ROOT_URLCONF = __name__
    app = RequestThreads()
    everybody_is_here.clear()

    messages = iter([{"type": "http.request", "body": b""}])

    async def receive():
        return next(messages, None) or await asyncio.Event().wait()

    async def send(_message):
        pass

    async def cut_off():
        scope = {**GET, "path": "/meeting-with-a-connection"}
        request = asyncio.create_task(app(scope, receive, send))
        assert await asyncio.to_thread(are_inside.acquire, timeout=20)
        request.cancel()  # as Daphne does some time after the client has gone
        await asyncio.wait([request])
        everybody_is_here.set()
        await until(lambda: app._idle)

    asyncio.run(cut_off())
    thread = app._idle[0]
    assert thread.submit(lambda: connection.connection).result(20) is None
    gc.collect()  # what is left open is found here, and not in some other test
