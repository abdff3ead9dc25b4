"""The judge of benchmarks/story sees what a player must never have."""

import pytest

from benchmarks.story.builds import Build, state_of
from benchmarks.story.crowd import Diary, Poll, Switch
from benchmarks.story.judge import judge
from benchmarks.story.publisher import Move

FIRST, SECOND = {"a": "1"}, {"a": "2"}
MADE = [Build("v1", None, FIRST), Build("v2", None, SECOND)]


def pointer(version, rollout=None):
    return {"version": version, "rollout": rollout}


def moves(*, goes_back=True):
    """v1 was served first, v2 from 10 to 20 s, and then v1 again."""
    return {
        "live": [
            Move("live", 1, pointer("v1"), 0, 1, False, replaced=11),
            Move("live", 2, pointer("v2"), 10, 11, False, replaced=21),
            Move("live", 3, pointer("v1"), 20, 21, goes_back),
        ]
    }


def poll(at, serial, version, refusal=None):
    return Poll(at, at + 0.1, serial, refusal, version)


def switch(at, serial, version, files):
    return Switch(at, at + 0.1, serial, version, state_of(files), at + 0.2, 9, 1, 2,
                  False)  # fmt: skip


def good_diary():
    polls = [poll(5, 1, "v1"), poll(12, 2, "v1"), poll(13, 2, "v2"), poll(22, 3, "v2"),
             poll(23, 3, "v1")]  # fmt: skip
    switches = [switch(12, 2, "v2", SECOND), switch(22, 3, "v1", FIRST)]
    return Diary("one", "live", "v1", polls, switches)


def kinds_of(diary, moved=None):
    verdict = judge([diary], moved or moves(), MADE, stale_seconds=2)
    return {fault.kind for fault in verdict.faults}


def test_a_player_who_follows_the_pointer_is_right():
    assert kinds_of(good_diary()) == set()


def spoil(diary, **changes):
    for number, last in changes.items():
        kind, index = number.split("_")
        getattr(diary, kind)[int(index)] = last
    return diary


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("mixed", {"switches_0": switch(12, 2, "v2", {"a": "1", "b": "2"})}),
        ("mixed", {"switches_0": switch(12, 2, "v2", {})}),
        ("wrong", {"switches_0": switch(12, 2, "v1", FIRST)}),
        ("wrong", {"polls_2": poll(13, 2, "v1")}),
        ("old pointer", {"polls_2": poll(13.5, 1, "v2")}),
        ("serial", {"polls_4": poll(23, 2, "v1")}),
        ("future pointer", {"polls_0": poll(5, 2, "v1")}),
        ("unknown pointer", {"polls_4": poll(23, 4, "v1")}),
    ],
)
def test_the_judge_sees(kind, changes):
    assert kind in kinds_of(spoil(good_diary(), **changes))


def test_the_judge_sees_who_went_back_though_nobody_took_it_back():
    assert kinds_of(good_diary(), moves(goes_back=False)) == {"back"}


def test_the_judge_sees_a_rollout_given_to_whom_it_was_not_meant():
    rollout = {"version": "v2", "percent": 0.01, "salt": "a"}
    moved = moves()
    moved["live"][1].content = pointer("v1", rollout)
    assert "wrong" in kinds_of(good_diary(), moved)


def test_the_judge_sees_a_serial_that_was_given_twice():
    moved = moves()
    moved["live"][2].serial = 2
    assert "serial" in kinds_of(good_diary(), moved)


def test_nothing_looked_at_is_no_good_verdict():
    assert kinds_of(Diary("one", "live", "v1")) == {"nothing"}
    assert judge([], moves(), MADE, stale_seconds=2).faults
