"""A version that would change too much of what is served is stopped."""

import pytest

FILES = {f"{number:02}": b"content" for number in range(20)}
SYNC = ("sync", "v885", "--platform", "ios")
PUBLISH = ("publish", "v885", "--platform", "ios")


def with_changes(dropped, changed):
    paths = list(FILES)
    kept = {path: FILES[path] for path in paths[dropped:]}
    return {**kept, **dict.fromkeys(paths[dropped : dropped + changed], b"other")}


def contents(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def game(game):
    """A game that serves v884 of twenty files, under guard."""
    game.has_guard = True
    game.build("v884", FILES)
    game.lines("sync", "v884", "--platform", "ios")
    return game


@pytest.mark.parametrize(("dropped", "changed"), [(4, 0), (0, 4), (2, 2)])
def test_a_fifth_of_the_files_may_go_or_change(game, dropped, changed):
    game.build("v885", with_changes(dropped, changed))
    assert game.lines(*SYNC)[-1] == "Published v885 (was v884)."


@pytest.mark.parametrize(("dropped", "changed"), [(5, 0), (0, 5), (3, 2), (20, 0)])
@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--no-pointer",)])
def test_more_is_stopped_before_anything_is_written(game, dropped, changed, more):
    game.build("v885", with_changes(dropped, changed))
    before = contents(game.store)
    result = game.run(*SYNC, *more)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: the guard stops v885 of ios: {dropped} of the 20 files of v884, which"
        f" is served, would be dropped and {changed} changed, more than 20 %."
        ' If that is meant, run it with --guard 100 (task parameter "guard").\n'
    )
    assert contents(game.store) == before


def test_one_platform_stops_all(game):
    game.build("v884", FILES, "android")
    game.lines("sync", "v884", "--platform", "android")
    game.build("v885", FILES)
    game.build("v885", with_changes(5, 0), "android")
    assert game.run("sync", "v885", "--platform", "ios,android").returncode == 2
    assert not (game.store / "ios/versions/v885").exists()


def test_publishing_is_guarded_too(game):
    game.build("v885", with_changes(5, 0))
    game.lines(*SYNC, "--no-pointer", "--guard", "100")
    result = game.run(*PUBLISH)
    assert result.returncode == 2
    assert "the guard stops v885 of ios" in result.stderr
    assert game.served()[0] == "v884"
    assert game.lines(*PUBLISH, "--guard", "25") == ["Published v885 (was v884)."]


def test_new_files_are_no_reason(game):
    game.build("v885", {**FILES, **{f"new{number}": b"" for number in range(50)}})
    assert game.lines(*SYNC)[-1] == "Published v885 (was v884)."


def test_a_first_version_and_the_one_served_are_not_guarded(game):
    game.lines("sync", "v884", "--platform", "ios", "--guard", "0")
    game.build("v1", FILES, "facebook")
    sync = ("sync", "v1", "--platform", "facebook", "--guard", "0")
    assert game.lines(*sync)[-1] == "Published v1."


def test_zero_lets_no_change_pass(game):
    game.build("v885", with_changes(0, 1))
    assert game.run(*SYNC, "--guard", "0").returncode == 2
    game.build("v885", FILES)
    game.lines(*SYNC, "--guard", "0")


def test_a_rollback_is_not_guarded(game):
    game.build("v885", with_changes(19, 0))
    game.lines(*SYNC, "--guard", "100")
    game.lines("rollback", "v884", "--platform", "ios")
    assert game.served() == ("v884", FILES)


def test_what_can_not_be_compared_is_stopped(game):
    game.build("v885", FILES)
    (game.store / "ios/versions/v884/manifest.jsonl").unlink()
    result = game.run(*SYNC)
    assert result.returncode == 2
    assert "v884, which is served: its manifest is missing" in result.stderr
    assert "--guard 100" in result.stderr


@pytest.mark.parametrize("percent", ["-1", "101", "1e1", "20%", "", "²"])
def test_what_is_no_percentage_is_refused(game, percent):
    result = game.run(*SYNC, f"--guard={percent}")
    assert result.returncode == 2
    assert f'"{percent}" is not a percentage from 0 to 100' in result.stderr


def test_the_manifests_of_cocos_do_not_count(game):
    """They change each time: one of four files and these two would be a half."""
    files = dict.fromkeys("abcdefgh", b"content")
    for version, content in (("v1", b"content"), ("v2", b"other")):
        game.build(version, {**files, "a": content}, "android")
        for name in ("project.manifest", "version.manifest"):
            path = game.source / "android" / version / name
            path.write_text(version)
        folder = str(game.source / "android" / version)
        (game.source / "android" / version / "manifest.jsonl").unlink()
        game.lines("manifest", folder)
    android = ("--platform", "android")
    game.environment["RESOURCE_MANIFEST"] = "manifest.jsonl"
    game.lines("sync", "v1", *android)
    result = game.run("sync", "v2", *android, "--guard", "12")
    assert (
        "0 of the 8 files of v1, which is served, would be dropped and 1 changed"
        in (result.stderr)
    )
    assert game.lines("sync", "v2", *android, "--guard", "13")[-1] == (
        "Published v2 (was v1)."
    )
