"""What the engine promises, whenever it is killed and whatever breaks.

Every test disturbs real processes before their first change of the file system, their
second and so on, until a run is over undisturbed.
"""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from resources.releases.check import find_problem
from resources.releases.published import open_published
from tests.resources.conftest import Game

PROJECT = Path(__file__).parents[3]
DISTURBED = Path(__file__).parents[1] / "disturbed_engine.py"
OLD = {"a.json": b"{}", "img/b.png": b"picture", "img/c.png": b"other picture"}
NEW = {**OLD, "a.json": b'{"new": 1}', "snd/d.mp3": b"sound"}
SYNC = ("sync", "v885", "--platform", "ios")
MOST = 200  # moments; there are about thirty


def disturb(game, number, action, *arguments):
    """Start a command that is disturbed before its change of that number."""
    command = game.command(*arguments)[3:]
    return subprocess.Popen(
        [sys.executable, DISTURBED, str(number), action, game.store / "ios", *command],
        cwd=PROJECT,
        env={**game.environment, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def disturbed(game, action, *arguments):
    """Disturb a command at each moment in turn, each time on the store as it is now,
    and give its exit code and messages; the last one was not disturbed in time."""
    kept = game.store.with_name("kept")
    game.store.rename(kept)
    for number in itertools.count(1):
        assert number < MOST
        shutil.rmtree(game.store, ignore_errors=True)
        shutil.copytree(kept, game.store, copy_function=shutil.copy2)
        process = disturb(game, number, action, *arguments)
        with contextlib.closing(process.stdout), contextlib.closing(process.stderr):
            _, errors = process.communicate(timeout=60)
        yield process.returncode, errors
        if process.returncode == 0:
            assert number > 3, "nothing was disturbed"
            return


def objects(game, version="v885"):
    """Give each finished object of a version, and which file on the disk it is."""
    folder = game.store / "ios/versions" / version
    return {
        str(path.relative_to(folder)): path.stat().st_ino
        for path in folder.rglob("*")
        if path.is_file()
    }


@contextlib.contextmanager
def standing_still(game, number, *arguments):
    """Start a command that stands still before its change of that number, and let it
    go on to its end afterwards; its messages are ``errors`` then."""
    process = disturb(game, number, "stop", *arguments)
    with contextlib.closing(process.stdout), contextlib.closing(process.stderr):
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGCONT)
            _, process.errors = process.communicate(timeout=60)


def is_whole(game, version):
    release = open_published(game.open_store(), "ios", version)
    return not any(
        find_problem(release, entry, quick=False)
        for entry in release.manifest.entries()
    )


@pytest.mark.parametrize("more", [(), ("--reuse", "copy")])
def test_a_kill_between_any_two_writes_of_a_sync_leaves_a_version_whole(
    published_game, more
):
    game = published_game
    kills = 0
    for code, _ in disturbed(game, "kill", *SYNC, *more):
        kills += code == -signal.SIGKILL
        assert code in (-signal.SIGKILL, 0)
        served = game.served()
        assert served in (("v884", OLD), ("v885", NEW))
        assert code or served == ("v885", NEW)
        before = objects(game)
        game.lines(*SYNC, *more)
        assert game.served() == ("v885", NEW)
        after = objects(game)
        assert not more or after.keys() >= NEW.keys()
        assert {path: after[path] for path in before} == before, "it was sent again"
        assert list((game.store / "ios/.staging/unfinished").iterdir()) == []
    assert kills > 5


def test_a_kill_while_moved_and_doubled_files_are_brought_in_sends_nothing_twice(
    published_game,
):
    game = published_game
    moved = {"art/b.png": b"picture", "n1.js": b"new", "n2.js": b"new", "n3.js": b"3"}
    shutil.rmtree(game.source / "ios/v885")
    game.build("v885", moved)
    kills = 0
    for code, _ in disturbed(game, "kill", *SYNC, "--reuse", "copy"):
        kills += code == -signal.SIGKILL
        assert game.served() in (("v884", OLD), ("v885", moved))
        before = objects(game)
        game.lines(*SYNC, "--reuse", "copy")
        assert game.served() == ("v885", moved)
        after = objects(game)
        assert after.keys() == {"manifest.jsonl", *moved}
        assert {path: after[path] for path in before} == before, "it was sent again"
        assert after["n1.js"] == after["n2.js"]
        assert after["art/b.png"] == objects(game, "v884")["img/b.png"]
        assert is_whole(game, "v885")
    assert kills > 5


@pytest.mark.parametrize("disk", ["xfs"], indirect=True)
def test_a_kill_between_any_two_steps_of_a_clone_leaves_nothing_half(disk):
    game = Game(disk)
    game.build("v884", OLD)
    game.lines("sync", "v884", "--platform", "ios")
    game.build("v885", NEW)
    game.environment["REFUSE_LINKS"] = "1"
    kills = 0
    for code, _ in disturbed(game, "kill", *SYNC, "--reuse", "copy"):
        kills += code == -signal.SIGKILL
        for path in OLD.keys() - {"a.json"}:
            own = game.store / "ios/versions/v885" / path
            assert not own.exists() or own.read_bytes() == OLD[path]
        game.lines(*SYNC, "--reuse", "copy")
        assert game.served() == ("v885", NEW)
        assert objects(game).keys() >= NEW.keys()
        assert list((game.store / "ios/.staging/unfinished").iterdir()) == []
    assert kills > 5


@pytest.mark.parametrize(
    ("command", "version"),
    [
        (("publish", "v885"), "v885"),
        (("promote", "--from", "beta"), "v885"),
        (("rollback", "v883"), "v883"),
    ],
    ids=["publish", "promote", "rollback"],
)
def test_a_kill_while_the_pointer_moves_leaves_the_old_one_or_the_new(
    published_game, command, version
):
    game = published_game
    game.build("v883", OLD)
    for older in ("v883", "v884"):
        game.lines("sync", older, "--platform", "ios", "--allow-older")
    game.lines(*SYNC, "--channel", "beta")
    for code, _ in disturbed(game, "kill", *command, "--platform", "ios"):
        assert game.served()[0] in ("v884", version)
        game.lines(*command, "--platform", "ios")
        assert game.served()[0] == version
        assert code in (-signal.SIGKILL, 0)


def test_a_kill_while_a_rollout_grows_leaves_the_old_share_or_the_new(published_game):
    game = published_game
    game.lines(*SYNC, "--no-pointer")
    game.lines("rollout", "v885", "--platform", "ios", "--percent", "5")
    before = game.open_store().pointer()
    grow = ("rollout", "v885", "--platform", "ios", "--percent", "25")
    for code, _ in disturbed(game, "kill", *grow):
        assert code in (-signal.SIGKILL, 0)
        pointer = game.open_store().pointer()
        assert pointer.rollout.parts in (500, 2500)
        game.lines(*grow)
        pointer = game.open_store().pointer()
        assert pointer.rollout == before.rollout._replace(parts=2500)
        assert pointer.serial == before.serial + 1


def test_a_kill_between_any_two_writes_of_a_repair_leaves_each_file_mended_or_not(
    published_game,
):
    game = published_game
    game.lines(*SYNC)
    folder = game.store / "ios/versions"
    names = {
        folder / "v884/img/b.png",
        folder / "v885/a.json",
        folder / "v885/snd/d.mp3",
    }
    right = {path: path.read_bytes() for path in names}
    damaged = {path: bytes(len(content)) for path, content in right.items()}
    for path, content in damaged.items():
        path.unlink()
        path.write_bytes(content)
    manifest = folder / "v885/manifest.jsonl"
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:-30])
    repair = ("repair", "v885", "--platform", "ios")
    kills = 0
    for code, _ in disturbed(game, "kill", *repair):
        kills += code == -signal.SIGKILL
        assert code in (-signal.SIGKILL, 0)
        assert manifest.read_bytes() in (whole, whole[:-30])
        for path in names:
            assert path.read_bytes() in (right[path], damaged[path])
        game.lines(*repair)
        assert manifest.read_bytes() == whole
        assert game.served() == ("v885", NEW)
        assert {path: path.read_bytes() for path in names} == right
    assert kills > 5


def test_a_kill_between_any_two_writes_of_a_prune_leaves_nothing_half(published_game):
    game = published_game
    game.lines(*SYNC)
    game.build("v886", {**NEW, "a.json": b"[]"})
    game.lines("sync", "v886", "--platform", "ios")
    prune = ("prune", "--platform", "ios", "--keep", "1", "--force")
    game.build("v883", {"x/y/z": b"1", "x/b": b"2"})
    game.lines("sync", "v883", "--platform", "ios", "--no-pointer")
    endings = []
    for code, _ in disturbed(game, "kill", *prune):
        assert code in (-signal.SIGKILL, 0)
        assert all(is_whole(game, v) for v in game.open_store().sealed_versions())
        game.lines(*prune)
        assert game.open_store().sealed_versions() == ["v885", "v886"]
        assert is_whole(game, "v885")
        assert game.served()[0] == "v886"
        endings.append(
            sorted(
                str(path.relative_to(game.store))
                for path in (game.store / "ios/versions").rglob("*")
            )
        )
    assert len(endings) > 5
    assert endings == endings[-1:] * len(endings)
    assert not any("v883" in path for path in endings[-1])


def test_of_two_publishers_at_once_one_wins_and_the_other_gets_a_conflict(
    published_game,
):
    game = published_game
    game.build("v886", NEW)
    # Each time the first one stands still between two other writes of its own.
    for number in (10, 13, 17):  # it has the lock by then
        with standing_still(game, number, *SYNC) as first:
            for second in (
                ("sync", "v886"),
                ("publish", "v884"),
                ("rollback", "v884"),
            ):
                result = game.run(*second, "--platform", "ios")
                assert result.returncode == 4, second
                assert "another publisher is writing to" in result.stderr
        assert (first.returncode, first.errors) == (0, "")
        assert game.served() == ("v885", NEW)
        game.lines("rollback", "v884", "--platform", "ios")
        shutil.rmtree(game.store / "ios/versions/v885")


def test_what_was_decided_before_another_published_is_a_conflict(published_game):
    game = published_game
    game.build("v882", {"old": b"1"})
    game.lines("sync", "v882", "--platform", "ios", "--no-pointer")
    game.build("v883", OLD)
    game.lines(*SYNC, "--no-pointer")
    for command in (
        ("publish", "v885"),
        ("prune", "--keep", "1", "--force"),
        ("sync", "v885"),
    ):
        shutil.rmtree(game.store / "ios/versions/v883", ignore_errors=True)
        with standing_still(game, 1, *command, "--platform", "ios") as first:
            game.lines("sync", "v883", "--platform", "ios", "--allow-older")
        assert first.returncode == 4, (command, first.errors)
        assert game.served() == ("v883", OLD)
        assert len(game.open_store().sealed_versions()) == 4
        game.lines("publish", "v884", "--platform", "ios")


def test_a_published_version_with_other_content_is_a_conflict(published_game):
    game = published_game
    game.build("v884", {**OLD, "a.json": b'{"other": 1}'})
    for command in ("sync", "reuse"):
        result = game.run(command, "v884", "--platform", "ios")
        assert result.returncode == 4
        assert "a published version never changes" in result.stderr
    assert game.served() == ("v884", OLD)


def test_a_store_that_vanishes_in_the_middle_is_a_failure_of_the_store(published_game):
    codes = []
    for code, errors in disturbed(published_game, "vanish", *SYNC):
        assert code in (3, 0), errors
        assert code == 0 or errors.startswith("error: ")
        assert errors.count("\n") == (code != 0)
        codes.append(code)
    assert codes.count(3) > 5


@pytest.fixture
def small_disk(published_game, tmp_path):
    """The game's store on a disk of 256 kB of its own; only root can make one."""
    kept, store = tmp_path / "kept", published_game.store
    store.rename(kept)
    store.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", store]
    if os.geteuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    shutil.copytree(kept, store, dirs_exist_ok=True)
    yield store
    subprocess.run(["umount", "--lazy", store], check=True)


@pytest.mark.parametrize("sizes", [[400_000], [50_000] * 8])
def test_a_full_disk_leaves_the_old_version_served(published_game, small_disk, sizes):
    game = published_game
    large = {f"f{n}": bytes([n]) * size for n, size in enumerate(sizes)}
    shutil.rmtree(game.source / "ios/v885")
    game.build("v885", {**OLD, **large})
    result = game.run(*SYNC)
    assert result.returncode == 5
    assert "No space left on device" in result.stderr
    assert game.served() == ("v884", OLD)
    assert "v885" not in game.open_store().sealed_versions()
    assert list((small_disk / "ios/.staging/unfinished").iterdir()) == []
    game.build("v886", {**OLD, "f0": b"x" * 10_000})
    shutil.rmtree(small_disk / "ios/versions/v885", ignore_errors=True)
    game.lines("sync", "v886", "--platform", "ios")
    assert game.served()[0] == "v886"


def test_a_full_disk_can_be_pruned(published_game, small_disk):
    game = published_game
    shutil.rmtree(game.source / "ios/v885")
    game.build("v885", {**OLD, "large": b"x" * 120_000})
    game.lines(*SYNC)
    for version in ("v886", "v887"):
        game.build(version, OLD)
        game.lines("sync", version, "--platform", "ios")
    with contextlib.suppress(OSError), (small_disk / "other").open("wb") as other:
        while True:
            other.write(b"x" * 4096)
            other.flush()
    result = game.run("prune", "--platform", "ios", "--keep", "1", "--force")
    assert (result.returncode, result.stderr) == (0, "")
    assert game.served() == ("v887", OLD)
