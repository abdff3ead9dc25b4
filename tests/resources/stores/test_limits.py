"""What a store can't hold is refused before anything is written."""

import pytest

from resources.errors import InputError
from resources.releases.materialize import lacking_published, make_published_whole
from resources.releases.published import open_published
from resources.stores.bucket import store as object_store
from tests.resources.conftest import OLD_FILES
from tests.resources.stores.test_stores import SYNC, objects, publish_old, sync

IOS = ("--platform", "ios")


def long_path(length):
    """A path of so many bytes, of names that every system takes."""
    text = "/".join(["d" * 200] * 6)[: length - 1]
    return text.rstrip("/") + "x" * (length - len(text.rstrip("/")))


def put_requests(game):
    return [path for path in game.proxy.sent("PUT") if ".staging" not in path]


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--no-pointer",)])
def test_a_key_longer_than_the_bucket_takes_is_refused(game_on_moto, more):
    game = game_on_moto
    path = long_path(1020)
    game.build("v1", {**OLD_FILES, path: b"deep"})
    result = game.run("sync", "v1", *IOS, *more)
    assert result.returncode == 2
    key = f"{game.location.split('/', 3)[3]}/ios/versions/v1/{path}"
    assert result.stderr == (
        f"error: {path} of v1 can't be stored in {game.location}/ios: it has a key of"
        f" {len(key)} bytes, longer than 1024 bytes\n"
    )
    assert game.proxy.sent("PUT") == []


def test_the_longest_key_is_taken(game_on_moto):
    game = game_on_moto
    prefix = f"{game.location.split('/', 3)[3]}/ios/versions/v1/"
    files = {long_path(1024 - len(prefix)): b"deep"}
    game.build("v1", files)
    game.lines("sync", "v1", *IOS)
    assert game.served() == ("v1", files)
    game.build("v22", files)  # its own key would be too long, but it needs none
    game.lines("sync", "v22", *IOS)
    result = game.run("sync", "v22", "--reuse", "copy", *IOS)
    assert result.returncode == 2
    assert "can't be copied in" in result.stderr
    assert "has a key of 1025 bytes" in result.stderr


def test_a_folder_takes_every_path_that_a_manifest_may_have(game):
    files = {long_path(1020): b"deep"}
    game.build("v1", files)
    game.lines("sync", "v1", *IOS)
    assert game.served() == ("v1", files)


def test_an_object_larger_than_the_bucket_takes_is_refused(game_on_moto, monkeypatch):
    monkeypatch.setattr(object_store, "MAX_OBJECT_BYTES", 20)
    game = game_on_moto
    game.build("v884", {**OLD_FILES, "large": b"x" * 21})
    with pytest.raises(Exception, match="has 21 bytes, more than 20"):
        sync(game, "v884")
    assert objects(game, "v884") == {}


def test_a_copy_larger_than_the_server_makes_is_refused(game_on_moto, monkeypatch):
    monkeypatch.setattr(object_store, "MAX_COPIED_BYTES", 10)
    store = publish_old(game_on_moto).open_store()
    assert "a server copies at most 10" in store.reason_against_copy("v9", "a", 11)
    assert store.reason_against("v9", "a", 11) is None


def test_a_version_in_the_store_with_such_a_file_is_not_made_whole_by_half(
    game_on_moto, monkeypatch
):
    game = publish_old(game_on_moto)
    game.lines(*SYNC, "--no-pointer")
    store = game.open_store()
    before = objects(game)
    monkeypatch.setattr(object_store, "MAX_COPIED_BYTES", 10)
    release = open_published(store, "ios", "v885")
    assert lacking_published(release, store) == 2
    with store.lock(), pytest.raises(InputError, match="v885 can't be copied in s3:"):
        make_published_whole(release, store)
    assert objects(game) == before
    monkeypatch.setattr(object_store, "MAX_COPIED_BYTES", 13)
    with store.lock():
        assert make_published_whole(release, store) == 2
    assert lacking_published(release, store) == 0
