"""Removing old versions, and nothing that is needed."""

import pytest

PRUNE = ("prune", "--platform", "ios")


def build_and_sync(game, number, platform="ios"):
    """Publish a version with one file of its own, and one that changes each third."""
    third = b"abcdef"[number // 3 :][:1]
    files = {"same": b"same", "own": b"%d" % number, "third": third}
    game.build(f"v{number}", files, platform)
    game.lines("sync", f"v{number}", "--platform", platform)
    return files


@pytest.fixture
def game(game):
    """A game that has published v1 to v6; v1 holds what all have, v3 what v3 to v5
    have."""
    for number in range(1, 7):
        build_and_sync(game, number)
    return game


def stored(game, platform="ios"):
    root = game.store / platform / "versions"
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())


def whole(game, version, platform="ios"):
    """Whether a version is in the store with every byte of it."""
    check = ("check", version, "--published", "--platform", platform)
    return game.run(*check).returncode == 0


def test_the_newest_stay_and_what_they_use_of_the_others(game):
    assert game.lines(*PRUNE, "--keep", "3") == [
        "Prune iOS: v1, v2, v3; 7 of 16 objects, 1594 of 3217 bytes; 3 versions kept",
        "Removed 7 objects, 1594 bytes.",
    ]
    assert stored(game) == [
        ".pruned/versions.json",
        "v1/same",
        "v3/third",
        "v4/manifest.jsonl",
        "v4/own",
        "v5/manifest.jsonl",
        "v5/own",
        "v6/manifest.jsonl",
        "v6/own",
        "v6/third",
    ]
    for version in ("v4", "v5", "v6"):
        assert whole(game, version)


def test_the_counts_are_those_of_the_disk(game):
    before = {p: p.stat().st_size for p in game.store.rglob("v[0-9]/*")}
    line = game.lines(*PRUNE, "--keep", "4")[-1]
    gone = {path: size for path, size in before.items() if not path.exists()}
    assert line == f"Removed {len(gone)} objects, {sum(gone.values())} bytes."


def test_a_dry_run_writes_the_plan_and_changes_nothing(game):
    before = sorted(game.store.rglob("*"))
    plan = game.lines(*PRUNE, "--keep", "4", "--dry-run")
    assert sorted(game.store.rglob("*")) == before
    assert plan == game.lines(*PRUNE, "--keep", "4")[:1]


def test_ten_versions_stay_when_nobody_says_how_many(game):
    nothing = ["Nothing to do: iOS has nothing to prune in 6 versions."]
    assert game.lines(*PRUNE) == nothing
    for number in range(7, 12):
        build_and_sync(game, number)
    assert game.lines(*PRUNE)[0].startswith("Prune iOS: v1; ")
    assert game.open_store().sealed_versions()[0] == "v2"


def test_what_is_served_and_was_before_stays(game):
    game.lines("rollback", "v2", "--platform", "ios")
    game.lines("rollback", "v1", "--platform", "ios")
    game.lines(*PRUNE, "--keep", "1", "--force")
    assert game.open_store().sealed_versions() == ["v1", "v2", "v6"]
    assert game.lines("publish", "v2", "--platform", "ios") == [
        "Published v2 (was v1)."
    ]


def test_what_is_pinned_stays(game):
    (game.store / "ios/versions/v2/.pinned").write_text("the trade fair's\n")
    game.lines(*PRUNE, "--keep", "2", "--pin", "v3")
    assert game.open_store().sealed_versions() == ["v2", "v3", "v5", "v6"]
    assert whole(game, "v2")
    game.lines(*PRUNE, "--keep", "2")
    assert game.open_store().sealed_versions() == ["v2", "v5", "v6"]


def test_a_pin_that_no_store_has_is_refused(game):
    before = stored(game)
    result = game.run(*PRUNE, "--keep", "1", "--force", "--pin", "v66")
    assert result.returncode == 2
    assert result.stderr == "error: v66 can't be pinned: no store has it\n"
    assert stored(game) == before


def test_more_than_half_is_removed_by_force_only(game):
    build_and_sync(game, 1, "facebook")  # nothing to remove there
    before = stored(game)
    both = ("prune", "--platform", "facebook,ios", "--keep", "2")
    for more in ((), ("--dry-run",), ("--force=no",)):
        result = game.run(*both, *more)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith("error: prune of ios would remove 9 of 16 obj")
        assert result.stderr.endswith("if that is meant, run it with --force\n")
        assert stored(game) == before
    assert game.lines(*both, "--force")[-1] == (
        "Nothing to do: Facebook has nothing to prune in 1 version."
    )
    assert game.open_store().sealed_versions() == ["v5", "v6"]


def test_what_was_kept_for_others_goes_with_the_last_that_uses_it(game):
    game.lines(*PRUNE, "--keep", "3")
    for number in range(7, 10):
        build_and_sync(game, number)
    game.lines(*PRUNE, "--keep", "3", "--force")
    assert "v3/third" not in stored(game)
    assert not (game.store / "ios/versions/v3").exists()
    assert "v1/same" in stored(game)
    assert game.served()[0] == "v9"


def test_the_list_of_the_pruned_ends_with_the_last_of_them(game):
    game.lines(*PRUNE, "--keep", "3")
    game.build("v7", {"new": b"7"})
    game.lines("sync", "v7", "--platform", "ios")
    game.build("v8", {"new": b"8"})
    game.lines("sync", "v8", "--platform", "ios")
    game.lines(*PRUNE, "--keep", "1", "--force")
    assert stored(game) == [
        "v7/manifest.jsonl",
        "v7/new",
        "v8/manifest.jsonl",
        "v8/new",
    ]
    assert sorted(p.name for p in (game.store / "ios/versions").iterdir()) == [
        "v7",
        "v8",
    ]


def test_a_pruned_version_can_be_published_again(game):
    game.lines(*PRUNE, "--keep", "3")
    assert game.lines("sync", "v1", "--platform", "ios", "--allow-older")[-1] == (
        "Published v1 (was v6)."
    )
    assert whole(game, "v1")
    assert game.served()[1]["own"] == b"1"


@pytest.mark.parametrize("command", ["sync", "reuse"])
def test_a_pruned_version_never_comes_back_with_other_content(game, command):
    game.lines(*PRUNE, "--keep", "3")
    game.build("v1", {"same": b"SAME", "own": b"1"})
    result = game.run(command, "v1", "--platform", "ios")
    assert result.returncode == 4
    assert result.stderr == (
        "error: v1 of ios was pruned, but v4 uses its same, which has other content"
        " here; a published version never changes\n"
    )
    assert game.served()[1]["same"] == b"same"


def test_a_remaining_version_that_can_not_be_read_stops_it(game):
    manifest = game.store / "ios/versions/v5/manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-9])
    before = stored(game)
    result = game.run(*PRUNE, "--keep", "2", "--force")
    assert result.returncode == 3
    assert "manifest.jsonl of v5 line" in result.stderr
    assert stored(game) == before


def test_a_damaged_list_of_the_pruned_is_a_failure_of_the_store(game):
    game.lines(*PRUNE, "--keep", "3")
    for content in ("{", '{"format": "release-pruned/1", "versions": ["../.."]}'):
        (game.store / "ios/versions/.pruned/versions.json").write_text(content)
        result = game.run(*PRUNE, "--keep", "3")
        assert result.returncode == 3
        assert "versions/.pruned/versions.json in" in result.stderr


def test_a_publisher_at_work_is_a_conflict(game):
    before = stored(game)
    with game.open_store().lock():
        result = game.run(*PRUNE, "--keep", "4")
    assert result.returncode == 4
    assert stored(game) == before


def test_nothing_is_deleted_through_a_link(game, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"precious")
    (game.store / "ios/versions/v1/link").symlink_to(outside)
    game.lines(*PRUNE, "--keep", "4")
    assert (outside / "file").read_bytes() == b"precious"
    assert not (game.store / "ios/versions/v1/link").is_symlink()


def test_an_upload_under_way_is_left_alone(game):
    begun = game.store / "ios/versions/v0/begun"
    begun.parent.mkdir()
    begun.write_bytes(b"half of a version")
    game.lines(*PRUNE, "--keep", "4")
    assert begun.exists()


def test_where_no_version_is_nothing_was_looked_at(game):
    before = stored(game)
    result = game.run("prune", "--platform", "facebook")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: nothing was looked at: no version is in {game.store}/facebook. If that"
        " is meant, run it with --allow-empty\n"
    )
    assert game.lines("prune", "--platform", "facebook", "--allow-empty") == [
        "Nothing to do: Facebook has nothing to prune in 0 versions."
    ]
    assert not (game.store / "facebook").exists()
    assert game.lines("prune", "--keep", "6")[-1] == (
        "Nothing to do: Facebook has nothing to prune in 0 versions."
    )
    assert stored(game) == before


def test_what_a_release_was_tried_out_under_goes_before_it(game):
    for version in ("v7-rc1", "v7-rc2", "v7", "v8"):
        game.build(version, {"own": version.encode()})
        game.lines("sync", version, "--platform", "ios")
    assert game.lines(*PRUNE, "--keep", "2", "--force")[0].startswith(
        "Prune iOS: v1, v2, v3, v4, v5, v6, v7-rc1, v7-rc2; "
    )
    assert game.open_store().sealed_versions() == ["v7", "v8"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("v884",), "unrecognized arguments: v884"),
        (("--keep", "0"), '"0" is not a number of at least 1'),
        (("--keep", "all"), '"all" is not a number of at least 1'),
        (("--pin", ".."), '".." is not a version'),
        (("--force=perhaps",), "invalid choice: 'perhaps'"),
    ],
)
def test_a_wrong_argument_costs_one_line(game, arguments, message):
    result = game.run("prune", *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
