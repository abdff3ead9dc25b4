"""Sources whose manifest is a project.manifest of Cocos2d-x or Cocos Creator."""

import hashlib
import json
import os
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.manifests.cocos import read_cocos
from tests.resources.conftest import assert_harmless, read_foreign, refusal_of

FILES = {"main.js": b"{}", "res/b.png": b"picture", "res/c.zip": b"PK zip"}
CHECK = ("check", "v885", "--platform", "ios")
MATCHED = [
    "Checking iOS manifest...",
    "All files matched successfully.",
    "Total files checked: 3",
]
EMPTY_MD5 = hashlib.md5(b"").hexdigest()


def asset(content, **more):
    return {"md5": hashlib.md5(content).hexdigest(), **more}


def assets_of(files):
    return {path: asset(content) for path, content in files.items()}


def project(assets, **more):
    """Write a manifest as Cocos Creator's generator does."""
    values = {
        "packageUrl": "https://cdn.example.com/game/",
        "remoteManifestUrl": "https://cdn.example.com/game/project.manifest",
        "remoteVersionUrl": "https://cdn.example.com/game/version.manifest",
        "version": "1.10.0",
        "assets": assets,
        "searchPaths": [],
    }
    return json.dumps({**values, **more}).encode()


def build(game, content, files=FILES, name="project.manifest"):
    """Write a release whose only manifest is Cocos's."""
    folder = game.build("v885", files)
    (folder / "manifest.jsonl").unlink()
    (folder / name).write_bytes(content)
    return folder


def test_a_whole_version_is_said_to_match_in_the_same_lines(game):
    build(game, project(assets_of(FILES)))
    assert game.lines(*CHECK) == MATCHED


def test_it_is_known_by_its_content(game):
    build(game, b" \n" + project(assets_of(FILES)) + b"\n", name="files.json")
    assert game.lines(*CHECK) == MATCHED


def test_other_json_with_assets_is_no_manifest(game):
    build(game, project(assets_of(FILES)))
    settings = {"assets": {"server": "", "bundleVers": {}}, "engine": {"md5": {}}}
    (game.source / "ios/v885/settings.json").write_text(json.dumps(settings))
    assert game.lines(*CHECK) == [
        MATCHED[0],
        "EXTRA settings.json",
        *MATCHED[1:],
    ]


def test_damage_is_named_with_both_digests_and_sizes_where_they_are_known(game):
    assets = assets_of(FILES) | {"main.js": asset(b"{}", size=2)}
    folder = build(game, project(assets))
    (folder / "main.js").write_bytes(b"{ }")
    (folder / "res/b.png").write_bytes(b"PICTURE!")
    got = hashlib.md5(b"PICTURE!").hexdigest()
    result = game.run(*CHECK)
    assert result.returncode == 1
    assert result.stdout.splitlines() == [
        "Checking iOS manifest...",
        "SIZE main.js: expected 2, got 3",
        f"MISMATCH res/b.png: expected {assets['res/b.png']['md5']}, got {got}",
        "2 of 3 files failed.",
        "Total files checked: 3",
    ]


def test_a_zip_s_digest_is_its_own_whether_it_is_unpacked_later_or_not(game):
    assets = assets_of(FILES) | {"res/c.zip": asset(b"PK zip", compressed=True)}
    build(game, project(assets))
    assert game.lines(*CHECK) == MATCHED


def test_a_quick_check_needs_sizes(game):
    folder = build(game, project(assets_of(FILES)))
    result = game.run(*CHECK, "--quick")
    assert result.returncode == 2
    assert "has no size for 3 of 3 files" in result.stderr
    sizes = {path: asset(b"", size=len(FILES[path])) for path in FILES}
    (folder / "project.manifest").write_bytes(project(sizes))
    assert game.lines(*CHECK, "--quick") == MATCHED


def test_a_percent_encoded_key_finds_its_file(game):
    files = {"res/a b.png": b"1", "res/ä.png": b"2", "res/100%.png": b"3"}
    keys = ["res/a%20b.png", "res/%C3%A4.png", "res/100%25.png"]
    assets = {
        key: asset(content) for key, content in zip(keys, files.values(), strict=True)
    }
    build(game, project(assets), files)
    assert game.lines(*CHECK) == MATCHED


def test_a_file_of_the_very_name_is_taken_first(game):
    files = {"a%20b": b"raw", "a b": b"decoded", "c": b""}
    assets = {"a%20b": asset(b"raw"), "c": asset(b"")}
    build(game, project(assets), files)
    assert game.lines(*CHECK) == [
        "Checking iOS manifest...",
        "EXTRA a b",
        "All files matched successfully.",
        "Total files checked: 2",
    ]


def test_a_missing_file_is_named_as_the_manifest_names_it(game):
    build(game, project({"a%20b": asset(b"")}), {})
    assert "MISSING a%20b" in game.run(*CHECK).stdout


def test_a_path_overrides_the_key(game):
    hashed = hashlib.md5(b"picture").hexdigest()
    files = {"main.js": b"{}", f"res/{hashed}.png": b"picture"}
    assets = {
        "main.js": asset(b"{}"),
        "res/b.png": asset(b"picture", path=f"res/{hashed}.png"),
    }
    build(game, project(assets), files)
    assert game.lines(*CHECK)[-1] == "Total files checked: 2"


def test_manifests_that_list_themselves_are_not_compared_with_that(game):
    listed = {name: asset(b"") for name in ("project.manifest", "version.manifest")}
    folder = build(game, project(assets_of(FILES) | listed))
    (folder / "version.manifest").write_bytes(b'{"version": "1.10.0"}')
    assert game.lines(*CHECK) == MATCHED


def test_version_manifest_is_never_the_list(game):
    content = project(assets_of(FILES))
    folder = build(game, content)
    (folder / "version.manifest").write_bytes(content)
    assert game.lines(*CHECK) == MATCHED


def test_files_that_are_not_listed_are_warnings(game):
    folder = build(game, project(assets_of(FILES)))
    (folder / "res/.notes").write_bytes(b"")
    (folder / "lobby").mkdir()
    (folder / "lobby/project.manifest").write_bytes(b"{}")
    assert game.lines(*CHECK) == [
        "Checking iOS manifest...",
        "EXTRA lobby/project.manifest",
        "EXTRA res/.notes",
        *MATCHED[1:],
    ]


def test_two_kinds_of_manifests_are_refused_and_the_setting_chooses(game):
    folder = game.build("v885", FILES)
    (folder / "project.manifest").write_bytes(project(assets_of(FILES)))
    result = game.run(*CHECK)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "several manifests" in result.stderr
    assert "manifest.jsonl, project.manifest; name one" in result.stderr
    for name, extra in [
        ("project.manifest", "manifest.jsonl"),
        ("manifest.jsonl", "project.manifest"),
    ]:
        result = game.run(*CHECK, RESOURCE_MANIFEST=name)
        assert result.returncode == 0
        assert f"EXTRA {extra}\n" in result.stdout


def test_a_bundle_s_manifest_is_chosen_by_name(game):
    folder = build(game, project(assets_of(FILES)), name="lobby.manifest")
    (folder / "slots.manifest").write_bytes(project({}))
    assert game.run(*CHECK).returncode == 2
    result = game.run(*CHECK, RESOURCE_MANIFEST="lobby.manifest")
    assert result.stdout.splitlines() == [
        "Checking iOS manifest...",
        "EXTRA slots.manifest",
        *MATCHED[1:],
    ]


HOSTILE = [
    ("", "is empty"),
    ("/etc/passwd", "is absolute"),
    ("//server/x", "is a UNC path"),
    ("\\\\server\\x", "is a UNC path"),
    ("C:/x", "starts with a drive"),
    ("a\\b", "has a backslash"),
    ("../x", 'has the segment ".."'),
    ("./x", 'has the segment "."'),
    ("a//b", "has an empty segment"),
    ("a\0b", "has a NUL"),
    ("a\nb", "has a control character"),
    ("\ud800", "has a lone surrogate"),
    ("d/" * 511 + "abc", "is longer than 1024 bytes"),
    ("a" * 256, "has a segment longer than 255 bytes"),
    ("aux", "has a name that Windows reserves"),
    ("manifest.jsonl", "is a name the engine keeps for itself"),
    ("%2e%2e/x", 'has the segment ".." after percent-decoding'),
    ("%252e%252e/x", 'has the segment ".." after percent-decoding'),
    ("%2Fetc/passwd", "is absolute after percent-decoding"),
    ("a%5Cb", "has a backslash after percent-decoding"),
    ("a%00b", "has a NUL after percent-decoding"),
    ("C%3A/x", "starts with a drive after percent-decoding"),
    ("a%0Ab", "has a control character after percent-decoding"),
    (
        "%61ux",
        "has a name that Windows reserves (RESOURCE_WINDOWS_NAMES=allow takes it) after"
        " percent-decoding",
    ),
    ("a%FF", "is not UTF-8 after percent-decoding"),
    ("a%ED%A0%80", "is not UTF-8 after percent-decoding"),
]


@pytest.mark.parametrize(("path", "reason"), HOSTILE)
def test_a_key_that_could_do_harm_is_refused(tmp_path, path, reason):
    message = refusal(project({"good": asset(b""), path: asset(b"")}), tmp_path)
    assert message.startswith(f"M entry 2: the path {reason}")


@pytest.mark.parametrize(("path", "reason"), HOSTILE)
def test_a_path_of_an_entry_that_could_do_harm_is_refused(tmp_path, path, reason):
    message = refusal(project({"good": asset(b"", path=path)}), tmp_path)
    assert message.startswith(f'M entry 1: its "path" {reason}')


@pytest.mark.parametrize(("path", "reason"), HOSTILE)
def test_a_search_path_that_could_do_harm_is_refused(tmp_path, path, reason):
    message = refusal(project({}, searchPaths=["src/", path]), tmp_path)
    assert message.startswith(f"M: a search path {reason}")


@pytest.mark.parametrize(
    ("first", "second"),
    [("a.png", "A.png"), ("img", "img/a"), ("caf\u00e9", "cafe\u0301")],
)
def test_names_that_meet_on_some_file_system_are_refused(tmp_path, first, second):
    message = refusal(project({first: asset(b""), second: asset(b"")}), tmp_path)
    assert message.startswith("M entry ")
    assert "meets the name of entry " in message


def test_keys_that_name_one_file_are_refused(tmp_path):
    (tmp_path / "a b").write_bytes(b"")
    message = refusal(project({"a b": asset(b""), "a%20b": asset(b"")}), tmp_path)
    assert message == 'M entry 2: the path "a b" is there twice, first in entry 1'


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({}, '"md5" is not a digest'),
        ({"md5": EMPTY_MD5[1:]}, '"md5" is not a digest'),
        ({"md5": EMPTY_MD5 + "\n"}, '"md5" is not a digest'),
        ({"md5": "g" * 32}, '"md5" is not a digest'),
        ({"md5": 7}, '"md5" is not a digest'),
        (asset(b"", size=-1), '"size" is not a whole number'),
        (asset(b"", size=1.0), '"size" is not a whole number'),
        (asset(b"", size="1"), '"size" is not a whole number'),
        (asset(b"", size=True), '"size" is not a whole number'),
        (asset(b"", size=None), '"size" is not a whole number'),
        (asset(b"", size=2**53), '"size" is not a whole number'),
        (asset(b"", path=["a"]), '"a" has nested values'),
        (asset(b"", path=7), '"path" is not a text'),
        (asset(b"", more={}), '"a" has nested values'),
        (EMPTY_MD5, '"a" is not an object'),
        (None, '"a" is not an object'),
    ],
    ids=range(16),
)
def test_an_entry_of_the_wrong_form_is_refused(tmp_path, entry, reason):
    message = refusal(project({"a": entry}), tmp_path)
    assert message.startswith(f"M entry 1: {reason}")


WHOLE = project({"a": asset(b"")})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b'"assets"', "is not a JSON object"),
        (b"{}", 'has no "assets" that are an object'),
        (b'{"assets": []}', 'has no "assets" that are an object'),
        (project({}, searchPaths="src"), '"searchPaths" is not a list'),
        (project({}, searchPaths=[7]), '"searchPaths" has what is not a text'),
        (b"\xef\xbb\xbf" + WHOLE, "starts with a byte order mark"),
        (WHOLE.decode().encode("utf-16"), "is not UTF-8 at byte 1"),
        (WHOLE.replace(b"1.10", b"\xff"), "is not UTF-8 at byte"),
        (WHOLE + b" {}", "has bytes after its end, at line 1 column"),
        (WHOLE + b"\0", "has bytes after its end, at line 1 column"),
        (WHOLE[:-1], "is not JSON: Expecting ',' delimiter at line 1 column"),
        (project({}, version=float("nan")), "has NaN"),
        (project({}, version=float("inf")), "has Infinity"),
        (b'{"assets": {}, "n": %s}' % (b"9" * 5000), "has a number of more than 16"),
        (b'{"assets": {}, "n": 0.%s}' % (b"9" * 5000), "has a number of more than 32"),
        (b'{"assets": {}, "assets": {}}', 'has the key "assets" twice'),
        (
            b'{"assets": {"a": {"md5": "0"}, "a": {}}}',
            'has the key "a" twice',
        ),
        (b'{"assets": {"a": {"md5": "0", "md5": "1"}}}', 'has the key "md5" twice'),
        (b'{"assets": {}, "n": %s}' % (b"[" * 100_000), "is nested too deep"),
        (b'{"assets": {}, "n": %s1%s}' % (b"[" * 40, b"]" * 40), "is nested too deep"),
        (b'{"assets": ' * 40 + b"{}" + b"}" * 40, "is nested too deep"),
        (b'{"assets": {"%s": 1}}' % (b"x" * 10_000), "is longer than 1024 bytes"),
    ],
    ids=range(24),
)
def test_what_is_no_such_document_is_refused(tmp_path, content, reason):
    message = refusal(content, tmp_path)
    assert message.startswith("M")
    assert reason in message
    assert len(message) < 400


def test_a_file_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("resources.manifests.cocos.MAX_FILE_BYTES", 2_000_000)
    message = refusal(WHOLE + b" " * 2_000_000, tmp_path)
    assert message == "M: is larger than 2 MB"


def test_a_refused_manifest_costs_one_line_and_opens_nothing(game):
    assets = {"main.js": asset(b""), "../../x\x1b": asset(b"")}
    folder = build(game, project(assets))
    (folder / "main.js").unlink()
    os.mkfifo(folder / "main.js")  # opened, it would wait or be reported
    for command in ("check", "sync", "reuse"):
        result = game.run(command, "v885", "--platform", "ios")
        assert result.returncode == 2
        assert result.stdout == ""
        assert result.stderr == (
            f"error: {folder}/project.manifest entry 2: the path has a control"
            ' character: "../../x\\x1b"\n'
        )
    assert not game.store.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is not JSON"), (b"{", "is not JSON"), (b"\xff", "is not UTF-8")],
)
def test_a_broken_project_manifest_is_called_broken_and_not_missing(
    game, content, reason
):
    folder = build(game, content)
    result = game.run(*CHECK)
    assert result.returncode == 2
    assert f"{folder}/project.manifest: {reason}" in result.stderr


def test_a_project_manifest_that_is_a_link_is_refused(game, tmp_path):
    folder = build(game, project(assets_of(FILES)))
    (folder / "project.manifest").rename(tmp_path / "m")
    (folder / "project.manifest").symlink_to(tmp_path / "m")
    result = game.run(*CHECK)
    assert result.returncode == 2
    assert result.stderr.endswith("project.manifest is a symbolic link\n")


PATHS = st.text() | st.text("./%2eF\\a")
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "md5": st.just(EMPTY_MD5) | st.text(),
        "size": st.integers() | st.none() | st.floats(),
        "path": PATHS | st.integers(),
        "compressed": st.booleans(),
    },
)
GOOD_ENTRIES = st.fixed_dictionaries(
    {"md5": st.just(EMPTY_MD5)}, optional={"path": PATHS}
)
VALUES = st.fixed_dictionaries(
    {"assets": st.dictionaries(PATHS, GOOD_ENTRIES | ENTRIES, max_size=5)},
    optional={"searchPaths": st.lists(PATHS, max_size=2)},
)


@settings(deadline=None)
@given(VALUES.map(lambda values: json.dumps(values).encode()) | st.binary())
def test_whatever_a_file_holds_no_path_leads_out(tmp_path_factory, content):
    assert_harmless(read, content, tmp_path_factory.getbasetemp())


read = partial(read_foreign, read_cocos)
refusal = partial(refusal_of, read_cocos)
