"""Arguments, settings, signals and exit codes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from resources.manifests.format import Entry, Header, manifest_lines
from tests.waiting import wait_until

PROJECT = Path(__file__).parents[2]
CHECK = ("check", "v1", "--platform", "ios")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("fetch", "v1"), "invalid choice: 'fetch'"),
        (("check",), "the following arguments are required: VERSION"),
        (("check", ".."), 'argument VERSION: ".." is not a version'),
        (("check", "v1/../../x"), 'argument VERSION: "v1/../../x" is not a version'),
        (("check", "v1\n"), 'argument VERSION: "v1\\n" is not a version'),
        (("check", "v1", "--platform", "xbox"), "invalid choice: 'xbox'"),
        (("check", "v1", "--deep", "no", "v2"), "unrecognized arguments: v2"),
        (("check", "v1", "--deep=v1"), "argument --deep: invalid choice: 'v1'"),
        (("check", "v1", "--fast"), "unrecognized arguments: --fast"),
        (("sync", "v1", "--store", "ftp://h/p"), "az:// or a folder, not ftp://"),
        (("sync", "v1", "--source", "s3://b/p"), "the source is a folder, not s3://"),
        (("sync", "v1", "--store", "file://host/p"), "write it as file:///FOLDER"),
    ],
)
def test_a_wrong_argument_costs_one_line(game, arguments, message):
    result = game.run(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("switch", [("--deep",), ("--deep", "yes"), ("--deep", "no")])
def test_a_switch_takes_the_version_behind_it_for_no_value(game, switch):
    game.build("v1", {"a": b"1"})
    game.lines("sync", "--allow-extra", "v1", "--platform", "ios")
    lines = game.lines("check", *switch, "v1", "--platform", "ios")
    assert lines[-1] == "Total files checked: 1"


def test_a_platform_can_have_a_store_of_its_own(game, tmp_path):
    game.build("v1", {"a": b"1"}, "facebook")
    own = tmp_path / "own"
    result = game.run(
        "sync", "v1", "--platform", "facebook", RESOURCE_STORE_FACEBOOK=own.as_uri()
    )
    assert result.returncode == 0
    assert (own / "facebook/current.json").is_file()
    assert not game.store.exists()


def test_folders_default_to_the_data_folder(game, tmp_path):
    source = tmp_path / "data/resources/source"
    game.source = source
    game.build("v1", {"a": b"1"})
    for name in ("RESOURCE_SOURCE", "RESOURCE_STORE"):
        game.environment[name] = ""
    game.environment["DATA_DIR"] = str(tmp_path / "data")
    game.lines("sync", "v1", "--platform", "ios")
    assert (tmp_path / "data/resources/store/ios/current.json").is_file()


def test_a_store_that_cannot_be_written_is_a_failure_of_the_store(game):
    game.build("v1", {"a": b"1"})
    game.store.write_text("a file in its place")
    result = game.run("sync", "v1", "--platform", "ios")
    assert result.returncode == 3
    assert result.stderr.startswith("error: cannot write to the store")


def test_a_full_store_has_a_code_of_its_own(game):
    game.build("v1", {"a": b"1" * 9000})
    command = ("ulimit -f 8 && exec $0 -m resources sync v1 --platform ios",)
    result = subprocess.run(
        ["/bin/bash", "-c", *command, sys.executable],
        cwd=PROJECT,
        env=game.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 5
    assert result.stderr.startswith("error: cannot write versions/v1/a in ")
    assert game.served() is None


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
@pytest.mark.parametrize("whole_group", [True, False])
def test_a_cancelled_command_leaves_no_process(game, number, code, whole_group):
    process = start_long_check(game)
    group = process.pid
    if whole_group:
        os.killpg(group, number)
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == code
    assert errors == "error: cancelled\n"
    assert members(group) == []


def test_helpers_do_not_outlive_a_killed_command(game):
    process = start_long_check(game)
    process.kill()
    process.communicate(timeout=20)
    wait_until(lambda: members(process.pid) == [])


def test_a_reader_that_goes_away_ends_the_command_quietly(game):
    game.build("v1", {f"{number:03}": b"1" for number in range(50)})
    for path in (game.source / "ios/v1").glob("0*"):
        path.unlink()
    process = game.start(*CHECK)
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(20) == 141


def start_long_check(game):
    """Start a check of sparse files that takes several seconds, helpers and all."""
    size = 3 << 30
    zeros = "0" * 64
    folder = game.source / "ios/v1"
    folder.mkdir(parents=True)
    entries = [Entry(name, size, zeros) for name in "abcd"]
    header = Header("ios", "v1", 4, 4 * size)
    game.write_manifest("v1", b"".join(manifest_lines(header, entries)))
    for entry in entries:
        with (folder / entry.path).open("wb") as stream:
            stream.truncate(size)
    process = game.start(*CHECK)
    wait_until(lambda: len(members(process.pid)) > 1)
    return process


def members(group):
    """Give the living processes of a process group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(path.parent.name)
    return found
