"""Uploads that a killed sync left in a bucket are listed and removed."""

import re

import pytest

from resources.stores.bucket.store import PART_BYTES

IOS = ("--platform", "ios")
PRUNE = ("prune", "--uploads", *IOS)
LARGE = b"x" * (PART_BYTES + 1)


@pytest.fixture(params=["moto", "rclone", "oss"])
def game(request):
    return request.getfixturevalue(f"game_on_{request.param}")


def leave_an_upload(game, platform="ios"):
    """Let the server vanish in the middle of a large file."""
    game.build("v1", {"movie.mp4": LARGE}, platform)
    game.proxy.harm("go away", "PUT", "partNumber=2")
    options = game.options.replace("retry=2", "retry=0.2")
    result = game.run(
        "sync", "v1", "--platform", platform, RESOURCE_STORE=game.location + options
    )
    assert result.returncode == 3
    game.proxy.release_all()


def test_unfinished_uploads_are_listed_and_removed(game):
    leave_an_upload(game)
    prefix = game.location.split("/", 3)[3]
    lines = game.lines(*PRUNE, "--dry-run")
    assert re.fullmatch(
        rf"UNFINISHED {prefix}/ios/versions/v1/movie\.mp4: begun 20[0-9T:-]{{17}}",
        lines[0],
    )
    assert lines[1:] == ["iOS has 1 unfinished upload."]
    assert game.lines(*PRUNE) == [lines[0], "Removed 1 unfinished upload of iOS."]
    assert game.lines(*PRUNE) == ["Nothing to do: iOS has no unfinished uploads."]
    game.lines("sync", "v1", *IOS)
    assert game.served() == ("v1", {"movie.mp4": LARGE})


def test_those_of_another_platform_are_left_alone(game):
    leave_an_upload(game, "android")
    assert game.lines(*PRUNE) == ["Nothing to do: iOS has no unfinished uploads."]
    lines = game.lines("prune", "--uploads", "--platform", "android", "--dry-run")
    assert lines[-1] == "Android has 1 unfinished upload."


def test_several_are_removed(game_on_moto):
    leave_an_upload(game_on_moto)
    leave_an_upload(game_on_moto)
    lines = game_on_moto.lines(*PRUNE)
    assert lines[-1] == "Removed 2 unfinished uploads of iOS."
    assert game_on_moto.lines(*PRUNE)[0].startswith("Nothing to do")


def test_a_missing_bucket_is_said(game_on_moto):
    game = game_on_moto
    nowhere = re.sub("//[^/]+", "//no-such-bucket", game.location)
    result = game.run(*PRUNE, RESOURCE_STORE=nowhere)
    assert result.returncode == 3
    assert result.stderr == (
        f"error: cannot list unfinished uploads in {nowhere}/ios: 404 Not Found\n"
    )


def test_stores_that_cannot_list_them_say_what_helps(game_on_google, tmp_path):
    result = game_on_google.run(*PRUNE)
    assert result.returncode == 2
    assert "can't be listed; Azure deletes them after a week" in result.stderr
    folder = game_on_google.lines(*PRUNE, "--store", str(tmp_path))
    assert folder == ["Nothing to do: iOS has no unfinished uploads."]
