"""A version that is too large, or too large a download, is stopped."""

import pytest

OLD = {f"{number}.bin": b"x" * 100 for number in range(20)}
NEW = {**OLD, "3.bin": b"y" * 150, "new/a.bin": b"z" * 900, "moved.bin": b"x" * 100}
NEW_BYTES, PLAYER_BYTES = 3050, 1150
SYNC = ("sync", "v885", "--platform", "ios")


@pytest.fixture
def game(game):
    """A game that serves v884, and has v885 to publish."""
    game.build("v884", OLD)
    game.lines("sync", "v884", "--platform", "ios")
    game.build("v885", NEW)
    return game


@pytest.mark.parametrize(
    ("option", "size"),
    [
        ("--max-bytes", str(NEW_BYTES)),
        ("--max-bytes", "4kB"),
        ("--max-player-bytes", str(PLAYER_BYTES)),
        ("--max-player-bytes", "1GB"),
    ],
)
def test_what_keeps_to_its_budget_is_served(game, option, size):
    assert game.lines(*SYNC, option, size)[-1] == "Published v885 (was v884)."


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--no-pointer",)])
@pytest.mark.parametrize(
    ("option", "size", "said"),
    [
        (
            "--max-bytes",
            str(NEW_BYTES - 1),
            "its files have 3050 bytes (3.0 kB), more than the 3049 bytes (3.0 kB) of"
            " --max-bytes",
        ),
        (
            "--max-player-bytes",
            "1kB",
            "a player who has v884, which is served, would download 1150 bytes"
            " (1.1 kB), more than the 1000 bytes (1.0 kB) of --max-player-bytes",
        ),
        (
            "--max-player-bytes",
            "0",
            "a player who has v884, which is served, would download 1150 bytes"
            " (1.1 kB), more than the 0 bytes of --max-player-bytes",
        ),
    ],
)
def test_more_is_stopped_before_anything_is_written(game, option, size, said, more):
    result = game.run(*SYNC, option, size, *more)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"error: the budget stops v885 of ios: {said}\n"
    assert not (game.store / "ios/versions/v885").exists()
    assert game.served()[0] == "v884"


def test_publishing_keeps_to_it_too(game):
    game.lines(*SYNC, "--no-pointer")
    publish = ("publish", "v885", "--platform", "ios")
    for option in ("--max-bytes", "--max-player-bytes"):
        result = game.run(*publish, option, "1kB")
        assert result.returncode == 2
        assert "the budget stops v885 of ios" in result.stderr
    assert game.served()[0] == "v884"
    limits = ("--max-bytes", "4kB", "--max-player-bytes", "1150")
    assert game.lines(*publish, *limits) == ["Published v885 (was v884)."]


def test_the_download_is_that_from_what_is_served_and_not_from_any_version(game):
    game.lines(*SYNC)
    game.lines("rollback", "v884", "--platform", "ios")
    game.build("v886", {**NEW, "3.bin": b"w" * 50})
    sync = ("sync", "v886", "--platform", "ios", "--max-player-bytes")
    result = game.run(*sync, "1049")
    assert "would download 1050 bytes" in result.stderr
    assert game.lines(*sync, "1050")[-1] == "Published v886 (was v884)."


def test_a_first_version_is_downloaded_whole(game):
    game.build("v1", OLD, "android")
    sync = ("sync", "v1", "--platform", "android", "--max-player-bytes")
    result = game.run(*sync, "1999")
    assert result.returncode == 2
    assert "a player would download 2000 bytes" in result.stderr
    assert game.lines(*sync, "2kB")[-1] == "Published v1."


def test_what_is_served_already_is_no_download(game):
    game.lines("sync", "v884", "--platform", "ios", "--max-player-bytes", "0")


def test_one_platform_stops_all(game):
    game.build("v884", {"a": b"1"}, "android")
    game.lines("sync", "v884", "--platform", "android")
    game.build("v885", {"a": b"12"}, "android")
    sync = ("sync", "v885", "--platform", "android,ios", "--max-player-bytes", "2")
    assert game.run(*sync).returncode == 2
    assert not (game.store / "android/versions/v885").exists()


def test_a_damaged_manifest_of_what_is_served_is_a_failure_of_the_store(game):
    manifest = game.store / "ios/versions/v884/manifest.jsonl"
    manifest.chmod(0o600)
    manifest.write_bytes(manifest.read_bytes()[:-20])
    result = game.run(*SYNC, "--guard", "100", "--max-player-bytes", "9")
    assert result.returncode == 3
    assert "Without --max-player-bytes it is not compared" in result.stderr


@pytest.mark.parametrize("size", ["", "-1", "1.5MB", "1 MB", "2GiB", "500mb", "x"])
def test_a_wrong_size_is_refused(game, size):
    result = game.run(*SYNC, "--max-bytes", size)
    assert (result.returncode, result.stdout) == (2, "")
    assert f'"{size}" is not a size, such as 2000000, 500MB or 2GB' in result.stderr
