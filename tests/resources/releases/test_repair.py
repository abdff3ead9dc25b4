"""What is damaged in a store is found and mended, and nothing else is touched."""

import pytest

from tests.resources.conftest import NEW_FILES, OLD_FILES, Game
from tests.resources.stores.test_stores import objects, put, sync

IOS = ("--platform", "ios")
REPAIR = ("repair", "v885", *IOS)
DEEP = ("check", "v885", "--store", "--deep", *IOS)


@pytest.fixture(params=["directory", "moto", "rclone", "azurite", "google"])
def served_game(request, tmp_path):
    """A game of two versions on each kind of store; v885 is served."""
    game = (
        Game(tmp_path)
        if request.param == "directory"
        else request.getfixturevalue(f"game_on_{request.param}")
    )
    return publish_both(game)


@pytest.fixture
def folder_game(game):
    return publish_both(game)


def publish_both(game):
    for version, files in (("v884", OLD_FILES), ("v885", NEW_FILES)):
        game.build(version, files)
        sync(game, version)
    return game


def damage(game, version, path, content):
    """Write other bytes into an object, as a broken disk or a wrong hand does."""
    if isinstance(game, Game) and not hasattr(game, "bucket"):
        (game.store / "ios/versions" / version / path).write_bytes(content)
    else:
        game.bucket().put(f"versions/{version}/{path}", content)


def document(game, version="v884", name="manifest.jsonl"):
    with game.open_store().open_document(version, name) as stream:
        return stream.read()


def test_a_damaged_object_is_sent_again_from_the_source(served_game):
    game = served_game
    damage(game, "v884", "img/b.png", b"PICTURE")
    assert game.run(*DEEP).returncode == 1
    result = game.run(*REPAIR)
    assert (result.returncode, result.stderr) == (0, "")
    first, problem, *rest = result.stdout.splitlines()
    assert first == "Repairing iOS..."
    assert problem.startswith("MISMATCH img/b.png: expected ")
    assert rest == ["Repaired 1 of 1 damaged files, 7 B."]
    assert game.run(*DEEP).returncode == 0
    assert game.served() == ("v885", NEW_FILES)
    assert game.lines(*REPAIR) == [
        "Repairing iOS...",
        "Nothing to repair: all 4 files of v885 are intact.",
    ]


def test_missing_and_cut_objects_are_sent_again_too(served_game):
    game = served_game
    store = game.open_store()
    with store.lock():
        store.delete("v885", ["a.json"])
    damage(game, "v884", "img/c.png", b"oth")
    assert game.lines(*REPAIR)[1:] == [
        "MISSING a.json",
        "SIZE img/c.png: expected 13, got 3",
        "Repaired 2 of 2 damaged files, 23 B.",
    ]
    assert game.served() == ("v885", NEW_FILES)


def test_the_build_of_the_version_that_holds_a_file_is_enough(folder_game):
    game = folder_game
    damage(game, "v884", "img/b.png", b"PICTURE")
    (game.source / "ios/v885/img/b.png").unlink()
    assert game.lines(*REPAIR)[-1] == "Repaired 1 of 1 damaged files, 7 B."


def test_what_the_source_has_otherwise_is_not_sent(folder_game):
    game = folder_game
    for path in ("img/b.png", "img/c.png"):
        damage(game, "v884", path, b"x")
    (game.source / "ios/v885/img/b.png").write_bytes(b"PICTURE")
    for version in ("v884", "v885"):
        (game.source / f"ios/{version}/img/c.png").unlink()
    source = game.source / "ios"
    expected = [
        "Repairing iOS...",
        "SIZE img/b.png: expected 7, got 1",
        "SIZE img/c.png: expected 13, got 1",
        f"NOT REPAIRED img/b.png: in the source {source} it has other content",
        f"NOT REPAIRED img/c.png: it is not in the source {source}",
        "{} 0 of 2 damaged files, 0 B.",
        "2 damaged files can't be repaired.",
    ]
    for done, more in (("Can repair", ("--dry-run",)), ("Repaired", ())):
        result = game.run(*REPAIR, *more)
        assert result.returncode == 1
        assert result.stdout.splitlines() == [line.format(done) for line in expected]
    assert objects(game, "v884")["img/b.png"] == 1


def test_a_dry_run_says_what_can_be_repaired_and_writes_nothing(served_game):
    game = served_game
    damage(game, "v884", "img/b.png", b"PICTURE")
    lines = game.lines(*REPAIR, "--dry-run")
    assert lines[-1] == "Can repair 1 of 1 damaged files, 7 B."
    assert game.served()[1]["img/b.png"] == b"PICTURE"


def test_a_copy_that_makes_a_folder_whole_is_repaired_as_well(folder_game):
    game = folder_game
    game.build("v886", NEW_FILES)
    game.lines("sync", "v886", "--reuse", "copy", *IOS)
    own = game.store / "ios/versions/v886/img/b.png"
    own.write_bytes(b"PICTURE")  # a link: v884's is damaged, too
    lines = game.lines("repair", "v886", *IOS)
    assert lines[-1] == "Repaired 2 of 2 damaged files, 14 B."
    assert own.read_bytes() == b"picture"
    assert game.run(*DEEP).returncode == 0


def test_files_come_from_another_store_where_one_is_named(folder_game, tmp_path):
    game = folder_game
    other = tmp_path / "other"
    for version in ("v884", "v885"):
        game.lines("sync", version, "--store", str(other), *IOS)
    damage(game, "v884", "img/b.png", b"PICTURE")
    manifest = game.store / "ios/versions/v885/manifest.jsonl"
    content = manifest.read_bytes()
    manifest.write_bytes(content[:100])
    game.environment["RESOURCE_SOURCE"] = str(tmp_path / "nothing")
    assert game.run(*REPAIR).returncode != 0
    lines = game.lines(*REPAIR, "--from", str(other))
    assert lines[-1] == "Repaired 1 of 1 damaged files, 7 B."
    assert manifest.read_bytes() == content
    assert game.served() == ("v885", NEW_FILES)


# Manifests.


def cut(content):
    return content[: len(content) * 2 // 3]


def flipped(content):
    place = content.index(b'"sha256": "') + 15
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("version", ["v884", "v885"])
@pytest.mark.parametrize("harm", [cut, flipped])
def test_a_damaged_manifest_is_made_again_from_the_source(served_game, version, harm):
    game = served_game
    content = document(game, version)
    damage(game, version, "manifest.jsonl", harm(content))
    checked = game.run("check", version, "--store", *IOS)
    assert checked.returncode == 3
    assert f"manifest.jsonl of {version} line" in checked.stderr
    assert f'"repair {version}" mends it' in checked.stderr
    assert game.lines("repair", version, *IOS)[-2:] == [
        f"Repaired manifest.jsonl of {version}.",
        f"Nothing to repair: all {3 if version == 'v884' else 4} files of {version} are"
        " intact.",
    ]
    assert document(game, version) == content


@pytest.mark.parametrize("harm", [cut, flipped, lambda content: b""])
def test_a_damaged_manifest_is_not_taken_for_that_of_another_build(folder_game, harm):
    game = folder_game
    damaged = harm(document(game))
    damage(game, "v884", "manifest.jsonl", damaged)
    game.build("v884", {**OLD_FILES, "img/c.png": b"OTHER PICTURE"})
    result = game.run("repair", "v884", *IOS)
    assert result.returncode == 3
    assert "can't be repaired: what was published as it had other content" in (
        result.stderr
    )
    assert document(game) == damaged


def test_a_damaged_manifest_of_an_old_version_stops_no_other(served_game):
    game = served_game
    damage(game, "v884", "manifest.jsonl", cut(document(game)))
    game.build("v886", {**NEW_FILES, "e.json": b"[]"})
    lines = game.lines("sync", "v886", *IOS)
    assert lines[0].startswith("warning: ")
    assert "manifest.jsonl of v884 line" in lines[0]
    assert lines[1:] == [
        "Plan: 5 files, 1 new, 4 reused from v885, 2 B to upload",
        "Verified 1 upload.",
        "Published v886 (was v885).",
    ]
    deep = game.lines("check", "v886", "--store", "--deep", *IOS)
    assert "All files matched successfully." in deep
    assert '"repair v884" mends it' in deep[-1]


def test_the_guard_says_that_what_is_served_has_a_damaged_manifest(folder_game):
    game = folder_game
    game.has_guard = True
    damage(game, "v885", "manifest.jsonl", b"{")
    game.build("v886", NEW_FILES)
    result = game.run("sync", "v886", *IOS)
    assert result.returncode == 3
    assert "the guard can't compare v886 of ios with what is served" in result.stderr
    assert '"repair v885" mends it' in result.stderr


def test_a_version_that_is_not_there_is_a_wrong_argument(folder_game):
    result = folder_game.run("repair", "v1", *IOS)
    assert result.returncode == 2
    assert "version v1 of ios is not in the store" in result.stderr


# What a sync sees of damage.


def test_a_sync_sees_by_the_listing_that_an_object_has_other_bytes(game_on_moto):
    game = game_on_moto
    for version, files in (("v884", OLD_FILES), ("v885", NEW_FILES)):
        folder = game.build(version, files)
        game.lines("manifest", str(folder), "--md5")
        sync(game, version)
    damage(game, "v884", "img/b.png", b"PICTURE")
    del game.proxy.requests[:]
    assert game.lines("sync", "v885", *IOS)[0] == (
        "Plan: 4 files, 2 new, 2 reused from v884, 7 B to upload (2 already there)"
    )
    assert game.served() == ("v885", NEW_FILES)
    read = [path for path in game.proxy.sent("GET", "v88") if "/img/" in path]
    assert len(read) == 1 + 2  # the suspicious one, and what ``served`` read


def test_etags_that_are_no_digests_cost_one_read(game_on_moto, monkeypatch):
    game = game_on_moto
    folder = game.build("v885", {f"{number:03}": b"x" * number for number in range(50)})
    game.lines("manifest", str(folder), "--md5")
    sync(game, "v885")
    monkeypatch.setattr(
        "resources.stores.bucket.objects.md5_of_etag", lambda etag: "0" * 32
    )
    del game.proxy.requests[:]
    sync(game, "v885")
    read = [path for path in game.proxy.sent("GET", "v885/") if path[-1].isdigit()]
    assert len(read) <= 8  # one for each thread that looks at the same time
    assert game.proxy.sent("PUT", "v885/") == []


# Foreign files.


def test_files_that_nobody_published_are_named_on_demand(served_game):
    game = served_game
    store = game.open_store()
    with store.lock():
        put(store, "v885", "evil.js", b"evil")
    check = ("check", "v885", "--store", *IOS)
    assert game.lines(*check)[1:] == [
        "All files matched successfully.",
        "Total files checked: 4",
    ]
    result = game.run(*check, "--strict-extra")
    assert result.returncode == 1
    assert result.stdout.splitlines()[1:] == [
        "EXTRA evil.js",
        "1 of 5 files failed.",
        "Total files checked: 5",
    ]


def test_copies_documents_and_what_others_use_are_not_foreign(folder_game):
    game = folder_game
    game.build("v886", NEW_FILES)
    game.lines("reuse", "v886", *IOS)
    game.lines("sync", "v886", "--reuse", "copy", *IOS)
    (game.store / "ios/versions/v886/.pinned").touch()
    game.lines("check", "v886", "--store", "--strict-extra", *IOS)
    # v884 is pruned and comes back without a file that v885 uses.
    game.lines("prune", "--keep", "1", "--force", *IOS)
    game.lines("prune", "--keep", "1", "--force", *IOS)
    game.build("v884", {"a.json": b"{}", "img/b.png": OLD_FILES["img/b.png"]})
    game.lines("sync", "v884", "--no-pointer", "--allow-extra", *IOS)
    assert "img/c.png" in objects(game, "v884")
    game.lines("check", "v884", "--store", "--strict-extra", *IOS)
