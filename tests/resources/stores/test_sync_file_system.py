"""What a power failure must not take back. Nobody cuts the power here: what is shown
is the order in which the system is asked."""

import errno
import io
import os

import pytest

from resources.errors import FullError, StoreError
from resources.stores import directory, sync_file_system
from resources.stores.directory import Directory
from resources.stores.release_store import ReleaseStore
from tests.resources.conftest import entry_of


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """What the system was asked for, in order."""
    done = []

    def noting(name, function):
        def call(*arguments, **options):
            about = arguments[1] if name == "rename" else ""
            done.append(f"{name} {about}".strip())
            return function(*arguments, **options)

        return call

    def open_noting(path, flags, *arguments, **options):
        is_temporary = "-" in str(path) or path == tmp_path / ".staging/lock"
        if flags & os.O_CREAT and not is_temporary:
            done.append(f"create {path}")
        return real_open(path, flags, *arguments, **options)

    real_open = os.open
    monkeypatch.setattr(os, "open", open_noting)
    monkeypatch.setattr(os, "fsync", noting("sync one", os.fsync))
    monkeypatch.setattr(os, "rename", noting("rename", os.rename))
    everything = noting("sync all", sync_file_system.sync_file_system)
    monkeypatch.setattr(directory, "sync_file_system", everything)
    return done


def publish(store):
    with store.lock():
        store.put("v1", entry_of("a", b"x"), io.BytesIO(b"x"))
        store.put_small([("v1", entry_of("b/c", b"x"), memoryview(b"x"))])
        store.settle("v1")
        store.put_document("v1", "manifest.jsonl", [b"m"])


def test_the_files_are_on_the_disk_before_the_manifest_names_them(tmp_path, asked):
    if not sync_file_system.can_sync_file_systems():
        pytest.skip("this system has no syncfs that tells of failures")
    publish(ReleaseStore(Directory(tmp_path)))
    assert asked == [
        "create a",
        "create c",
        "sync all",
        "sync one",
        "rename manifest.jsonl",
        "sync one",
    ]


def test_where_all_cannot_be_synced_at_once_each_file_is(tmp_path, asked, monkeypatch):
    monkeypatch.setattr(directory, "can_sync_file_systems", lambda: False)
    publish(ReleaseStore(Directory(tmp_path)))
    before, after = asked[:4], asked[-3:]
    assert before == ["create a", "sync one", "create c", "sync one"]
    assert asked[4:-3] == ["sync one"] * 3  # v1, v1/b, versions
    assert after == ["sync one", "rename manifest.jsonl", "sync one"]


def test_what_can_be_made_again_is_not_waited_for(tmp_path, asked):
    publish(ReleaseStore(Directory(tmp_path, durable=False)))
    assert asked == ["create a", "create c", "rename manifest.jsonl"]


@pytest.mark.parametrize(
    ("number", "error"), [(errno.EIO, StoreError), (errno.ENOSPC, FullError)]
)
def test_a_write_that_failed_on_its_way_to_the_disk_is_told(
    tmp_path, monkeypatch, number, error
):
    def fail(_fd):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(directory, "can_sync_file_systems", lambda: True)
    monkeypatch.setattr(directory, "sync_file_system", fail)
    store = ReleaseStore(Directory(tmp_path))
    with pytest.raises(error, match="cannot sync versions/v1"):
        publish(store)
    assert store.sealed_versions() == []


def test_a_descriptor_that_is_none_is_an_error():
    if not sync_file_system.can_sync_file_systems():
        pytest.skip("this system has no syncfs that tells of failures")
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        sync_file_system.sync_file_system(1_000_000)
