"""Staged rollouts: to some players first."""

import json
from argparse import ArgumentTypeError

import pytest

from resources.arguments.values import parts
from resources.stores.pointer import PARTS, Pointer, Rollout

IOS = ("--platform", "ios")
FILES = {
    name: {"a": b"1", "own": name.encode()} for name in ("v884", "v885", "v886", "v887")
}


@pytest.fixture
def ready(game):
    return made_ready(game)


def made_ready(game):
    """Let a game serve v884, and have v885 to v887 in its store."""
    for version, files in FILES.items():
        game.build(version, files)
    game.lines("sync", "v884", *IOS)
    for version in ("v885", "v886", "v887"):
        game.lines("sync", version, *IOS, "--no-pointer")
    return game


def pointer_of(game):
    return game.open_store().pointer()


def refusal(game, *arguments):
    """Run a command that has to be refused, and return why; nothing has moved."""
    before = pointer_of(game)
    result = game.run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert pointer_of(game) == before
    return result.stderr


def test_it_grows_from_a_few_players_to_all(any_game):
    game = made_ready(any_game)
    assert game.lines("rollout", "v885", *IOS, "--percent", "5") == [
        "Rolled out v885 to 5 % of the players on iOS; the others get v884."
    ]
    first = pointer_of(game)
    assert first[:3] == ("v884", first.manifest_sha256, None)
    assert (first.serial, first.rollout.version, first.rollout.parts) == (
        2,
        "v885",
        500,
    )
    assert game.lines("rollout", "v885", *IOS, "--percent", "25.5") == [
        "Rolled out v885 to 25.5 % of the players on iOS (was 5 %); the others get"
        " v884."
    ]
    second = pointer_of(game)
    # Whoever was in it stays in it: the salt is the same.
    assert second.rollout == first.rollout._replace(parts=2550)
    assert game.lines("rollout", "v885", *IOS, "--percent", "100") == [
        "Published v885 (was v884)."
    ]
    last = pointer_of(game)
    assert last[:3] == ("v885", first.rollout.manifest_sha256, "v884")
    assert (last.serial, last.rollout) == (4, None)


def test_all_of_the_players_get_a_first_version_too(game):
    game.build("v884", FILES["v884"])
    game.lines("sync", "v884", *IOS, "--no-pointer")
    assert game.lines("rollout", "v884", *IOS, "--percent", "100") == [
        "Published v884."
    ]
    assert pointer_of(game)[:3] == ("v884", pointer_of(game).manifest_sha256, None)


@pytest.mark.parametrize("percent", ["5", "100"])
def test_a_version_that_all_get_already_is_said_to_be_so(ready, percent):
    before = pointer_of(ready)
    assert ready.lines("rollout", "v884", *IOS, "--percent", percent) == [
        "Nothing to do: 100 % of the players on ios get v884 already."
    ]
    assert pointer_of(ready) == before


def test_the_version_that_the_others_have_stays_that_of_its_own_task(ready):
    before = pointer_of(ready)
    arguments = ("rollout", "v885", *IOS, "--percent", "5")
    assert ready.run(*arguments, TASK_ID="a-rollout").returncode == 0
    after = pointer_of(ready)
    assert after[:5] == before[:5]
    assert ready.run("rollout", "v885", *IOS, "--halt", TASK_ID="x").returncode == 0
    assert pointer_of(ready)[:5] == before[:5]


def test_the_same_share_again_has_nothing_to_do(ready):
    ready.lines("rollout", "v885", *IOS, "--percent", "5")
    before = pointer_of(ready)
    assert ready.lines("rollout", "v885", *IOS, "--percent", "5") == [
        "Nothing to do: 5 % of the players on ios get v885 already."
    ]
    assert pointer_of(ready) == before


def test_halting_gives_all_players_what_the_others_have(ready):
    ready.lines("rollout", "v885", *IOS, "--percent", "5")
    assert ready.lines("rollout", "v885", *IOS, "--halt") == [
        "Halted the rollout of v885 on ios, at 5 %: all players get v884."
    ]
    assert (pointer_of(ready).version, pointer_of(ready).rollout) == ("v884", None)
    assert pointer_of(ready).serial == 3
    assert "v885 is not being rolled out on iOS" in refusal(
        ready, "rollout", "v885", *IOS, "--halt"
    )
    # And it can begin again, for other players.
    ready.lines("rollout", "v885", *IOS, "--percent", "100")
    assert pointer_of(ready).version == "v885"


def test_it_never_takes_a_version_from_players_who_have_it(ready):
    ready.lines("rollout", "v885", *IOS, "--percent", "25")
    says = refusal(ready, "rollout", "v885", *IOS, "--percent", "5")
    assert "25 % of the players on ios have v885 already" in says


@pytest.mark.parametrize(
    "command", [("publish",), ("sync",), ("rollout", "--percent", "5")]
)
def test_no_other_version_comes_while_one_is_rolled_out(ready, command):
    ready.lines("rollout", "v885", *IOS, "--percent", "5")
    says = refusal(ready, command[0], "v886", *IOS, *command[1:])
    assert "v885 is being rolled out on ios, to 5 % of the players" in says
    assert "(rollout v885 --percent 100)" in says


def test_publishing_what_is_rolled_out_gives_it_to_all(ready):
    ready.lines("rollout", "v885", *IOS, "--percent", "5")
    assert ready.lines("publish", "v885", *IOS) == ["Published v885 (was v884)."]
    assert pointer_of(ready).rollout is None


def test_a_rollback_ends_a_rollout(ready):
    ready.lines("publish", "v885", *IOS)
    ready.lines("rollout", "v886", *IOS, "--percent", "5")
    assert ready.lines("rollback", "v884", *IOS) == [
        "Halted the rollout of v886 on ios, at 5 %: all players get v884.",
        "Rolled back ios: v885 -> v884",
    ]
    assert (pointer_of(ready).version, pointer_of(ready).rollout) == ("v884", None)


def test_a_rollback_to_what_most_players_have_ends_a_rollout(ready):
    ready.lines("rollout", "v885", *IOS, "--percent", "5")
    assert ready.lines("rollback", "v884", *IOS) == [
        "Halted the rollout of v885 on ios, at 5 %: all players get v884."
    ]
    assert pointer_of(ready).rollout is None


def test_a_rollout_is_guarded_as_a_publish_is(ready):
    ready.has_guard = True
    says = refusal(ready, "rollout", "v885", *IOS, "--percent", "5")
    assert "the guard stops v885 of ios" in says


def test_prune_keeps_what_some_players_get(ready):
    ready.lines("rollout", "v885", *IOS, "--percent", "5")
    ready.lines("prune", *IOS, "--keep", "1", "--force")
    assert ready.open_store().sealed_versions() == ["v884", "v885", "v887"]


def test_nothing_is_rolled_out_where_nothing_is_served(game):
    game.build("v885", FILES["v885"])
    game.lines("sync", "v885", *IOS, "--no-pointer")
    says = refusal(game, "rollout", "v885", *IOS, "--percent", "5")
    assert "there is nothing for the other players; publish v885 instead" in says


@pytest.mark.parametrize(
    "share", ["0", "0.00", "100.01", "101", "5%", "-1", "1.234", ""]
)
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ArgumentTypeError, match=r"is not a share of the players"):
        parts(share)


def test_a_share_may_have_two_places():
    assert [parts(text) for text in ("0.01", "2.5", "7", "100")] == [1, 250, 700, PARTS]


def test_a_rollout_without_a_share_is_refused(ready):
    says = refusal(ready, "rollout", "v885", *IOS)
    assert "rollout needs --percent SHARE or --halt" in says


@pytest.mark.parametrize(
    ("name", "value"),
    [("percent", 0), ("percent", "5"), ("salt", None), ("version", "/")],
)
def test_a_damaged_rollout_is_no_pointer(name, value):
    rollout = Rollout("v885", "0" * 64, 500, "5a", "2026-11-29T10:00:00.000Z")
    pointer = Pointer("v884", "1" * 64, rollout=rollout)
    values = json.loads(pointer.encode())
    values["rollout"][name] = value
    with pytest.raises(ValueError, match=r"."):
        type(pointer).decode(json.dumps(values).encode())
