"""Which versions may take the place of what is served."""

import json

import pytest

from tests.resources.manifests.test_cocos import assets_of, project

IOS = ("--platform", "ios")
FILES = {"main.js": b"{}", "res/b.png": b"picture"}


def build_cocos(game, version, stated, files=FILES, *, version_file=..., **more):
    """Write a release of Cocos Creator: project.manifest and version.manifest."""
    folder = game.build(version, {**files, "own.txt": version.encode()})
    (folder / "manifest.jsonl").unlink()
    assets = assets_of({**files, "own.txt": version.encode()})
    values = {"version": stated, **more}
    values = {key: value for key, value in values.items() if value is not None}
    whole = json.loads(project(assets))
    if stated is None:
        del whole["version"]
    (folder / "project.manifest").write_text(json.dumps({**whole, **values}))
    if version_file is ...:
        version_file = json.dumps({"version": stated}).encode()
    if version_file is not None:
        (folder / "version.manifest").write_bytes(version_file)
    return folder


def refused(game, *command):
    """Give what a command that must not write anything says on stderr."""
    before = everything(game)
    result = game.run(*command, *IOS)
    assert (result.returncode, result.stdout) == (2, "")
    assert everything(game) == before
    return result.stderr


def everything(game):
    if hasattr(game, "bucket"):
        return [item for page in game.bucket().pages("versions") for item in page]
    return {p: p.read_bytes() for p in game.store.rglob("*") if p.is_file()}


@pytest.fixture
def three_served(any_game):
    for version in ("v1", "v2", "v10"):
        any_game.build(version, {"own": version.encode()})
        any_game.lines("sync", version, *IOS)
    return any_game


def test_a_sync_never_goes_back(three_served):
    said = refused(three_served, "sync", "v2")
    assert refused(three_served, "sync", "v2", "--dry-run") == said
    assert said == (
        "error: v2 of ios is older than v10, which is served, and that only moves"
        " forward; to serve again what was served before, run rollback. If v2 is meant,"
        ' run it with --allow-older (task parameter "allow_older").\n'
    )
    assert three_served.served()[0] == "v10"


def test_nor_does_publishing(three_served):
    assert "v2 of ios is older than v10" in refused(three_served, "publish", "v2")
    assert three_served.served()[0] == "v10"


def test_whoever_means_it_says_so(three_served):
    game = three_served
    lines = game.lines("publish", "v2", *IOS, "--allow-older")
    assert lines == ["Published v2 (was v10)."]
    lines = game.lines("sync", "v1", *IOS, "--allow-older")
    assert lines[-1] == "Published v1 (was v2)."


def test_an_older_version_may_be_brought_in(game):
    game.build("v10", {"own": b"v10"})
    game.lines("sync", "v10", *IOS)
    game.build("v9", {"own": b"v9"})
    said = refused(game, "sync", "v9", "--no-pointer", "--allow-older=no")
    assert "v9 of ios is older than v10" in said
    assert game.lines("sync", "v9", *IOS, "--no-pointer")[-1] == (
        "Stored v9; it is not published yet."
    )
    assert "v9 of ios is older than v10" in refused(game, "publish", "v9")


def test_what_was_taken_back_may_be_synced_again(game):
    for version in ("v1", "v10"):
        game.build(version, {"own": version.encode()})
        game.lines("sync", version, *IOS)
    game.lines("rollback", "v1", *IOS)
    assert game.lines("sync", "v10", *IOS)[-1] == "Published v10 (was v1)."


def test_one_platform_stops_all(game):
    for platform, version in (("ios", "v1"), ("android", "v3")):
        game.build(version, {"own": b"1"}, platform)
        game.lines("sync", version, "--platform", platform)
    for platform in ("ios", "android"):
        game.build("v2", {"own": b"2"}, platform)
    result = game.run("sync", "v2", "--platform", "ios,android")
    assert result.returncode == 2
    assert "v2 of android is older than v3" in result.stderr
    assert not (game.store / "ios/versions/v2").exists()


def test_a_release_follows_what_it_was_tried_out_under(game):
    for version in ("1.10.0-rc1", "1.10.0"):
        game.build(version, {"own": b"1"})
        assert game.lines("sync", version, *IOS)[-1].startswith("Published 1.10.0")
    assert "1.10.0-rc1 of ios is older than 1.10.0" in refused(
        game, "sync", "1.10.0-rc1"
    )


@pytest.mark.parametrize("command", ["sync", "reuse"])
def test_a_version_without_files_is_refused(game, command):
    game.build("v1", {})
    assert refused(game, command, "v1") == (
        "error: the manifest of v1 of ios lists no file of the game. If that is meant,"
        " run it with --allow-empty\n"
    )
    game.lines(command, "v1", *IOS, "--allow-empty")


def test_publishing_a_version_without_files_is_refused(game):
    game.build("v1", {})
    game.lines("sync", "v1", *IOS, "--no-pointer", "--allow-empty")
    assert "lists no file of the game" in refused(game, "publish", "v1")
    assert game.lines("publish", "v1", *IOS, "--allow-empty") == ["Published v1."]


@pytest.mark.parametrize("listed", [[], ["project.manifest", "version.manifest"]])
def test_a_project_manifest_of_nothing_else_is_a_version_without_files(game, listed):
    folder = game.source / "ios/v1"
    folder.mkdir(parents=True)
    (folder / "version.manifest").write_text('{"version": "1.10.0"}')
    (folder / "project.manifest").write_bytes(
        project(assets_of(dict.fromkeys(listed, b"as it was before")))
    )
    assert "lists no file of the game" in refused(game, "sync", "v1")
    # Nor does another list make files of the two.
    game.lines("manifest", str(folder))
    game.environment["RESOURCE_MANIFEST"] = "manifest.jsonl"
    assert "lists no file of the game" in refused(game, "sync", "v1")


def test_a_release_of_cocos_is_published_with_a_raised_version(any_game):
    build_cocos(any_game, "v1", "1.9.0")
    build_cocos(any_game, "v2", "1.10.0")
    for version in ("v1", "v2"):
        any_game.lines("sync", version, *IOS)
    assert any_game.served()[0] == "v2"


@pytest.mark.parametrize("stated", ["1.9.0", "1.8.9", "1.9", " 1.9.0-2", "v2"])
def test_what_cocos_does_not_take_for_newer_is_refused(game, stated):
    build_cocos(game, "v1", "1.9.0")
    game.lines("sync", "v1", *IOS)
    build_cocos(game, "v2", stated)
    if stated == "v2":  # a text is compared byte by byte, and comes after a digit
        game.lines("sync", "v2", *IOS)
        return
    assert f'v2 of ios states version "{stated}"' in refused(game, "sync", "v2")


def test_publishing_one_that_cocos_does_not_take_is_refused(any_game):
    game = any_game
    build_cocos(game, "v1", "1.9.0")
    game.lines("sync", "v1", *IOS)
    build_cocos(game, "v2", "1.9.0")
    assert 'v2 of ios states version "1.9.0"' in refused(game, "sync", "v2")
    game.lines("sync", "v2", *IOS, "--no-pointer")
    assert 'v2 of ios states version "1.9.0"' in refused(game, "publish", "v2")
    assert game.lines("publish", "v2", *IOS, "--allow-older") == [
        "Published v2 (was v1)."
    ]


def test_the_reason_names_both_versions_and_the_way_out(game):
    build_cocos(game, "v1", "2.0.4")
    game.lines("sync", "v1", *IOS)
    build_cocos(game, "v2", "2.0.4")
    assert refused(game, "sync", "v2") == (
        'error: v2 of ios states version "2.0.4" to Cocos clients, and v1, which'
        ' players may have, "2.0.4": by Cocos\' own comparison that is not newer, so'
        " they would never update; raise it. If the clients compare in a way of their"
        ' own, run it with --allow-older (task parameter "allow_older").\n'
    )


def test_a_number_that_cocos_can_not_read_is_refused(game):
    build_cocos(game, "v1", "20251128093000")
    game.lines("sync", "v1", *IOS)
    build_cocos(game, "v2", "20251129093000")
    assert "Cocos reads no number above 2147483647" in refused(game, "sync", "v2")


def test_players_may_have_what_was_taken_back(game):
    build_cocos(game, "v1", "1.0.0")
    build_cocos(game, "v2", "1.0.1")
    for version in ("v1", "v2"):
        game.lines("sync", version, *IOS)
    game.lines("rollback", "v1", *IOS)
    build_cocos(game, "v3", "1.0.1")
    assert 'v2, which players may have, "1.0.1"' in refused(game, "sync", "v3")
    assert game.lines("sync", "v2", *IOS)[-1] == "Published v2 (was v1)."


@pytest.mark.parametrize("stated", [5, None, ["1.0"], ""])
@pytest.mark.parametrize("more", [(), ("--no-pointer", "--allow-older")])
def test_a_version_that_is_no_text_is_refused(game, stated, more):
    build_cocos(game, "v1", stated)
    said = refused(game, "sync", "v1", *more)
    assert said.startswith(
        'error: project.manifest of v1 of ios: "version" must be a text such as "1.2.3"'
    )


@pytest.mark.parametrize(
    ("version_file", "reason"),
    [
        (b'{"version": "1.9.9"}', 'states version "1.9.9", but project.manifest'),
        (b'{"version": 1}', "states version 1, but project.manifest"),
        (b"{}", "states version null, but project.manifest"),
        (b"[]", "is not a JSON object"),
        (b'{"version": "1.10.0", "remoteMani', "is not JSON"),
        (b"", "is not JSON"),
        (b'\xef\xbb\xbf{"version": "1.10.0"}', "starts with a byte order mark"),
        (None, "sends clients to version.manifest, which is missing in the release"),
    ],
)
def test_a_version_manifest_that_leads_nowhere_is_refused(game, version_file, reason):
    build_cocos(game, "v1", "1.10.0", version_file=version_file)
    assert reason in refused(game, "sync", "v1")


def test_a_manifest_that_names_no_version_manifest_needs_none(game):
    build_cocos(game, "v1", "1.0", version_file=None, remoteVersionUrl="")
    build_cocos(game, "v2", "1.1", version_file=None, remoteVersionUrl="http://x/api")
    for version in ("v1", "v2"):
        game.lines("sync", version, *IOS)
    assert game.served()[0] == "v2"


def test_manifests_of_other_names_are_looked_at_where_the_setting_names_them(game):
    game.environment["RESOURCE_MANIFEST"] = "project_eu.manifest"
    for version, stated in (("v1", "1.0"), ("v2", "1.0")):
        files = {"version_eu.manifest": json.dumps({"version": stated}).encode()}
        url = "https://cdn.example.com/version_eu.manifest?x=1"
        folder = build_cocos(
            game, version, stated, files, version_file=None, remoteVersionUrl=url
        )
        (folder / "project.manifest").rename(folder / "project_eu.manifest")
    game.lines("sync", "v1", *IOS)
    assert 'v2 of ios states version "1.0"' in refused(game, "sync", "v2")


def test_a_converted_release_is_looked_at_as_well(game):
    game.environment["RESOURCE_MANIFEST"] = "manifest.jsonl"
    for version in ("v1", "v2"):
        folder = build_cocos(game, version, "1.0.0")
        game.lines("manifest", str(folder), "--from", str(folder / "project.manifest"))
    game.lines("sync", "v1", *IOS)
    assert 'v2 of ios states version "1.0.0"' in refused(game, "sync", "v2")


def test_a_manifest_larger_than_a_block_is_read_from_both_ends(game):
    many = {f"res/{number:05}.png": b"" for number in range(4000)}
    for version, stated in (("v1", "1.0.0"), ("v2", "1.0.0"), ("v3", "1.0.1")):
        folder = build_cocos(game, version, stated, many)
        assert (folder / "project.manifest").stat().st_size > 1 << 17
    game.lines("sync", "v1", *IOS)
    assert 'v2 of ios states version "1.0.0"' in refused(game, "sync", "v2")
    assert game.lines("sync", "v3", *IOS)[-1] == "Published v3 (was v1)."


def test_what_can_not_be_compared_is_refused(game):
    build_cocos(game, "v1", "1.0.0")
    game.lines("sync", "v1", *IOS)
    (game.store / "ios/versions/v1/project.manifest").write_text(
        '{"assets": {}, "md5":'
    )
    build_cocos(game, "v2", "1.0.1")
    result = game.run("sync", "v2", *IOS)
    assert result.returncode == 3
    assert "v2 of ios can't be compared with v1" in result.stderr
    assert game.lines("sync", "v2", *IOS, "--allow-older")[-1] == (
        "Published v2 (was v1)."
    )
