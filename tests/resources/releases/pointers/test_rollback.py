"""Serving an earlier version again."""

import json

import pytest

from resources.stores.pointer import Pointer

BOTH = ("ios", "android")
IOS = ("--platform", "ios")
FILES = {"v884": {"a": b"1", "b": b"2"}, "v885": {"a": b"1", "b": b"3"}}


@pytest.fixture
def two_platforms(game):
    """A game that serves v885 on two platforms, after v884."""
    for version, files in FILES.items():
        for platform in BOTH:
            game.build(version, files, platform)
        game.lines("sync", version, "--platform", "ios,android")
    return game


def test_it_moves_the_pointers_and_nothing_else(two_platforms):
    game = two_platforms
    before = {path: path.stat().st_mtime_ns for path in game.store.rglob("v88*/*")}
    assert game.lines("rollback", "v884", "--platform", "ios,android") == [
        "Rolled back ios: v885 -> v884",
        "Rolled back android: v885 -> v884",
    ]
    for platform in BOTH:
        assert game.served(platform) == ("v884", FILES["v884"])
    after = {path: path.stat().st_mtime_ns for path in game.store.rglob("v88*/*")}
    assert after == before


def test_what_was_rolled_back_can_be_published_again(two_platforms):
    game = two_platforms
    game.lines("rollback", "v884", "--platform", "ios")
    assert game.lines("publish", "v885", "--platform", "ios") == [
        "Published v885 (was v884)."
    ]
    assert game.served() == ("v885", FILES["v885"])


def test_a_platform_that_serves_it_already_has_nothing_to_do(two_platforms):
    game = two_platforms
    game.lines("rollback", "v884", "--platform", "ios")
    pointer = (game.store / "ios/current.json").read_bytes()
    assert game.lines("rollback", "v884", "--platform", "ios,android") == [
        "Nothing to do: ios serves v884 already.",
        "Rolled back android: v885 -> v884",
    ]
    assert (game.store / "ios/current.json").read_bytes() == pointer


def test_a_version_that_one_platform_lacks_moves_no_pointer(two_platforms):
    game = two_platforms
    (game.store / "android/versions/v884/manifest.jsonl").unlink()
    result = game.run("rollback", "v884", "--platform", "ios,android")
    assert result.returncode == 2
    assert result.stderr.endswith("; there are: v885\n")
    assert game.served("ios")[0] == "v885"


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "MISSING b"), (b"22", "SIZE b: expected 1, got 2")]
)
def test_a_version_with_a_file_that_is_not_whole_moves_no_pointer(
    two_platforms, content, problem
):
    game = two_platforms
    file = game.store / "android/versions/v884/b"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    result = game.run("rollback", "v884", "--platform", "ios,android")
    assert (result.returncode, result.stdout) == (1, f"{problem}\n")
    assert "v884 of android is not complete" in result.stderr
    assert game.served("ios")[0] == "v885"


def test_nothing_published_is_nothing_to_roll_back(game):
    game.build("v884", FILES["v884"])
    game.lines("sync", "v884", "--platform", "ios", "--no-pointer")
    result = game.run("rollback", "v884", "--platform", "ios")
    assert result.returncode == 2
    assert result.stderr == (
        "error: nothing is published for ios yet, so there is nothing to roll back;"
        " publish v884 instead\n"
    )
    assert game.served() is None


def test_a_publisher_at_work_is_a_conflict(two_platforms):
    game = two_platforms
    with game.open_store("android").lock():
        result = game.run("rollback", "v884", "--platform", "ios,android")
    assert result.returncode == 4
    assert game.served("ios")[0] == "v885"


def test_the_pointer_says_when_it_moved_by_which_task_and_from_where(two_platforms):
    game = two_platforms
    result = game.run("rollback", "v884", "--platform", "ios", TASK_ID="a-task")
    assert result.returncode == 0
    values = json.loads((game.store / "ios/current.json").read_text())
    assert list(values) == [
        "format",
        "platform",
        "channel",
        "version",
        "sha256",
        "manifestSha256",
        "serial",
        "previous",
        "publishedAt",
        "taskId",
        "rollout",
        "expires",
        "signature",
    ]
    assert values["previous"] == "v885"
    assert values["taskId"] == "a-task"
    assert len(values["publishedAt"]) == len("2025-11-26T10:30:01.234Z")


def test_a_pointer_of_an_older_release_is_still_read(two_platforms):
    game = two_platforms
    path = game.store / "ios/current.json"
    names = ("version", "manifestSha256", "previous")
    values = {name: json.loads(path.read_text())[name] for name in names}
    path.write_text(json.dumps({"format": "release-pointer/1", **values}))
    assert game.open_store().pointer() == Pointer(
        "v885", values["manifestSha256"], previous="v884"
    )
    game.lines("rollback", "v884", "--platform", "ios")
    assert game.served()[0] == "v884"
    # Nobody counted so far: one pointer in the list, and the one that was read.
    assert game.open_store().pointer().serial == 3


def test_mending_what_is_served_keeps_when_and_after_which_it_was_published(
    two_platforms,
):
    game = two_platforms
    pointer = game.open_store().pointer()
    (game.store / "ios/versions/v885/b").unlink()
    assert "Verified 1 upload." in game.lines("sync", "v885", "--platform", "ios")
    assert game.open_store().pointer() == pointer


@pytest.fixture
def three_served(any_game):
    """A game that has served v883 to v885, one after the other."""
    for version in ("v883", "v884", "v885"):
        any_game.build(version, {"own": version.encode()})
        any_game.lines("sync", version, *IOS)
    return any_game


def test_it_goes_back_to_whatever_was_served_before(three_served):
    game = three_served
    assert game.lines("rollback", "v883", *IOS) == ["Rolled back ios: v885 -> v883"]
    assert game.lines("sync", "v885", *IOS)[-1] == "Published v885 (was v883)."
    assert game.lines("rollback", "v884", *IOS) == ["Rolled back ios: v885 -> v884"]
    assert game.lines("rollback", "v883", *IOS) == ["Rolled back ios: v884 -> v883"]


def test_it_never_goes_to_what_was_not_served(three_served):
    game = three_served
    for version in ("v882", "v886"):
        game.build(version, {"own": version.encode()})
        game.lines("sync", version, *IOS, "--no-pointer")
    older = game.run("rollback", "v882", *IOS)
    assert older.returncode == 2
    assert "error: v882 of ios was never served from" in older.stderr
    assert "there are: v883, v884." in older.stderr
    assert older.stderr.endswith("publish it with --allow-older\n")
    newer = game.run("rollback", "v886", *IOS)
    assert newer.returncode == 2
    assert newer.stderr == (
        "error: v886 of ios is newer than v885, which is served: a rollback only goes"
        " back; publish v886 instead\n"
    )
    assert game.run("rollback", "v1", *IOS).returncode == 2
    assert game.served()[0] == "v885"


def test_it_goes_forward_to_nothing(three_served):
    game = three_served
    game.lines("rollback", "v883", *IOS)
    result = game.run("rollback", "v884", *IOS)
    assert result.returncode == 2
    assert "v884 of ios is newer than v883, which is served" in result.stderr
    assert game.served()[0] == "v883"


def test_a_platform_that_never_served_it_moves_no_pointer(two_platforms):
    game = two_platforms
    game.build("v883", {"a": b"1"})
    game.build("v883", {"a": b"1"}, "android")
    game.lines("sync", "v883", "--platform", "ios,android", "--no-pointer")
    game.lines("publish", "v883", "--platform", "ios", "--allow-older")
    game.lines("publish", "v885", "--platform", "ios")
    result = game.run("rollback", "v883", "--platform", "ios,android")
    assert result.returncode == 2
    assert "v883 of android was never served" in result.stderr
    assert game.served("ios")[0] == game.served("android")[0] == "v885"


def test_a_version_that_came_back_with_other_content_was_never_served(game):
    for version in ("v1", "v2", "v3"):
        game.build(version, {"own": version.encode()})
        game.lines("sync", version, *IOS)
    game.lines("prune", "--keep", "1", "--force", *IOS)
    game.build("v1", {"own": b"other"})
    game.lines("sync", "v1", *IOS, "--no-pointer")
    result = game.run("rollback", "v1", *IOS)
    assert result.returncode == 2
    assert "v1 of ios was never served" in result.stderr


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"format": "x"}', b"[]"])
def test_where_nobody_wrote_down_what_was_served_every_older_version_counts(
    game, content
):
    """As in a store of an earlier release; also when the list is damaged."""
    for version in ("v883", "v884", "v885"):
        game.build(version, {"own": version.encode()})
        game.lines("sync", version, *IOS)
    if content is None:
        (game.store / "ios/history.json").unlink()
    else:
        (game.store / "ios/history.json").write_bytes(content)
    assert game.lines("rollback", "v883", *IOS) == ["Rolled back ios: v885 -> v883"]
    game.lines("publish", "v885", *IOS)
    assert game.lines("rollback", "v884", *IOS) == ["Rolled back ios: v885 -> v884"]


def test_what_was_served_before_is_written_down_with_when_and_by_which_task(game):
    for version in ("v1", "v2", "v3"):
        game.build(version, {"own": version.encode()})
        assert game.run("sync", version, *IOS, TASK_ID=f"for-{version}").returncode == 0
    values = json.loads((game.store / "ios/history.json").read_text())
    assert values["format"] == "release-history/1"
    found = [(each["version"], each["taskId"]) for each in values["pointers"]]
    assert found == [("v1", "for-v1"), ("v2", "for-v2")]
    assert game.lines("rollback", "v3", *IOS) == [
        "Nothing to do: ios serves v3 already."
    ]
    assert len(json.loads((game.store / "ios/history.json").read_text())) == 2
