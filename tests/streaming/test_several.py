"""Several sources in one response take turns, and each is whole."""

import pytest
from django.utils import timezone

from streaming.change_feed.endpoint import Feed
from streaming.handshake import Admitted, Closed, Several
from streaming.hub import Hub
from streaming.several import Client
from streaming.task_state import version_of_newcomer
from tasks.notifications import EVERYTHING
from tests.factories import TaskFactory, write_log
from tests.streaming.test_hub import SteppedLoop, Wire

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


def end(task, count):
    task.status, task.log_sha256 = "completed", "0" * 64
    task.last_seq, task.completed_at = count, timezone.now()
    task.save()


class Room:
    """Hub, reader, feed and client are the real ones; the test is loop and network."""

    def __init__(self, monkeypatch):
        self.loop = SteppedLoop()
        self.hub = Hub(self.loop)
        self.feed = Feed(self.loop)
        monkeypatch.setattr(self.feed._poller, "want", lambda **_: None)
        self.wire = Wire()
        self.client = Client(self.hub, self.wire)

    def join(self, *sources, room=None):
        self.wire.room = room
        admitted = [
            Admitted(source.pk, 0, version_of_newcomer(source), b"")
            if hasattr(source, "pk")
            else source
            for source in sources
        ]
        self.client.join(Several(admitted, None), self.feed, self.feed.offset)

    def work(self):
        self.hub.reader.work({EVERYTHING: None})
        self.loop.run()

    def run(self):
        """Until nothing more comes; a page that has to be read takes a round."""
        idle = 0
        while idle < 3:
            before = len(self.wire.events)
            self.work()
            if self.wire.is_full:
                self.wire.room = 1
                self.client.advance()
            idle = idle + 1 if len(self.wire.events) == before else 0

    def seqs(self):
        """The lines of each source, in the order in which they came."""
        found, current = [], None
        for event in self.wire.events:
            if event["type"] == "source":
                current = event["index"]
            elif event["type"] == "log":
                found.append((current, event["log"]["seq"]))
        return found


@pytest.fixture
def room(monkeypatch):
    room = Room(monkeypatch)
    yield room
    room.hub.reader.close()


def test_a_long_log_and_a_short_one_take_turns_on_a_slow_client(room):
    long, short = TaskFactory(status="running"), TaskFactory(status="running")
    write_log(long, *["x" * 1000] * 2000)
    write_log(short, "a", "b")
    room.join(long, short, room=1)
    room.run()
    seqs = room.seqs()
    assert [seq for index, seq in seqs if index == 0] == list(range(1, 2001))
    assert [seq for index, seq in seqs if index == 1] == [1, 2]
    assert seqs.index((1, 2)) < seqs.index((0, 2000))


def test_the_last_end_closes_and_an_earlier_one_does_not(room):
    first, second = TaskFactory(status="running"), TaskFactory(status="running")
    write_log(first, "a")
    room.join(first, Closed(404, "gone"), second)
    room.work()
    end(first, 1)
    room.run()
    assert [e["type"] for e in room.wire.events].count("end") == 1
    assert not room.wire.is_closed
    end(second, 0)
    room.run()
    assert room.wire.is_closed
    assert room.hub._watched == {}


def test_nothing_that_can_be_had_closes_at_once(room):
    room.join(Closed(404, "gone"), Closed(204))
    assert room.wire.is_closed


def test_all_are_left_when_the_client_is_gone(room):
    task = TaskFactory(status="running")
    room.join(task, task, None)
    room.work()
    room.client.leave()
    assert room.hub._watched == {}
    assert room.feed._clients == set()


def test_a_client_that_is_dismissed_gets_nothing_more(room):
    task = TaskFactory(status="running")
    room.join(task, None)
    room.work()
    room.client.dismiss()
    told = len(room.wire.events)
    write_log(task, "a")
    room.feed._take({"tasks": b'data: {"type":"changed"}\n\n'})
    room.work()
    assert room.wire.is_closed
    assert len(room.wire.events) == told
