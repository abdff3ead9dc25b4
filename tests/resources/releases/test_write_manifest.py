"""Making manifests: for a folder, and from those of other programs."""

import hashlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
FILES = {"a-b": b"1", "a/b.png": b"picture", "a0": b"", "ä.json": b"{}"}


@pytest.fixture
def folder(game):
    """A release without a manifest."""
    folder = game.build("v885", FILES)
    (folder / "manifest.jsonl").unlink()
    return folder


def md5(content):
    return hashlib.md5(content).hexdigest()


def md5sums(files):
    return "".join(f"{md5(files[path])}  {path}\n" for path in files).encode()


def entries(folder):
    lines = (folder / "manifest.jsonl").read_bytes().splitlines()
    return [json.loads(line) for line in lines[1:-1]]


def test_a_folder_s_manifest_is_what_a_check_takes(game, folder):
    expected = game.build("v886", FILES) / "manifest.jsonl"
    assert game.lines("manifest", str(folder)) == [
        f"Wrote {folder}/manifest.jsonl: 4 files, 10 B."
    ]
    made = (folder / "manifest.jsonl").read_bytes()
    assert made.splitlines()[1:-1] == expected.read_bytes().splitlines()[1:-1]
    assert json.loads(made.splitlines()[0])["platform"] == "ios"
    assert game.lines("check", "v885", "--platform", "ios")[-1] == (
        "Total files checked: 4"
    )
    game.lines("manifest", str(folder))
    assert (folder / "manifest.jsonl").read_bytes() == made
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["a", "a-b", "a0", "manifest.jsonl", "ä.json"]
    )


def test_md5_digests_are_added_when_asked_for(game, folder):
    game.lines("manifest", str(folder), "--md5")
    assert {entry["path"]: entry["md5"] for entry in entries(folder)} == {
        path: md5(content) for path, content in FILES.items()
    }


def test_platform_and_version_can_be_named(game, tmp_path):
    (tmp_path / "build").mkdir()
    (tmp_path / "build/a").write_bytes(b"1")
    game.lines(
        "manifest", str(tmp_path / "build"), "--platform", "android", "--version", "v7"
    )
    header = json.loads((tmp_path / "build/manifest.jsonl").read_text().splitlines()[0])
    assert (header["platform"], header["version"]) == ("android", "v7")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: (folder / "x").symlink_to("a0"), "1 of 5 files of"),
        (lambda folder: os.mkfifo(folder / "x"), "1 of 5 files of"),
        (lambda folder: (folder / "x\ny").touch(), "has a control character"),
        (lambda folder: (folder / "reuse.json").touch(), "the engine keeps for itself"),
        (lambda folder: (folder / "aux.png").touch(), "has a name that Windows"),
        (
            lambda folder: (folder / os.fsdecode(b"\xff")).touch(),
            "the path has a lone surrogate",
        ),
        (lambda folder: (folder / "A0").touch(), "meets the name of line"),
        (lambda folder: (folder / "manifest.jsonl").mkdir(), "cannot write"),
    ],
)
def test_what_no_manifest_can_hold_is_refused_and_nothing_written(
    game, folder, make, message
):
    make(folder)
    before = sorted(folder.rglob("*"))
    result = game.run("manifest", str(folder))
    assert result.returncode == (3 if message == "cannot write" else 2)
    assert message in result.stderr
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{}/nothing", "--platform", "ios"), "cannot read "),
        (("{}",), 'is "source" and no platform (ios, android, facebook)'),
        (("{}/v885", "--version", ".."), 'argument --version: ".." is not a version'),
        (("{}/v885", "--from", "{}/nothing"), "nothing is not there"),
        (("{}/v885", "--from", "{}/v885"), "v885 is a folder"),
        (("{}/v885", "--from", "{}/v885/a-b"), "is no manifest of a known format"),
        (("{}/v886", "--from", "{}/v886/manifest.jsonl"), "of the own format already"),
    ],
)
def test_a_wrong_argument_is_refused(game, folder, arguments, message):
    game.build("v886", FILES)
    filled = [argument.format(folder.parent) for argument in arguments]
    result = game.run("manifest", *filled)
    assert result.returncode == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert not (folder / "manifest.jsonl").exists()


def test_a_full_disk_leaves_the_old_manifest(game, folder):
    game.lines("manifest", str(folder))
    before = (folder / "manifest.jsonl").read_bytes()
    for number in range(200):
        (folder / f"{number:03}").touch()
    done = subprocess.run(
        [sys.executable, "-m", "resources", "manifest", str(folder)],
        cwd=PROJECT,
        env=game.environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert done.returncode == 5
    assert (folder / "manifest.jsonl").read_bytes() == before
    assert len(list(folder.iterdir())) == 205


def test_a_foreign_manifest_is_converted_and_verified(game, folder, tmp_path):
    (tmp_path / "sums").write_bytes(md5sums(FILES))
    game.lines("manifest", str(folder), "--from", str(tmp_path / "sums"))
    assert [(entry["path"], entry["md5"]) for entry in entries(folder)] == [
        (path, md5(content)) for path, content in FILES.items()
    ]
    (folder / "a0").write_bytes(b"damaged")
    (folder / "manifest.jsonl").unlink()
    result = game.run("manifest", str(folder), "--from", str(tmp_path / "sums"))
    assert result.returncode == 1
    assert result.stdout == (
        f"MISMATCH a0: expected {md5(b'')}, got {md5(b'damaged')}\n"
    )
    assert result.stderr == (f"error: 1 of 4 files are not what {tmp_path}/sums says\n")
    assert not (folder / "manifest.jsonl").exists()


def test_a_bundle_s_manifest_is_converted_beside_its_files(game, tmp_path):
    bundle = tmp_path / "assets/lobby"
    bundle.mkdir(parents=True)
    (bundle / "a.png").write_bytes(b"picture")
    manifest = {"version": "1", "assets": {"a.png": {"md5": md5(b"picture")}}}
    (tmp_path / "lobby.manifest").write_text(json.dumps(manifest))
    game.lines(
        *("manifest", str(bundle), "--platform", "ios", "--version", "v1"),
        *("--from", str(tmp_path / "lobby.manifest")),
    )
    assert [entry["path"] for entry in entries(bundle)] == ["a.png"]


def test_two_manifests_in_one_folder_are_told_of(game, folder):
    (folder / "SUMS").write_bytes(md5sums(FILES))
    lines = game.lines("manifest", str(folder), "--from", str(folder / "SUMS"))
    assert lines[1] == (
        "There are several manifests now: SUMS, manifest.jsonl;"
        " name one of them by RESOURCE_MANIFEST."
    )


OLD = {"main.js": b"{}", "res/a b.png": b"picture"}
NEW = OLD | {"main.js": b'{"new": 1}'}


def build_cocos(game, version, files):
    """Write a release with the manifests that Cocos clients read."""
    folder = game.build(version, files)
    (folder / "manifest.jsonl").unlink()
    assets = {
        path.replace(" ", "%20"): {"md5": md5(content)}
        for path, content in files.items()
    }
    head = {"packageUrl": "https://x/", "version": version}
    manifests = {
        "project.manifest": json.dumps({**head, "assets": assets}).encode(),
        "version.manifest": json.dumps(head).encode(),
    }
    for name, content in manifests.items():
        (folder / name).write_bytes(content)
    return manifests


def test_a_release_of_cocos_is_published_with_its_own_manifests(game):
    old = build_cocos(game, "v884", OLD)
    assert game.lines("sync", "v884", "--platform", "ios") == [
        "Plan: 4 files, 4 new, 0 reused, "
        f"{sum(len(content) for content in (OLD | old).values())} B to upload",
        "Verified 4 uploads.",
        "Published v884.",
    ]
    assert game.served() == ("v884", OLD | old)
    new = build_cocos(game, "v885", NEW)
    assert (
        "1 of 4 files unchanged since v884"
        in (game.lines("reuse", "v885", "--platform", "ios")[0])
    )
    assert game.lines("sync", "v885", "--platform", "ios")[-1] == (
        "Published v885 (was v884)."
    )
    assert game.served() == ("v885", NEW | new)
    stored = game.store / "ios/versions/v885"
    for name, content in new.items():
        assert (stored / name).read_bytes() == content
    found = {entry["path"]: entry for entry in entries(stored)}
    assert found["res/a b.png"] == {
        "path": "res/a b.png",
        "size": 7,
        "sha256": hashlib.sha256(b"picture").hexdigest(),
        "md5": md5(b"picture"),
        "in": "v884",
    }
    assert game.lines("sync", "v885", "--platform", "ios") == [
        "Nothing to do: v885 is already published."
    ]
    assert game.lines("check", "v885", "--platform", "ios", "--deep")[-2:] == [
        "All files matched successfully.",
        "Total files checked: 4",
    ]


@pytest.mark.parametrize("program", ["md5", "sha1", "sha256"])
def test_a_release_with_checksums_is_published_without_them(game, program):
    folder = game.build("v884", FILES)
    (folder / "manifest.jsonl").unlink()
    (folder / "SUMS").write_text(
        "".join(
            f"{hashlib.new(program, FILES[path]).hexdigest()} *{path}\n"
            for path in reversed(FILES)
        )
    )
    game.lines("sync", "v884", "--platform", "ios")
    assert game.served() == ("v884", FILES)


@pytest.mark.parametrize("command", ["sync", "reuse"])
def test_a_file_that_differs_from_a_foreign_manifest_is_never_sent(game, command):
    build_cocos(game, "v884", OLD)
    (game.source / "ios/v884/main.js").write_bytes(b"{ }")
    (game.source / "ios/v884/res/a b.png").unlink()
    result = game.run(command, "v884", "--platform", "ios")
    assert result.returncode == 1
    assert result.stdout.splitlines() == [
        f"MISMATCH main.js: expected {md5(b'{}')}, got {md5(b'{ }')}",
        "MISSING res/a%20b.png",
    ]
    assert result.stderr == (
        "error: 2 of 4 files are not what"
        f" {game.source}/ios/v884/project.manifest says\n"
    )
    assert not game.store.exists()


def test_the_same_version_with_another_project_manifest_is_a_conflict(game):
    build_cocos(game, "v884", OLD)
    game.lines("sync", "v884", "--platform", "ios")
    with (game.source / "ios/v884/project.manifest").open("ab") as stream:
        stream.write(b"\n")
    result = game.run("sync", "v884", "--platform", "ios")
    assert result.returncode == 4
    assert "first at project.manifest; a published version never" in result.stderr
