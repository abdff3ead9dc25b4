"""Django's requests, and how few threads they run in, however many there are."""

import asyncio
import gc
import json
import threading

import pytest
from asgiref.sync import iscoroutinefunction
from asgiref.testing import ApplicationCommunicator
from django.core.signals import request_finished
from django.db import connection
from django.http import HttpResponse
from django.urls import path
from django.utils.decorators import sync_and_async_middleware

from resource_sync.http import request_threads as threads
from resource_sync.http.handler import MOST_AT_WORK, RequestHandler
from resource_sync.http.request_threads import Busy, Threads

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
    app = RequestHandler()
    seen.clear()

    async def three_requests():
        for _ in range(3):
            await answer(app)
            await until(lambda: app._threads._idle)

    request_finished.connect(noted_finish)
    try:
        asyncio.run(three_requests())
    finally:
        request_finished.disconnect(noted_finish)
    assert [place for place, _ in seen] == ["middleware", "view", "finish"] * 3
    assert len({thread for _, thread in seen}) == 1
    assert seen[0][1] is not threading.main_thread()


def test_what_is_done_between_requests_fails_alone(settings):
    settings.ROOT_URLCONF = __name__
    app = RequestHandler()
    seen.clear()

    async def a_job_that_fails_and_another():
        with pytest.raises(ZeroDivisionError):
            await app.between_requests(lambda: 1 / 0)
        await app.between_requests(lambda: note("job"))

    asyncio.run(a_job_that_fails_and_another())
    assert [place for place, _ in seen] == ["job"]


def test_no_more_than_so_many_requests_are_at_work_and_the_rest_waits(settings):
    settings.ROOT_URLCONF = __name__
    app = RequestHandler()
    before, crowd = threads_of_requests(), MOST_AT_WORK + 5
    everybody_is_here.clear()

    async def all_at_once():
        answers = [asyncio.create_task(answer(app, "/meeting")) for _ in range(crowd)]
        for _ in range(MOST_AT_WORK):
            assert await asyncio.to_thread(are_inside.acquire, timeout=20)
        await until(lambda: len(app._threads._queue) == 5)
        everybody_is_here.set()
        await asyncio.gather(*answers)

    asyncio.run(all_at_once())
    for _ in range(5):
        assert are_inside.acquire(timeout=20)
    assert len(threads_of_requests() - before) == MOST_AT_WORK


@pytest.mark.django_db(transaction=True)
def test_whoever_watches_over_it_is_answered_while_all_threads_are_busy(settings):
    app = RequestHandler()
    settings.ROOT_URLCONF = __name__
    everybody_is_here.clear()

    async def all_busy():
        crowd = [
            asyncio.create_task(answer(app, "/meeting")) for _ in range(MOST_AT_WORK)
        ]
        for _ in crowd:
            assert await asyncio.to_thread(are_inside.acquire, timeout=20)
        settings.ROOT_URLCONF = "resource_sync.urls"
        try:
            for path in ("/health", "/health/ready", "/health/live"):
                request = ApplicationCommunicator(app, {**GET, "path": path})
                await request.send_input({"type": "http.request", "body": b""})
                assert (await request.receive_output(20))["status"] in {200, 503}
        finally:
            everybody_is_here.set()
            await asyncio.gather(*crowd)

    asyncio.run(all_busy())


def test_when_too_many_wait_the_next_is_told_when_to_come_back(settings, monkeypatch):
    settings.ROOT_URLCONF = __name__
    monkeypatch.setattr(threads, "MOST_WAITING", 0)
    app = RequestHandler()
    app._threads._most = 0

    async def one_too_many():
        request = ApplicationCommunicator(app, {**GET, "path": "/"})
        await request.send_input({"type": "http.request", "body": b""})
        return await request.receive_output(20), await request.receive_output(20)

    start, body = asyncio.run(one_too_many())
    headers = dict(start["headers"])
    assert start["status"] == 503
    assert headers[b"Retry-After"] == b"5"
    assert headers[b"Content-Type"] == b"application/problem+json"
    assert json.loads(body["body"])["detail"].startswith("Too many requests")


def test_nobody_waits_for_ever(monkeypatch):
    monkeypatch.setattr(threads, "LONGEST_WAIT_SECONDS", 0.01)

    async def wait():
        with pytest.raises(Busy):
            await Threads(0).run(lambda: None)

    asyncio.run(wait())


def test_those_who_wait_are_served_in_order_but_for_those_who_hung_up():
    served, go_on = [], threading.Event()

    async def some_hang_up():
        pool = Threads(1)
        first = asyncio.create_task(pool.run(lambda: go_on.wait(20)))
        await until(lambda: pool._made == 1)
        waiting = [
            asyncio.create_task(pool.run(lambda n=n: served.append(n)))
            for n in range(6)
        ]
        await until(lambda: len(pool._queue) == 6)
        waiting[0].cancel()
        waiting[3].cancel()
        await until(lambda: len(pool._queue) == 4)
        go_on.set()
        await asyncio.gather(first, *waiting, return_exceptions=True)
        await until(lambda: pool._idle)

    asyncio.run(some_hang_up())
    assert served == [1, 2, 4, 5]


def test_a_turn_that_came_to_somebody_who_hung_up_goes_to_the_next():
    async def hang_up_just_then():
        pool = Threads(1)
        thread = await pool._take(patient=False)
        turn = asyncio.create_task(pool._take(patient=False))
        await until(lambda: pool._queue)
        pool._hand_on(thread)
        turn.cancel()
        await asyncio.wait([turn])
        return pool._idle.pop() is thread

    assert asyncio.run(hang_up_just_then())


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:.*SpooledTemporaryFile")  # Django leaves it open
def test_a_request_that_is_cut_off_gives_its_connection_back(settings):
    settings.ROOT_URLCONF = __name__
    app = RequestHandler()
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
        await until(lambda: app._threads._idle)

    asyncio.run(cut_off())
    thread = app._threads._idle[0]
    assert thread.submit(lambda: connection.connection).result(20) is None
    gc.collect()  # what is left open is found here, and not in some other test
