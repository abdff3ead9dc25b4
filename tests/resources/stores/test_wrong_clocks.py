"""A clock that is years off changes nothing but the times that are written down."""

import json
import os

import pytest

from tests.resources.conftest import NEW_FILES, OLD_FILES

YEARS = 10 * 365 * 24 * 3600

# Python imports it before everything else.
CLOCK = """
import datetime, os, time
off = float(os.environ["CLOCK_OFF"])
real = time.time
time.time = lambda: real() + off
class Wrong(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
datetime.datetime = Wrong
"""


@pytest.fixture(params=[-YEARS, YEARS], ids=["behind", "ahead"])
def wrong(request, tmp_path):
    """The environment of a machine whose clock is wrong."""
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    return {"PYTHONPATH": str(tmp_path), "CLOCK_OFF": str(request.param)}


def run(game, environment, *arguments):
    result = game.run(*arguments, "--platform", "ios", **environment)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


def published_at(game):
    return json.loads((game.store / "ios/current.json").read_text())["publishedAt"]


def test_publishers_with_different_clocks_follow_each_other(published_game, wrong):
    game = published_game
    before = published_at(game)
    assert run(game, wrong, "sync", "v885")[-1] == "Published v885 (was v884)."
    assert published_at(game)[:4] != before[:4]  # the clock is wrong indeed
    assert game.served() == ("v885", NEW_FILES)
    game.build("v886", {**NEW_FILES, "a.json": b"[]"})
    assert run(game, {}, "sync", "v886")[-1] == "Published v886 (was v885)."
    assert run(game, wrong, "rollback", "v885") == ["Rolled back ios: v886 -> v885"]
    run(game, wrong, "sync", "v886")
    for version in ("v887", "v888"):
        game.build(version, NEW_FILES)
        run(game, {}, "sync", version)
    pruned = run(game, wrong, "prune", "--keep", "1", "--force")
    assert pruned[0].startswith("Prune iOS: v884, v885, v886;")
    assert game.served() == ("v888", NEW_FILES)


def test_what_a_killed_run_left_is_gone_on_with_by_another_clock(published_game, wrong):
    game = published_game
    run(game, wrong, "sync", "v885", "--no-pointer")
    (game.store / "ios/versions/v885/manifest.jsonl").unlink()
    there = game.store / "ios/versions/v885/a.json"
    before = there.stat().st_ino
    assert "(2 already there)" in run(game, {}, "sync", "v885")[0]
    assert there.stat().st_ino == before


def test_times_of_files_are_not_believed(published_game):
    game = published_game
    for folder in (game.source, game.store):
        for path in folder.rglob("*"):
            os.utime(path, (YEARS * 8, YEARS * 8))
    game.build("v884", OLD_FILES)  # newer than its published objects
    assert game.lines("sync", "v884", "--platform", "ios") == [
        "Nothing to do: v884 is already published."
    ]
    assert game.lines("sync", "v885", "--platform", "ios")[0] == (
        "Plan: 4 files, 2 new, 2 reused from v884, 15 B to upload"
    )
