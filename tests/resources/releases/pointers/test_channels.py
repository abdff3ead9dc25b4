"""Channels: what testers get, and what is promoted from there."""

import io
import json

import pytest

from resources.errors import StoreError
from tests.resources.conftest import entry_of

IOS = ("--platform", "ios")
BETA = ("--channel", "beta")
PROMOTE = ("promote", "--from", "beta", *IOS)
FILES = {name: {"a": b"1", "own": name.encode()} for name in ("v884", "v885", "v886")}


@pytest.fixture
def tested(game):
    return with_testers(game)


def with_testers(game):
    """Let a game serve v884 to all, and v885 on the channel beta."""
    for version in ("v884", "v885"):
        game.build(version, FILES[version])
    game.lines("sync", "v884", *IOS)
    game.lines("sync", "v885", *IOS, *BETA)
    return game


def served(game, channel="live"):
    return game.open_store(channel=channel).pointer()


def test_a_channel_serves_its_own_version_and_the_others_stay(game):
    game.build("v884", FILES["v884"])
    game.build("v885", FILES["v885"])
    game.lines("sync", "v884", *IOS)
    before = served(game)
    lines = game.lines("sync", "v885", *IOS, *BETA)
    assert lines[-1] == "Published v885 on beta."
    assert served(game) == before
    pointer = served(game, "beta")
    assert pointer[:3] == ("v885", pointer.manifest_sha256, None)
    assert pointer[5:9] == ("ios", "beta", 1, None)
    assert game.open_store().channels() == ["live", "beta"]


def test_what_was_tested_is_promoted_without_sending_a_byte(any_game):
    tested = with_testers(any_game)
    there = dict(tested.open_store().objects("v885"))
    assert tested.lines(*PROMOTE) == ["Published v885 (was v884)."]
    live, beta = served(tested), served(tested, "beta")
    assert live[:2] == beta[:2]
    assert (live.previous, live.serial) == ("v884", 2)
    assert dict(tested.open_store().objects("v885")) == there
    assert tested.lines(*PROMOTE) == ["Nothing to do: v885 is already published."]


def test_only_the_version_that_is_named_is_promoted(tested):
    result = tested.run("promote", "v886", "--from", "beta", *IOS)
    assert result.returncode == 2
    assert "the channel beta of ios serves v885, not v886" in result.stderr
    assert served(tested).version == "v884"
    assert tested.lines("promote", "v885", "--from", "beta", *IOS) == [
        "Published v885 (was v884)."
    ]


def test_promotion_is_guarded_as_a_publish_is(tested):
    tested.has_guard = True
    result = tested.run(*PROMOTE)
    assert result.returncode == 2
    assert "the guard stops v885 of ios" in result.stderr
    assert served(tested).version == "v884"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from", "nightly"), "the channel nightly of ios serves nothing yet"),
        (("--from", "live"), "--from and --to are both live: name two channels"),
        (("--from", "Beta"), '"Beta" is not a channel'),
        (("--from", "../x"), '"../x" is not a channel'),
        ((), "the following arguments are required: --from"),
    ],
)
def test_a_promotion_from_nowhere_is_refused(tested, arguments, says):
    result = tested.run("promote", *arguments, *IOS)
    assert result.returncode == 2
    assert says in result.stderr
    assert served(tested).version == "v884"


def test_platforms_that_serve_different_versions_are_not_promoted_together(tested):
    tested.build("v886", FILES["v886"], "android")
    tested.lines("sync", "v886", "--platform", "android", *BETA)
    result = tested.run("promote", "--from", "beta", "--platform", "ios,android")
    assert result.returncode == 2
    assert "different versions: ios v885, android v886" in result.stderr
    assert tested.open_store("android").pointer() is None


def test_each_channel_goes_back_on_its_own(tested):
    tested.build("v886", FILES["v886"])
    tested.lines("sync", "v886", *IOS, *BETA)
    before = served(tested)
    assert tested.lines("rollback", "v885", *IOS, *BETA) == [
        "Rolled back ios: v886 -> v885"
    ]
    assert served(tested, "beta").serial == 3
    assert served(tested) == before
    result = tested.run("rollback", "v884", *IOS, *BETA)
    assert "v884 of ios was never served from" in result.stderr


def test_prune_keeps_what_any_channel_serves(tested):
    for version in ("v886", "v887", "v888"):
        tested.build(version, {"own": version.encode()})
        tested.lines("sync", version, *IOS)
    assert served(tested, "beta").version == "v885"
    tested.lines("prune", *IOS, "--keep", "1", "--force")
    sealed = tested.open_store().sealed_versions()
    assert sealed == ["v885", "v887", "v888"]


def test_a_pointer_of_another_channel_in_its_place_is_damage(published_game):
    game = published_game
    content = (game.store / "ios/current.json").read_bytes()
    (game.store / "ios/channels").mkdir()
    (game.store / "ios/channels/beta.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"channels/beta\.json is damaged"):
        game.open_store(channel="beta").pointer()


@pytest.mark.parametrize(
    ("name", "value"),
    [("serial", -1), ("serial", True), ("channel", "BETA"), ("sha256", None)],
)
def test_a_damaged_pointer_is_named(published_game, name, value):
    path = published_game.store / "ios/current.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(StoreError, match=r"current\.json is damaged"):
        published_game.open_store().pointer()


def test_a_pointer_that_was_lost_does_not_begin_to_count_anew(published_game):
    game = published_game
    game.lines("sync", "v885", *IOS)
    (game.store / "ios/current.json").unlink()
    game.lines("publish", "v885", *IOS)
    assert served(game).serial == 3  # one is in the list, the second one was lost
    game.lines("rollback", "v884", *IOS)
    assert served(game).serial == 4


@pytest.mark.parametrize(
    ("version", "path", "named"),
    [("v884", "a", "a"), ("v884", "old/b", "new/b"), ("v885", "own", "own")],
)
@pytest.mark.parametrize("content", [None, b"22"])
@pytest.mark.parametrize("kind", ["game", "game_on_moto"])
def test_a_promotion_looks_for_each_file_where_it_is_held(
    request, kind, version, path, named, content
):
    game = request.getfixturevalue(kind)
    game.build("v884", {"a": b"1", "old/b": b"22222"})
    game.build("v885", {"a": b"1", "new/b": b"22222", "own": b"333"})
    game.lines("sync", "v884", *IOS)
    game.lines("sync", "v885", *IOS, *BETA)
    store = game.open_store()
    with store.lock():
        store.delete(version, [path])
        if content is not None:
            store.put(version, entry_of(path, content), io.BytesIO(content))
    result = game.run(*PROMOTE)
    assert result.returncode == 1
    begins = f"MISSING {named}" if content is None else f"SIZE {named}: expected "
    assert [line[: len(begins)] for line in result.stdout.splitlines()] == [begins]
    assert "v885 of ios is not complete" in result.stderr
    assert served(game).version == "v884"
