"""A version whose folder holds all of its files, for clients that know only that."""

import io
import os

import pytest

from resources.errors import StoreError
from tests.resources.conftest import NEW_FILES, OLD_FILES, entry_of

IOS = ("--platform", "ios")
SYNC = ("sync", "v885", *IOS, "--reuse", "copy")
PICTURE = entry_of("img/b.png", b"picture")._replace(held_in="v884")


def own_files(game, version="v885"):
    """Give what lies in a version's own folder, without its manifest."""
    store = game.open_store()
    found = {}
    for path, _ in store.objects(version):
        if path != "manifest.jsonl":
            with store.open(version, path) as stream:
                found[path] = stream.read()
    return found


@pytest.fixture
def two_versions(any_game):
    any_game.build("v884", OLD_FILES)
    any_game.lines("sync", "v884", *IOS)
    any_game.build("v885", NEW_FILES)
    return any_game


def test_it_is_made_whole_without_sending_what_is_there(two_versions):
    game = two_versions
    assert game.lines(*SYNC) == [
        "Plan: 4 files, 2 new, 2 reused from v884, 15 B to upload",
        "Verified 2 uploads.",
        "Copied 2 files within the store.",
        "Published v885 (was v884).",
    ]
    assert own_files(game) == NEW_FILES
    assert game.served() == ("v885", NEW_FILES)
    assert game.lines("check", "v885", "--deep", *IOS)[-1] == "Total files checked: 4"
    assert game.lines(*SYNC) == [
        "Nothing to do: v885 is already published.",
        "Copied 0 files within the store.",
    ]


def test_one_that_is_served_already_can_be_made_whole(two_versions):
    game = two_versions
    game.lines("sync", "v885", *IOS)
    before = game.open_store().pointer()
    assert set(own_files(game)) == {"a.json", "snd/d.mp3"}
    assert game.lines(*SYNC, "--dry-run") == [
        "v885 is already published.",
        "2 files to copy within the store.",
    ]
    assert game.lines(*SYNC) == [
        "v885 is already published.",
        "Copied 2 files within the store.",
    ]
    assert own_files(game) == NEW_FILES
    assert game.open_store().pointer() == before
    assert game.lines(*SYNC, "--dry-run") == [
        "Nothing to do: v885 is already published.",
        "0 files to copy within the store.",
    ]


def test_a_half_copy_is_made_again(two_versions):
    game = two_versions
    store = game.open_store()
    with store.lock():
        half = NEW_FILES["img/b.png"][:3]
        store.put("v885", entry_of("img/b.png", half), io.BytesIO(half))
    assert "Copied 2 files within the store." in game.lines(*SYNC)
    assert own_files(game) == NEW_FILES


def test_what_an_earlier_version_has_lost_is_sent(two_versions):
    game = two_versions
    store = game.open_store()
    with store.lock():
        store.delete("v884", ["img/b.png"])
    lines = game.lines(*SYNC)
    assert "Verified 3 uploads." in lines
    assert own_files(game) == NEW_FILES


def test_a_copy_goes_with_its_version_and_what_it_was_made_of_stays(two_versions):
    game = two_versions
    game.lines(*SYNC)
    for version in ("v886", "v887"):
        game.build(version, OLD_FILES)
        game.lines("sync", version, *IOS)
    game.lines("prune", "--keep", "1", "--force", *IOS)
    assert own_files(game) == {}
    assert game.served() == ("v887", OLD_FILES)


def test_in_a_folder_a_copy_is_a_link_and_takes_no_room(published_game):
    game = published_game
    game.lines(*SYNC)
    for path in ("img/b.png", "img/c.png"):
        first, own = (game.store / "ios/versions" / v / path for v in ("v884", "v885"))
        assert first.samefile(own)
    assert list((game.store / "ios/.staging/unfinished").iterdir()) == []


def test_where_there_can_be_no_link_it_is_copied(published_game, no_links):
    game = published_game
    store = game.open_store()
    with store.lock():
        assert store.copy([PICTURE], "v885") == 1
    own = game.store / "ios/versions/v885/img/b.png"
    assert own.read_bytes() == b"picture"
    assert own.stat().st_nlink == 1
    assert list((game.store / "ios/.staging/unfinished").iterdir()) == []


@pytest.mark.parametrize("can_link", [True, False])
@pytest.mark.parametrize("found", [None, b"half"])
@pytest.mark.parametrize("held", [None, b"pic", b"pictures"])
def test_a_damaged_file_of_an_earlier_version_becomes_no_file_of_a_later(
    published_game, held, found, can_link, request
):
    if not can_link:
        request.getfixturevalue("no_links")
    game = published_game
    source, own = (
        game.store / "ios/versions" / version / "img/b.png"
        for version in ("v884", "v885")
    )
    source.unlink()
    if held:
        source.write_bytes(held)
    own.parent.mkdir(parents=True)
    if found:
        own.write_bytes(found)
    store = game.open_store()
    with store.lock(), pytest.raises(StoreError, match=r"img/b.png in .* is not whole"):
        store.copy([PICTURE], "v885")
    assert (own.read_bytes() if own.exists() else None) == found
    assert list((game.store / "ios/.staging/unfinished").iterdir()) == []


def test_a_symbolic_link_in_an_earlier_version_is_no_file_of_a_later(
    published_game, tmp_path
):
    game = published_game
    (tmp_path / "outside").write_bytes(b"picture")
    held = game.store / "ios/versions/v884/img/b.png"
    game.lines("sync", "v885", *IOS)
    held.unlink()
    held.symlink_to(tmp_path / "outside")
    game.run(*SYNC)
    own = game.store / "ios/versions/v885/img/b.png"
    assert not os.path.lexists(own) or not own.is_symlink()


def test_nor_does_one_that_was_put_in_its_place_meanwhile(published_game, tmp_path):
    game = published_game
    held = game.store / "ios/versions/v884/img/b.png"
    held.unlink()
    held.symlink_to("picture")  # as long as the file itself
    store = game.open_store()
    with store.lock(), pytest.raises(StoreError, match=r"img/b.png in .* is not whole"):
        store.copy([PICTURE], "v885")
    assert not os.path.lexists(game.store / "ios/versions/v885/img/b.png")


def test_no_platform_is_served_before_all_are_whole(published_game):
    game = published_game
    for version, files in (("v884", OLD_FILES), ("v885", NEW_FILES)):
        game.build(version, files, "android")
        if version == "v884":
            game.lines("sync", version, "--platform", "android")
    lines = game.lines("sync", "v885", "--platform", "ios,android", "--reuse", "copy")
    assert lines.index("Publishing iOS...") > lines.index("Syncing Android...")
    assert lines.count("Copied 2 files within the store.") == 2
