"""New files that share the blocks of others, on disks that can do that."""

import errno
import fcntl
import os
import subprocess

import pytest

from resources.errors import FullError, StoreError
from tests.resources.conftest import NEW_FILES, OLD_FILES, Game, entry_of

IOS = ("--platform", "ios")
COPY = ("sync", "v885", *IOS, "--reuse", "copy")
LARGE = b"x" * (32 << 20)
ENTRY = entry_of("img/b.png", b"picture")._replace(held_in="v884")


@pytest.fixture
def game_on_disk(disk):
    """A game that serves v884 on such a disk and has v885 built."""
    game = Game(disk)
    for version, files in (("v884", OLD_FILES), ("v885", NEW_FILES)):
        game.build(version, {**files, "large": LARGE})
    game.lines("sync", "v884", *IOS)
    return game


def own_file(game, path="img/b.png", version="v885"):
    return game.store / "ios/versions" / version / path


def nothing_unfinished(game):
    return list((game.store / "ios/.staging/unfinished").iterdir()) == []


def free_bytes(folder):
    os.sync()
    status = os.statvfs(folder)
    return status.f_bfree * status.f_frsize


def copy(store):
    with store.lock():
        return store.copy([ENTRY], "v885")


def test_where_there_can_be_no_link_a_clone_takes_no_room(game_on_disk):
    game = game_on_disk
    held = [own_file(game, path, "v884") for path in ("large", *OLD_FILES)]
    subprocess.run(["chattr", "+i", *held], check=True)  # the kernel links none of them
    before = free_bytes(game.store)
    assert "Copied 3 files within the store." in game.lines(*COPY)
    assert before - free_bytes(game.store) < len(LARGE) / 8
    own = own_file(game, "large")
    assert own.stat().st_nlink == 1
    assert own.read_bytes() == LARGE
    game.lines("check", "v885", "--deep", *IOS)
    assert nothing_unfinished(game)
    own.write_bytes(b"of its own")
    assert held[0].read_bytes() == LARGE


@pytest.mark.parametrize("disk", ["btrfs"], indirect=True)
def test_what_can_be_neither_linked_nor_cloned_is_copied(game_on_disk):
    game = game_on_disk
    held = [own_file(game, path, "v884") for path in ("large", *OLD_FILES)]
    subprocess.run(["chattr", "+i", *held], check=True)
    # Files without checksums share no blocks with those that have some (EINVAL).
    subprocess.run(["chattr", "+C", game.store / "ios/.staging/unfinished"], check=True)
    before = free_bytes(game.store)
    assert "Copied 3 files within the store." in game.lines(*COPY)
    assert before - free_bytes(game.store) > len(LARGE) / 2
    assert own_file(game, "large").read_bytes() == LARGE
    game.lines("check", "v885", "--deep", *IOS)
    assert nothing_unfinished(game)


REFUSALS = ["EOPNOTSUPP", "EXDEV", "EINVAL", "ENOTTY", "EPERM", "ETXTBSY", "ENOSPC"]


@pytest.fixture(params=REFUSALS)
def no_clones(request, monkeypatch):
    """Refuses every clone, each time for another reason."""
    number = getattr(errno, request.param)

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "ioctl", refuse)


def test_whatever_refuses_a_clone_it_is_copied(published_game, no_links, no_clones):
    assert copy(published_game.open_store()) == 1
    assert own_file(published_game).read_bytes() == b"picture"
    assert nothing_unfinished(published_game)


@pytest.mark.parametrize("no_clones", ["EOPNOTSUPP"], indirect=True)
def test_a_copy_is_verified(published_game, no_links, no_clones):
    own_file(published_game, version="v884").write_bytes(b"PICTURE")
    with pytest.raises(StoreError, match=r"img/b\.png in .* is not whole"):
        copy(published_game.open_store())
    assert not own_file(published_game).exists()
    assert nothing_unfinished(published_game)


@pytest.mark.parametrize("held", [b"", b"pic", b"pictures"])
def test_a_clone_of_another_size_is_refused(game_on_disk, no_links, held):
    game = game_on_disk
    own_file(game, version="v884").write_bytes(held)
    with pytest.raises(StoreError, match=r"img/b\.png in .* is not whole"):
        copy(game.open_store())
    assert not own_file(game).exists()
    assert nothing_unfinished(game)


@pytest.mark.parametrize("disk", ["xfs"], indirect=True)
def test_a_clone_is_on_the_disk_before_it_gets_its_name(
    game_on_disk, no_links, monkeypatch
):
    asked = []
    for name in ("ioctl", "fsync", "rename"):
        module = fcntl if name == "ioctl" else os
        monkeypatch.setattr(module, name, noting(asked, getattr(module, name)))
    copy(game_on_disk.open_store())
    assert asked == ["ioctl", "fsync", "rename"]


def noting(asked, function):
    def call(*arguments, **options):
        asked.append(function.__name__)
        return function(*arguments, **options)

    return call


@pytest.mark.parametrize(
    ("number", "error"), [(errno.EIO, StoreError), (errno.ENOSPC, FullError)]
)
def test_a_clone_that_does_not_reach_the_disk_leaves_nothing(
    game_on_disk, no_links, monkeypatch, number, error
):
    def fail(_fd):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(error, match=r"cannot write .*img/b\.png"):
        copy(game_on_disk.open_store())
    assert not own_file(game_on_disk).exists()
    assert nothing_unfinished(game_on_disk)
