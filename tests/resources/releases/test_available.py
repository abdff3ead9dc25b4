"""Which versions there are, in the source and in the store."""

import json
import os
from datetime import UTC, datetime

import pytest

from resources.manifests.totals import MAX_COCOS_BYTES
from resources.releases import available
from resources.releases.available import read_source, read_store
from resources.stores.pointer import Pointer
from tests.resources.conftest import NEW_FILES, OLD_FILES, manifest_of

BUILT_AT = datetime(2025, 11, 26, 10, 30, 1, tzinfo=UTC)


def source_of(game, **environment):
    found = read_source("ios", {**game.environment, **environment})
    assert found.problem is None
    return found.versions


def store_of(game):
    found = read_store("ios", game.environment)
    assert found.problem is None
    return found.versions


def cocos(assets):
    return json.dumps({"packageUrl": "https://x", "version": "1", "assets": assets})


def asset(**more):
    return {"md5": "0" * 32, **more}


def total(files):
    return len(files), sum(map(len, files.values()))


# --- The source ---------------------------------------------------------------------


def test_the_source_s_versions_come_newest_first_with_date_files_and_bytes(game):
    for version in ("v9", "v10", "v10-rc1"):
        game.build(version, OLD_FILES)
    game.build("v11", OLD_FILES, platform="android")
    (game.source / "ios/notes.txt").write_text("no version")
    manifest = game.source / "ios/v10/manifest.jsonl"
    os.utime(manifest, (BUILT_AT.timestamp(),) * 2)
    found = source_of(game)
    assert [each.version for each in found] == ["v10", "v10-rc1", "v9"]
    assert found[0].at == BUILT_AT
    assert found[0].totals == total(OLD_FILES)


def test_a_version_without_a_manifest_has_the_date_of_its_folder_alone(game):
    folder = game.source / "ios/v1"
    folder.mkdir(parents=True)
    os.utime(folder, (BUILT_AT.timestamp(),) * 2)
    assert source_of(game) == [("v1", BUILT_AT, (None, None))]


@pytest.mark.parametrize(
    ("assets", "totals"),
    [
        ({"a.png": asset(size=3), "b.png": asset(size=4)}, (2, 7)),
        ({"a.png": asset(size=3), "b.png": asset()}, (2, None)),
        # It lists itself, and is no file of the version all the same.
        ({"a.png": asset(size=3), "project.manifest": asset(size=9)}, (1, 3)),
        ({"a.png": asset(size=3), "b": asset(path="version.manifest")}, (1, 3)),
    ],
)
def test_a_cocos_manifest_says_as_much_as_it_knows(game, assets, totals):
    folder = game.source / "ios/v1"
    folder.mkdir(parents=True)
    (folder / "project.manifest").write_text(cocos(assets))
    (found,) = source_of(game)
    assert found.totals == totals


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"format": "release-manifest/1"}\n',
        b'{"format": "release-manifest/1", "platform": "ios"',
        b'{"packageUrl": "", "assets": {"a": {"md5": 1}, "b": 5}}',
        b'{"packageUrl": "", "assets": {"a": {"md5": 1, "path": []}}}',
        b'{"packageUrl": "", "assets": {"a": {}}}' + b" " * MAX_COCOS_BYTES,
        b"d41d8cd98f00b204e9800998ecf8427e  img/a.png\n",
    ],
)
@pytest.mark.parametrize("name", ["manifest.jsonl", "project.manifest"])
def test_a_manifest_that_is_broken_too_large_or_another_tells_no_totals(
    game, name, content
):
    folder = game.source / "ios/v1"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)
    (found,) = source_of(game)
    assert (found.version, found.totals) == ("v1", (None, None))


def test_nothing_that_lies_there_holds_it_up_or_leads_elsewhere(game, tmp_path):
    for version in ("v1", "v2", "v3"):
        (game.source / "ios" / version).mkdir(parents=True)
    os.mkfifo(game.source / "ios/v1/manifest.jsonl")
    (tmp_path / "secret").write_bytes(manifest_of([]))
    (game.source / "ios/v2/manifest.jsonl").symlink_to(tmp_path / "secret")
    (game.source / "ios/v3/manifest.jsonl").mkdir()
    assert [each.totals for each in source_of(game)] == [(None, None)] * 3


def test_the_manifest_that_the_setting_names_is_the_one_that_counts(game):
    folder = game.build("v1", OLD_FILES)
    (folder / "mine").write_text(cocos({"a.png": asset(size=3)}))
    (found,) = source_of(game, RESOURCE_MANIFEST="mine")
    assert found.totals == (1, 3)


def test_only_the_newest_are_looked_at_and_the_others_counted(game, monkeypatch):
    monkeypatch.setattr(available, "MOST_VERSIONS", 2)
    for number in range(5):
        (game.source / f"ios/v{number}").mkdir(parents=True)
    found = read_source("ios", game.environment)
    assert [each.version for each in found.versions] == ["v4", "v3"]
    assert found.older == ["v2", "v1", "v0"]


def test_a_platform_without_builds_is_empty_and_a_source_that_is_missing_a_problem(
    game,
):
    assert str(game.source) in read_source("ios", game.environment).problem
    game.build("v1", OLD_FILES, platform="android")
    assert source_of(game) == []


def test_a_wrong_setting_of_the_store_is_none_of_the_source_s(game):
    game.build("v1", OLD_FILES)
    wrong = {"RESOURCE_STORE": "ftp://host"}
    assert len(source_of(game, **wrong)) == 1
    environment = {**game.environment, **wrong}
    assert "ftp://host" in read_store("ios", environment).problem


# --- The store ----------------------------------------------------------------------


def test_the_store_says_what_is_whole_and_what_is_live(any_game):
    game = any_game
    assert store_of(game) == []
    for version, files in (("v9", OLD_FILES), ("v10", NEW_FILES)):
        game.build(version, files)
        game.lines("sync", version, "--platform", "ios")
    game.build("v11", {**NEW_FILES, "b.txt": b"b"})
    game.lines("sync", "v11", "--platform", "ios", "--no-pointer")
    v11, v10, v9 = store_of(game)
    assert [(each.version, each.is_live) for each in (v11, v10, v9)] == [
        *(("v11", False), ("v10", True), ("v9", False)),
    ]
    assert (v10.totals, v9.totals) == (total(NEW_FILES), total(OLD_FILES))
    assert v11.at is None, "it never went live"
    assert v10.at == game.open_store().pointer().published_at
    assert v9.at < v10.at


def test_what_is_not_whole_is_not_listed(published_game):
    (published_game.store / "ios/versions/v885").mkdir()
    (published_game.store / "ios/versions/.pruned").mkdir()
    found = read_store("ios", published_game.environment)
    assert [each.version for each in found.versions] == ["v884"]
    assert found.older == []


def test_the_live_version_is_listed_however_old_it_is(game, monkeypatch):
    monkeypatch.setattr(available, "MOST_VERSIONS", 2)
    for number in range(1, 6):
        folder = game.store / f"ios/versions/v{number}"
        folder.mkdir(parents=True)
        (folder / "manifest.jsonl").write_bytes(manifest_of([], f"v{number}"))
    pointer = game.store / "ios/current.json"
    pointer.write_bytes(Pointer("v1", "0" * 64).encode())
    found = read_store("ios", game.environment)
    assert [each.version for each in found.versions] == ["v5", "v4", "v1"]
    assert found.older == ["v3", "v2"]


def test_a_damaged_manifest_is_listed_and_a_damaged_pointer_is_a_problem(
    published_game,
):
    store = published_game.store / "ios"
    (store / "versions/v884/manifest.jsonl").write_bytes(b"{")
    (found,) = store_of(published_game)
    assert (found.version, found.totals, found.is_live) == ("v884", (None, None), True)
    (store / "current.json").write_bytes(b"{")
    assert "damaged" in read_store("ios", published_game.environment).problem


def test_a_store_that_refuses_is_a_problem(game_on_moto):
    game = game_on_moto
    game.environment["RESOURCE_STORE"] = f"s3://nobodys{game.location[10:]}?retry=0"
    assert "nobodys" in read_store("ios", game.environment).problem
