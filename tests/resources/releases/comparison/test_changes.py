"""What a version changes, and what a player downloads for it."""

import hashlib
import json

import pytest

from resources.manifests.line_file import LineFile
from resources.manifests.reader import Manifest
from resources.releases.comparison.differences import Amount, find_differences
from resources.releases.comparison.downloads import find_downloads
from tests.resources.conftest import NEW_FILES, OLD_FILES, entry_of, manifest_of

CHANGES = ("changes", "v885", "--platform", "ios")
NOTHING = {"files": 0, "bytes": 0}


def changes_of(game, *arguments, platform="ios"):
    """Give the object that programs read."""
    lines = game.lines("changes", *arguments, "--platform", platform, "--json")
    (found,) = [each for each in map(json.loads, lines) if each["type"] == "changes"]
    return found


def publish(game, version, files):
    game.build(version, files)
    game.lines("sync", version, "--platform", "ios")


def test_it_says_before_a_sync_what_the_version_changes_for_whom(published_game):
    assert published_game.lines(*CHANGES) == [
        "Changes of iOS: v884 -> v885",
        "  added: 1 file, 5 B",
        "  changed: 1 file, 10 B",
        "  unchanged: 2 files, 20 B",
        "  in .: 1 changed, 10 B",
        "  in snd: 1 added, 5 B",
        "  changed a.json: 10 B, was 2 B",
        "  added snd/d.mp3: 5 B",
        "A player on v884 downloads 2 files, 15 B.",
        "Plan: 4 files, 2 new, 2 reused from v884, 15 B to upload",
        "Guard: 33.3 % of 20 %, 1 of 3 files dropped or changed; would stop it",
    ]


def test_programs_get_all_of_it_as_one_object(published_game):
    found = changes_of(published_game, "v885")
    digests = [found[end].pop("manifestSha256") for end in ("from", "to")]
    assert len(set(digests)) == 2
    download = {"files": 2, "bytes": 15, "newContentBytes": 15}
    assert found == {
        "type": "changes",
        "platform": "ios",
        "live": "v884",
        "from": {"version": "v884", "files": 3, "bytes": 22},
        "to": {"version": "v885", "files": 4, "bytes": 35, "stored": False},
        "added": {"files": 1, "bytes": 5},
        "changed": {"files": 1, "bytes": 10},
        "moved": NOTHING,
        "removed": NOTHING,
        "unchanged": {"files": 2, "bytes": 20},
        "folders": [
            folder_of("", changed={"files": 1, "bytes": 10}),
            folder_of("snd", added={"files": 1, "bytes": 5}),
        ],
        "foldersOmitted": 0,
        "largest": [
            {"path": "a.json", "kind": "changed", "bytes": 10, "before": 2},
            {"path": "snd/d.mp3", "kind": "added", "bytes": 5, "before": None},
        ],
        "download": {"version": "v884", **download},
        "playerBytes": [{"version": "v884", **download}],
        "plan": {
            "newFiles": 2,
            "newBytes": 15,
            "reusedFiles": 2,
            "reusedBytes": 20,
            "reusedFrom": "v884",
            "movedFiles": 0,
            "doubledFiles": 0,
            "doubledBytes": 0,
            "uploadBytes": 15,
        },
        "guard": {
            "files": 3,
            "dropped": 0,
            "changed": 1,
            "percent": 33.33,
            "limitPercent": 20,
            "passes": False,
        },
    }


def folder_of(name, **kinds):
    nothing = dict.fromkeys(("added", "changed", "moved", "removed"), NOTHING)
    return {"folder": name, **nothing, **kinds}


def test_nothing_is_written_in_the_source_or_in_the_store(published_game):
    def seen():
        paths = (published_game.source, published_game.store)
        return {
            file: (file.stat().st_mtime_ns, file.is_file() and file.read_bytes())
            for path in paths
            for file in path.rglob("*")
        }

    before = seen()
    published_game.lines(*CHANGES)
    assert seen() == before


def test_after_the_sync_there_is_no_plan_and_the_version_before_is_compared(
    published_game,
):
    planned = changes_of(published_game, "v885")
    published_game.lines("sync", "v885", "--platform", "ios")
    found = changes_of(published_game, "v885")
    assert (found["live"], found["to"]["stored"]) == ("v885", True)
    assert (found["plan"], found["guard"]) == (None, None)
    for kept in ("from", "changed", "added", "folders", "largest", "playerBytes"):
        assert found[kept] == planned[kept]


def test_it_holds_for_every_kind_of_store(any_game):
    publish(any_game, "v884", OLD_FILES)
    any_game.build("v885", NEW_FILES)
    planned = changes_of(any_game, "v885")
    assert (planned["download"]["files"], planned["download"]["bytes"]) == (2, 15)
    assert planned["plan"]["reusedFiles"] == 2
    any_game.lines("sync", "v885", "--platform", "ios")
    found = changes_of(any_game, "v885", "--from", "v884")
    assert (found["added"], found["changed"]) == (planned["added"], planned["changed"])


def test_a_file_whose_content_had_another_path_is_moved_and_not_removed(game):
    publish(game, "v1", {"a/x": b"large", "a/y": b"kept", "a/z": b"gone"})
    game.build("v2", {"b/x": b"large", "a/y": b"kept", "b/y": b"kept", "b/n": b"new"})
    found = changes_of(game, "v2")
    assert found["moved"] == {"files": 2, "bytes": 9}
    assert found["added"] == {"files": 1, "bytes": 3}
    assert found["removed"] == {"files": 1, "bytes": 4}
    assert found["unchanged"] == {"files": 1, "bytes": 4}


def test_a_client_that_knows_contents_gets_neither_moved_nor_doubled_files(game):
    publish(game, "v1", {"a": b"moved"})
    game.build("v2", {"b": b"moved", "c": b"new", "d": b"new"})
    assert changes_of(game, "v2")["playerBytes"] == [
        {"version": "v1", "files": 3, "bytes": 11, "newContentBytes": 3}
    ]


def test_it_says_what_a_player_gets_who_is_on_each_of_the_last_live_versions(game):
    for number in range(1, 11):
        publish(game, f"v{number}", {"a": b"%d" % number, "b": b"x" * number})
    game.lines("rollback", "v9", "--platform", "ios")
    game.build("v11", {"a": b"9", "b": b"x" * 10})
    found = changes_of(game, "v11")
    players = [(each["version"], each["bytes"]) for each in found["playerBytes"]]
    assert found["live"] == "v9"
    assert players == [
        ("v9", 10),
        ("v10", 1),
        *[(f"v{number}", 11) for number in (8, 7, 6, 5, 4, 3)],
    ]


def test_a_first_version_adds_every_file(game):
    game.build("v1", OLD_FILES)
    found = changes_of(game, "v1")
    assert (found["from"], found["live"], found["download"]) == (None, None, None)
    assert found["added"] == {"files": 3, "bytes": 22}
    assert found["playerBytes"] == []
    assert game.lines("changes", "v1", "--platform", "ios")[0] == (
        "Changes of iOS: first version v1"
    )


def test_two_builds_can_be_compared_before_either_is_in_the_store(published_game):
    published_game.build("v886", {**NEW_FILES, "e": b"!"})
    found = changes_of(published_game, "v886", "--from", "v885")
    assert (found["from"]["version"], found["added"]["files"]) == ("v885", 1)
    assert [each["version"] for each in found["playerBytes"]] == ["v884"]


def test_a_version_that_is_nowhere_is_named_with_those_there_are(published_game):
    result = published_game.run("changes", "v9", "--platform", "ios", "--json")
    assert result.returncode == 2
    assert json.loads(result.stdout.splitlines()[0]) == {
        "type": "unknown-version",
        "platform": "ios",
        "version": "v9",
        "there": ["v884", "v885"],
    }
    assert "neither in the store nor in the source; there are: v884" in result.stderr


def test_a_live_version_with_a_damaged_manifest_stops_only_what_is_said_of_it(game):
    for number in (1, 2):
        publish(game, f"v{number}", {"a": b"%d" % number})
    (game.store / "ios/versions/v1/manifest.jsonl").write_bytes(b"{")
    game.build("v3", {"a": b"3"})
    lines = game.lines("changes", "v3", "--platform", "ios")
    assert lines[0].startswith("warning: ")
    assert [line for line in lines if line.startswith("A player")] == [
        "A player on v2 downloads 1 file, 1 B."
    ]
    result = game.run("changes", "v3", "--from", "v1", "--platform", "ios")
    assert result.returncode == 3


def test_a_build_with_another_program_s_list_is_compared_by_its_files(published_game):
    folder = published_game.source / "ios/v886"
    folder.mkdir()
    (folder / "a.json").write_bytes(OLD_FILES["a.json"])
    digest = hashlib.md5(OLD_FILES["a.json"]).hexdigest()
    (folder / "list.md5").write_text(f"{digest}  a.json\n")
    found = changes_of(published_game, "v886")
    assert (found["unchanged"]["files"], found["removed"]["files"]) == (1, 2)


# --- Many files -----------------------------------------------------------------------


@pytest.fixture
def manifest_in(tmp_path):
    def made(version, files):
        entries = [entry_of(path, content) for path, content in sorted(files.items())]
        path = tmp_path / version
        path.write_bytes(manifest_of(entries, version))
        file = LineFile(path.open("rb"))
        return Manifest(version, file, platform="ios", version=version, published=True)

    return made


def differences(before, after):
    (lacking,) = find_downloads([before], after)
    found = find_differences(before, after, lacking.known)
    assert found.download == lacking.amount
    return found


def test_what_is_found_block_by_block_is_what_a_whole_look_finds(manifest_in):
    old = {f"d{n % 7}/{n:06}": b"%d" % n for n in range(6000)}
    new = {path: content for path, content in old.items() if path[-1] != "3"}
    new |= {f"e/{n:06}": b"%d" % n for n in range(0, 6000, 30)}  # doubled
    new |= {path: b"other" for path in new if path.endswith("17")}
    new |= {f"d9/{n}": b"new %d" % n for n in range(100)}
    found = differences(manifest_in("v1", old), manifest_in("v2", new))
    gone = old.keys() - new.keys()
    contents = set(old.values())
    fresh = [path for path in new if path not in old]
    moved = [path for path in fresh if new[path] in contents]
    taken = {new[path] for path in moved}
    assert {kind: amount.files for kind, amount in found.kinds.items()} == {
        "added": len(fresh) - len(moved),
        "changed": sum(old.get(path, new[path]) != new[path] for path in new),
        "moved": len(moved),
        "removed": sum(old[path] not in taken for path in gone),
    }
    total = sum(map(len, new.values()))
    assert found.unchanged.bytes + found.download.bytes == total
    assert set(found.folders) == {*(f"d{n}" for n in range(7)), "d9", "e"}


def test_where_one_folder_has_all_that_differs_its_folders_are_told_apart(manifest_in):
    old = {"assets/a/1": b"1", "main.js": b"1"}
    new = {"assets/a/1": b"2", "assets/b/c/2": b"2", "main.js": b"2"}
    found = differences(manifest_in("v1", old), manifest_in("v2", new))
    assert set(found.folders) == {"assets/a", "assets/b", ""}


def test_a_path_with_quotes_is_named_as_it_is(manifest_in):
    new = {'a"b/ü"c': b"12"}
    found = differences(manifest_in("v1", {"x": b""}), manifest_in("v2", new))
    assert [file.path for file in found.largest] == ['a"b/ü"c']
    assert found.folders['a"b']["added"] == Amount(1, 2)
