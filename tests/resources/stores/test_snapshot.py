"""A copy of a store that is published to meanwhile: what its pointers name is whole."""

import shutil

import pytest

from resources.errors import StoreError
from resources.stores.pointer import Pointer
from resources.stores.snapshot import snapshot


@pytest.fixture
def store(tmp_path):
    def seal(version):
        folder = tmp_path / "versions" / version
        folder.mkdir(parents=True)
        (folder / "a.bin").write_text(version)
        (folder / "manifest.jsonl").write_text(version)

    seal("v1")
    tmp_path.joinpath("current.json").write_bytes(Pointer("v1", "0" * 64).encode())
    return type("Store", (), {"path": tmp_path, "seal": staticmethod(seal)})


def copied(store, meanwhile=lambda: None):
    found = {}
    for name, file in snapshot(store.path):
        found[name] = file.read().decode()
        meanwhile()
        meanwhile = lambda: None  # noqa: E731
    return found


def test_a_store_that_is_not_there_is_empty(tmp_path):
    assert list(snapshot(tmp_path / "none")) == []


def test_what_is_published_meanwhile_is_left_to_the_next_copy(store):
    def publish():
        store.seal("v2")
        new = store.path / "new"
        new.write_bytes(Pointer("v2", "1" * 64).encode())
        new.replace(store.path / "current.json")

    found = copied(store, publish)
    assert Pointer.decode(found["current.json"].encode()).version == "v1"
    assert "versions/v1/manifest.jsonl" in found
    assert "versions/v2/manifest.jsonl" not in found


def test_a_version_that_goes_meanwhile_loses_its_seal(store):
    store.seal("v0")
    found = copied(store, lambda: shutil.rmtree(store.path / "versions/v0"))
    assert "versions/v0/manifest.jsonl" not in found
    assert "versions/v1/manifest.jsonl" in found


def test_a_served_version_that_goes_meanwhile_is_told(store):
    with pytest.raises(StoreError, match="v1 was removed"):
        copied(store, lambda: shutil.rmtree(store.path / "versions/v1"))


def test_a_link_is_not_followed(store, tmp_path_factory):
    secret = tmp_path_factory.mktemp("other") / "secret"
    secret.write_text("secret")
    (store.path / "versions/v1/link").symlink_to(secret)
    (store.path / "link").symlink_to(secret)
    assert "secret" not in copied(store).values()
