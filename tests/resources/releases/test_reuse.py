"""Writing down what earlier versions hold already."""

import json

REUSE = ("reuse", "v885", "--platform", "ios")


def test_what_is_unchanged_is_counted_and_written(published_game):
    game = published_game
    assert game.lines(*REUSE) == [
        "Reuse iOS: 2 of 4 files unchanged since v884 (20 B), 2 new (15 B).",
        "Reuse version updated: v885",
    ]
    assert json.loads((game.store / "ios/versions/v885/reuse.json").read_bytes()) == {
        "format": "release-reuse/1",
        "platform": "ios",
        "version": "v885",
        "files": 4,
        "reused": {"files": 2, "bytes": 20},
        "new": {"files": 2, "bytes": 15},
        "in": {"img/b.png": "v884", "img/c.png": "v884"},
    }


def test_the_bytes_are_the_same_before_and_after_the_sync(published_game):
    game = published_game
    written = game.store / "ios/versions/v885/reuse.json"
    lines = game.lines(*REUSE)
    before = written.read_bytes()
    game.lines("sync", "v885", "--platform", "ios")
    assert game.lines(*REUSE) == lines
    assert written.read_bytes() == before


def test_nothing_is_served_by_it(published_game):
    published_game.lines(*REUSE)
    assert published_game.served()[0] == "v884"
    assert published_game.open_store().sealed_versions() == ["v884"]


def test_a_first_version_reuses_nothing(game):
    game.build("v885", {"a": b"1"})
    assert game.lines(*REUSE) == [
        "Reuse iOS: 0 of 1 files unchanged, 1 new (1 B).",
        "Reuse version updated: v885",
    ]


def test_a_file_lost_from_the_store_is_not_reused(published_game):
    (published_game.store / "ios/versions/v884/img/b.png").unlink()
    assert "1 of 4 files unchanged" in published_game.lines(*REUSE)[0]


def test_a_later_version_is_not_compared(published_game):
    published_game.lines("sync", "v885", "--platform", "ios")
    published_game.build("v90", {"img/b.png": b"picture"})
    lines = published_game.lines("reuse", "v90", "--platform", "ios")
    assert "0 of 1 files unchanged" in lines[0]
