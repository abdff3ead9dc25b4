"""What a build has and its manifest doesn't list."""

import pytest

from tests.resources.conftest import NEW_FILES, OLD_FILES
from tests.resources.manifests.test_cocos import assets_of, build, project

SYNC = ("sync", "v885", "--platform", "ios")


@pytest.mark.parametrize("more", [(), ("--no-pointer",), ("--dry-run",)])
def test_a_sync_leaves_nothing_behind_unless_told(published_game, more):
    game = published_game
    (game.source / "ios/v885/lost.png").write_bytes(b"1")
    before = sorted(game.store.rglob("*"))
    result = game.run(*SYNC, *more)
    assert (result.returncode, result.stdout) == (1, "EXTRA lost.png\n")
    assert result.stderr == (
        f"error: 1 file in {game.source}/ios/v885 would be left behind: the manifest of"
        " v885 of ios does not list it. If that is meant, run it with --allow-extra"
        ' (task parameter "allow_extra").\n'
    )
    assert sorted(game.store.rglob("*")) == before


def test_what_is_left_behind_is_said(published_game):
    game = published_game
    for name in ("lost.png", "snd/lost.mp3"):
        (game.source / "ios/v885" / name).write_bytes(b"1")
    assert game.lines(*SYNC, "--allow-extra") == [
        "EXTRA lost.png",
        "EXTRA snd/lost.mp3",
        "Leaving 2 files behind, which the manifest does not list.",
        "Plan: 4 files, 2 new, 2 reused from v884, 15 B to upload",
        "Verified 2 uploads.",
        "Published v885 (was v884).",
    ]
    assert game.served() == ("v885", NEW_FILES)


def test_a_file_that_was_renamed_and_not_its_entry_is_seen(published_game):
    """As many files as entries, and none is sent: the others are in the store."""
    game = published_game
    game.build("v886", OLD_FILES)
    (game.source / "ios/v886/img/b.png").rename(game.source / "ios/v886/img/d.png")
    result = game.run("sync", "v886", "--platform", "ios")
    assert (result.returncode, result.stdout) == (1, "EXTRA img/d.png\n")


def test_a_version_that_is_served_already_is_looked_at_too(published_game):
    game = published_game
    game.lines(*SYNC)
    (game.source / "ios/v885/lost.png").write_bytes(b"1")
    assert game.run(*SYNC).returncode == 1


def test_one_platform_stops_all(published_game):
    game = published_game
    game.build("v885", NEW_FILES, "android")
    (game.source / "android/v885/lost.png").write_bytes(b"1")
    assert game.run("sync", "v885", "--platform", "ios,android").returncode == 1
    assert game.served() == ("v884", OLD_FILES)


def test_lists_of_the_files_are_no_part_of_a_build(game):
    folder = game.build("v885", NEW_FILES)
    (folder / "MD5SUMS").write_text("0" * 32 + "  a.json\n")
    game.environment["RESOURCE_MANIFEST"] = "manifest.jsonl"
    assert game.lines(*SYNC)[-1] == "Published v885."


def test_a_manifest_for_clients_is_part_of_it(game):
    files = {"a.png": b"1"}
    folder = build(game, project(assets_of(files)), files)
    game.build("v885", files)
    game.environment["RESOURCE_MANIFEST"] = "manifest.jsonl"
    result = game.run(*SYNC)
    assert (result.returncode, result.stdout) == (1, "EXTRA project.manifest\n")
    assert folder.exists()


def test_at_most_100_are_named(published_game):
    game = published_game
    for number in range(120):
        (game.source / f"ios/v885/lost{number:03}").write_bytes(b"1")
    result = game.run(*SYNC)
    assert result.stdout.splitlines()[-2:] == ["EXTRA lost099", "... and 20 more"]
    assert "error: 120 files in" in result.stderr
