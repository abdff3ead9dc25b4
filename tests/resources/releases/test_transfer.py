"""A sealed version goes from one store into another, and is served there."""

import contextlib
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from resources.releases.check import find_problem
from resources.releases.published import open_published
from resources.settings import read_settings
from resources.stores.bucket import store as bucket_store
from tests.resources.conftest import BUCKET, NEW_FILES, OLD_FILES
from tests.resources.releases.test_promises import (
    DISTURBED,
    PROJECT,
    disturbed,
    standing_still,
)

IOS = ("--platform", "ios")
PUBLISH = ("publish", "v885", *IOS)


class Other:
    """A game whose command line names another store: what is served there."""

    def __init__(self, game, url):
        self.game = game
        self.url = url
        self.publish = (*PUBLISH, "--store", str(url))

    def open_store(self, channel="live"):
        environment = self.game.environment
        settings = read_settings(environment, source=None, store=str(self.url))
        return settings.open_store("ios", channel)

    def served(self):
        """Give version and content of what is served, every byte of it checked."""
        store = self.open_store()
        pointer = store.pointer()
        if pointer is None:
            return None
        release = open_published(store, "ios", pointer.version)
        content = {}
        for entry in release.manifest.entries():
            assert find_problem(release, entry, quick=False) is None
            with release.open(entry) as stream:
                content[entry.path] = stream.read()
        return pointer.version, content

    def versions(self):
        return self.open_store().sealed_versions()


@pytest.fixture
def staged_game(published_game):
    """A game whose configured store holds v884 and v885."""
    published_game.lines("sync", "v885", *IOS)
    return published_game


@pytest.fixture
def other(staged_game, tmp_path):
    """Another folder on the same disk, which serves v884 already."""
    url = tmp_path / "live"
    staged_game.lines("sync", "v884", *IOS, "--store", str(url))
    return Other(staged_game, url)


def staged(game):
    for version, files in (("v884", OLD_FILES), ("v885", NEW_FILES)):
        game.build(version, files)
        game.lines("sync", version, *IOS)
    return game


def test_what_the_other_store_lacks_is_linked_and_then_served(staged_game, other):
    origin = staged_game.open_store().name
    assert staged_game.lines(*other.publish) == [
        f"Copying v885 of iOS from the store {origin}...",
        "Plan: 4 files, 2 new, 2 reused from v884, 15 B to copy",
        "Verified 2 copied files.",
        "Published v885 (was v884).",
    ]
    assert other.served() == ("v885", NEW_FILES)
    path = Path("ios/versions/v885/a.json")
    assert (other.url / path).samefile(staged_game.store / path)
    assert staged_game.lines(*other.publish) == [
        "Nothing to do: v885 is already published."
    ]


def test_the_other_store_needs_nothing_that_the_version_refers_to(
    staged_game, tmp_path
):
    other = Other(staged_game, tmp_path / "new" / "live")
    lines = staged_game.lines(*other.publish)
    assert lines[1:] == [
        "Plan: 4 files, 4 new, 0 reused, 35 B to copy",
        "Verified 4 copied files.",
        "Published v885.",
    ]
    assert other.versions() == ["v885"]
    assert other.served() == ("v885", NEW_FILES)


def test_on_another_channel_the_players_of_live_get_what_they_had(staged_game, other):
    lines = staged_game.lines(*other.publish, "--channel", "beta")
    assert lines[-1] == "Published v885 on beta."
    assert other.served() == ("v884", OLD_FILES)
    assert other.open_store("beta").pointer().version == "v885"


def test_a_dry_run_writes_the_plan_and_nothing_else(staged_game, other):
    assert staged_game.lines(*other.publish, "--dry-run")[1:] == [
        "Plan: 4 files, 2 new, 2 reused from v884, 15 B to copy",
        "Would publish v885 (was v884).",
    ]
    assert other.versions() == ["v884"]
    assert other.served() == ("v884", OLD_FILES)
    lines = staged_game.lines(*PUBLISH, "--dry-run")
    assert lines == ["Nothing to do: v885 is already published."]
    result = staged_game.run("publish", "v884", *IOS, "--dry-run")
    assert result.returncode == 2
    assert "is older than v885" in result.stderr


def test_what_is_told_of_it_is_told_to_programs_too(staged_game, other):
    result = staged_game.run(*other.publish, "--json")
    assert '"bytesUploaded": 0' in result.stdout
    assert '"copied": 2' in result.stdout
    assert '"served": "v885", "previous": "v884"' in result.stdout


def test_several_platforms_are_served_together_or_not_at_all(staged_game, tmp_path):
    game = staged_game
    game.build("v885", NEW_FILES, "android")
    both = ("publish", "v885", "--platform", "ios,android", "--store")
    refused = game.run(*both, str(tmp_path / "live"))
    assert refused.returncode == 2
    assert "version v885 of android is not in the store" in refused.stderr
    assert "from which it would be copied; there are none" in refused.stderr
    assert not (tmp_path / "live").exists()
    game.lines("sync", "v885", "--platform", "android")
    lines = game.lines(*both, str(tmp_path / "live"))
    assert [line for line in lines if not line.startswith("Copying")] == [
        "Plan: 4 files, 4 new, 0 reused, 35 B to copy",
        "Verified 4 copied files.",
        "Plan: 4 files, 4 new, 0 reused, 35 B to copy",
        "Verified 4 copied files.",
        "Publishing iOS...",
        "Published v885.",
        "Publishing Android...",
        "Published v885.",
    ]


# Refused, before anything is written.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--guard", "20"), "the guard stops v885 of ios"),
        (("--max-player-bytes", "14"), "the budget stops v885 of ios"),
    ],
)
def test_it_is_compared_with_what_the_other_store_serves(
    staged_game, other, options, message
):
    staged_game.has_guard = True
    guard = () if "--guard" in options else ("--guard", "100")
    result = staged_game.run(*other.publish, *options, *guard)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr
    assert other.versions() == ["v884"]


def test_an_older_version_is_not_copied(staged_game, tmp_path):
    other = Other(staged_game, tmp_path / "live")
    staged_game.build("v886", NEW_FILES)
    staged_game.lines("sync", "v886", *IOS, "--store", str(other.url))
    result = staged_game.run(*other.publish)
    assert result.returncode == 2
    assert "v885 of ios is older than v886, which is served" in result.stderr
    assert other.versions() == ["v886"]


def test_a_version_that_neither_store_has_is_named_with_those_there_are(
    staged_game, other
):
    result = staged_game.run("publish", "v999", *IOS, "--store", str(other.url))
    assert result.returncode == 2
    assert f"v999 of ios is not in the store {other.url}/ios, nor in" in result.stderr
    assert "v884" in result.stderr


def test_a_version_that_is_not_sealed_is_not_copied(staged_game, other):
    (staged_game.store / "ios/versions/v885/manifest.jsonl").unlink()
    result = staged_game.run(*other.publish)
    assert result.returncode == 2
    assert "version v885 of ios is not in the store" in result.stderr
    assert other.versions() == ["v884"]


def test_other_content_under_the_same_version_is_a_conflict(staged_game, other):
    staged_game.build("v885", {**NEW_FILES, "a.json": b"other"})
    staged_game.lines("sync", "v885", *IOS, "--store", str(other.url))
    before = other.served()
    result = staged_game.run(*other.publish)
    assert result.returncode == 4
    assert "v885 of ios is in the store with other content" in result.stderr
    assert other.served() == before


def test_what_only_the_other_store_has_is_published_as_ever(staged_game, other):
    staged_game.build("v886", NEW_FILES)
    staged_game.lines("sync", "v886", *IOS, "--no-pointer", "--store", str(other.url))
    lines = staged_game.lines("publish", "v886", *IOS, "--store", str(other.url))
    assert lines == ["Published v886 (was v884)."]


def test_a_damaged_manifest_is_not_copied_but_stops_no_other_store(staged_game, other):
    manifest = staged_game.store / "ios/versions/v885/manifest.jsonl"
    content = manifest.read_bytes()
    manifest.write_bytes(content[:100])
    result = staged_game.run(*other.publish)
    assert result.returncode == 3
    assert '"repair v885" mends it' in result.stderr
    manifest.write_bytes(content)
    staged_game.lines(*other.publish, "--channel", "beta")
    manifest.write_bytes(content[:100])
    lines = staged_game.lines(*other.publish)
    assert lines[0].startswith("warning: ")
    assert lines[1:] == ["Published v885 (was v884)."]


# Damaged, broken and killed.


@pytest.mark.parametrize("content", [b'{"new": 2}', b"short", None])
def test_a_damaged_file_is_not_copied(staged_game, other, content):
    path = staged_game.store / "ios/versions/v885/a.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    result = staged_game.run(*other.publish)
    assert result.returncode == 1
    assert "v885 of ios is damaged in the store" in result.stderr
    assert other.served() == ("v884", OLD_FILES)
    assert other.versions() == ["v884"]
    staged_game.lines("repair", "v885", *IOS)
    staged_game.lines(*other.publish)
    assert other.served() == ("v885", NEW_FILES)


def test_a_kill_between_any_two_writes_leaves_the_other_store_as_it_was(
    staged_game, tmp_path
):
    """The other store is the configured one here, which is what is disturbed."""
    game = staged_game
    origin = tmp_path / "staging"
    game.store.rename(origin)
    game.lines("sync", "v884", *IOS)
    game.environment["RESOURCE_STORE"] = str(origin)
    publish = (*PUBLISH, "--store", str(game.store))
    kills = 0
    for code, _ in disturbed(game, "kill", *publish):
        kills += code == -signal.SIGKILL
        assert code in (-signal.SIGKILL, 0)
        served = game.served()
        assert served in (("v884", OLD_FILES), ("v885", NEW_FILES))
        game.lines(*publish)
        assert game.served() == ("v885", NEW_FILES)
        assert list((game.store / "ios/.staging/unfinished").iterdir()) == []
    assert kills > 5
    assert game.lines("check", "v885", *IOS, "--store", str(origin), "--deep")


def test_beside_another_publisher_nothing_is_copied(staged_game, other):
    with other.open_store().lock():
        result = staged_game.run(*other.publish)
    assert result.returncode == 4
    assert "another publisher is writing" in result.stderr
    assert other.versions() == ["v884"]


def test_a_plan_that_another_publisher_has_overtaken_is_not_followed(
    staged_game, other
):
    # It stands still before the first file that it makes, which is no store's.
    with standing_still(staged_game, 1, *other.publish) as first:
        staged_game.build("v886", NEW_FILES)
        staged_game.lines("sync", "v886", *IOS, "--store", str(other.url))
    assert first.returncode in (2, 4), "older by now, or overtaken"
    assert other.served() == ("v886", NEW_FILES)


def test_where_there_can_be_no_link_the_bytes_are_copied(staged_game, other):
    command = staged_game.command(*other.publish)[3:]
    done = subprocess.run(
        [sys.executable, DISTURBED, "0", "kill", staged_game.store, *command],
        cwd=PROJECT,
        env={
            **staged_game.environment,
            "PYTHONPATH": str(PROJECT),
            "REFUSE_LINKS": "1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Verified 2 copied files." in done.stdout
    assert other.served() == ("v885", NEW_FILES)
    path = Path("ios/versions/v885/a.json")
    assert not (other.url / path).samefile(staged_game.store / path)


# Buckets.


def test_a_folder_s_files_are_uploaded_to_a_bucket(game_on_moto, tmp_path):
    game = game_on_moto
    bucket = game.environment["RESOURCE_STORE"]
    game.environment["RESOURCE_STORE"] = str(tmp_path / "staging")
    staged(game)
    game.lines("sync", "v884", *IOS, "--store", bucket)
    other = Other(game, bucket)
    assert game.lines(*other.publish)[1:] == [
        "Plan: 4 files, 2 new, 2 reused from v884, 15 B to upload",
        "Verified 2 uploads.",
        "Published v885 (was v884).",
    ]
    assert other.served() == ("v885", NEW_FILES)


def test_a_bucket_s_files_are_downloaded_into_a_folder(game_on_moto, tmp_path):
    game = staged(game_on_moto)
    other = Other(game, tmp_path / "live")
    game.proxy.harm("truncate", "GET", "versions/v885/a.json")
    game.proxy.harm("drop", "GET", "versions/v885/snd/d.mp3")
    lines = game.lines(*other.publish)
    assert lines[-2:] == ["Verified 4 uploads.", "Published v885."]
    assert other.served() == ("v885", NEW_FILES)


@pytest.fixture(params=["moto", "rclone"])
def staged_bucket(request):
    """A game staged beneath a prefix of a bucket, and another prefix that serves
    v884."""
    game = staged(request.getfixturevalue(f"game_on_{request.param}"))
    url = f"{game.location}-live{game.options}"
    game.lines("sync", "v884", *IOS, "--store", url)
    game.proxy.requests.clear()
    return game, Other(game, url)


def content_puts(game):
    """Give the objects of v885 that a client wrote, or had the server copy."""
    return sorted(
        path.partition("/versions/v885/")[2]
        for path in game.proxy.sent("PUT", "-live/ios/versions/v885/")
    )


def test_a_server_copies_within_its_bucket_and_nothing_is_sent(staged_bucket):
    game, other = staged_bucket
    assert game.lines(*other.publish)[1:] == [
        "Plan: 4 files, 2 new, 2 reused from v884, 15 B to copy",
        "Verified 2 copied files.",
        "Published v885 (was v884).",
    ]
    assert other.served() == ("v885", NEW_FILES)
    assert content_puts(game) == ["a.json", "manifest.jsonl", "snd/d.mp3"]
    origin = game.location.rpartition("/")[2] + "/ios/versions/v885/a.json"
    assert game.proxy.sent("GET", f"/{origin}") == []


def test_a_copy_that_the_server_fails_at_is_asked_for_again(staged_bucket):
    game, other = staged_bucket
    game.proxy.harm("slow down", "PUT", "-live/ios/versions/v885/a.json")
    game.proxy.harm("lose answer", "PUT", "-live/ios/versions/v885/snd/d.mp3")
    lines = game.lines(*other.publish)
    assert lines[-2:] == ["Verified 2 copied files.", "Published v885 (was v884)."]
    assert other.served() == ("v885", NEW_FILES)


@pytest.mark.parametrize("moment", ["a.json", "manifest.jsonl", "current.json"])
def test_a_server_that_goes_away_leaves_what_was_served(game_on_moto, moment):
    game = staged(game_on_moto)
    other = Other(game, f"{game.location}-live{game.options}")
    game.lines("sync", "v884", *IOS, "--store", str(other.url))
    place = f"-live/ios/versions/v885/{moment}"
    game.proxy.harm("go away", "PUT", moment if moment == "current.json" else place)
    result = game.run(*other.publish)
    assert result.returncode == 3
    game.proxy.release_all()
    assert other.served() == ("v884", OLD_FILES)
    # The lease of the publisher that lost its server ends by itself.
    with contextlib.suppress(AssertionError):
        game.lines(*other.publish)
    assert other.served() in (("v884", OLD_FILES), ("v885", NEW_FILES))


def test_bytes_that_are_not_what_the_manifest_says_are_found_by_their_size(
    game_on_moto,
):
    game = staged(game_on_moto)
    other = Other(game, f"{game.location}-live{game.options}")
    game.bucket().put("versions/v885/a.json", b"short")
    result = game.run(*other.publish)
    assert result.returncode == 1
    assert "v885 of ios is damaged in the store s3://" in result.stderr
    assert other.versions() == []


def test_what_an_etag_does_not_prove_is_read_back(game_on_moto):
    """An object that came in parts has an ETag that is no MD5."""
    game = game_on_moto
    large = os.urandom(bucket_store.PART_BYTES + 1)
    files = {**OLD_FILES, "large": large}
    game.build("v885", files)
    game.lines("sync", "v885", *IOS)
    other = Other(game, f"{game.location}-live{game.options}")
    game.proxy.requests.clear()
    lines = game.lines(*other.publish)
    assert lines[-2:] == ["Verified 4 copied files.", "Published v885."]
    assert game.proxy.sent("GET", "-live/ios/versions/v885/large")
    assert not game.proxy.sent("GET", "-live/ios/versions/v885/a.json")
    assert other.served() == ("v885", files)


def test_md5_digests_are_copied_with_the_version(game_on_moto):
    game = game_on_moto
    folder = game.build("v885", NEW_FILES)
    game.lines("manifest", str(folder), "--md5")
    game.lines("sync", "v885", *IOS)
    other = Other(game, f"{game.location}-live{game.options}")
    game.bucket().put("versions/v885/a.json", b'{"new": 2}')
    result = game.run(*other.publish)
    assert result.returncode == 1, "the size alone is right"
    assert "a.json" in result.stderr
    assert other.versions() == []


def test_a_store_is_the_same_under_another_name(staged_game):
    staged_game.build("v886", NEW_FILES)
    staged_game.lines("sync", "v886", *IOS, "--no-pointer")
    store = f"{staged_game.store}/../store/"
    lines = staged_game.lines("publish", "v886", *IOS, "--store", store)
    assert lines == ["Published v886 (was v885)."]


def test_what_was_begun_under_a_name_is_replaced_where_it_is_damaged(
    staged_game, other
):
    folder = Path(other.url) / "ios/versions/v885"
    (folder / "snd").mkdir(parents=True)
    (folder / "a.json").write_bytes(b'{"new": 9}')
    (folder / "snd/d.mp3").write_bytes(b"sound")
    lines = staged_game.lines(*other.publish)
    assert lines[2:4] == ["Verified 1 copied file.", "Verified 1 upload."]
    assert other.served() == ("v885", NEW_FILES)


def test_a_repair_takes_files_from_a_bucket_too(game_on_moto, tmp_path):
    game = staged(game_on_moto)
    live = ("--store", str(tmp_path / "live"))
    game.lines("sync", "v885", *IOS, *live)
    damaged = tmp_path / "live/ios/versions/v885/img/b.png"
    damaged.write_bytes(b"PICTURE")
    game.environment["RESOURCE_SOURCE"] = str(tmp_path / "nothing")
    bucket = game.environment["RESOURCE_STORE"]
    lines = game.lines("repair", "v885", *IOS, *live, "--from", bucket)
    assert lines[-1] == "Repaired 1 of 1 damaged files, 7 B."
    assert damaged.read_bytes() == b"picture"


def test_between_two_buckets_all_is_streamed(game_on_moto):
    game = staged(game_on_moto)
    made = urllib.request.Request(f"{game.proxy.url}/{BUCKET}-live", method="PUT")
    urllib.request.urlopen(made).close()
    prefix = game.location.removeprefix(f"s3://{BUCKET}/")
    other = Other(game, f"s3://{BUCKET}-live/{prefix}{game.options}")
    assert game.lines(*other.publish)[1:] == [
        "Plan: 4 files, 4 new, 0 reused, 35 B to upload",
        "Verified 4 uploads.",
        "Published v885.",
    ]
    assert other.served() == ("v885", NEW_FILES)
