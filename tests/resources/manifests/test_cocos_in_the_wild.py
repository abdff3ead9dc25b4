"""What public games' project.manifest files were seen to hold, each rebuilt here.

None is taken over: few of those games say what may be done with their files.
"""

import hashlib
import json

import pytest

from resources.manifests.cocos import read_cocos
from tests.resources.conftest import refusal_of
from tests.resources.manifests.test_cocos import CHECK, asset, build, project

PNG = bytes(range(256))
SYNC = ("sync", "v885", "--platform", "ios")


def assets_of(files):
    return {path: asset(content, size=len(content)) for path, content in files.items()}


def checked(game):
    result = game.run(*CHECK)
    return result.returncode, result.stdout.splitlines()[1:]


def all_matched(files):
    return ["All files matched successfully.", f"Total files checked: {files}"]


def test_a_build_of_creator_3_with_its_last_manifest_as_an_asset(game):
    """The address comes last, names have "@", and the manifest that the app starts
    with is one of the files."""
    files = {
        "main.js": b"1",
        "src/chunks/bundle.js": b"2",
        "assets/main/import/22/22a22708-11d9@6c48a.json": b"[1]",
        "assets/main/native/b2/b23391b6/OpenSans-BoldItalic.ttf": PNG,
        "assets/main/native/f6/f68fd36f.manifest": project({}),
        "src/settings.json.backup.1763534708602": b"{}",
    }
    values = json.loads(project(assets_of(files), remoteVersionUrl=""))
    values["packageUrl"] = values.pop("packageUrl")
    build(game, json.dumps(values).encode(), files)
    assert checked(game) == (0, all_matched(6))
    assert game.lines(*SYNC)[-1] == "Published v885."
    assert game.served()[1].items() >= files.items()


def of_text(content):
    return hashlib.md5(content.decode("latin-1").encode()).hexdigest()


@pytest.mark.parametrize("size", [256, 3 << 20])
def test_digests_of_files_that_were_read_as_text(game, size):
    """Node: createHash('md5').update(readFileSync(path, 'binary'))."""
    picture = PNG * (size // len(PNG))
    files = {"src/project.js": b"cc", "res/raw-assets/a.png": picture}
    assets = {
        path: {"size": len(content), "md5": of_text(content)}
        for path, content in files.items()
    }
    assert assets["src/project.js"] == asset(b"cc", size=2)
    assert assets["res/raw-assets/a.png"] != asset(picture, size=len(picture))
    folder = build(game, project(assets, remoteVersionUrl=""), files)
    assert checked(game) == (0, all_matched(2))
    assert game.lines(*SYNC)[-1] == "Published v885."
    deep = game.lines("check", "v885", "--deep", "--platform", "ios")
    assert deep[1:] == all_matched(3)
    damaged = b"\xfe" + picture[1:]
    (folder / "res/raw-assets/a.png").write_bytes(damaged)
    code, lines = checked(game)
    assert code == 1
    assert lines[0] == (
        f"MISMATCH res/raw-assets/a.png: expected {of_text(picture)},"
        f" got {hashlib.md5(damaged).hexdigest()}"
    )


def test_a_manifest_in_res_that_lists_itself_is_converted(game):
    """Cocos2d-JS keeps both manifests in res/, so its generator lists those of the
    build before."""
    files = {"src/app.js": b"1", "res/a.png": PNG}
    old = {"res/project.manifest": b"old", "res/version.manifest": b"older"}
    folder = game.build("v885", files)
    (folder / "manifest.jsonl").unlink()
    content = project(assets_of(files | old))
    (folder / "res/project.manifest").write_bytes(content)
    (folder / "res/version.manifest").write_bytes(b"{}")
    manifest = folder / "res/project.manifest"
    assert game.lines("manifest", str(folder), "--from", str(manifest))[0].startswith(
        f"Wrote {folder}/manifest.jsonl: 4 files"
    )
    assert checked(game) == (0, all_matched(4))


def test_a_list_written_by_python_with_sizes_that_are_wrong_for_itself(game):
    """Sorted keys, a space after each comma, spaces in names as %20."""
    files = {"project.json": b"{}", "res/bar/exp_gauge outside.png": PNG}
    assets = {path.replace(" ", "%20"): made for path, made in assets_of(files).items()}
    assets["project.manifest"] = asset(b"before", size=100)
    values = json.loads(project(assets))
    content = json.dumps(values, indent=4, sort_keys=True, separators=(", ", ": "))
    build(game, content.encode(), files)
    assert checked(game) == (0, all_matched(2))


def test_a_list_with_nothing_but_the_manifests(game):
    listed = {
        name: asset(b"", size=213) for name in ("project.manifest", "version.manifest")
    }
    build(game, project(listed), {})
    assert checked(game) == (2, ["Total files checked: 0"])


def test_patches_by_version_as_zips(game):
    """Cocos2d-x 3: groups, keys that are versions, "path" names the file; digests in
    capitals, times as numbers."""
    files = {f"release1.0.{number}.zip": b"PK%d" % number for number in (2, 3)}
    assets = {
        name[7:12]: {
            "path": name,
            "md5": hashlib.md5(content).hexdigest().upper(),
            "compressed": True,
            "size": len(content),
        }
        for name, content in files.items()
    }
    more = {"groupVersions": {"1": "1.0.2", "2": "1.0.3"}, "buildTime": 1486605555}
    build(game, project(assets, **more), files)
    assert checked(game) == (0, all_matched(2))


def test_a_version_that_is_a_number_and_no_address(game):
    files = {"frames/eft/eft001.pvr.ccz": PNG}
    values = {"version": 81, "assets": assets_of(files)}
    build(game, json.dumps(values, indent=1).encode(), files)
    assert checked(game) == (0, all_matched(1))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            project({"/res/game.zip": asset(b"")}),
            'M entry 1: the path is absolute: "/res/game.zip"',
        ),
        (
            project({"src/main.lua": {"md5": "37a9d6ed7ae01a1336215c3f05c7b14"}}),
            'M entry 1: "md5" is not a digest of 32 hex digits but of 31; its generator'
            " left zeros out",
        ),
        (
            project({"Images/background1.jpg": {"md5": "..."}}),
            'M entry 1: "md5" is not a digest of 32 hex digits',
        ),
        (
            project({"1.0.8": {"md5": "67ABCD71F0D23FEBEC1A8D44A8959V17"}}),
            'M entry 1: "md5" is not a digest of 32 hex digits',
        ),
        (
            b'{"packageUrl": "http://localhost/res", "groupVersions": {"1": "1.0.0"}}',
            'M: has no "assets" that are an object',
        ),
    ],
    ids=["slash first", "zeros left out", "template", "no hex digit", "no list"],
)
def test_what_no_file_can_be_checked_with_is_refused(tmp_path, content, reason):
    assert refusal_of(read_cocos, content, tmp_path) == reason
