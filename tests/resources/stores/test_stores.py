"""What every kind of store does: a folder, moto's S3, rclone's S3, Azure and OSS."""

import ctypes
import io
import json
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from resources.errors import (
    ConflictError,
    DifferenceError,
    InputError,
    MissingFileError,
    RefusedFileError,
    StoreError,
)
from resources.releases.plan import make_plan
from resources.releases.source import open_release
from resources.releases.sync_platforms import PlatformSync, sync_platforms
from resources.report import Report
from resources.settings import read_settings
from resources.stores.bucket import lease
from resources.stores.bucket import objects as bucket_objects
from resources.stores.bucket import store as object_store
from resources.stores.bucket.listing import Listing
from resources.stores.pointer import Pointer
from tests.ports import free_port
from tests.resources import azure, google, s3
from tests.resources.conftest import (
    BUCKET,
    NEW_FILES,
    OLD_FILES,
    entry_of,
)
from tests.waiting import wait_until

IOS = ("--platform", "ios")
SYNC = ("sync", "v885", *IOS)
OLD, NEW = Pointer("v884", "0" * 64), Pointer("v885", "1" * 64)
ODD_NAMES = [
    "a b",
    "ü.png",
    "100%.txt",
    "100%25.txt",
    "a+b",
    "#x",
    "[x]&=;,@!'()",
    "汉/é",
]


def put(store, version, path, content):
    put_stream(store, version, entry_of(path, content), content)


def put_stream(store, version, entry, content):
    store.put(version, entry, io.BytesIO(content))


def put_what_was_read(store, version, entry, content):
    store.put_small([(version, entry, memoryview(content))])


both_ways = pytest.mark.parametrize("put_as", [put_stream, put_what_was_read])


def read(store, version, path):
    with store.open(version, path) as stream:
        return stream.read()


def sync(game, version, options=None):
    """Sync in this process, several times faster than a command."""
    place = None if options is None else game.location + options
    settings = read_settings(game.environment, source=None, store=place)
    store = settings.open_store("ios")
    release = open_release(game.source, "ios", version)
    quiet = Report(progress=False, outputs=False, lines=False)
    plan = make_plan(release.manifest, store)
    sync_platforms([PlatformSync(plan, release, store)], quiet)


def publish_old(game):
    game.build("v884", OLD_FILES)
    sync(game, "v884")
    game.build("v885", NEW_FILES)
    return game


def objects(game, version="v885", platform="ios"):
    return dict(game.open_store(platform).objects(version))


# Every kind of store.


def test_a_release_goes_its_whole_way(any_game):
    game = publish_old(any_game)
    assert game.lines("reuse", "v885", *IOS) == [
        "Reuse iOS: 2 of 4 files unchanged since v884 (20 B), 2 new (15 B).",
        "Reuse version updated: v885",
    ]
    assert game.lines(*SYNC, "--no-pointer") == [
        "Plan: 4 files, 2 new, 2 reused from v884, 15 B to upload",
        "Verified 2 uploads.",
        "Stored v885; it is not published yet.",
    ]
    assert game.served() == ("v884", OLD_FILES)
    assert game.lines("publish", "v885", *IOS) == ["Published v885 (was v884)."]
    assert game.served() == ("v885", NEW_FILES)
    assert game.lines("check", "v885", "--deep", *IOS)[1:] == [
        "All files matched successfully.",
        "Total files checked: 4",
    ]
    assert game.lines(*SYNC) == ["Nothing to do: v885 is already published."]


def test_old_versions_are_taken_back_and_pruned(any_game):
    game = publish_old(any_game)
    sync(game, "v885")
    assert game.lines("rollback", "v884", *IOS) == ["Rolled back ios: v885 -> v884"]
    assert game.served() == ("v884", OLD_FILES)
    for version in ("v886", "v887"):
        game.build(version, {**NEW_FILES, "a.json": version.encode()})
        sync(game, version)
    size = sum(sum(objects(game, v).values()) for v in ("v884", "v885", "v886", "v887"))
    manifests = sum(objects(game, v)["manifest.jsonl"] for v in ("v884", "v885"))
    gone = manifests + len(OLD_FILES["a.json"]) + len(NEW_FILES["a.json"])
    assert game.lines("prune", "--keep", "1", "--force", *IOS) == [
        f"Prune iOS: v884, v885; 4 of 11 objects, {gone} of {size} bytes;"
        " 2 versions kept",
        f"Removed 4 objects, {gone} bytes.",
    ]
    assert set(objects(game, "v884")) == {"img/b.png", "img/c.png"}
    assert set(objects(game, "v885")) == {"snd/d.mp3"}
    assert game.served() == ("v887", {**NEW_FILES, "a.json": b"v887"})
    assert game.lines("prune", "--keep", "1", *IOS) == [
        "Nothing to do: iOS has nothing to prune in 2 versions."
    ]


def test_a_published_version_with_other_content_is_a_conflict(any_game):
    game = publish_old(any_game)
    game.build("v884", {**OLD_FILES, "img/b.png": b"PICTURE"})
    result = game.run("sync", "v884", *IOS)
    assert result.returncode == 4
    assert "first at img/b.png; a published version never changes" in result.stderr
    assert game.served() == ("v884", OLD_FILES)


def test_an_earlier_runs_upload_is_sent_again_only_when_damaged(any_game):
    game = publish_old(any_game)
    store = game.open_store()
    with store.lock():
        put(store, "v885", "snd/d.mp3", b"sound")
        put(store, "v885", "a.json", b'{"old": 1}')
    assert "(2 already there)" in game.lines(*SYNC)[0]
    assert game.served() == ("v885", NEW_FILES)
    if hasattr(game, "proxy"):
        assert len(game.proxy.sent("PUT", "v885/snd/d.mp3")) == 1
        assert len(game.proxy.sent("PUT", "v885/a.json")) == 2


def test_what_was_put_is_there(any_game):
    store = any_game.open_store()
    contents = {name: name.encode() for name in ODD_NAMES} | {"empty": b""}
    with store.lock():
        for path, content in contents.items():
            put(store, "v1", path, content)
        store.settle("v1")
        assert store.sealed_versions() == []
        for version in ("v1", "v10", "v9"):
            store.put_document(version, "manifest.jsonl", [b"mani", b"fest"])
    for path, content in contents.items():
        assert store.size("v1", path) == len(content)
        assert read(store, "v1", path) == content
    with store.open_document("v1", "manifest.jsonl") as stream:
        assert stream.readline() == b"manifest"
    assert any_game.open_store().sealed_versions() == ["v1", "v9", "v10"]


def test_what_is_not_there_is_missing(any_game):
    def look_for_all(store):
        for ask in (store.size, store.open, store.open_document):
            with pytest.raises(MissingFileError):
                ask("v1", "nothing")

    store = any_game.open_store()
    look_for_all(store)
    assert (store.pointer(), store.sealed_versions()) == (None, [])
    with store.lock():
        put(store, "v1", "nothing more", b"x")
        put(store, "v10", "nothing", b"x")
    look_for_all(any_game.open_store())


def test_names_of_all_kinds_go_the_whole_way(any_game):
    game = any_game
    names = [
        "汉字/图片 1.png",
        "emoji/🎮🏆.json",
        "nfc/caf\u00e9.txt",
        "nfd/cafe\u0301.txt",
        "long/" + "a" * 255,
        "long/" + "汉" * 85,
        "/".join(["d" * 100] * 8),
        *ODD_NAMES,
    ]
    files = {name: name.encode() for name in names}
    game.build("v1", files)
    assert game.lines("check", "v1", *IOS)[-1] == f"Total files checked: {len(files)}"
    sync(game, "v1")
    assert game.served() == ("v1", files)
    assert game.lines("check", "v1", "--deep", *IOS)[1] == (
        "All files matched successfully."
    )
    game.build("v2", {**files, "new": b"1"})
    assert game.lines("sync", "v2", *IOS)[0].startswith(
        f"Plan: {len(files) + 1} files, 1 new, {len(files)} reused from v1"
    )


def test_a_sync_deletes_nothing(any_game):
    game = publish_old(any_game)
    store = game.open_store()
    with store.lock():
        put(store, "v885", "left by a run that was killed", b"1")
        put(store, "v700", "never sealed", b"2")
    before = {version: objects(game, version) for version in ("v700", "v884", "v885")}
    sync(game, "v885")
    for version, old in before.items():
        assert objects(game, version).items() >= old.items()


@pytest.mark.parametrize("path", ["../v2/a", "a/../../v2/a", "/a", "a//b", "."])
def test_a_name_that_leads_elsewhere_is_refused(any_game, path):
    store = any_game.open_store()
    with store.lock():
        put(store, "v2", "a", b"x")
        for ask in (store.size, store.open):
            with pytest.raises((MissingFileError, RefusedFileError, StoreError)):
                ask("v1", path)
        with pytest.raises(StoreError):
            put(store, "v1", path, b"y")
    assert read(store, "v2", "a") == b"x"


@both_ways
@pytest.mark.parametrize("arrives", [b"OTHER", b"cont", b"contents", b""])
def test_what_differs_from_its_entry_leaves_nothing(any_game, arrives, put_as):
    store = any_game.open_store()
    entry = entry_of("a", b"conte")
    with store.lock():
        with pytest.raises(DifferenceError, match="a is not what its manifest says"):
            put_as(store, "v1", entry, arrives)
        store.settle("v1")
    with pytest.raises(MissingFileError):
        store.open("v1", "a")


class Endless(io.RawIOBase):
    """A file that something writes to faster than it is read."""

    def readable(self):
        return True

    def seek(self, offset, whence=0):
        return 0

    def readinto(self, buffer):
        return len(buffer)


@pytest.mark.parametrize("size", [5, 20 << 20])
def test_a_file_without_an_end_is_given_up(any_game, size):
    store = any_game.open_store()
    entry = entry_of("a", b"")._replace(size=size)
    with store.lock():
        with pytest.raises(DifferenceError, match=f"it has more than {size} bytes"):
            store.put("v1", entry, Endless())
        store.settle("v1")
        with pytest.raises(MissingFileError):
            store.open("v1", "a")


def test_why_an_upload_is_given_up_is_said_also_when_that_fails(game_on_moto):
    store = game_on_moto.open_store()
    content = bytes(20 << 20)
    game_on_moto.proxy.harm("no upload", "DELETE", "uploadId")
    with store.lock(), pytest.raises(DifferenceError, match="it has more than"):
        store.put("v1", entry_of("a", content[:-1]), io.BytesIO(content))


@both_ways
def test_what_differs_from_its_entry_leaves_what_was_there(any_game, put_as):
    store = any_game.open_store()
    with store.lock():
        put(store, "v1", "a", b"before")
        with pytest.raises(DifferenceError):
            put_as(store, "v1", entry_of("a", b"after"), b"AFTER")
    assert read(store, "v1", "a") == b"before"


def test_a_document_that_ends_in_an_error_is_not_there(any_game):
    def chunks():
        yield b"half"
        raise ConflictError("meanwhile")

    store = any_game.open_store()
    with store.lock(), pytest.raises(ConflictError, match="meanwhile"):
        store.put_document("v1", "manifest.jsonl", chunks())
    assert store.sealed_versions() == []


def test_the_pointer_moves_only_from_where_it_was_seen(any_game):
    store = any_game.open_store()
    with store.lock():
        with pytest.raises(ConflictError, match="serves nothing now, not v885"):
            store.move_pointer(OLD, NEW)
        store.move_pointer(OLD, None)
        with pytest.raises(ConflictError, match="serves v884 now, not nothing"):
            store.move_pointer(NEW, None)
        store.move_pointer(NEW, OLD)
    assert any_game.open_store().pointer() == NEW


def test_the_second_of_two_publishers_is_told(any_game):
    game = publish_old(any_game)
    with game.open_store().lock():
        with pytest.raises(ConflictError, match="another publisher is writing to"):
            game.open_store().lock().__enter__()
        assert game.run(*SYNC).returncode == 4
    assert game.served() == ("v884", OLD_FILES)
    game.lines(*SYNC)


# Buckets only.


@pytest.fixture(params=["moto", "rclone", "azurite", "google", "oss"])
def bucket_game(request):
    return request.getfixturevalue(f"game_on_{request.param}")


@pytest.fixture(params=["moto", "azurite", "google"])
def guarded_game(request):
    """A game in a bucket whose server honours conditions."""
    return request.getfixturevalue(f"game_on_{request.param}")


def test_a_large_object_goes_in_parts_and_comes_back(bucket_game):
    store = bucket_game.open_store()
    content = bytes(range(256)) * 4096 * 20  # 20 MiB, three parts
    with store.lock():
        put(store, "v1", "large", content)
        with pytest.raises(DifferenceError):
            store.put("v1", entry_of("wrong", content), io.BytesIO(content[:-1] + b"x"))
        store.put_document("v1", "manifest.jsonl", [content[:9_000_000]])
    assert objects(bucket_game, "v1") == {
        "large": len(content),
        "manifest.jsonl": 9_000_000,
    }
    assert read(store, "v1", "large") == content
    parts = [
        request
        for request in bucket_game.proxy.requests
        if request.path.endswith("v1/large")
        and re.search("partNumber=|blockid=", request.query)
    ]
    assert len(parts) == 3


def test_a_version_is_unsealed_and_deleted(bucket_game):
    store = bucket_game.open_store()
    with store.lock():
        for path in ("a", "b/c", "d"):
            put(store, "v1", path, b"x")
        store.put_document("v1", "manifest.jsonl", [b"m"])
        assert store.sealed_versions() == ["v1"]
        assert store.size("v1", "a") == 1
        store.unseal("v1")
        assert store.sealed_versions() == []
        store.delete("v1", iter(["a", "b/c", "never there"]))
        with pytest.raises(MissingFileError):
            store.size("v1", "a")
    assert list(store.objects("v1")) == [("d", 1)]
    # Azure says what wasn't there; OSS is asked for each object.
    if bucket_game.location.startswith("s3:") and "oss" not in bucket_game.options:
        assert len(bucket_game.proxy.sent("POST")) == 3  # with the lease's end


@pytest.mark.parametrize("write", ["put", "delete", "unseal", "move_pointer"])
def test_nothing_is_written_without_the_lock(bucket_game, write):
    store = bucket_game.open_store()
    arguments = {
        "put": ("v1", entry_of("a", b"x"), io.BytesIO(b"x")),
        "delete": ("v1", ["a"]),
        "unseal": ("v1",),
        "move_pointer": (NEW, None),
    }
    with pytest.raises(RuntimeError, match="without its lock"):
        getattr(store, write)(*arguments[write])


def test_a_sync_without_changes_lists_and_looks_at_no_file(game_on_rclone):
    game = game_on_rclone
    game.build("v1", {f"{number:04}": b"" for number in range(1100)})
    sync(game, "v1")
    del game.proxy.requests[:]
    sync(game, "v1")
    lists = [r for r in game.proxy.requests if "list-type" in r.query]
    of_versions = [r for r in lists if "delimiter" in r.query]
    assert len(of_versions) == 1
    assert len(lists) - len(of_versions) == 2  # 1,000 objects each at most
    assert game.proxy.sent("HEAD") == []
    assert len(game.proxy.requests) < 11


def test_a_listing_that_was_cut_goes_on_where_it_was(game_on_rclone):
    game = game_on_rclone
    files = {f"{number:04}": b"" for number in range(1100)}
    game.build("v1", files)
    sync(game, "v1")
    game.proxy.harm("truncate", "GET", "?continuation-token")
    listed = [path for path, _ in game.open_store().objects("v1")]
    assert listed == sorted([*files, "manifest.jsonl"])


def test_a_server_that_ignores_conditions_is_refused(game_on_rclone):
    game = game_on_rclone
    game.build("v884", OLD_FILES)
    result = game.run("sync", "v884", *IOS, RESOURCE_STORE=game.location)
    assert result.returncode == 3
    assert result.stderr == (
        f"error: the server of {game.location}/ios ignores If-None-Match, so it can't"
        " keep two publishers apart; if there is only one, add ?conditions=off to the"
        " store's URL\n"
    )
    assert game.bucket().get(lease.KEY) is None
    assert game.served() is None


def test_of_two_pointer_moves_at_once_the_server_lets_one_through(guarded_game):
    game = guarded_game
    first, second = game.open_store(), game.open_store()
    with first.lock():
        first.move_pointer(OLD, None)
    game.proxy.harm("hold", "PUT", "current.json")
    conflicts = []

    def move_late():
        with first.lock():
            try:
                first.move_pointer(NEW, OLD)
            except ConflictError as error:
                conflicts.append(str(error))

    late = threading.Thread(target=move_late)
    late.start()
    assert game.proxy.held.wait(10)
    other = Pointer("v886", "2" * 64)
    game.bucket().delete([lease.KEY])  # as if it had run out
    with second.lock():
        second.move_pointer(other, OLD)
    game.proxy.release.set()
    late.join(10)
    assert game.open_store().pointer() == other
    assert "serves v886 now, not v884 as before" in conflicts[0]


def test_without_conditions_two_that_start_in_one_moment_are_both_let_in(
    game_on_oss, monkeypatch
):
    """What is lost: with conditions the second is told, see above."""
    monkeypatch.setattr(lease, "RENEW_SECONDS", 3600)  # where one of them finds out
    first, second = game_on_oss.open_store(), game_on_oss.open_store()
    both_in = threading.Event()

    def publish():
        with first.lock():
            both_in.set()

    game_on_oss.proxy.harm("hold", "PUT", "lease.json")  # having seen no lease
    late = threading.Thread(target=publish)
    late.start()
    assert game_on_oss.proxy.held.wait(10)
    with second.lock():
        game_on_oss.proxy.release.set()
        assert both_in.wait(10)
    late.join(10)


def test_without_conditions_a_pointer_that_was_overwritten_is_seen(game_on_oss):
    game = game_on_oss
    store = game.open_store()
    other = Pointer("v886", "2" * 64)
    game.proxy.harm("slow", "GET", "current.json")  # the look before
    game.proxy.harm("hold", "GET", "current.json")  # and the one after
    conflicts = []

    def move():
        with store.lock():
            try:
                store.move_pointer(NEW, None)
            except ConflictError as error:
                conflicts.append(str(error))

    moving = threading.Thread(target=move)
    moving.start()
    assert game.proxy.held.wait(10)
    game.bucket().put("current.json", other.encode())
    game.proxy.release.set()
    moving.join(10)
    assert "serves v886 now, not nothing as before" in conflicts[0]


def foreign_lease(game):
    """Leave a lease that a publisher on another machine wrote just now."""
    process = {"boot": "another", "namespace": "pid:[1]", "pid": 1, "started": "1"}
    values = {"by": "process 1 on elsewhere", "process": process}
    game.bucket().put(lease.KEY, json.dumps(values).encode())


def test_a_publisher_on_another_machine_is_respected_until_its_lease_ends(
    bucket_game, monkeypatch
):
    foreign_lease(bucket_game)
    message = "process 1 on elsewhere; if it has died, the store is free in [0-9]+ s"
    with pytest.raises(ConflictError, match=message):
        bucket_game.open_store().lock().__enter__()
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0)
    with bucket_game.open_store().lock():
        pass
    assert bucket_game.bucket().get(lease.KEY) is not None  # too old to be deleted


def test_a_lease_is_renewed_and_its_loss_is_seen(bucket_game, monkeypatch):
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.05)
    store = bucket_game.open_store()
    with store.lock():
        before = bucket_game.bucket().get(lease.KEY)
        wait_until(
            lambda: bucket_game.bucket().get(lease.KEY).content != before.content
        )
        put(store, "v1", "a", b"1")

        def is_lost_to_another():
            # Again, as without conditions a renewal under way may write over it.
            foreign_lease(bucket_game)
            return lost(store)

        wait_until(is_lost_to_another)
        with pytest.raises(ConflictError, match="was lost to another publisher"):
            store.move_pointer(NEW, None)
    assert b"elsewhere" in bucket_game.bucket().get(lease.KEY).content


def lost(store):
    try:
        put(store, "v1", "b", b"2")
    except ConflictError:
        return True
    return False


@pytest.mark.parametrize(
    ("fault", "method", "part", "times"),
    [
        ("drop", "PUT", "v885/", 2),
        ("drop", "PUT", "lease.json", 1),
        ("drop", "GET", "", 3),
        ("lose answer", "PUT", "v885/", 2),
        ("lose answer", "PUT", "current.json", 1),
        ("lose answer", "PUT", "lease.json", 1),
        ("slow down", "PUT", "", 4),
        ("slow down", "GET", "", 4),
        ("slow down", "POST", "", 2),
        ("slow", "PUT", "", 5),
        ("truncate", "GET", "", 3),
        ("truncate", "GET", "list", 2),
        ("damage", "PUT", "v885/a.json", 2),
    ],
)
def test_a_sync_survives_a_fault(guarded_game, fault, method, part, times):
    game = publish_old(guarded_game)
    game.proxy.harm(fault, method, part, times)
    sync(game, "v885")
    assert game.served() == ("v885", NEW_FILES)
    assert set(objects(game)) == {"a.json", "snd/d.mp3", "manifest.jsonl"}


@pytest.mark.parametrize(
    ("fault", "method", "part", "message"),
    [
        ("slow down", "PUT", "v885/a.json", "503 Service Unavailable: SlowDown"),
        ("drop", "PUT", "v885/a.json", "cannot write versions/v885/a.json in"),
        ("damage", "PUT", "v885/a.json", "arrived damaged in"),
        ("damage", "PUT", "v885/manifest.jsonl", "arrived damaged in"),
        ("truncate", "GET", "manifest.jsonl", "cannot read versions/v884/manifest"),
        ("slow down", "PUT", "current.json", "cannot write current.json"),
        ("drop", "PUT", "lease.json", "cannot write .staging/lease.json"),
    ],
)
def test_a_fault_that_stays_fails_clearly(guarded_game, fault, method, part, message):
    game = publish_old(guarded_game)
    game.proxy.harm(fault, method, part, times=10**6)
    with pytest.raises(StoreError, match=message) as failure:
        sync(game, "v885", "?retry=0.2")
    assert "\n" not in str(failure.value)
    game.proxy.release_all()
    assert game.served() == ("v884", OLD_FILES)
    assert part not in {f"v885/{path}" for path in objects(game)}
    sync(game, "v885")
    assert game.served() == ("v885", NEW_FILES)


def test_all_requests_slow_down_together(game_on_moto):
    game = game_on_moto
    files = {f"{number:03}": b"x" * number for number in range(150)}
    game.build("v1", files)
    game.proxy.limit(50)
    sync(game, "v1")
    assert game.proxy.refused > 0
    # Each for itself they would be refused more often than they are let through.
    assert game.proxy.refused < len(files) / 10
    assert game.served() == ("v1", files)


def test_a_read_that_was_cut_off_goes_on_where_it_was(guarded_game):
    store = guarded_game.open_store()
    content = bytes(range(256)) * 4096 * 5  # 5 MiB
    with store.lock():
        put(store, "v1", "large", content)
    del guarded_game.proxy.requests[:]
    guarded_game.proxy.harm("truncate", "GET", "large", times=3)
    assert read(store, "v1", "large") == content
    assert len(guarded_game.proxy.sent("GET", "large")) == 4


def test_an_object_that_changes_while_it_is_read_is_no_object(guarded_game):
    store = guarded_game.open_store()
    content = b"x" * (5 << 20)
    with store.lock():
        put(store, "v1", "large", content)
        guarded_game.proxy.harm("truncate", "GET", "large")
        with store.open("v1", "large") as stream:
            put(store, "v1", "large", content[::-1] + b"y")
            with pytest.raises(StoreError, match="large changed while it was read"):
                stream.read()


def test_too_many_requests_is_no_failure(game_on_moto):
    game = publish_old(game_on_moto)
    game.proxy.harm("too many", "PUT", "v885/a.json", times=3)
    sync(game, "v885")
    assert game.served() == ("v885", NEW_FILES)


@pytest.mark.parametrize(
    "stage", ["lease.json", "v885/a.json", "v885/manifest.jsonl", "current.json"]
)
def test_a_server_that_goes_away_in_the_middle_is_a_failure(guarded_game, stage):
    game = publish_old(guarded_game)
    game.proxy.harm("go away", "PUT", stage)
    result = game.run(*SYNC, RESOURCE_STORE=f"{game.location}?retry=0.2")
    assert result.returncode == 3
    assert result.stderr.startswith("error: cannot ")
    assert result.stderr.count("\n") == 1
    game.proxy.release_all()
    assert game.served() == ("v884", OLD_FILES)
    sync(game, "v885")
    assert game.served() == ("v885", NEW_FILES)


def test_a_clock_that_the_server_does_not_believe_is_said(game_on_moto):
    game = publish_old(game_on_moto)
    game.proxy.harm("skewed", "PUT", times=10**6)
    result = game.run(*SYNC)
    assert result.returncode == 3
    assert result.stderr.endswith(
        ": 403 Forbidden: RequestTimeTooSkewed: The difference is too large.\n"
    )
    assert game.served() == ("v884", OLD_FILES)


def test_a_quota_has_a_code_of_its_own(game_on_moto):
    game = publish_old(game_on_moto)
    game.proxy.harm("quota", "PUT", "v885/a.json", times=10**6)
    result = game.run(*SYNC)
    assert result.returncode == 5
    assert result.stderr.endswith(": 403 Forbidden: QuotaExceeded: No room.\n")
    assert game.served() == ("v884", OLD_FILES)


@pytest.mark.parametrize(
    "stage", ["v885/a.json", "v885/snd/d.mp3", "v885/manifest.jsonl", "current.json"]
)
def test_a_killed_sync_leaves_the_old_version_and_goes_on(guarded_game, stage):
    game = publish_old(guarded_game)
    game.proxy.harm("hold", "PUT", stage)
    stop_when_held(game, signal.SIGKILL)
    assert game.served() == ("v884", OLD_FILES)
    before = objects(game)
    del game.proxy.requests[:]
    game.lines(*SYNC)
    assert game.served() == ("v885", NEW_FILES)
    for path in before:
        assert game.proxy.sent("PUT", f"v885/{path}") == []


def test_a_cancelled_sync_ends_soon_and_can_be_run_again(guarded_game):
    game = publish_old(guarded_game)
    game.proxy.harm("hold", "PUT", "v885/a.json")
    started = time.monotonic()
    assert stop_when_held(game, signal.SIGTERM) == (143, "error: cancelled\n")
    assert time.monotonic() - started < 15
    assert game.served() == ("v884", OLD_FILES)
    game.lines(*SYNC)
    assert game.served() == ("v885", NEW_FILES)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux' /proc")
def test_a_signal_that_another_thread_gets_ends_a_sync_soon(game_on_moto):
    game = publish_old(game_on_moto)
    game.proxy.harm("hold", "PUT", "v885/a.json")
    stopped = stop_when_held(game, signal.SIGTERM, send=signal_another_thread)
    assert stopped == (143, "error: cancelled\n")
    assert game.served() == ("v884", OLD_FILES)


def test_a_sync_that_looks_for_versions_is_cancelled_soon(game_on_moto):
    game = publish_old(game_on_moto)
    sync(game, "v885")
    game.build("v886", NEW_FILES)
    game.proxy.harm("hold", "GET", "v885/manifest.jsonl")
    stopped = stop_when_held(game, signal.SIGTERM, version="v886")
    assert stopped == (143, "error: cancelled\n")


def signal_another_thread(process, number):
    """Send a signal where the kernel may send it, too: not to the main thread."""
    tasks = sorted(
        int(task.name) for task in Path(f"/proc/{process.pid}/task").iterdir()
    )
    assert ctypes.CDLL(None).tgkill(process.pid, tasks[-1], number) == 0
    assert tasks[-1] != process.pid


def stop_when_held(game, number, *, version="v885", send=subprocess.Popen.send_signal):
    with game.start("sync", version, *IOS) as process:
        try:
            assert game.proxy.held.wait(20)
            send(process, number)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    # What was held never arrives: its sender is dead.
    return process.returncode, errors


def test_one_sync_of_many_files_uses_several_connections(game_on_rclone):
    game = game_on_rclone
    game.build("v1", {f"{number:03}": b"x" * number for number in range(200)})
    sync(game, "v1")
    assert game.served() == ("v1", dict(files_of(game, "v1")))
    assert game.proxy.most_at_once > 2


def files_of(game, version):
    folder = game.source / "ios" / version
    for path in folder.iterdir():
        if path.name != "manifest.jsonl":
            yield path.name, path.read_bytes()


def test_a_bucket_that_is_not_there_is_said(guarded_game):
    game = guarded_game
    game.build("v885", NEW_FILES)
    nowhere = re.sub("//[^/]+", "//no-such-bucket", game.location)
    result = game.run(*SYNC, RESOURCE_STORE=nowhere)
    assert result.returncode == 3
    assert f"{nowhere}/ios: there is no such bucket" in result.stderr


def test_a_server_that_is_not_there_is_said(game_on_moto):
    game = game_on_moto
    game.build("v885", NEW_FILES)
    endpoint = f"http://127.0.0.1:{free_port()}"
    result = game.run(
        *SYNC, RESOURCE_STORE=f"s3://{BUCKET}/x?retry=0.2", AWS_ENDPOINT_URL=endpoint
    )
    assert result.returncode == 3
    assert f"{endpoint}: " in result.stderr
    assert "Connection refused" in result.stderr


def test_a_damaged_pointer_is_a_failure_of_the_store(game_on_moto):
    game = publish_old(game_on_moto)
    game.bucket().put("current.json", b"{")
    result = game.run(*SYNC)
    assert result.returncode == 3
    assert result.stderr.endswith("/ios/current.json is damaged\n")


def test_an_object_whose_etag_says_nothing_is_read_back(game_on_moto, monkeypatch):
    monkeypatch.setattr(bucket_objects.EtagDigest, "matches", lambda self, etag: False)
    store = game_on_moto.open_store()
    with store.lock():
        put(store, "v1", "a", b"content")
        game_on_moto.proxy.harm("damage", "PUT", "v1/b", times=10)
        with pytest.raises(StoreError, match="arrived damaged"):
            put(store, "v1", "b", b"content")
    assert objects(game_on_moto, "v1") == {"a": 7}
    assert len(game_on_moto.proxy.sent("PUT", "v1/b")) == object_store.UPLOAD_TRIES


def test_an_etag_in_capitals_proves_an_upload(game_on_oss):
    store = game_on_oss.open_store()
    with store.lock():
        put(store, "v1", "small", b"content")
        put(store, "v1", "large", bytes(9 << 20))
    assert game_on_oss.proxy.sent("GET", "/v1/") == []


@pytest.mark.parametrize("in_order", [True, False])
def test_a_listing_finds_what_was_listed_and_nothing_else(in_order):
    listed = sorted(
        (f"{number * 3 % 3500}/ü", number, f"{number:032}") for number in range(3500)
    )
    pages = [listed[start : start + 1000] for start in range(0, 3500, 1000)]
    listing = Listing(pages if in_order else pages[::-1])
    for path, size, md5 in listed:
        assert (listing.size(path), listing.md5(path)) == (size, md5)
    others = ("", "0", "0/ü0", "~", "999/u")
    assert [listing.size(path) for path in others] == [None] * 5
    assert listing.sizes(path for path, *_ in listed) == [size for _, size, _ in listed]
    mixed = [path for pair in zip(others, ["1/ü"] * 5, strict=True) for path in pair]
    assert listing.sizes(mixed) == [listing.size(path) for path in mixed]
    assert Listing([]).sizes(mixed) == [None] * 10


# Settings.


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://", '"" is not a bucket; write it as s3://BUCKET/PREFIX'),
        ("s3:/games/x", "write it as s3://BUCKET/PREFIX"),
        ("S3://games/x", "write it as s3://BUCKET/PREFIX"),
        ("s3://key:secret@games/x", "is not a bucket; write it as"),
        ("s3://games:9000/x", '"games:9000" is not a bucket'),
        ("s3://games/a/../b", '".." can\'t be part of a prefix'),
        ("s3://games/a//b", '"" can\'t be part of a prefix'),
        ("s3://games/a b", '"a b" can\'t be part of a prefix'),
        ("s3://games/x#y", "a store has no #y"),
        ("s3://games/x?region=eu", '"region" is not an option; there are: conditions'),
        ("s3://games/x?conditions=no", 'conditions is "on" or "off", not "no"'),
        ("s3://games/x?retry=soon", "retry is a number of seconds to 3600"),
        (
            "s3://games/x?profile=gcs",
            '"gcs" is not a profile; there are: aws, oss, cos',
        ),
        ("s3://games/x?profile=", '"" is not a profile; there are: aws, oss, cos'),
        ("s3://games/x?style=host", 'style is "virtual" or "path", not "host"'),
        ("s3://games/x?checksums=", 'checksums is "on" or "off", not ""'),
        ("s3://games/x?deletes=all", 'deletes is "many" or "each", not "all"'),
        (
            "gs://games/x?profile=aws",
            '"profile" is not an option; there are: conditions',
        ),
        ("gcs://games/x", "a folder, not gcs://; write it as gs://games/x"),
        ("minio://games/x", "a folder, not minio://; write it as s3://games/x"),
        ("https://games.s3.amazonaws.com/x", "; write it as s3://games/x"),
        ("http://127.0.0.1:9000/games", "a server's address is AWS_ENDPOINT_URL"),
        ("games/releases", "write a bucket as s3://games/releases and a folder as ./"),
        ("games", "there is no such folder; write a bucket as s3://games and"),
        ("s3//games/x", "write a bucket as s3://games/x and a folder as ./s3//games"),
        ("~/games", "no shell reads ~ here; write the folder out"),
        ("ftp://games/x", "a store is s3://BUCKET/PREFIX, gs://, az:// or a folder"),
        ("gs://games/x", "set GOOGLE_APPLICATION_CREDENTIALS"),
        ("az://games/x", "set AZURE_STORAGE_ACCOUNT_NAME"),
    ],
)
def test_a_wrong_url_is_refused_with_what_would_be_right(url, message):
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    with pytest.raises(InputError, match=re.escape(message)):
        read_settings({"RESOURCE_STORE_IOS": url, **keys}, source=None, store=None)


@pytest.mark.parametrize("place", ["./new", "../new", ".", "there", "there/x", "/new"])
def test_a_folder_that_says_so_or_is_there_is_taken(tmp_path, monkeypatch, place):
    (tmp_path / "here/there/x").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    settings = read_settings({"RESOURCE_STORE": place}, source=None, store=None)
    assert settings.stores["ios"] == Path(place)


def test_a_mistyped_bucket_makes_no_folder(game, tmp_path):
    game.build("v885", NEW_FILES)
    result = game.run(*SYNC, "--store", "games/releases")
    assert result.returncode == 2
    assert result.stderr == (
        "error: games/releases: there is no such folder; write a bucket as"
        " s3://games/releases and a folder as ./games/releases or from / on\n"
    )


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role"),
        ({"AWS_ACCESS_KEY_ID": "x"}, "set AWS_SECRET_ACCESS_KEY too"),
        ({"AWS_SECRET_ACCESS_KEY": "x"}, "set AWS_ACCESS_KEY_ID too"),
    ],
)
def test_missing_credentials_cost_one_line(game, environment, message):
    result = game.run(*SYNC, "--store", "s3://games/x", **environment)
    assert result.returncode == 2
    assert result.stderr.startswith("error: no credentials for s3://games/x: ")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("s3://games/x", "AWS_ENDPOINT_URL_S3"),
        ("s3://games/x", "AWS_ENDPOINT_URL"),
        ("az://games/x", "AZURE_STORAGE_ENDPOINT"),
        ("gs://games/x", "GOOGLE_BASE_URL"),
    ],
)
def test_a_server_without_a_scheme_is_refused_with_what_would_be_right(url, name):
    environment = {
        **s3.environment("http://127.0.0.1"),
        **azure.environment("http://127.0.0.1"),
        **google.environment("http://127.0.0.1"),
        "RESOURCE_STORE_IOS": url,
        name: "files.example.com:9000",
    }
    message = f'{name} is "files.example.com:9000"; for {url} write it as https://HOST'
    with pytest.raises(InputError, match=re.escape(message)):
        read_settings(environment, source=None, store=None)
