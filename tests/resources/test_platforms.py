"""Which platforms there are is a setting."""

import pytest

from resources.errors import InputError
from resources.platforms import all_platforms, read_platforms

FILES = {"a.json": b"{}"}
OWN = {"RESOURCE_PLATFORMS": "wechat=微信小游戏, ios"}


def test_a_release_of_platforms_of_ones_own(game):
    for platform in ("ios", "wechat"):
        game.build("v1", FILES, platform)
    result = game.run("sync", "v1", **OWN)
    assert (result.returncode, result.stderr) == (0, "")
    said = [line for line in result.stdout.splitlines() if line.startswith("Syncing")]
    assert said == ["Syncing 微信小游戏...", "Syncing iOS..."]
    for platform in ("ios", "wechat"):
        assert (game.store / platform / "current.json").is_file()
    refused = game.run("check", "v1", "--platform", "android", **OWN)
    assert refused.returncode == 2
    assert "'android' (choose from wechat, ios, all)" in refused.stderr


def test_a_platform_of_ones_own_can_have_a_store_of_its_own(game, tmp_path):
    game.build("v1", FILES, "wechat")
    store = {"RESOURCE_STORE_WECHAT": str(tmp_path / "apart")}
    result = game.run("sync", "v1", "--platform", "wechat", **OWN, **store)
    assert (result.returncode, result.stderr) == (0, "")
    assert (tmp_path / "apart/wechat/current.json").is_file()


def test_the_demo_has_what_it_knows_of_them(game):
    assert game.run("demo", **OWN).returncode == 0
    assert {path.name for path in game.source.iterdir() if path.is_dir()} == {"ios"}
    result = game.run("demo", RESOURCE_PLATFORMS="wechat")
    assert result.returncode == 2
    assert "the demo has releases of ios, android, facebook" in result.stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (",", '"" can\'t name a platform'),
        ("ios,", '"" can\'t name a platform'),
        ("iOS", '"iOS" can\'t name a platform: up to 32 small letters'),
        ("../x", '"../x" can\'t name a platform'),
        ("mini-game", '"mini-game" can\'t name a platform'),
        ("all", '"all" can\'t name a platform'),
        ("ios,ios", '"ios" stands there twice'),
        ("ios=", '"ios=" is followed by no title'),
        ("ios=a\nb", '"ios=" is followed by no title'),
    ],
)
def test_a_wrong_list_is_refused(text, problem):
    with pytest.raises(InputError) as caught:
        read_platforms(text)
    assert str(caught.value).startswith(f"RESOURCE_PLATFORMS: {problem}")
    assert str(caught.value).endswith(
        "; write it as ios,android,facebook,wechat=WeChat"
    )


def test_a_wrong_list_stops_every_command_with_one_line(game):
    for command in (("sync", "v1"), ("manifest", "."), ("demo",)):
        result = game.run(*command, RESOURCE_PLATFORMS="x y")
        assert (result.returncode, result.stdout) == (2, "")
        assert 'RESOURCE_PLATFORMS: "x y" can\'t name a platform' in result.stderr
        assert result.stderr.count("\n") == 1


def test_without_it_there_are_three():
    three = {"ios": "iOS", "android": "Android", "facebook": "Facebook"}
    assert dict(all_platforms({})) == three
    assert dict(all_platforms({"RESOURCE_PLATFORMS": ""})) == three
