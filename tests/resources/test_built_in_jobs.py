"""The steps of the built-in task types do what their titles say."""

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings

from tasks.catalog.loader import load
from tests.resources.cdn import NGINX, cdn

TYPES = load(settings.BASE_DIR / "task_types.toml")


@pytest.fixture
def environment(tmp_path):
    return {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path)}


@pytest.fixture
def run(environment):
    """Runs a type's steps one after the other, and gives the last one's lines and
    exit code."""

    def start(argv):
        return subprocess.run(
            argv,
            cwd=settings.BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def run(name, **given):
        kind = TYPES[name]
        values = kind.placeholders("a-task", kind.validated(given))
        for step in kind.steps:
            result = start(step.argv(values))
            if result.returncode:
                break
        return result.returncode, (result.stdout + result.stderr).splitlines()

    run.environment = environment
    python = TYPES["prune"].placeholders("", {})["python"]
    assert start([python, "-m", "resources", "demo"]).returncode == 0
    return run


def served(tmp_path, pointer="current.json"):
    store = tmp_path / "resources/store"
    return {
        path.relative_to(store).parts[0]: json.loads(path.read_text())["version"]
        for path in store.glob(f"*/{pointer}")
    }


def test_a_release_is_published_taken_back_and_pruned(run, tmp_path):
    platforms = ("ios", "android", "facebook")
    assert run("check-integrity", version="v885")[0] == 0
    assert run("full-sync", version="v885")[0] == 0
    assert served(tmp_path) == dict.fromkeys(platforms, "v885")
    code, lines = run("rollback", version="v884", platforms="ios,android")
    assert code == 0
    assert lines == [
        "Rolled back ios: v885 -> v884",
        "Rolled back android: v885 -> v884",
    ]
    assert served(tmp_path)["facebook"] == "v885"
    assert run("rollback", version="v884")[1][-1] == (
        "Rolled back facebook: v885 -> v884"
    )
    code, lines = run("prune", keep="1", force="yes")
    assert code == 0
    assert lines == [
        f"Nothing to do: {name} has nothing to prune in 2 versions."
        for name in ("iOS", "Android", "Facebook")
    ]


def test_testers_get_a_release_first_and_then_the_players_that_were_asked_for(
    run, tmp_path
):
    assert run("full-sync", version="v885", percent="5")[1] == [
        line
        for name in ("iOS", "Android", "Facebook")
        for line in (
            f"Publishing {name}...",
            f"Rolled out v885 to 5 % of the players on {name}; the others get v884.",
        )
    ]
    assert set(served(tmp_path).values()) == {"v884"}
    testers = served(tmp_path, "channels/beta.json")
    assert testers == dict.fromkeys(("ios", "android", "facebook"), "v885")


def test_a_release_that_players_would_not_get_right_stays_with_the_testers(
    run, tmp_path, environment
):
    """Nothing answers at the public address."""
    environment["RESOURCE_PUBLIC_URL"] = "http://127.0.0.1:1"
    code, lines = run("full-sync", version="v885")
    assert code == 6
    assert lines[-1].startswith(
        "Players on Facebook don't get v885 as it was published"
    )
    assert set(served(tmp_path).values()) == {"v884"}
    assert set(served(tmp_path, "channels/beta.json").values()) == {"v885"}


@pytest.mark.parametrize("name", ["sync-facebook", "sync-native", "full-sync"])
def test_the_guard_is_a_parameter(run, tmp_path, name):
    code, lines = run(name, version="v885", guard="0")
    assert code == 2
    assert "the guard stops v885 of" in lines[-1]
    assert set(served(tmp_path).values()) == {"v884"}


@pytest.mark.parametrize("name", ["sync-facebook", "sync-native", "full-sync"])
def test_a_rerun_of_an_older_task_moves_nothing_back(run, tmp_path, name):
    assert run(name, version="v885")[0] == 0
    before = served(tmp_path)
    code, lines = run(name, version="v884")
    assert code == 2
    assert "is older than v885, which is served" in lines[-1]
    assert served(tmp_path) == before
    assert run(name, version="v884", allow_older="yes")[0] == 0
    assert set(served(tmp_path).values()) == {"v884"}


@pytest.mark.parametrize("name", ["sync-native", "full-sync"])
def test_files_that_no_manifest_lists_stop_a_sync(run, tmp_path, name):
    lost = tmp_path / "resources/source/android/v885/assets/lost.png"
    lost.write_bytes(b"1")
    code, lines = run(name, version="v885")
    assert code == 1
    assert "EXTRA assets/lost.png" in lines
    assert set(served(tmp_path).values()) == {"v884"}
    assert run(name, version="v885", allow_extra="yes")[0] == 0


def test_what_lies_in_the_store_is_checked_as_deep_as_wanted(run, tmp_path):
    damaged = tmp_path / "resources/store/ios/versions/v884/assets/lobby/index.js"
    damaged.write_bytes(b"x" * damaged.stat().st_size)
    assert run("check-store", version="v884")[0] == 0
    code, lines = run("check-store", version="v884", deep="yes", platforms="ios")
    assert code == 1
    assert lines[1].startswith("MISMATCH assets/lobby/index.js: ")
    assert lines[2:] == ["1 of 1241 files failed.", "Total files checked: 1241"]


@pytest.mark.nginx
@pytest.mark.skipif(NGINX is None, reason="nginx is not there")
def test_what_players_get_is_checked_through_their_address(run, tmp_path):
    code, lines = run("verify-public", version="v884")
    assert code == 2
    assert lines[-1].startswith("error: RESOURCE_PUBLIC_URL is not set: ")
    with cdn(tmp_path, tmp_path / "resources/store") as url:
        run.environment["RESOURCE_PUBLIC_URL"] = url
        for platforms, files, seen in (("all", "sample", 3), ("ios,android", "all", 2)):
            code, lines = run(
                "verify-public", version="v884", platforms=platforms, files=files
            )
            assert (code, len(lines)) == (0, 2 * seen), lines
            assert f"{'all' if files == 'all' else '200 of'} 1241 files" in lines[1]


def test_the_store_is_probed_and_nothing_of_that_stays(run, tmp_path):
    store = tmp_path / "resources/store"
    before = sorted(store.rglob("*"))
    run.environment["TASK_ID"] = "a-task"
    code, lines = run("probe", platforms="ios")
    assert code == 0, lines
    assert lines[0] == f"Probing {store}..."
    assert f"{store} fits." in lines
    put_out = dict(line[18:].split("::", 1) for line in lines if "set-output" in line)
    tried = int(put_out["tried"])
    assert json.loads(put_out["ios,type=json"]) == {
        "tried": tried, "unfit": 0, "store": str(store),
    }  # fmt: skip
    assert tried > 3
    assert "android,type=json" not in put_out
    assert sorted(store.rglob("*")) == before


def test_what_is_damaged_is_repaired(run, tmp_path):
    damaged = tmp_path / "resources/store/ios/versions/v884/assets/lobby/index.js"
    content = damaged.read_bytes()
    damaged.write_bytes(b"x" * len(content))
    code, lines = run("repair", version="v884")
    assert code == 0
    assert lines[2].startswith("Repaired 1 of 1 damaged files, ")
    assert lines[-1] == "Nothing to repair: all 956 files of v884 are intact."
    assert damaged.read_bytes() == content


def test_what_stops_android_leaves_ios_alone(run, tmp_path):
    """The guard, because a third of Android's files is missing in the build."""
    folder = tmp_path / "resources/source/android/v885"
    for path in sorted((folder / "assets").rglob("*.*"))[::3]:
        path.unlink()
    (folder / "manifest.jsonl").unlink()
    manifest = [sys.executable, "-m", "resources", "manifest", folder]
    subprocess.run(manifest, cwd=settings.BASE_DIR, check=True, capture_output=True)
    code, lines = run("sync-native", version="v885")
    assert code == 2
    assert "the guard stops v885 of android" in lines[-1]
    assert set(served(tmp_path).values()) == {"v884"}
    assert run("sync-native", version="v885", guard="100")[0] == 0
    assert served(tmp_path) == {"ios": "v885", "android": "v885", "facebook": "v884"}


def test_a_release_can_be_whole_for_stock_clients(run, tmp_path):
    assert run("full-sync", version="v885", reuse="copy")[0] == 0
    for platform, files in (("ios", 1245), ("android", 1387), ("facebook", 960)):
        folder = tmp_path / f"resources/store/{platform}/versions/v885"
        own = [path for path in folder.rglob("*") if path.is_file()]
        documents = {"manifest.jsonl", "reuse.json"}
        assert len([path for path in own if path.name not in documents]) == files
