"""Checking a version in the source, and what lies in the store."""

import hashlib
import os

import pytest

FILES = {"a.json": b"{}", "img/b.png": b"picture", "img/c.png": b"other"}
CHECK = ("check", "v885", "--platform", "ios")


@pytest.fixture
def folder(game):
    return game.build("v885", FILES)


def test_a_whole_version_is_said_to_match_in_exactly_these_lines(game, folder):
    assert game.lines(*CHECK) == [
        "Checking iOS manifest...",
        "All files matched successfully.",
        "Total files checked: 3",
    ]


def test_every_platform_is_checked_when_none_is_named(game, folder):
    game.build("v885", {"x": b"1"}, "android")
    game.build("v885", {"x": b"1", "y": b"2"}, "facebook")
    assert game.lines("check", "v885") == [
        "Checking iOS manifest...",
        "All files matched successfully.",
        "Total files checked: 3",
        "Checking Android manifest...",
        "All files matched successfully.",
        "Total files checked: 1",
        "Checking Facebook manifest...",
        "All files matched successfully.",
        "Total files checked: 2",
    ]


def test_a_file_damaged_by_hand_is_named(game, folder):
    (folder / "img/b.png").write_bytes(b"PICTURE")
    expected = hashlib.sha256(b"picture").hexdigest()
    got = hashlib.sha256(b"PICTURE").hexdigest()
    result = game.run(*CHECK)
    assert result.returncode == 1
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        "Checking iOS manifest...",
        f"MISMATCH img/b.png: expected {expected}, got {got}",
        "1 of 3 files failed.",
        "Total files checked: 3",
    ]


def test_a_longer_file_is_named_with_both_sizes(game, folder):
    with (folder / "a.json").open("ab") as stream:
        stream.write(b"x\n")
    assert "SIZE a.json: expected 2, got 4" in problems(game)


def test_a_missing_file_and_a_missing_folder_are_named(game, folder):
    (folder / "img/b.png").unlink()
    (folder / "img/c.png").unlink()
    (folder / "img").rmdir()
    assert problems(game) == ["MISSING img/b.png", "MISSING img/c.png"]


def test_a_file_in_place_of_a_folder_makes_its_files_missing(game, folder):
    (folder / "img").rename(folder.parent / "img")
    (folder / "img").write_bytes(b"")
    assert "MISSING img/b.png" in problems(game)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: os.mkfifo(path), "is a FIFO"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.symlink_to("c.png"), "is a symbolic link"),
        (lambda path: path.symlink_to("/etc/passwd"), "is a symbolic link"),
        (lambda path: path.symlink_to("/dev/zero"), "is a symbolic link"),
    ],
)
def test_what_is_no_file_is_never_read(game, folder, make, reason):
    (folder / "img/b.png").unlink()
    make(folder / "img/b.png")
    assert f"UNREADABLE img/b.png: {reason}" in problems(game)


def test_a_linked_folder_does_not_lead_out(game, folder, tmp_path):
    (folder / "img").rename(tmp_path / "elsewhere")
    (folder / "img").symlink_to(tmp_path / "elsewhere")
    assert problems(game) == [
        "UNREADABLE img/b.png: is reached through a symbolic link",
        "UNREADABLE img/c.png: is reached through a symbolic link",
        "EXTRA img",
    ]


def test_a_file_without_an_entry_is_a_warning(game, folder):
    (folder / "img/notes.txt").write_bytes(b"")
    assert game.lines(*CHECK) == [
        "Checking iOS manifest...",
        "EXTRA img/notes.txt",
        "All files matched successfully.",
        "Total files checked: 3",
    ]


def test_a_task_is_warned_of_a_file_without_an_entry(game, folder):
    (folder / "50%0A.png").write_bytes(b"")
    lines = game.run(*CHECK, TASK_ID="1").stdout.splitlines()
    assert "::warning::EXTRA 50%250A.png" in lines
    strict = game.run(*CHECK, "--strict-extra", TASK_ID="1").stdout.splitlines()
    assert "EXTRA 50%0A.png" in strict


def test_a_file_without_an_entry_fails_a_strict_check(game, folder):
    (folder / "img/notes.txt").write_bytes(b"")
    result = game.run(*CHECK, "--strict-extra")
    assert result.returncode == 1
    assert result.stdout.splitlines()[-2:] == [
        "1 of 4 files failed.",
        "Total files checked: 4",
    ]


def test_a_file_without_an_entry_fails_where_none_is_allowed(game, folder):
    (folder / "img/notes.txt").write_bytes(b"")
    assert game.run(*CHECK, "--allow-extra=no").returncode == 1
    assert game.run(*CHECK, "--allow-extra=yes").returncode == 0


@pytest.mark.parametrize("more", [(), ("--quick",)])
def test_a_check_that_compared_nothing_fails(game, more):
    folder = game.build("v885", {})
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"1")
    result = game.run(*CHECK, *more)
    assert result.returncode == 2
    assert result.stdout.splitlines() == [
        "Checking iOS manifest...",
        "EXTRA a.png",
        "EXTRA b.png",
        "Total files checked: 0",
    ]
    assert result.stderr == (
        "error: nothing was compared: the manifest of ios lists no file (2 files beside"
        " it). If that is meant, run it with --allow-empty\n"
    )
    assert game.lines(*CHECK, *more, "--allow-empty")[-1] == "Total files checked: 0"


def test_platforms_without_files_are_named_after_all_were_checked(game, folder):
    game.build("v885", {}, "android")
    result = game.run("check", "v885", "--platform", "android,ios")
    assert result.returncode == 2
    assert "Total files checked: 3" in result.stdout
    assert "the manifest of android lists no file." in result.stderr
    (folder / "a.json").unlink()
    assert game.run("check", "v885", "--platform", "android,ios").returncode == 1


def test_nothing_in_the_store_is_nothing_compared(game):
    game.build("v885", {})
    game.lines("sync", "v885", "--platform", "ios", "--allow-empty")
    assert game.run(*CHECK, "--store").returncode == 2
    assert game.run(*CHECK, "--store", "--deep").returncode == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("project.manifest", '{"packageUrl": "http://x", "assets": {}}'),
        ("project.manifest", '{"assets": {"project.manifest": {"md5": "%s"}}}'),
        ("MD5SUMS", "%s  MD5SUMS\n"),
    ],
)
def test_a_list_of_nothing_but_itself_compares_nothing(game, name, content):
    folder = game.source / "ios/v885"
    folder.mkdir(parents=True)
    (folder / name).write_text(content.replace("%s", "0" * 32))
    assert "nothing was compared" in game.run(*CHECK).stderr


def test_names_on_disk_cannot_forge_a_line(game, folder):
    (folder / "x\n::progress::99\x1b[2J").write_bytes(b"")
    (folder / os.fsdecode(b"y\xff")).write_bytes(b"")
    assert problems(game) == ["EXTRA x\\n::progress::99\\x1b[2J", "EXTRA y\\udcff"]


def test_extra_files_beside_a_folder_of_like_name_are_found_in_order(game):
    folder = game.build("v885", {"a-b": b"1", "a/b": b"2", "a0": b"3"})
    for name in ("a+", "a/a", "a/c", "a1"):
        (folder / name).write_bytes(b"")
    assert problems(game) == ["EXTRA a+", "EXTRA a/a", "EXTRA a/c", "EXTRA a1"]


def test_at_most_100_problems_are_written(game):
    folder = game.build("v885", {f"{number:04}": b"x" for number in range(450)})
    for number in range(0, 450, 2):
        (folder / f"{number:04}").unlink()
    lines = game.run(*CHECK).stdout.splitlines()
    assert lines[1] == "MISSING 0000"
    assert lines[100] == "MISSING 0198"
    assert lines[101:] == [
        "... and 125 more",
        "225 of 450 files failed.",
        "Total files checked: 450",
    ]


def test_a_quick_check_looks_at_sizes_only(game, folder):
    (folder / "a.json").write_bytes(b"[]")
    assert game.run(*CHECK, "--quick").returncode == 0
    (folder / "a.json").write_bytes(b"[")
    assert game.run(*CHECK, "--quick").returncode == 1


def test_a_version_that_is_not_there_is_refused_with_those_that_are(game, folder):
    game.build("v1000", FILES)
    result = game.run("check", "v999", "--platform", "ios")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr == (
        f"error: version v999 of ios is not in the source {game.source};"
        " there are: v885, v1000\n"
    )


def test_a_version_without_a_manifest_is_refused(game, folder):
    (folder / "manifest.jsonl").unlink()
    result = game.run(*CHECK)
    assert result.returncode == 2
    assert "has no manifest.jsonl" in result.stderr


@pytest.fixture
def stored_game(published_game):
    """Also holds v885 in its store, with damage that has the right size."""
    published_game.lines("sync", "v885", "--platform", "ios", "--no-pointer")
    (published_game.store / "ios/versions/v884/img/b.png").write_bytes(b"PICTURE")
    return published_game


def test_damage_in_the_store_is_found_where_the_file_is_held(stored_game):
    result = stored_game.run(*CHECK, "--store", "--deep")
    assert result.returncode == 1
    assert "MISMATCH img/b.png" in result.stdout
    assert stored_game.lines(*CHECK, "--store")[-1] == "Total files checked: 4"
    (stored_game.store / "ios/versions/v884/img/b.png").write_bytes(b"")
    result = stored_game.run(*CHECK, "--store")
    assert result.returncode == 1
    assert "SIZE img/b.png: expected 7, got 0" in result.stdout


@pytest.mark.parametrize(
    ("options", "finds"),
    [
        ((), None),
        (("--store",), "sizes"),
        (("--store", "URL"), "sizes"),
        (("--store", "--deep=no"), "sizes"),
        (("--store", "--source", "DIR"), "sizes"),
        (("--published", "--quick"), "sizes"),
        (("--deep",), "bytes"),
        (("--published",), "bytes"),
        (("--store", "--deep"), "bytes"),
        (("--store", "URL", "--deep=yes"), "bytes"),
        (("--store", "URL", "--source", "DIR", "--deep"), "bytes"),
        (("--store", "URL", "--source", "DIR", "--published"), "bytes"),
        # What gives every command both places means the source.
        (("--store", "URL", "--source", "DIR"), None),
        (("--store", "URL", "--source", "DIR", "--quick"), None),
        (("--store", ""), None),
    ],
)
def test_options_say_whether_the_store_is_checked_and_how(stored_game, options, finds):
    game = stored_game
    places = {"URL": game.store.as_uri(), "DIR": str(game.source)}
    if "URL" in options:
        game.environment["RESOURCE_STORE"] = ""
    options = [places.get(option, option) for option in options]
    in_bytes = game.run(*CHECK, *options).returncode == 1
    (game.store / "ios/versions/v885/a.json").write_bytes(b"")
    in_sizes = game.run(*CHECK, *options).returncode == 1
    assert (in_sizes, in_bytes) == (finds is not None, finds == "bytes")


def test_a_check_is_either_quick_or_deep(stored_game):
    result = stored_game.run(*CHECK, "--quick", "--deep")
    assert result.returncode == 2
    assert "not allowed with argument --quick" in result.stderr


def test_a_version_that_is_not_in_the_store_is_refused(game, folder):
    result = game.run(*CHECK, "--store")
    assert result.returncode == 2
    assert "version v885 of ios is not in the store" in result.stderr


def test_counts_are_written_for_a_program(game, folder):
    result = game.run(*CHECK, TASK_ID="1")
    assert result.stdout.splitlines() == [
        "Checking iOS manifest...",
        "All files matched successfully.",
        "Total files checked: 3",
        "::set-output name=filesChecked::3",
        "::set-output name=failed::0",
        '::set-output name=ios,type=json::{"version": "v885", "filesChecked": 3,'
        ' "failed": 0}',
    ]


def test_a_program_is_told_of_a_failure_in_the_form_of_a_command(game, folder):
    (folder / "a.json").unlink()
    lines = game.run(*CHECK, TASK_ID="1").stdout.splitlines()
    assert "::error::1 of 3 files failed." in lines
    assert game.run("check", "v999", TASK_ID="1").stderr.startswith(
        "::error::version v999"
    )


def problems(game):
    result = game.run(*CHECK)
    return [line for line in result.stdout.splitlines() if line.split()[0].isupper()]
