"""Each client of the feed gets what is newer than what it has, each thing once."""

import pytest

from streaming.change_feed import endpoint as endpoint
from streaming.change_feed.endpoint import Client, Feed
from tests.streaming.test_hub import SteppedLoop, Wire


class Watcher:
    def __init__(self, feed):
        self.wire = Wire()
        self.client = Client(feed, feed.offset, self.wire)
        feed.join(self.client)

    def take(self):
        events, self.wire.events = self.wire.events, []
        return [event.get("n", event.get("what")) for event in events]


@pytest.fixture
def feed(monkeypatch):
    """One whose poller stays at home: the test says what changed."""
    feed = Feed(SteppedLoop())
    monkeypatch.setattr(feed._poller, "want", lambda **_: None)
    return feed


def tell(feed, **numbers):
    feed._take(
        {
            what: f'data: {{"n":{number}}}\n\n'.encode()
            for what, number in numbers.items()
        }
    )


def test_everybody_gets_what_comes_and_newcomers_nothing_older(feed):
    first = Watcher(feed)
    tell(feed, a=1, b=2)
    second = Watcher(feed)
    tell(feed, a=3)
    assert first.take() == [1, 2, 3]
    assert second.take() == [3]


def test_a_client_that_is_full_gets_each_thing_once_as_it_is_by_then(feed):
    slow = Watcher(feed)
    slow.wire.room = 0
    for number in range(100):
        tell(feed, a=number)
    tell(feed, b=100)
    tell(feed, a=101)
    assert slow.take() == []
    slow.wire.room = None
    slow.client.advance()
    assert slow.take() == [100, 101]


def test_a_client_that_missed_more_than_is_kept_is_told_to_look_again(feed):
    slow = Watcher(feed)
    slow.wire.room = 0
    for number in range(1000):
        tell(feed, **{f"task{number}": number})
    assert len(feed._newest) == endpoint.KEPT
    slow.wire.room = None
    slow.client.advance()
    assert slow.take() == ["tasks", *range(1000 - endpoint.KEPT, 1000)]


def test_the_bytes_are_made_once_for_all_who_stand_at_one_offset(feed):
    watchers = [Watcher(feed) for _ in range(5)]
    asked = []
    join = feed._join
    feed._join = lambda version: asked.append(version) or join(version)
    tell(feed, a=1)
    assert [watcher.take() for watcher in watchers] == [[1]] * 5
    assert asked == [0]


def test_nobody_is_looked_out_for_when_all_have_left(feed, monkeypatch):
    wanted = []
    monkeypatch.setattr(
        feed._poller, "want", lambda *, is_wanted: wanted.append(is_wanted)
    )
    first, second = Watcher(feed), Watcher(feed)
    first.client.leave()
    assert wanted == [True]
    second.client.leave()
    assert wanted == [True, False]


@pytest.mark.parametrize(("room", "is_aborted"), [(None, False), (0, True)])
def test_a_client_that_is_dismissed_gets_nothing_more(feed, room, is_aborted):
    lost, other = Watcher(feed), Watcher(feed)
    lost.wire.room = room
    for _ in range(2):
        lost.client.dismiss()
    tell(feed, a=1)
    lost.wire.room = None
    lost.client.advance()
    assert lost.take() == []
    assert (lost.wire.is_closed, lost.wire.is_aborted) == (True, is_aborted)
    assert other.take() == [1]
