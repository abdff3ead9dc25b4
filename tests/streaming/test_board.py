"""Each client of the board gets what is newer than what it has, each thing once."""

import pytest

from streaming import board as board_module
from streaming.board import Board, Client
from tests.streaming.test_hub import SteppedLoop, Wire


class Watcher:
    def __init__(self, board):
        self.wire = Wire()
        self.client = Client(board, board.version, self.wire)
        board.join(self.client)

    def take(self):
        events, self.wire.events = self.wire.events, []
        return [event.get("n", event.get("what")) for event in events]


@pytest.fixture
def board(monkeypatch):
    """One whose lookout stays at home: the test says what changed."""
    board = Board(SteppedLoop())
    monkeypatch.setattr(board._lookout, "want", lambda **_: None)
    return board


def tell(board, **numbers):
    board._take(
        {
            what: f'data: {{"n":{number}}}\n\n'.encode()
            for what, number in numbers.items()
        }
    )


def test_everybody_gets_what_comes_and_newcomers_nothing_older(board):
    first = Watcher(board)
    tell(board, a=1, b=2)
    second = Watcher(board)
    tell(board, a=3)
    assert first.take() == [1, 2, 3]
    assert second.take() == [3]


def test_a_client_that_is_full_gets_each_thing_once_as_it_is_by_then(board):
    slow = Watcher(board)
    slow.wire.room = 0
    for number in range(100):
        tell(board, a=number)
    tell(board, b=100)
    tell(board, a=101)
    assert slow.take() == []
    slow.wire.room = None
    slow.client.advance()
    assert slow.take() == [100, 101]


def test_a_client_that_missed_more_than_is_kept_is_told_to_look_again(board):
    slow = Watcher(board)
    slow.wire.room = 0
    for number in range(1000):
        tell(board, **{f"task{number}": number})
    assert len(board._newest) == board_module.KEPT
    slow.wire.room = None
    slow.client.advance()
    assert slow.take() == ["tasks", *range(1000 - board_module.KEPT, 1000)]


def test_the_bytes_are_made_once_for_all_who_stand_at_one_place(board):
    watchers = [Watcher(board) for _ in range(5)]
    asked = []
    join = board._join
    board._join = lambda version: asked.append(version) or join(version)
    tell(board, a=1)
    assert [watcher.take() for watcher in watchers] == [[1]] * 5
    assert asked == [0]


def test_nobody_is_looked_out_for_when_all_have_left(board, monkeypatch):
    wanted = []
    monkeypatch.setattr(
        board._lookout, "want", lambda *, is_wanted: wanted.append(is_wanted)
    )
    first, second = Watcher(board), Watcher(board)
    first.client.leave()
    assert wanted == [True]
    second.client.leave()
    assert wanted == [True, False]


@pytest.mark.parametrize(("room", "is_aborted"), [(None, False), (0, True)])
def test_a_client_that_is_dismissed_gets_nothing_more(board, room, is_aborted):
    lost, other = Watcher(board), Watcher(board)
    lost.wire.room = room
    for _ in range(2):
        lost.client.dismiss()
    tell(board, a=1)
    lost.wire.room = None
    lost.client.advance()
    assert lost.take() == []
    assert (lost.wire.is_closed, lost.wire.is_aborted) == (True, is_aborted)
    assert other.take() == [1]
