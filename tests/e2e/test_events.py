"""What changes among all tasks, as clients get it from real processes."""

import re
import time

import pytest
import requests

from tests.waiting import wait_until

from .conftest import parse
from .listeners import listening

pytestmark = pytest.mark.e2e


def test_a_task_is_told_of_from_its_start_to_its_end_to_all_who_listen(service):
    with listening(service, 3) as listeners:
        task_id = service.create("slowly", n="3")
        for one in listeners:
            wait_until(lambda one=one: "completed" in one.statuses(task_id), "the end")
    for one in listeners:
        assert one.events[0] == {"type": "connected"}
        statuses = one.statuses(task_id)
        assert statuses == sorted(
            statuses, key=["pending", "running", "completed"].index
        )
        last = one.of(task_id)[-1]
        stored = service.task(task_id)
        # Nor where it is to be asked and watched: its reader knows.
        del stored["statusUrl"], stored["streamUrl"]
        assert last == {**stored, "logs": [], "result": None}


def test_a_flood_of_lines_and_progress_is_told_twice_a_second_at_most(service):
    with listening(service) as (one,):
        started = time.monotonic()
        task_id = service.create("progressing", n="500")
        wait_until(lambda: "completed" in one.statuses(task_id), "the end")
        seconds = time.monotonic() - started
    assert len(one.of(task_id)) <= 2 * seconds + 3


def test_whoever_has_no_right_is_not_let_in(service):
    url = f"{service.url}/api/events"
    assert requests.get(url, timeout=30).status_code == 401
    assert requests.get(f"{url}?token=x", timeout=30).status_code == 401
    wrong = requests.get(url, headers={"X-API-Key": "wrong"}, timeout=30)
    assert wrong.status_code == 401
    assert wrong.headers["Content-Type"] == "application/problem+json"
    posted = service.request("POST", "/api/events")
    assert (posted.status_code, posted.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_the_response_is_a_stream_that_no_proxy_holds_back(service):
    with service.request("GET", "/api/events", stream=True) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-cache, no-transform"
        assert answer.headers["X-Accel-Buffering"] == "no"
        first = answer.raw.readline() + answer.raw.readline()
        assert re.fullmatch(rb'retry: [1-4]\d{3}\ndata: {"type":"connected"}\n', first)
    head = service.request("HEAD", "/api/events")
    assert (head.status_code, head.content) == (200, b"")


def test_silence_is_kept_alive(new_service):
    service = new_service()
    service.prepare()
    service.run()
    with service.request("GET", "/api/events", stream=True) as answer:
        for _, data in parse(answer):
            if data == {"type": "keep-alive"}:
                break


def test_it_comes_back_after_a_restart_of_the_web_server_and_tells_on(new_service):
    service = new_service()
    service.prepare()
    service.run()
    with listening(service, 2) as listeners:
        service.kill("web")
        service.start("web")
        service.wait_healthy()
        for one in listeners:
            wait_until(lambda one=one: one.count(type="connected") == 2, "the return")
        task_id = service.create("say")
        for one in listeners:
            wait_until(lambda one=one: "completed" in one.statuses(task_id), "the end")


def test_a_runner_that_begins_and_one_that_ends_are_told_of(new_service):
    service = new_service()
    service.prepare()
    service.run()
    with listening(service) as (one,):
        # Whoever begins to listen is told to look; from then on all is told.
        wait_until(lambda: one.count(type="changed", what="tasks"), "the first look")
        service.start("another")
        wait_until(lambda: one.count(what="runners") == 1, "the second runner")
        service.stop_one("another")
        wait_until(lambda: one.count(what="runners") == 2, "its end")


def test_what_is_published_is_told_of(service, demo):
    with listening(service) as (one,):
        service.wait_for(service.create("full-sync", version="v885", guard="100"))
        wait_until(lambda: one.count(what="releases"), "another version to be live")
        service.wait_for(service.create("rollback", version="v884"))


def test_a_client_that_never_reads_holds_up_nobody(service):
    with (
        service.request("GET", "/api/events", stream=True),
        listening(service) as (one,),
    ):
        ids = [service.create("say") for _ in range(20)]
        for task_id in ids:
            wait_until(lambda t=task_id: "completed" in one.statuses(t), "each end")
