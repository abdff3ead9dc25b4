"""What was served when, as a store tells it."""

import os

import pytest

from resources.releases.past import goes_back_to, read_past, spans_of
from resources.releases.pointers.history import note_replaced
from resources.settings import read_settings
from resources.stores.pointer import Pointer

IOS = ("--platform", "ios")


@pytest.fixture
def released(game):
    """A game that served v1, v2, then v1 again, and v3."""
    for version in ("v1", "v2", "v3"):
        game.build(version, {"own": version.encode()})
    for number, command in enumerate(
        ("sync v1", "sync v2", "rollback v1", "sync v3"), start=1
    ):
        done = game.run(*command.split(), *IOS, TASK_ID=f"task-{number}")
        assert done.returncode == 0, done.stderr
    return game


def past(game):
    return read_past("ios", game.environment)


def opened(game):
    return read_settings(game.environment, source=None, store=None).open_store("ios")


def served(version, at=None, previous=None, digest="a" * 64):
    return Pointer(version, digest, previous, at)


def test_each_move_is_a_span_from_its_time_to_the_next(released):
    spans = past(released).spans
    assert [span.version for span in spans] == ["v3", "v1", "v2", "v1"]
    assert [span.task_id for span in spans] == [f"task-{n}" for n in (4, 3, 2, 1)]
    assert [span.until for span in spans] == [None, *[s.since for s in spans[:-1]]]
    assert all(span.since and span.manifest_sha256 for span in spans)
    assert [span.is_live for span in spans] == [True, False, False, False]
    assert [span.is_rollback for span in spans] == [False, True, False, False]
    assert [span.is_first for span in spans] == [True, False, True, True]
    assert past(released).pointer.version == "v3"


def test_a_store_that_served_nothing_has_no_past(game):
    assert past(game) == (None, (), None)


def test_a_store_that_can_not_be_read_says_why_and_raises_nothing(game):
    game.environment["RESOURCE_STORE"] = "ftp://host/games"
    assert past(game).spans == ()
    assert "ftp://host/games" in past(game).problem


def test_a_wrong_setting_of_another_platform_does_not_matter(released):
    released.environment["RESOURCE_STORE_ANDROID"] = "ftp://host/games"
    assert past(released).problem is None


@pytest.mark.parametrize("content", [None, b"{", b"[]", b'{"format": "x"}'])
def test_where_nobody_wrote_it_down_only_what_the_pointer_says_is_told(
    released, content
):
    """A rollback takes every older version for served; to say so would be a guess."""
    history = released.store / "ios/history.json"
    history.unlink() if content is None else history.write_bytes(content)
    live, before = past(released).spans
    assert (live.version, before.version, before.until) == ("v3", "v1", live.since)
    assert (before.since, before.task_id, before.manifest_sha256) == (None, None, None)
    assert not before.is_first


def test_versions_that_were_guessed_once_are_left_out_later(released):
    (released.store / "ios/history.json").unlink()
    released.lines("rollback", "v2", *IOS)  # which writes the guesses down
    versions = [span.version for span in past(released).spans]
    assert versions == ["v2", "v3", "v1"]


def test_a_move_that_was_killed_is_no_move(released):
    store = opened(released)
    with store.lock():
        note_replaced(store.pointer(), store)
    assert [span.version for span in past(released).spans] == ["v3", "v1", "v2", "v1"]


def test_moves_after_the_pointer_was_read_are_told_the_next_time(released, monkeypatch):
    pointer = opened(released).pointer()
    released.lines("rollback", "v1", *IOS)
    released.lines("publish", "v3", *IOS)
    monkeypatch.setattr(
        "resources.stores.release_store.ReleaseStore.pointer", lambda store: pointer
    )
    assert [span.version for span in past(released).spans] == ["v3", "v1", "v2", "v1"]


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ("v1", None),
        ("v1 v2", "v1"),
        ("v1 v2 v3 v2", "v1"),  # v3 is newer: a rollback would refuse it
        ("v9 v10", "v9"),
        ("v2 v1", None),
    ],
)
def test_a_rollback_goes_back_to_the_last_one_that_is_older(versions, expected):
    spans = spans_of([served(version) for version in versions.split()])
    assert goes_back_to(spans) == expected


def test_nothing_served_goes_back_to_nothing():
    assert goes_back_to([]) is None


def test_it_reads_a_bucket_as_it_does_a_folder(any_game):
    for version in ("v1", "v2"):
        any_game.build(version, {"own": version.encode()})
        any_game.lines("sync", version, *IOS)
    environment = {**os.environ, **any_game.environment}
    versions = [span.version for span in read_past("ios", environment).spans]
    assert versions == ["v2", "v1"]
