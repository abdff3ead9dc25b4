"""Files and folders that are odd, or become others while the engine reads them.

A command is stopped while it has a large file open, the file is meddled with, and the
command goes on: whatever it then finds, it says, and nothing wrong is published.
"""

import contextlib
import hashlib
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from resources.manifests.format import Entry, Header, manifest_lines
from tests.resources.conftest import OLD_FILES
from tests.resources.test_cli import members

SIZE = 400 << 20
CHECK = ("check", "v885", "--platform", "ios")
SYNC = ("sync", "v885", "--platform", "ios")


@pytest.fixture(scope="module")
def zeros():
    """The digest of a large file that is all hole."""
    digest = hashlib.sha256()
    for _ in range(SIZE >> 20):
        digest.update(bytes(1 << 20))
    return digest.hexdigest()


@pytest.fixture
def large(published_game, zeros):
    """The one file of v885, large enough to be caught in the act."""
    folder = published_game.source / "ios/v885"
    header, entry = Header("ios", "v885", 1, SIZE), Entry("large", SIZE, zeros)
    published_game.write_manifest("v885", b"".join(manifest_lines(header, [entry])))
    with (folder / "large").open("wb") as stream:
        stream.truncate(SIZE)
    return folder / "large"


def grow(path):
    with path.open("ab") as stream:
        stream.write(b"more")


def shrink(path):
    os.truncate(path, SIZE // 2)


def change(path):
    with path.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"x")


def replace(path):
    path.with_name("other").write_bytes(b"other")
    path.with_name("other").rename(path)


def while_open(game, path, meddle, *arguments):
    """Run a command, stop all of it while it has the file open, meddle, and let it go
    on; give its exit code, lines and errors."""
    process = game.start(*arguments)
    with contextlib.closing(process.stdout), contextlib.closing(process.stderr):
        end = time.monotonic() + 20
        while not has_open(process.pid, path):
            assert process.poll() is None, "the file was read before it was caught"
            assert time.monotonic() < end
        os.killpg(process.pid, signal.SIGSTOP)
        try:
            meddle(path)
        finally:
            os.killpg(process.pid, signal.SIGCONT)
        lines, errors = process.communicate(timeout=60)
    return process.returncode, lines.splitlines(), errors


def has_open(group, path):
    for pid in members(group):
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if link.readlink() == path:
                        return True
    return False


@pytest.mark.parametrize("meddle", [grow, shrink, change])
def test_a_file_that_becomes_another_while_it_is_read_is_named(
    published_game, large, meddle
):
    code, lines, errors = while_open(published_game, large, meddle, *CHECK)
    assert (code, errors) == (1, "")
    assert lines[1].split()[:2] in (["SIZE", "large:"], ["MISMATCH", "large:"])
    assert "1 of 1 files failed." in lines


@pytest.mark.parametrize("meddle", [Path.unlink, replace])
def test_a_file_that_vanishes_while_it_is_read_is_what_it_was(
    published_game, large, meddle
):
    code, lines, errors = while_open(published_game, large, meddle, *CHECK)
    assert errors == ""
    # What was opened is read to its end; what is opened later has gone.
    assert code == ("MISSING large" in lines or "1 of 1 files failed." in lines)


@pytest.mark.parametrize("meddle", [grow, shrink, change])
def test_a_file_that_becomes_another_while_it_is_sent_is_not_published(
    published_game, large, meddle
):
    game = published_game
    code, _, errors = while_open(game, large, meddle, *SYNC, "--allow-extra")
    assert code == 1
    assert errors.startswith("error: large is not what its manifest says")
    assert game.served() == ("v884", OLD_FILES)
    assert not (game.store / "ios/versions/v885/large").exists()
    assert list((game.store / "ios/.staging/unfinished").iterdir()) == []


def loop(path):
    path.symlink_to(path.name)


def device(path):
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero: it never ends
    except PermissionError:
        pytest.skip("no device can be made here")


def listen(path):
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (loop, "is a symbolic link"),
        (device, "is a device"),
        (os.mkfifo, "is a FIFO"),
        (listen, "is a socket"),
    ],
    ids=["loop", "device", "FIFO", "socket"],
)
def test_what_is_no_file_is_neither_read_nor_sent(published_game, make, reason):
    game = published_game
    path = game.source / "ios/v885/a.json"
    path.unlink()
    make(path)
    result = game.run(*CHECK)
    assert result.returncode == 1
    assert f"UNREADABLE a.json: {reason}" in result.stdout
    result = game.run(*SYNC)
    assert result.returncode == 1
    assert result.stderr == f"error: a.json in the source of ios {reason}\n"
    assert game.served() == ("v884", OLD_FILES)


def test_a_folder_that_is_a_loop_of_links_ends_a_check(published_game):
    game = published_game
    folder = game.source / "ios/v885"
    (folder / "img/up").symlink_to("..")
    (folder / "round").symlink_to("round/round")
    assert game.lines(*CHECK)[1:4] == [
        "EXTRA img/up",
        "EXTRA round",
        "All files matched successfully.",
    ]


def test_what_is_no_file_in_the_store_is_never_served_nor_read(published_game):
    game = published_game
    game.lines(*SYNC)
    stored = game.store / "ios/versions/v885/a.json"
    for make in (loop, device, os.mkfifo):
        stored.unlink()
        make(stored)
        result = game.run(*CHECK, "--deep")
        assert result.returncode == 1
        assert "UNREADABLE a.json: is a" in result.stdout
