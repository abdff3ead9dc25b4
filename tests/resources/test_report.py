"""What a command says, as a program reads it."""

import json
import os
import subprocess

import pytest

from resources import report
from resources.report import Report


def progress(capsys, interval, monkeypatch):
    monkeypatch.setattr(report, "PROGRESS_INTERVAL", interval)
    reporting = Report(progress=True, outputs=False)
    reporting.expect(200)
    for _ in range(20):
        reporting.advance(10)
    return [int(line[12:]) for line in capsys.readouterr().out.splitlines()]


def test_it_rises_and_the_end_is_left_to_the_exit_code(capsys, monkeypatch):
    assert progress(capsys, 0, monkeypatch) == list(range(5, 100, 5))


def test_work_that_takes_less_than_the_interval_has_none(capsys, monkeypatch):
    assert progress(capsys, 3600, monkeypatch) == []


@pytest.mark.parametrize("total", [0, 1])
def test_little_work_is_no_error(capsys, total):
    reporting = Report(progress=True, outputs=False)
    reporting.expect(total)
    reporting.advance(total)
    assert capsys.readouterr().out == ""


SYNC = ("sync", "v885", "--platform", "ios")


def objects(text):
    return [json.loads(line) for line in text.splitlines()]


def test_json_stands_in_place_of_the_lines(published_game):
    result = published_game.run(*SYNC, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    *lines, last = objects(result.stdout)
    assert lines == [
        {"type": "line", "text": text}
        for text in (
            "Plan: 4 files, 2 new, 2 reused from v884, 15 B to upload",
            "Verified 2 uploads.",
            "Published v885 (was v884).",
        )
    ]
    counts = {
        "new": 2,
        "reused": 2,
        "bytes": 35,
        "bytesReused": 20,
        "bytesUploaded": 15,
    }
    served = {"version": "v885", "served": "v885", "previous": "v884", "serial": 2}
    assert last == {
        "type": "result",
        "exitCode": 0,
        "counts": counts,
        "platforms": {"ios": {**served, **counts}},
    }


def test_json_on_a_descriptor_stands_beside_the_lines(published_game):
    game = published_game
    reading, writing = os.pipe()
    with os.fdopen(reading) as stream:
        result = subprocess.run(
            game.command(*SYNC, "--json-fd", str(writing)),
            env=game.environment,
            pass_fds=[writing],
            capture_output=True,
            text=True,
            check=True,
        )
        os.close(writing)
        told = objects(stream.read())
    assert [o["text"] for o in told[:-1]] == result.stdout.splitlines()
    assert told[-1]["platforms"]["ios"]["served"] == "v885"


def test_a_failure_is_an_object_too_and_the_result_is_last(published_game):
    game = published_game
    (game.source / "ios/v885/a.json").unlink()
    result = game.run("check", "v885", "--platform", "ios", "--json")
    *_, last = objects(result.stdout)
    assert last["exitCode"] == result.returncode == 1
    assert last["platforms"] == {
        "ios": {"version": "v885", "filesChecked": 4, "failed": 1}
    }
    result = game.run("publish", "v886", "--platform", "ios", "--json")
    error, last = objects(result.stdout)
    assert (error["type"], last["exitCode"]) == ("error", 2)
    assert result.stderr == f"error: {error['text']}\n"


def test_the_platforms_of_one_command_are_told_apart(game):
    for platform in ("ios", "android"):
        game.build("v1", {"a": b"1", platform: b"22"}, platform)
    game.build("v1", {"a": b"1"}, "facebook")
    *_, last = objects(game.run("sync", "v1", "--json").stdout)
    assert {name: of["new"] for name, of in last["platforms"].items()} == {
        "ios": 2,
        "android": 2,
        "facebook": 1,
    }
    assert last["counts"]["new"] == 5


def test_a_publish_and_a_rollout_tell_what_players_get(published_game):
    game = published_game
    game.lines(*SYNC, "--no-pointer")
    ios = ("--platform", "ios")

    def told(*arguments):
        return objects(game.run(*arguments, *ios, "--json").stdout)[-1]["platforms"]

    size = {"files": 4, "bytes": 35}
    assert told("publish", "v885", "--channel", "beta") == {
        "ios": {
            "channel": "beta",
            "onChannel": "v885",
            "previous": None,
            "serial": 1,
            **size,
        }
    }
    some = {"rollout": "v885", "percent": 2.5, "served": "v884", "serial": 2, **size}
    assert told("rollout", "v885", "--percent", "2.5") == {"ios": some}
    again = {"rollout": "v885", "percent": 2.5, **size}
    assert told("rollout", "v885", "--percent", "2.5") == {"ios": again}
    halted = {"halted": "v885", "served": "v884", "serial": 3}
    assert told("rollout", "v885", "--halt") == {"ios": halted}


def test_a_prune_and_a_rollback_tell_what_they_did(published_game):
    game = published_game
    game.lines(*SYNC)
    rollback = game.run("rollback", "v884", "--platform", "ios", "--json")
    assert objects(rollback.stdout)[-1]["platforms"] == {
        "ios": {
            "served": "v884",
            "previous": "v885",
            "serial": 3,
            "files": 3,
            "bytes": 22,
        }
    }
    for version in ("v886", "v887"):
        game.build(version, {"x": b"y"})
        game.lines("sync", version, "--platform", "ios")
    prune = ("prune", "--platform", "ios", "--keep", "1", "--force")
    told = objects(game.run(*prune, "--json").stdout)[-1]
    assert told["counts"]["objectsRemoved"] == 7
    assert told["platforms"]["ios"] == told["counts"]
    again = objects(game.run(*prune, "--json").stdout)[-1]
    assert again["counts"] == {"objectsRemoved": 0, "bytesRemoved": 0}


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("77", "--json-fd 77: it can't be written to (Bad file descriptor)"),
        ("x", '"x" is not the number of a descriptor'),
    ],
)
def test_a_descriptor_that_is_not_open_is_refused(published_game, number, message):
    result = published_game.run(*SYNC, "--json-fd", number)
    assert result.returncode == 2
    assert message in result.stderr
    assert published_game.served()[0] == "v884"
