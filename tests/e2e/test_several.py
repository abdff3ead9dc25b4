"""Several streams over one connection, as clients get them from real processes."""

import json
import threading

import pytest
import requests

from tests.waiting import PATIENCE_SECONDS, wait_until

from .conftest import parse

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]
NOBODY = "00000000-0000-4000-8000-000000000000"


def path(*sources):
    return "/api/streams?" + "&".join(f"source={source}" for source in sources)


def by_source(answer):
    """What each source gave, to the end of the response."""
    events, current = {}, None
    for event in parse(answer):
        if event[1]["type"] == "source":
            current = events.setdefault(event[1]["index"], [])
        elif event[1]["type"] != "keep-alive":
            current.append(event)
    return events


def read(service, *sources):
    with service.request("GET", path(*sources), stream=True) as answer:
        assert answer.status_code == 200, answer.text
        return by_source(answer)


def the_own_stream(service, task_id, query=""):
    with service.stream(task_id, query) as answer:
        return list(parse(answer))


def test_each_source_gives_what_its_own_stream_does_and_the_last_end_closes(service):
    ids = [service.create("count", n="3000"), service.create("say", text="发布 v885")]
    for task_id in ids:
        service.wait_for(task_id)
    assert read(service, *ids, f"{ids[0]}:2990") == {
        0: the_own_stream(service, ids[0]),
        1: the_own_stream(service, ids[1]),
        2: the_own_stream(service, ids[0], "?lastEventId=2990"),
    }


def test_lines_of_tasks_that_run_come_live_and_whole(service):
    ids = [service.create("slowly", n="40", pause="0.02") for _ in range(8)]
    sources = read(service, *ids)
    assert len(sources) == 8
    for index, task_id in enumerate(ids):
        types = [data["type"] for _, data in sources[index]]
        assert (types[0], types[-2:]) == ("connected", ["update", "end"])
        logs = [data["log"] for _, data in sources[index] if data["type"] == "log"]
        assert logs == service.lines(task_id)


def test_what_changes_among_all_tasks_is_a_source_like_others(service):
    task_id = service.create("say")
    with service.request("GET", path("events", task_id), stream=True) as answer:
        current, seen = None, []
        for _, data in parse(answer):
            if data["type"] == "source":
                current = data["index"]
                continue
            seen.append((current, data["type"]))
            is_told = data["type"] == "task" and data["task"]["id"] == task_id
            if is_told and data["task"]["status"] == "completed":
                break
    assert seen[0] == (0, "connected")
    assert {index for index, kind in seen if kind == "log"} <= {1}


def test_a_source_that_can_not_be_had_says_why_and_the_others_go_on(service):
    ended = service.create("say")
    count = service.wait_for(ended)["logCount"]
    sources = read(service, NOBODY, f"{ended}:{count + 1}", f"{ended}:99", ended)
    assert [data for _, data in sources[0]] == [
        {"type": "closed", "status": 404, "detail": "There is no such task."}
    ]
    assert [data for _, data in sources[1]] == [
        {"type": "closed", "status": 204, "detail": ""}
    ]
    (refused,) = sources[2]
    assert refused[1]["status"] == 400
    assert f"the highest is {count + 1}" in refused[1]["detail"]
    assert sources[3] == the_own_stream(service, ended)


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ((), "Say what to watch"),
        (("x",), "not 'x'"),
        (("events:3",), "not 'events:3'"),
        ((NOBODY,) * 33, "At most 32"),
    ],
)
def test_a_query_that_is_not_understood_is_refused_whole(service, sources, said):
    answer = service.request("GET", path(*sources))
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert said in answer.json()["errors"]["source"][0]


def test_whoever_has_no_right_is_not_let_in(service):
    url = service.url + path("events")
    wrong = {"X-API-Key": "wrong"}
    assert requests.get(url, timeout=30).status_code == 401
    assert requests.get(f"{url}&token=x", timeout=30).status_code == 401
    assert requests.get(url, headers=wrong, timeout=30).status_code == 401
    # What is wrong with the query is nothing for strangers.
    strange = service.url + path("x")
    assert requests.get(strange, timeout=30).status_code == 401
    posted = service.request("POST", path("events"))
    assert (posted.status_code, posted.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")
    head = service.request("HEAD", path("events"))
    assert (head.status_code, head.content) == (200, b"")


def test_a_task_that_is_deleted_meanwhile_is_said_to_be_gone(service):
    task_id = service.create("pensive")
    service.wait_for(task_id, "running")
    seen = []

    def watch():
        with service.request("GET", path(task_id), stream=True) as answer:
            seen.extend(data for _, data in parse(answer))

    reading = threading.Thread(target=watch)
    reading.start()
    wait_until(lambda: any(e["type"] == "log" for e in seen), "a line")
    delete = f"Task.objects.filter(pk='{task_id}').delete()"
    service.manage("shell", "-v0", "-c", f"from tasks.models import Task; {delete}")
    reading.join(PATIENCE_SECONDS)
    assert json.dumps(seen[-1]) == json.dumps(
        {"type": "closed", "status": 404, "detail": "There is no such task."}
    )


def test_a_client_that_never_reads_holds_up_nobody(service):
    big = service.create("count", n="200000")
    service.wait_for(big)
    small = service.create("slowly", n="30", pause="0.02")
    with service.request("GET", path(big, small), stream=True):
        sources = read(service, small)
    logs = [data["log"] for _, data in sources[0] if data["type"] == "log"]
    assert logs == service.lines(small)
