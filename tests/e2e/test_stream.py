"""The stream as clients get it, from real processes."""

import hashlib
import json
import random
from urllib.parse import quote

import pytest

from tests.e2e.conftest import parse
from tests.e2e.flow import Flow, wait_for_lines
from tests.e2e.viewers import Viewer, assert_exact, watching
from tests.waiting import wait_until

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
    assert b"streamUrl" not in data
    assert b"statusUrl" not in data
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
    for query, header in [("", last), (f"?lastEventId={last}", ""), ("?tail=2", last)]:
        with service.stream(task_id, query, **{"Last-Event-ID": header}) as response:
            assert response.status_code == 204
            assert response.content == b""
            assert "Content-Type" not in response.headers


def test_a_client_that_is_ahead_of_the_log_waits_for_it(service):
    if not service.env["DATABASE_URL"]:
        pytest.skip("only a crash of PostgreSQL takes lines back")
    task_id = service.create("slowly", n="1000", pause="0.1")
    service.wait_for(task_id, "running")
    ahead = service.task(task_id)["logCount"] + 10
    with service.stream(task_id, **{"Last-Event-ID": str(ahead)}) as response:
        assert response.status_code == 200
        seqs = (e["log"]["seq"] for _, e in parse(response) if e["type"] == "log")
        assert next(seqs) == ahead + 1
    with service.stream(task_id, **{"Last-Event-ID": "100000"}) as response:
        assert response.status_code == 400
    service.request("POST", f"/api/tasks/{task_id}/cancel")


@pytest.mark.parametrize(
    "bad", ["abc", "-1", "+1", "1.5", "1e3", " ", "1 2", "0x1", "٣", "9" * 30, "4711"]
)
def test_an_id_that_is_no_event_of_the_task_gets_400(service, bad):
    task_id = service.create("say")
    service.wait_for(task_id)
    positions = [(f"?lastEventId={quote(bad)}", {})]
    if bad.isascii() and bad.strip():
        positions.append(("", {"Last-Event-ID": bad}))
    for query, header in positions:
        with service.stream(task_id, query, **header) as response:
            assert response.status_code == 400
            assert response.headers["Content-Type"] == "application/problem+json"
            assert "Last-Event-ID" in response.json()["errors"]


def test_the_end_of_a_task_that_still_runs_is_no_position(service):
    flow = Flow(service, pause="1000")
    wait_until(lambda: service.task(flow.task_id)["logCount"] == 21, "21 lines")
    with service.stream(flow.task_id, "?lastEventId=22") as response:
        assert response.status_code == 400
    service.request("POST", f"/api/tasks/{flow.task_id}/cancel")
    service.wait_for(flow.task_id)
    events = service.events(flow.task_id, "?lastEventId=21")
    assert events[0]["type"] == "connected"
    assert events[-1]["type"] == "end"


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


@pytest.mark.parametrize(
    "spelling", ["{}", "{{{}}}", "urn:uuid:{}", "uuid:{}", "{}%0A", "{}%20", "{}}}"]
)
def test_an_id_that_is_spelled_otherwise_is_404_as_everywhere(service, spelling):
    task_id = service.create("say")
    digits = task_id.replace("-", "")
    for text in {spelling.format(digits), spelling.format(task_id)} - {task_id}:
        for end in ("stream", "status", "logs"):
            answer = service.request("GET", f"/api/tasks/{text}/{end}")
            assert answer.status_code == 404, (text, end)


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


AS_IT_IS = [
    "一个文件一个文件地核对，直到最后一个为止",
    "\x1b[1;31m红色\x1b[0m and \x1b[2Kplain",
    "line\u2028and\u2029paragraph\u0085ends",
    "\ufeff🚀 four bytes 👩‍💻 and joined é",
    "",
    'data: {"type":"end"}',
    "id: 7\tevent: x\\n\\u2028\x0b\x0c\x1c",
]
CLEANED = {
    "下载 10%\r下载 55%\r下载 100%": "下载 100%",
    "from Windows\r": "from Windows",
    "nul \0 nul": "nul \ufffd nul",
}
SHOWN = {text: text for text in AS_IT_IS} | CLEANED


def rejoined(shown, expected):
    """Lines as they were printed, where one is in two because its program, on a busy
    machine, was silent in the middle of it for as long as a question is."""
    parts, lines = iter(shown), []
    for line in expected:
        text = next(parts, None)
        while text and text != line and line.startswith(text):
            text += next(parts, "\n")
        lines.append(text)
    return [*lines, *parts]


def test_text_of_every_kind_arrives_as_it_was_printed_wherever_it_is_cut(service):
    printed = list(SHOWN) * 1500
    data = "".join(f"{line}\n" for line in printed).encode()
    (service.data_dir / "printed").write_bytes(data)
    sizes = {"131072": "0.05", "30011": "0.02", "1009": "0.001"}
    viewers = {}
    for size, pause in sizes.items():
        edges = {data[edge] & 0xC0 for edge in range(int(size), len(data), int(size))}
        assert 0x80 in edges, "no piece ends within a character"
        task_id = service.create("pieces", name="printed", size=size, pause=pause)
        viewers[task_id] = Viewer(service, task_id)
    with watching(*viewers.values()):
        pass
    for task_id, viewer in viewers.items():
        lines = assert_exact(service, task_id, viewer)
        shown = [line["message"] for line in lines if line["level"] == "stdout"]
        expected = [SHOWN[line] for line in printed]
        assert rejoined(shown, expected) == expected
    with service.stream(task_id, "?tail=50") as response:
        text = response.content.decode()
    assert text.splitlines() == text.split("\n")[:-1], "a line end within an event"


def test_a_client_that_is_cut_off_after_every_so_many_bytes_still_gets_it_whole(
    service,
):
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    text = "".join(f"{n} {'核对文件' * dice.randrange(30)}\n" for n in range(400))
    (service.data_dir / "text").write_text(text)
    task_id = service.create("show", name="text")
    with service.stream(task_id) as response:
        events = response.content.split(b"\n\n")
    # What has no id of its own can't be had in parts: the last update and the end.
    least = len(b"\n\n".join(events[-3:]))
    viewers = [
        Viewer(service, task_id, most_bytes=lambda k=k: k)
        for k in (least, *(dice.randrange(least, 5000) for _ in range(9)))
    ] + [
        Viewer(service, task_id, most_bytes=lambda: dice.randrange(200, 5000))
        for _ in range(5)
    ]
    try:
        with watching(*viewers):
            pass
        assert_exact(service, task_id, *viewers)
    except AssertionError as failure:
        raise AssertionError(f"with the seed {seed}") from failure
    assert all(viewer.connections > 10 for viewer in viewers)
    assert any(viewer.cuts_in_a_character for viewer in viewers)


def test_a_client_that_never_reads_holds_up_nobody(service):
    task_id = service.create("count", n="50000")
    with service.stream(task_id):
        events = service.events(task_id)
    assert_whole(service, task_id, logs_of(events), events[-1])


def delete(service, task_id):
    code = (
        "from tasks.models import *;"
        f"LogLine.objects.filter(task_id='{task_id}').delete();"
        f"Task.objects.filter(pk='{task_id}').delete()"
    )
    service.manage("shell", "-v0", "-c", code)


@pytest.mark.parametrize("pause", ["0.01", "5"])
def test_a_stream_of_a_deleted_task_is_closed_in_order_and_stays_away(service, pause):
    flow = Flow(service, pause=pause)
    viewer = Viewer(service, flow.task_id)
    with watching(viewer):
        wait_for_lines([viewer], 10)
        delete(service, flow.task_id)
    assert viewer.end is None
    assert viewer.cuts == 0, "the response was broken off"
    assert viewer.gone == 404
    flow.finish()


def test_a_silent_task_is_kept_alive(service):
    task_id = service.create("slowly", n="2", pause="1000")
    with service.stream(task_id) as response:
        events = (event for _, event in parse(response))
        kept = next(event for event in events if event["type"] == "keep-alive")
    assert kept == {"type": "keep-alive"}
    service.request("POST", f"/api/tasks/{task_id}/cancel")
