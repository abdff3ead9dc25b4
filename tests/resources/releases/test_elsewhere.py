"""A content that the store has, or gets, is not sent again under another path."""

import json

import pytest

from resources.errors import StoreError
from resources.releases import elsewhere
from resources.releases.plan import make_plan
from resources.releases.repair import repair
from resources.releases.source import open_release
from resources.releases.sync import published_lines
from resources.report import Report, size_text
from tests.resources.conftest import Game, entry_of

IOS = ("--platform", "ios")
QUIET = Report(progress=False, outputs=False, lines=False)
OLD = {
    "a.json": b"{}",
    "empty.txt": b"",
    "img/b.png": b"picture",
    "img/c.png": b"other picture",
}
# One picture is moved, another is there twice more, and one new sound three times.
NEW = {
    "a.json": b"{}",
    "art/b.png": b"picture",
    "img/c.png": b"other picture",
    "img/d.png": b"other picture",
    "snd/1.mp3": b"sound",
    "snd/2.mp3": b"sound",
    "snd/3.mp3": b"sound",
    "z/empty.txt": b"",
}
DEEP = ("check", "v885", "--store", "--deep", *IOS)


@pytest.fixture(params=["directory", "moto"])
def store_game(request, tmp_path):
    if request.param == "directory":
        return Game(tmp_path)
    return request.getfixturevalue("game_on_moto")


@pytest.fixture
def two_versions(store_game):
    return built(store_game)


@pytest.fixture
def folder_game(game):
    return built(game)


def built(game):
    """v884 is served, and v885 lies in the source."""
    game.build("v884", OLD)
    game.lines("sync", "v884", *IOS)
    game.build("v885", NEW)
    return game


def entries(game, version="v885"):
    """Give the entries of a published manifest as they are written, by path."""
    with game.open_store().open_document(version, "manifest.jsonl") as stream:
        lines = [json.loads(line) for line in stream]
    return {line["path"]: line for line in lines[1:-1]}


def place(game, path, version="v885"):
    entry = entries(game, version)[path]
    return entry.get("in"), entry.get("at")


def objects(game, version="v885"):
    return {path for path, _ in game.open_store().objects(version)}


def lose(game, version, path):
    store = game.open_store()
    with store.lock():
        store.delete(version, [path])


def damage(game, version, path, content):
    (game.store / "ios/versions" / version / path).write_bytes(content)


def test_what_was_moved_or_is_doubled_is_not_sent(two_versions):
    game = two_versions
    assert game.lines("sync", "v885", *IOS) == [
        "Plan: 8 files, 2 new, 4 reused from v884 (2 moved), 2 doubled, 5 B to upload",
        "Verified 2 uploads.",
        "Published v885 (was v884).",
    ]
    assert objects(game) == {"manifest.jsonl", "snd/1.mp3", "z/empty.txt"}
    assert entries(game)["art/b.png"] == {
        "path": "art/b.png",
        "size": 7,
        "sha256": entry_of("", b"picture").sha256,
        "in": "v884",
        "at": "img/b.png",
    }
    assert place(game, "img/c.png") == ("v884", None)
    assert place(game, "img/d.png") == ("v884", "img/c.png")
    assert place(game, "snd/1.mp3") == (None, None)
    assert place(game, "snd/2.mp3") == ("v885", "snd/1.mp3")
    assert place(game, "snd/3.mp3") == ("v885", "snd/1.mp3")
    assert game.served() == ("v885", NEW)
    assert game.lines(*DEEP)[1:] == [
        "All files matched successfully.",
        "Total files checked: 8",
    ]
    assert game.lines("sync", "v885", *IOS) == [
        "Nothing to do: v885 is already published."
    ]


def test_a_later_version_names_the_same_objects_and_never_a_chain(two_versions):
    game = two_versions
    game.lines("sync", "v885", *IOS)
    game.build("v886", {**NEW, "art/b.png": b"new", "art/old.png": b"picture"})
    assert game.lines("sync", "v886", *IOS)[0] == (
        "Plan: 9 files, 1 new, 8 reused from v885, v884 (1 moved), 3 B to upload"
    )
    assert place(game, "art/old.png", "v886") == ("v884", "img/b.png")
    assert place(game, "img/d.png", "v886") == ("v884", "img/c.png")
    assert place(game, "snd/3.mp3", "v886") == ("v885", "snd/1.mp3")
    assert game.served()[0] == "v886"


def test_moved_and_doubled_files_of_a_large_tree_are_not_sent(store_game):
    """As in trees of games: 7 moved and 885 doubled of 5,700; a tenth in a bucket."""
    game = store_game
    count, doubled = (570, 88) if hasattr(game, "bucket") else (5700, 885)
    new = count - doubled
    size = size_text(4 * new)
    files = {f"res/{n:04}.json": b"%04d" % min(n, new - 1) for n in range(count)}
    game.build("v884", files)
    plan, verified, _ = game.lines("sync", "v884", *IOS)
    assert plan == (
        f"Plan: {count} files, {new} new, 0 reused, {doubled} doubled, {size} to upload"
    )
    assert verified == f"Verified {new} uploads."
    assert len(objects(game, "v884")) == new + 1
    for number in range(7):
        files[f"moved/{number}.json"] = files.pop(f"res/{number:04}.json")
    game.build("v885", files)
    plan, verified, _ = game.lines("sync", "v885", *IOS)
    assert plan == (
        f"Plan: {count} files, 0 new, {count} reused from v884 (7 moved), 0 B to upload"
    )
    assert verified == "Verified 0 uploads."
    assert objects(game) == {"manifest.jsonl"}
    assert game.lines("check", "v885", "--store", *IOS)[1:] == [
        "All files matched successfully.",
        f"Total files checked: {count}",
    ]


def test_it_is_the_same_in_helpers_and_in_many_pieces(game, monkeypatch):
    """Also where files of one content lie far from each other."""
    files = {f"a/{n:05}.png": b"%d" % (n % 3000) for n in range(6000)}
    game.build("v884", files)
    plans = []
    for few in (elsewhere.FEW_BLOCKS, 0):
        monkeypatch.setattr(elsewhere, "FEW_BLOCKS", few)
        release = open_release(game.source, "ios", "v884")
        plan = make_plan(release.manifest, game.open_store())
        plans.append(b"".join(published_lines(plan, release.manifest)))
        assert (plan.new_files, plan.doubled_files) == (3000, 3000)
    assert plans[0] == plans[1]
    assert b'"in": "v884", "at": "a/02999.png"}\n' in plans[0]


def test_empty_files_and_those_of_another_kind_are_sent(game):
    game.build("v884", {"a.json": b"same", "b": b"same", "e.txt": b"", "f.txt": b""})
    assert game.lines("sync", "v884", *IOS)[0] == (
        "Plan: 4 files, 4 new, 0 reused, 8 B to upload"
    )
    game.build("v885", {"a.js": b"same", "c": b"same", "a.JSON": b"same"})
    game.lines("sync", "v885", *IOS)
    assert place(game, "a.js") == (None, None)
    assert place(game, "c") == ("v884", "b")
    assert place(game, "a.JSON") == ("v884", "a.json")


def test_what_the_store_has_lost_is_sent(two_versions):
    game = two_versions
    lose(game, "v884", "img/b.png")
    assert game.lines("sync", "v885", *IOS)[0] == (
        "Plan: 8 files, 3 new, 3 reused from v884 (1 moved), 2 doubled, 12 B to upload"
    )
    assert game.served() == ("v885", NEW)


def test_an_object_lost_later_is_sent_again_to_where_it_belongs(two_versions):
    game = two_versions
    game.lines("sync", "v885", *IOS)
    lose(game, "v884", "img/b.png")
    lose(game, "v885", "snd/1.mp3")
    assert "Verified 2 uploads." in game.lines("sync", "v885", *IOS)
    assert "img/b.png" in objects(game, "v884")
    assert "snd/1.mp3" in objects(game)
    assert game.served() == ("v885", NEW)


def test_reuse_says_it_before_and_after_the_sync_in_the_same_words(folder_game):
    game = folder_game
    reuse = ("reuse", "v885", *IOS)
    lines = game.lines(*reuse)
    assert lines[0] == (
        "Reuse iOS: 4 of 8 files unchanged since v884 (35 B), 2 of them moved,"
        " 2 doubled (10 B), 2 new (5 B)."
    )
    written = game.store / "ios/versions/v885/reuse.json"
    content = written.read_bytes()
    said = json.loads(content)
    assert said["doubled"] == {"files": 2, "bytes": 10}
    assert said["in"]["art/b.png"] == "v884"
    assert said["in"]["snd/2.mp3"] == "v885"
    assert said["at"] == {
        "art/b.png": "img/b.png",
        "img/d.png": "img/c.png",
        "snd/2.mp3": "snd/1.mp3",
        "snd/3.mp3": "snd/1.mp3",
    }
    game.lines("sync", "v885", *IOS)
    assert game.lines(*reuse) == lines
    assert written.read_bytes() == content


def test_a_program_is_told_how_many(folder_game):
    objects = [
        json.loads(line)
        for line in folder_game.run("sync", "v885", *IOS, "--json").stdout.splitlines()
    ]
    counts = objects[-1]["counts"]
    assert (counts["new"], counts["reused"]) == (2, 4)
    assert (counts["moved"], counts["doubled"]) == (2, 2)
    assert counts["bytes"] == sum(map(len, NEW.values()))


def test_changes_say_what_a_sync_will_not_send(folder_game):
    result = folder_game.run("changes", "v885", *IOS, "--json")
    found = next(
        said
        for said in map(json.loads, result.stdout.splitlines())
        if said["type"] == "changes"
    )
    assert found["moved"]["files"] == 3  # with the empty one, which is sent
    assert found["plan"]["movedFiles"] == 2
    assert found["plan"]["doubledFiles"] == 2
    assert found["plan"]["doubledBytes"] == 10
    # Clients look path by path, so a moved file is downloaded.
    assert found["playerBytes"][0]["files"] == 6
    assert found["playerBytes"][0]["newContentBytes"] == 5


def test_a_version_is_made_whole_of_what_lies_elsewhere(two_versions):
    game = two_versions
    copy = ("sync", "v885", *IOS, "--reuse", "copy")
    assert "Copied 6 files within the store." in game.lines(*copy)
    assert objects(game) == {"manifest.jsonl", *NEW}
    store = game.open_store()
    for path, content in NEW.items():
        with store.open("v885", path) as stream:
            assert stream.read() == content
    assert game.lines(*copy)[-1] == "Copied 0 files within the store."
    game.lines("check", "v885", "--store", "--strict-extra", *IOS)


def test_copies_of_what_lies_elsewhere_are_repaired_under_their_own_names(folder_game):
    game = folder_game
    game.lines("sync", "v885", *IOS, "--reuse", "copy")
    assert game.lines("repair", "v885", *IOS)[-1] == (
        "Nothing to repair: all 8 files of v885 are intact."
    )
    for path in ("art/b.png", "snd/2.mp3"):  # moved, doubled
        (game.store / "ios/versions/v885" / path).unlink()
        damage(game, "v885", path, bytes(len(NEW[path])))
    assert game.lines("repair", "v885", *IOS)[-1] == (
        "Repaired 2 of 2 damaged files, 12 B."
    )
    assert game.lines("repair", "v885", *IOS)[-1] == (
        "Nothing to repair: all 8 files of v885 are intact."
    )


def test_what_is_used_under_another_path_is_not_pruned(two_versions):
    game = two_versions
    game.lines("sync", "v885", *IOS)
    game.build("v886", NEW)
    game.lines("sync", "v886", *IOS)
    game.lines("prune", "--keep", "1", "--force", *IOS)
    game.lines("rollback", "v885", *IOS)
    game.lines("rollback", "v885", *IOS)
    assert objects(game, "v884") == {"a.json", "img/b.png", "img/c.png"}
    assert game.served() == ("v885", NEW)


def test_a_pruned_version_comes_back_only_with_what_others_use_of_it(folder_game):
    game = folder_game
    game.lines("sync", "v885", *IOS)
    game.build("v886", NEW)
    game.lines("sync", "v886", *IOS)
    game.lines("prune", "--keep", "1", "--force", *IOS)
    game.build("v884", {**OLD, "img/b.png": b"PICTURE"})
    result = game.run("sync", "v884", "--no-pointer", *IOS)
    assert result.returncode == 4
    assert "was pruned, but v885 uses its img/b.png" in result.stderr
    game.build("v884", OLD)
    game.lines("sync", "v884", "--no-pointer", *IOS)
    game.lines("check", "v884", "--store", "--strict-extra", *IOS)
    assert game.served() == ("v886", NEW)


def test_an_object_that_only_others_use_is_no_stray(folder_game):
    game = folder_game
    game.lines("sync", "v885", *IOS)
    for version in ("v886", "v887"):
        game.build(version, NEW)
        game.lines("sync", version, *IOS)
    game.lines("prune", "--keep", "1", "--force", *IOS)
    game.build("v884", {"a.json": b"{}"})
    game.lines("sync", "v884", "--no-pointer", "--allow-extra", *IOS)
    assert "img/b.png" in objects(game, "v884")
    game.lines("check", "v884", "--store", "--strict-extra", *IOS)


def test_damage_is_found_under_both_names_and_mended_once(folder_game):
    game = folder_game
    game.lines("sync", "v885", *IOS)
    damage(game, "v885", "snd/1.mp3", b"SOUND")
    damage(game, "v884", "img/c.png", b"OTHER PICTURE")
    result = game.run(*DEEP)
    assert result.returncode == 1
    problems = [line.split(":")[0] for line in result.stdout.splitlines()]
    named = ["img/c.png", "img/d.png", "snd/1.mp3", "snd/2.mp3", "snd/3.mp3"]
    assert problems[1:6] == [f"MISMATCH {path}" for path in named]
    # One name of the object is enough.
    (game.source / "ios/v885/snd/1.mp3").unlink()
    (game.source / "ios/v885/snd/3.mp3").write_bytes(b"noise")
    assert game.lines("repair", "v885", *IOS)[-1] == (
        "Repaired 5 of 5 damaged files, 41 B."
    )
    game.lines(*DEEP)


def test_a_moved_file_is_mended_by_the_build_that_has_its_old_name(folder_game):
    game = folder_game
    game.lines("sync", "v885", *IOS)
    damage(game, "v884", "img/b.png", b"PICTURE")
    (game.source / "ios/v885/art/b.png").unlink()
    assert game.lines("repair", "v885", *IOS)[-1] == (
        "Repaired 1 of 1 damaged files, 7 B."
    )


def test_an_object_that_no_name_has_undamaged_is_said_under_each(folder_game):
    game = folder_game
    game.lines("sync", "v885", *IOS)
    damage(game, "v885", "snd/1.mp3", b"SOUND")
    for number in (1, 2, 3):
        (game.source / f"ios/v885/snd/{number}.mp3").unlink()
    result = game.run("repair", "v885", *IOS)
    assert result.returncode == 1
    assert result.stdout.count("NOT REPAIRED snd/") == 3


@pytest.mark.parametrize("by_content", [True, False])
def test_a_lost_manifest_is_made_again_as_it_was_published(folder_game, by_content):
    """Also one of an engine that knew files by their paths only."""
    game = folder_game
    game.lines("sync", "v885", *IOS)
    manifest = game.store / "ios/versions/v885/manifest.jsonl"
    if not by_content:
        release = open_release(game.source, "ios", "v885")
        plan = make_plan(
            release.manifest, game.open_store(), sealed_anew=True, by_content=False
        )
        for path, content in NEW.items():
            damage_or_make(game, path, content)
        manifest.write_bytes(b"".join(published_lines(plan, release.manifest)))
        (game.store / "ios/current.json").unlink()
    content = manifest.read_bytes()
    assert (b'"at": ' in content) == by_content
    manifest.write_bytes(content[:-200])
    game.lines("repair", "v885", *IOS)
    assert manifest.read_bytes() == content


def damage_or_make(game, path, content):
    own = game.store / "ios/versions/v885" / path
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_bytes(content)


class Nowhere:
    """An origin that has nothing."""

    name = "nowhere"

    def manifests(self, store):
        yield from ()


def test_a_manifest_that_no_origin_has_stays_damaged(folder_game):
    (folder_game.store / "ios/versions/v884/manifest.jsonl").write_bytes(b"{")
    with pytest.raises(StoreError, match=r"manifest.jsonl of v884"):
        repair("v884", "ios", folder_game.open_store(), Nowhere(), QUIET)
