"""Bytes of the stream: one JSON object a data line, whatever the message holds."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.sse import (
    Page,
    connected_event,
    connected_to_all_event,
    encoded,
    end_event,
    line_events,
    update_event,
)
from tasks.logs.store import Line

NOON_MS = 1_764_158_400_000


def line_event(line):
    return encoded(*line_events([line]))


messages = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\0"))


def parsed(data):
    """(id, data) of the events in some bytes, read as the SSE standard says."""
    events = []
    for block in data.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        events.append((fields.get("id"), json.loads(fields["data"])))
    return events


@given(messages)
def test_any_message_comes_back_as_it_was(message):
    ((event_id, data),) = parsed(line_event(Line(7, NOON_MS, "stdout", message)))
    assert event_id == "7"
    assert data["log"]["message"] == message


@pytest.mark.parametrize(
    "separator", ["\x85", "\u2028", "\u2029", "\r", "\x0b", "\x1c"]
)
def test_nothing_in_a_message_ends_the_data_line(separator):
    data = line_event(Line(1, NOON_MS, "stdout", f"a{separator}b"))
    assert len(data.decode().rstrip("\n").splitlines()) == 2


def test_chinese_is_readable_in_the_bytes():
    assert "版本".encode() in line_event(Line(1, NOON_MS, "stdout", "版本"))


def test_a_line_has_its_time_in_utc_with_milliseconds():
    ((_, data),) = parsed(line_event(Line(1, NOON_MS + 7, "stderr", "x")))
    assert data == {
        "type": "log",
        "log": {
            "seq": 1,
            "timestamp": "2025-11-26T12:00:00.007Z",
            "level": "stderr",
            "message": "x",
        },
    }


def test_retry_rides_with_the_first_event_and_only_the_end_has_an_id():
    for first in (connected_event({"id": "x"}), connected_to_all_event()):
        assert re.match(r"retry: [1-4]\d{3}\ndata: {", first)
    assert update_event({"id": "x"}).startswith("data: {")
    assert end_event("failed", 41, "ab").startswith("id: 42\ndata: {")


def test_clients_are_told_to_come_back_after_different_times():
    """A restart would bring all of them back in one instant."""
    asked = [connected_event({}).partition("\n")[0] for _ in range(200)]
    milliseconds = [int(retry.removeprefix("retry: ")) for retry in asked]
    assert 1_000 <= min(milliseconds) < 2_000
    assert 3_000 < max(milliseconds) <= 4_000


@given(st.lists(messages, min_size=1, max_size=40), st.data())
def test_a_page_can_be_taken_from_any_line_in_pieces_of_any_size(texts, data):
    first = data.draw(st.integers(1, 1000))
    lines = [Line(first + i, NOON_MS, "stdout", text) for i, text in enumerate(texts)]
    page = Page(lines)
    cursor = start = data.draw(st.integers(page.after, page.upto - 1))
    taken = b""
    while cursor < page.upto:
        piece, cursor = page.piece(cursor, data.draw(st.integers(1, 500)))
        taken += piece
    wanted = b"".join(line_event(line) for line in lines if line.seq > start)
    assert taken == wanted
