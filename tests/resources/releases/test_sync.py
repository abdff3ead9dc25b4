"""Bringing a version into the store, and serving it."""

import contextlib
import fcntl
import multiprocessing
import os
import signal

import pytest

from resources.errors import ConflictError
from resources.releases.plan import make_plan
from resources.releases.source import open_release
from resources.releases.sync_platforms import PlatformSync, sync_platforms
from resources.report import Report
from resources.stores.directory import Directory
from resources.stores.release_store import ReleaseStore

# Python 3.12 warns of forks beside threads, which a parallel test run has.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

OLD_FILES = {"a.json": b"{}", "img/b.png": b"picture", "img/c.png": b"other picture"}
NEW_FILES = {**OLD_FILES, "a.json": b'{"new": 1}', "snd/d.mp3": b"sound"}
SYNC = ("sync", "v885", "--platform", "ios")


def test_a_first_version_is_published(game):
    game.build("v884", OLD_FILES)
    assert game.lines("sync", "v884", "--platform", "ios") == [
        "Plan: 3 files, 3 new, 0 reused, 22 B to upload",
        "Verified 3 uploads.",
        "Published v884.",
    ]
    assert game.served() == ("v884", OLD_FILES)


def test_a_second_version_sends_only_what_is_new(published_game):
    game = published_game
    assert game.lines(*SYNC) == [
        "Plan: 4 files, 2 new, 2 reused from v884, 15 B to upload",
        "Verified 2 uploads.",
        "Published v885 (was v884).",
    ]
    assert game.served() == ("v885", NEW_FILES)
    objects = {
        str(path.relative_to(game.store / "ios/versions/v885"))
        for path in (game.store / "ios/versions/v885").rglob("*")
        if path.is_file()
    }
    assert objects == {"a.json", "snd/d.mp3", "manifest.jsonl"}


def test_the_holder_of_a_file_is_named_and_never_a_chain(published_game):
    game = published_game
    game.lines(*SYNC)
    game.build("v886", {**NEW_FILES, "a.json": OLD_FILES["a.json"]})
    assert game.lines("sync", "v886", "--platform", "ios")[0] == (
        "Plan: 4 files, 0 new, 4 reused from v885, v884, 0 B to upload"
    )
    manifest = (game.store / "ios/versions/v886/manifest.jsonl").read_text()
    assert manifest.count('"in": "v884"') == 3  # a.json as it was, and both pictures
    assert manifest.count('"in": "v885"') == 1
    assert game.served()[0] == "v886"


def test_a_second_run_has_nothing_to_do(published_game):
    published_game.lines(*SYNC)
    expected = ["Nothing to do: v885 is already published."]
    assert published_game.lines(*SYNC, "--dry-run") == expected
    assert published_game.lines(*SYNC) == expected


def test_a_dry_run_writes_the_plan_and_changes_nothing(published_game):
    game = published_game
    before = sorted(game.store.rglob("*"))
    plan = game.lines(*SYNC, "--dry-run")
    assert sorted(game.store.rglob("*")) == before
    assert plan == game.lines(*SYNC)[:1]


def test_a_dry_run_on_an_empty_store_does_not_make_it(game):
    game.build("v885", NEW_FILES)
    game.lines(*SYNC, "--dry-run")
    assert not game.store.exists()


def test_several_platforms_are_served_when_all_are_complete(game):
    for platform in ("ios", "android"):
        game.build("v885", {"a": b"1"}, platform)
    assert game.lines("sync", "v885", "--platform", "android", "--platform", "ios") == [
        "Syncing iOS...",
        "Plan: 1 files, 1 new, 0 reused, 1 B to upload",
        "Verified 1 upload.",
        "Syncing Android...",
        "Plan: 1 files, 1 new, 0 reused, 1 B to upload",
        "Verified 1 upload.",
        "Publishing iOS...",
        "Published v885.",
        "Publishing Android...",
        "Published v885.",
    ]
    game.build("v885", {"a": b"1"}, "facebook")
    assert game.lines("sync", "v885") == [
        "Syncing iOS...",
        "Nothing to do: v885 is already published.",
        "Syncing Android...",
        "Nothing to do: v885 is already published.",
        "Syncing Facebook...",
        "Plan: 1 files, 1 new, 0 reused, 1 B to upload",
        "Verified 1 upload.",
        "Publishing Facebook...",
        "Published v885.",
    ]


def test_no_platform_is_served_when_another_fails(published_game):
    game = published_game
    game.build("v885", NEW_FILES, "android")
    (game.source / "android/v885/a.json").write_bytes(b"1")
    both = ("sync", "v885", "--platform", "ios,android")
    assert game.run(*both).returncode == 1
    assert game.served() == ("v884", OLD_FILES)
    game.build("v885", NEW_FILES, "android")
    with game.open_store("android").lock():
        assert game.run(*both).returncode == 4
    assert game.served() == ("v884", OLD_FILES)
    game.lines(*both)
    assert game.served() == game.served("android") == ("v885", NEW_FILES)


def test_without_the_pointer_the_old_version_is_still_served(published_game):
    game = published_game
    assert game.lines(*SYNC, "--no-pointer")[-1] == (
        "Stored v885; it is not published yet."
    )
    assert game.served() == ("v884", OLD_FILES)
    assert game.lines("publish", "v885", "--platform", "ios") == [
        "Published v885 (was v884)."
    ]
    assert game.served() == ("v885", NEW_FILES)


def test_a_published_version_with_other_content_is_a_conflict(published_game):
    game = published_game
    game.build("v884", {**OLD_FILES, "img/b.png": b"PICTURE"})
    result = game.run("sync", "v884", "--platform", "ios")
    assert result.returncode == 4
    assert result.stderr == (
        "error: v884 of ios is in the store with other content, first at img/b.png;"
        " a published version never changes\n"
    )
    assert game.served() == ("v884", OLD_FILES)


def test_a_source_that_differs_from_its_manifest_is_not_published(published_game):
    game = published_game
    (game.source / "ios/v885/snd/d.mp3").write_bytes(b"SOUND")
    result = game.run(*SYNC)
    assert result.returncode == 1
    assert "snd/d.mp3 is not what its manifest says" in result.stderr
    assert not (game.store / "ios/versions/v885/snd/d.mp3").exists()
    assert game.served() == ("v884", OLD_FILES)


def test_a_link_in_the_source_is_not_sent(published_game, tmp_path):
    game = published_game
    (tmp_path / "outside").write_bytes(b"sound")
    (game.source / "ios/v885/snd/d.mp3").unlink()
    (game.source / "ios/v885/snd/d.mp3").symlink_to(tmp_path / "outside")
    result = game.run(*SYNC)
    assert result.returncode == 1
    assert result.stderr == (
        "error: snd/d.mp3 in the source of ios is a symbolic link\n"
    )


@pytest.mark.parametrize("content", [b"SOUND", b"soun", b""])
def test_a_damaged_upload_of_an_earlier_run_is_sent_again(published_game, content):
    game = published_game
    damaged = game.store / "ios/versions/v885/snd/d.mp3"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(content)
    game.lines(*SYNC)
    assert game.served() == ("v885", NEW_FILES)


def test_an_intact_upload_of_an_earlier_run_is_not_sent_again(published_game):
    game = published_game
    there = game.store / "ios/versions/v885/snd/d.mp3"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"sound")
    before = there.stat().st_ino
    assert game.lines(*SYNC)[0] == (
        "Plan: 4 files, 2 new, 2 reused from v884, 10 B to upload (1 already there)"
    )
    assert there.stat().st_ino == before


def test_an_object_lost_from_the_store_is_sent_again(published_game):
    game = published_game
    game.lines(*SYNC)
    (game.store / "ios/versions/v884/img/b.png").unlink()
    assert "Verified 1 upload." in game.lines(*SYNC)
    assert game.served() == ("v885", NEW_FILES)


def test_an_object_is_never_written_through_a_link(published_game, tmp_path):
    game = published_game
    outside = tmp_path / "outside"
    outside.mkdir()
    (game.store / "ios/versions/v885").mkdir()
    (game.store / "ios/versions/v885/snd").symlink_to(outside)
    assert game.run(*SYNC).returncode == 3
    assert list(outside.iterdir()) == []
    assert game.served() == ("v884", OLD_FILES)


class DyingDirectory(Directory):
    """Kills its own process, as a machine that is switched off, at one stage."""

    stage = ""
    writes = "a file"

    def __init__(self, root):
        super().__init__(root)
        self._finish = self.dying_before(self._finish)
        self._finish_put = self.dying_before(self._finish_put)

    def dying_before(self, finish):
        def finish_or_die(fd):
            self.die_at(f"middle of {self.writes}")
            finish(fd)

        return finish_or_die

    def die_at(self, stage):
        if self.stage == stage:
            os.kill(os.getpid(), signal.SIGKILL)

    def put_small(self, files):
        def dying():
            for file in files:
                if file.entry.path == "snd/d.mp3":
                    self.die_at("second file")
                yield file

        super().put_small(dying())

    def settle(self, folder):
        self.die_at("all files")
        super().settle(folder)

    def put_document(self, key, chunks, *, changes=True):
        def dying():
            for number, chunk in enumerate(chunks):
                if number == 2:
                    self.die_at("middle of the manifest")
                yield chunk

        super().put_document(key, dying(), changes=changes)
        if key.endswith("/manifest.jsonl"):
            self.die_at("manifest")

    def put_if(self, key, content, state):
        self.writes = "the pointer"
        super().put_if(key, content, state)
        self.die_at("pointer")


STAGES = [
    "middle of a file",
    "second file",
    "all files",
    "middle of the manifest",
    "manifest",
    "middle of the pointer",
    "pointer",
]


@pytest.mark.parametrize("stage", STAGES)
def test_a_kill_at_any_stage_leaves_a_whole_version_served(published_game, stage):
    game = published_game

    def sync_and_die():
        directory = DyingDirectory(game.store / "ios")
        directory.stage = stage
        store = ReleaseStore(directory)
        release = open_release(game.source, "ios", "v885")
        plan = make_plan(release.manifest, store)
        quiet = Report(progress=False, outputs=False, lines=False)
        sync_platforms([PlatformSync(plan, release, store)], quiet)

    process = multiprocessing.get_context("fork").Process(target=sync_and_die)
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    sealed = "v885" in game.open_store().sealed_versions()
    assert sealed == (STAGES.index(stage) >= STAGES.index("manifest"))
    after_all = stage == "pointer"
    assert game.served() == (("v885", NEW_FILES) if after_all else ("v884", OLD_FILES))
    game.lines(*SYNC)
    assert game.served() == ("v885", NEW_FILES)
    assert list((game.store / "ios/.staging/unfinished").iterdir()) == []


def test_the_second_of_two_publishers_at_once_gets_a_conflict(published_game):
    game = published_game
    with game.open_store().lock():
        result = game.run(*SYNC)
    assert result.returncode == 4
    assert "another publisher is writing to" in result.stderr
    assert game.served() == ("v884", OLD_FILES)


def test_who_planned_before_another_published_gets_a_conflict(published_game):
    game = published_game
    release = open_release(game.source, "ios", "v885")
    store = game.open_store()
    plan = make_plan(release.manifest, store)
    game.build("v8841", OLD_FILES)
    game.lines("sync", "v8841", "--platform", "ios")
    quiet = Report(progress=False, outputs=False, lines=False)
    with pytest.raises(ConflictError, match="another publisher was first"):
        sync_platforms([PlatformSync(plan, release, store)], quiet)
    assert game.served()[0] == "v8841"


def test_of_two_publishers_started_together_one_wins(published_game):
    game = published_game
    game.build("v886", {f"{number}": b"x" * 5000 for number in range(900)})
    both = [game.start("sync", v, "--platform", "ios") for v in ("v885", "v886")]
    codes = []
    for process in both:
        with contextlib.closing(process.stdout), contextlib.closing(process.stderr):
            process.communicate(timeout=60)
        codes.append(process.returncode)
    assert set(codes) <= {0, 4}
    assert 0 in codes
    assert game.served()[0] in ("v885", "v886")
    game.lines("check", game.served()[0], "--deep", "--platform", "ios")


def test_a_lock_file_left_by_a_killed_publisher_does_not_stop_the_next(published_game):
    game = published_game
    lock = (game.store / "ios/.staging/lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    lock.close()
    (game.store / "ios/.staging/unfinished/1-0").write_bytes(b"half")
    game.lines(*SYNC)
    assert list((game.store / "ios/.staging/unfinished").iterdir()) == []


def test_a_damaged_pointer_is_a_failure_of_the_store(published_game):
    (published_game.store / "ios/current.json").write_text("{")
    result = published_game.run(*SYNC)
    assert result.returncode == 3
    assert result.stderr.endswith("current.json is damaged\n")


def test_publishing_moves_all_pointers_or_none(game):
    for platform in ("ios", "android"):
        game.build("v885", {"a": b"1", "b": b"2"}, platform)
    game.lines(
        "sync", "v885", "--no-pointer", "--platform", "ios", "--platform", "android"
    )
    lost = game.store / "android/versions/v885/b"
    lost.unlink()
    publish = ("publish", "v885", "--platform", "ios", "--platform", "android")
    result = game.run(*publish)
    assert result.returncode == 1
    assert result.stdout == "MISSING b\n"
    assert "v885 of android is not complete" in result.stderr
    assert game.served("ios") is None
    lost.write_bytes(b"2")
    assert game.lines(*publish) == [
        "Publishing iOS...",
        "Published v885.",
        "Publishing Android...",
        "Published v885.",
    ]
    assert game.served("android")[0] == "v885"


def test_publishing_what_is_not_in_the_store_is_refused(published_game):
    result = published_game.run("publish", "v885", "--platform", "ios")
    assert result.returncode == 2
    assert result.stderr.endswith("; there are: v884\n")
