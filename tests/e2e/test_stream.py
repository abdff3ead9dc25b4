"""The stream as clients get it, from real processes."""

import hashlib
import json
import random
import threading

import pytest

from tests.e2e.conftest import parse, wait_until

pytestmark = pytest.mark.e2e


def logs_of(events):
    return [event["log"] for event in events if event["type"] == "log"]


def digest(lines):
    text = "".join(line["message"] + "\n" for line in lines)
    return hashlib.sha256(text.encode()).hexdigest()


def assert_whole(service, task_id, lines, end):
    """Exactly the lines 1…N of the stored log, once each, in order."""
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert end["logCount"] == len(lines)
    assert end["logSha256"] == digest(lines)
    assert lines == service.lines(task_id)


def test_a_client_gets_every_line_then_the_end_state_then_end(service):
    task_id = service.create("count", n="3000")
    events = service.events(task_id)
    assert events[0]["type"] == "connected"
    assert events[0]["task"]["id"] == task_id
    assert events[-2]["type"] == "update"
    assert events[-2]["task"]["status"] == "completed"
    assert events[-2]["task"]["progress"] == 100
    assert events[-1]["type"] == "end"
    assert events[-1]["status"] == "completed"
    assert_whole(service, task_id, logs_of(events), events[-1])


def test_a_late_client_gets_the_same_as_a_live_one(service):
    task_id = service.create("count", n="2000")
    live = service.events(task_id)
    late = service.events(task_id)
    assert logs_of(late) == logs_of(live)
    assert late[-2:] == live[-2:]
    assert [event["type"] for event in late[-2:]] == ["update", "end"]


def test_the_response_has_the_promised_headers_and_retry_in_the_first_event(service):
    task_id = service.create("say")
    with service.stream(task_id) as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-cache, no-transform"
        assert response.headers["X-Accel-Buffering"] == "no"
        first = response.content.split(b"\n\n")[0]
    retry, data = first.split(b"\n")
    assert retry.startswith(b"retry: ")
    assert json.loads(data.removeprefix(b"data: "))["type"] == "connected"


def test_only_lines_and_the_end_have_ids(service):
    task_id = service.create("say")
    with service.stream(task_id) as response:
        for event_id, event in parse(response):
            if event["type"] == "log":
                assert event_id == str(event["log"]["seq"])
            elif event["type"] == "end":
                assert event_id == str(event["logCount"] + 1)
            else:
                assert event_id is None


def test_every_change_of_step_and_progress_comes_after_the_lines_that_led_to_it(
    service,
):
    gate = service.create("gate")
    service.wait_for(gate, "running")
    with service.stream(service.create("three-steps")) as response:
        incoming = (event for _, event in parse(response))
        assert next(incoming)["task"]["status"] == "pending"
        service.request("POST", f"/api/tasks/{gate}/cancel")
        events = list(incoming)
    story = [
        event["log"]["message"]
        if event["type"] == "log"
        else (event["task"]["step"]["index"], event["task"]["progress"])
        for event in events
        if event["type"] in {"log", "update"}
    ]
    assert story[:-2] == [
        (1, 0),
        "Executing: true",
        (2, 33),
        "Executing: true",
        (3, 67),
        "Executing: true",
    ]
    assert story[-2].startswith("Completed 3 steps")
    assert story[-1] == (3, 100)


def test_a_returning_client_gets_exactly_what_it_missed(service):
    task_id = service.create("count", n="500")
    whole = logs_of(service.events(task_id))
    for last in (1, 250, 501):
        events = service.events(task_id, **{"Last-Event-ID": str(last)})
        assert events[0]["type"] == "connected"
        assert logs_of(events) == whole[last:]
        assert logs_of(service.events(task_id, f"?lastEventId={last}")) == whole[last:]


def test_a_client_that_has_had_the_end_gets_204(service):
    task_id = service.create("say")
    end = service.events(task_id)[-1]
    last = str(end["logCount"] + 1)
    with service.stream(task_id, **{"Last-Event-ID": last}) as response:
        assert response.status_code == 204
        assert response.content == b""


@pytest.mark.parametrize("bad", ["abc", "-1", "1.5", "1e3", "٣", "9" * 30, "4711"])
def test_an_id_that_is_no_event_of_the_task_gets_400(service, bad):
    task_id = service.create("say")
    service.wait_for(task_id)
    with service.stream(task_id, f"?lastEventId={bad}") as response:
        assert response.status_code == 400
        assert response.headers["Content-Type"] == "application/problem+json"
        assert "Last-Event-ID" in response.json()["errors"]


def test_tail_starts_at_the_newest_lines(service):
    task_id = service.create("count", n="100")
    end = service.events(task_id)[-1]
    events = service.events(task_id, "?tail=5")
    last = end["logCount"]
    assert [line["seq"] for line in logs_of(events)] == list(range(last - 4, last + 1))
    assert events[-1] == end
    with service.stream(task_id, "?tail=many") as response:
        assert response.status_code == 400
        assert "tail" in response.json()["errors"]


def test_a_waiting_task_answers_at_once(service):
    first = service.create("locked")
    waiting = service.create("locked")
    with service.stream(waiting) as response:
        events = parse(response)
        assert next(events)[1]["task"]["status"] == "pending"
        rest = [event for _, event in events]
    assert rest[0]["type"] == "update"
    assert rest[0]["task"]["status"] == "running"
    assert service.wait_for(first)["status"] == "completed"


def test_no_key_no_stream(service):
    task_id = service.create("say")
    with service.stream(task_id, **{"X-API-Key": "wrong"}) as response:
        assert response.status_code == 401
        assert response.headers["Content-Type"] == "application/problem+json"


def test_an_unknown_task_has_no_stream(service):
    for task_id in ("00000000-0000-4000-8000-000000000000", "nonsense"):
        with service.stream(task_id) as response:
            assert response.status_code == 404
            assert response.json()["status"] == 404


def test_awkward_output_is_stored_and_streamed_sanely(service):
    task_id = service.create("awkward")
    events = service.events(task_id)
    lines = logs_of(events)
    assert_whole(service, task_id, lines, events[-1])
    messages = [line["message"] for line in lines if line["level"] == "stdout"]
    assert messages[0] == "broken \ufffd\ufffd utf-8"
    assert messages[1] == "a\ufffdb"
    assert messages[2] == "100%"
    assert messages[3] == "版本 v885 已就绪"
    assert messages[4] == "separator\u2028here"
    assert messages[5].startswith("x" * 65536)
    assert messages[5].endswith("[cut: the line has 10,000,000 bytes]")
    assert messages[6] == "no newline"
    assert [x["message"] for x in lines if x["level"] == "stderr"] == ["on stderr"]


def test_clients_that_drop_and_return_at_random_miss_and_double_nothing(service):
    task_id = service.create("count", n="20000")
    failures = []

    def watch(seed):
        dice = random.Random(seed)
        lines, end = [], None
        while end is None:
            last = {"Last-Event-ID": str(len(lines))} if lines else {}
            patience = dice.randrange(1, 4000)
            with service.stream(task_id, **last) as response:
                for _, event in parse(response):
                    if event["type"] == "log":
                        lines.append(event["log"])
                        patience -= 1
                    elif event["type"] == "end":
                        end = event
                    if patience == 0:
                        break
        try:
            assert_whole(service, task_id, lines, end)
        except AssertionError as failure:
            failures.append(failure)

    threads = [threading.Thread(target=watch, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_client_that_never_reads_holds_up_nobody(service):
    task_id = service.create("count", n="50000")
    with service.stream(task_id):
        events = service.events(task_id)
    assert_whole(service, task_id, logs_of(events), events[-1])


def test_a_stream_goes_on_where_it_was_after_the_web_server_was_killed(new_service):
    service = new_service().run()
    task_id = service.create("slowly", n="60", pause="0.02")
    lines = []
    with service.stream(task_id) as response:
        for _, event in parse(response):
            if event["type"] == "log":
                lines.append(event["log"])
            if len(lines) == 10:
                break
    service.kill("web")
    service.start("web")
    wait_until(service.is_healthy, "the new web server")
    events = service.events(task_id, **{"Last-Event-ID": str(len(lines))})
    lines += logs_of(events)
    assert_whole(service, task_id, lines, events[-1])


def test_a_deleted_task_ends_its_streams(new_service):
    service = new_service().run()
    task_id = service.create("slowly", n="5", pause="0.01")
    service.wait_for(task_id)
    waiting = service.create("slowly", n="2000", pause="1")
    with service.stream(waiting) as response:
        events = parse(response)
        next(events)
        code = (
            "from tasks.models import *;"
            f"LogLine.objects.filter(task_id='{waiting}').delete();"
            f"Task.objects.filter(pk='{waiting}').delete()"
        )
        service.manage("shell", "-v0", "-c", code)
        assert all(event["type"] != "end" for _, event in events)


def test_a_silent_task_is_kept_alive(service):
    task_id = service.create("slowly", n="2", pause="1000")
    with service.stream(task_id) as response:
        events = (event for _, event in parse(response))
        kept = next(event for event in events if event["type"] == "keep-alive")
    assert kept == {"type": "keep-alive"}
    service.request("POST", f"/api/tasks/{task_id}/cancel")
