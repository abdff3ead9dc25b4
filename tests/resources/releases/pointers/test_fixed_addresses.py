"""Fixed addresses: stock clients of Cocos get one whole version, whatever happens."""

import itertools
import json
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, unquote, urlsplit

import pytest
import requests

from resources.manifests.cocos_version import compare_versions
from tests.resources.cocos_client import fetch_by_http, fetch_from, new_client
from tests.resources.conftest import GameInBucket
from tests.resources.releases.safeguards.test_acceptance import (
    FILES,
    build_cocos,
    everything,
)
from tests.resources.releases.test_promises import disturbed, standing_still
from tests.resources.stores.test_headers import NGINX, headers_of, served_by_nginx

IOS = ("--platform", "ios")
BOTH = ("--platform", "ios,android")
VERSIONS = {"v883": "1.0.9", "v884": "1.0.10", "v885": "1.0.11"}
CDN = "https://cdn.example.com/games"
FIXED = ("project.manifest", "version.manifest")


def with_clients(game):
    """Say where players find a game's store, build two versions and serve v884."""
    in_bucket = isinstance(game, GameInBucket)
    game.fetch = fetch_from_bucket(game) if in_bucket else fetch_from(game.store)
    game.environment["RESOURCE_PUBLIC_URL"] = CDN
    game.base = f"{CDN}/ios"
    for version in ("v884", "v885"):
        build_cocos(game, version, VERSIONS[version])
    game.lines("sync", "v884", *IOS)
    return game


def fetch_from_bucket(game):
    """Give what a CDN would of a bucket that strangers can't read."""
    bucket = game.bucket()

    def fetch(url):
        path = unquote(urlsplit(url).path).removeprefix("/games/ios/")
        found = bucket.get(path)
        return found and found.content

    return fetch


@pytest.fixture
def asked(game):
    return with_clients(game)


@pytest.fixture(params=["directory", "moto"])
def asked_anywhere(request, tmp_path):
    if request.param == "directory":
        return with_clients(request.getfixturevalue("game"))
    return with_clients(request.getfixturevalue("game_on_moto"))


def client(game, channel=""):
    return new_client(game.base, game.fetch, channel)


def fixed(game, name, channel="live"):
    return json.loads(game.open_store(channel=channel).fixed_document(name))


def version_at(game, channel=""):
    """Give the version of a game that was just installed."""
    return client(game, channel).update()


def test_a_client_finds_each_version_at_one_address(asked_anywhere):
    game = asked_anywhere
    player = client(game)
    assert player.update() == VERSIONS["v884"]
    lines = game.lines("sync", "v885", *IOS)
    assert "Copied 2 files within the store." in lines
    written = "Wrote project.manifest and version.manifest of iOS for Cocos clients."
    assert lines[-2:] == [written, "Published v885 (was v884)."]
    assert player.update() == VERSIONS["v885"]
    assert player.files["own.txt"] == b"v885"
    assert version_at(game) == VERSIONS["v885"]
    assert game.lines("check", "v885", "--store", *IOS)


CHANGING = {"Content-Type": "application/json", "Cache-Control": "no-cache"}


def test_a_cache_asks_a_bucket_for_the_addresses_each_time(game_on_moto):
    game = with_clients(game_on_moto)
    game.lines("sync", "v885", *IOS, "--channel", "beta")
    for path in (*FIXED, *(f"beta/{name}" for name in FIXED)):
        assert headers_of(game, path) == CHANGING


@pytest.mark.nginx
@pytest.mark.skipif(NGINX is None, reason="nginx is not there")
def test_clients_are_served_by_nginx_with_the_printed_headers(game, tmp_path):
    rules = "".join(f"{line}\n" for line in game.lines("headers", "--nginx"))
    with served_by_nginx(tmp_path, game.store, rules) as url:
        game.environment["RESOURCE_PUBLIC_URL"] = url
        for version in ("v884", "v885"):
            build_cocos(game, version, VERSIONS[version])
            game.lines("sync", version, *IOS, "--channel", "beta")
            player = new_client(f"{url}/ios", fetch_by_http, "beta")
            assert player.update() == VERSIONS[version]
        for name in FIXED:
            answer = requests.get(f"{url}/ios/beta/{name}", timeout=30)
            assert {name: answer.headers[name] for name in CHANGING} == CHANGING


def test_what_the_build_wrote_stays_as_it_was(asked):
    game = asked
    folder = build_cocos(game, "v886", "1.0.12", odd=[1.50, {"x": "ü"}])
    text = (folder / "project.manifest").read_text().replace("1.5,", "1.50 ,")
    (folder / "project.manifest").write_text(text)
    own = {"version": "1.0.12", "minAppVersion": "3", "remoteVersionUrl": "x"}
    (folder / "version.manifest").write_text(json.dumps(own))
    game.lines("sync", "v886", *IOS)
    urls = {
        "packageUrl": f"{game.base}/versions/v886/",
        "remoteManifestUrl": f"{game.base}/project.manifest",
        "remoteVersionUrl": f"{game.base}/version.manifest",
    }
    found = (game.store / "ios/project.manifest").read_text()
    for name, url in urls.items():
        old = json.dumps(json.loads(text)[name])
        text = text.replace(f'"{name}": {old}', f'"{name}": {json.dumps(url)}')
    assert found == text
    assert fixed(game, "version.manifest") == {**own, **urls}


def test_without_a_version_manifest_it_is_that_of_the_project(asked):
    game = asked
    addresses = {"remoteVersionUrl": "https://cdn.example.com/", "bundle": "main"}
    build_cocos(game, "v886", "1.0.12", version_file=None, **addresses)
    game.lines("sync", "v886", *IOS)
    project, version = (fixed(game, name) for name in FIXED)
    assert version == {
        name: value
        for name, value in project.items()
        if name not in ("assets", "searchPaths")
    }
    assert version["bundle"] == "main"


def test_each_channel_has_addresses_of_its_own(asked):
    game = asked
    game.lines("sync", "v885", *IOS, "--channel", "beta")
    tester = client(game, "beta")
    assert (tester.update(), version_at(game)) == (VERSIONS["v885"], VERSIONS["v884"])
    assert tester.manifest["remoteVersionUrl"] == f"{game.base}/beta/version.manifest"
    game.lines("promote", "--from", "beta", *IOS)
    assert version_at(game) == VERSIONS["v885"]
    assert fixed(game, "project.manifest")["remoteManifestUrl"] == (
        f"{game.base}/project.manifest"
    )


@pytest.mark.parametrize("name", ["versions", "channels"])
def test_a_channel_can_not_be_called_as_a_folder_of_the_store(asked, name):
    before = everything(asked)
    result = asked.run("sync", "v885", *IOS, "--channel", name)
    assert result.returncode == 2
    assert f'"{name}" is not a channel: up to 32 of a to z' in result.stderr
    assert "but not versions or channels" in result.stderr
    assert everything(asked) == before


def test_a_version_that_refers_to_others_is_made_whole_before_it_is_published(
    asked_anywhere,
):
    game = asked_anywhere
    url = game.environment.pop("RESOURCE_PUBLIC_URL")
    game.lines("sync", "v885", *IOS, "--no-pointer")
    game.environment["RESOURCE_PUBLIC_URL"] = url
    own = {path for path, _ in game.open_store().objects("v885")}
    assert "res/b.png" not in own
    lines = game.lines("publish", "v885", *IOS)
    assert lines[0] == "Copied 2 files within the store."
    assert version_at(game) == VERSIONS["v885"]


def test_names_that_the_build_percent_encoded_are_found(asked):
    game = asked
    files = {"res/ä b.png": b"picture", "100%.txt": b"1"}
    folder = build_cocos(game, "v886", "1.0.12", files)
    manifest = json.loads((folder / "project.manifest").read_text())
    assets = {quote(path): value for path, value in manifest["assets"].items()}
    manifest["assets"] = assets
    (folder / "project.manifest").write_text(json.dumps(manifest))
    game.lines("sync", "v886", *IOS)
    player = client(game)
    assert player.update() == "1.0.12"
    assert player.files["res/%C3%A4%20b.png"] == b"picture"


def test_a_manifest_of_another_name_lies_at_the_same_address(asked):
    game = asked
    game.environment["RESOURCE_MANIFEST"] = "android.manifest"
    folder = build_cocos(game, "v886", "1.0.12")
    (folder / "project.manifest").rename(folder / "android.manifest")
    for command in (
        ("sync", "v886"),
        ("rollback", "v884"),
        ("publish", "v886"),
        ("check", "v886", "--store"),
    ):
        game.lines(*command, *IOS)
    assert version_at(game) == "1.0.12"


def test_players_who_ask_all_the_while_always_have_one_whole_version(asked):
    game = asked
    for number in (886, 887):
        build_cocos(game, f"v{number}", f"1.0.{number}")
    is_over = threading.Event()

    def play():
        updates = 0
        player = client(game)
        while not is_over.is_set() or updates < 2:
            if updates % 3 == 0:
                player = client(game)
            before = player.version
            after = player.update()
            player.require_whole()
            assert compare_versions(before, after) <= 0
            updates += 1
        return player.update(), updates

    with ThreadPoolExecutor(4) as players:
        playing = [players.submit(play) for _ in range(4)]
        try:
            for command in (
                ("sync", "v885"),
                ("sync", "v886", "--channel", "beta"),
                ("promote", "--from", "beta"),
                ("rollback", "v885"),
                ("sync", "v887", "--no-pointer"),
                ("rollout", "v887", "--percent", "50"),
                ("rollout", "v887", "--percent", "100"),
            ):
                game.lines(*command, *IOS)
        finally:
            is_over.set()
        found = [each.result() for each in playing]
    assert {version for version, _ in found} == {"1.0.887"}
    assert sum(updates for _, updates in found) > 50


def test_a_staged_rollout_reaches_clients_when_all_get_it(asked):
    game = asked
    game.lines("sync", "v885", *IOS, "--no-pointer")
    before = {name: fixed(game, name) for name in FIXED}
    game.lines("rollout", "v885", *IOS, "--percent", "25")
    assert {name: fixed(game, name) for name in FIXED} == before
    game.lines("rollout", "v885", *IOS, "--halt")
    assert {name: fixed(game, name) for name in FIXED} == before
    game.lines("rollout", "v885", *IOS, "--percent", "25")
    game.lines("rollout", "v885", *IOS, "--percent", "100")
    assert version_at(game) == VERSIONS["v885"]


def test_a_rollback_does_not_reach_clients_that_are_ahead_and_says_so(asked):
    game = asked
    game.lines("sync", "v885", *IOS)
    ahead = client(game)
    ahead.update()
    lines = game.lines("rollback", "v884", *IOS)
    assert lines[-2:] == [
        "Rolled back ios: v885 -> v884",
        "warning: Cocos clients on iOS that have v885 stay with it, because they take a"
        " higher version only. To take it from them, publish the files of v884 under a"
        " higher version.",
    ]
    assert version_at(game) == VERSIONS["v884"]
    assert ahead.update() == VERSIONS["v885"]
    ahead.require_whole()


def test_a_client_in_the_middle_of_a_download_ends_with_its_version(asked):
    game = asked
    game.lines("sync", "v885", *IOS)
    player = client(game)
    moves = iter(
        [("rollback", "v884"), ("publish", "v885"), ("rollback", "v884", "--json")]
    )

    def fetch(url):
        content = game.fetch(url)
        if "/versions/" in url and (move := next(moves, None)):
            game.lines(*move, *IOS)
        return content

    player.fetch = fetch
    assert player.update() == VERSIONS["v885"]
    assert next(moves, None) is None


def test_platforms_have_addresses_of_their_own_kind(game):
    game.environment["RESOURCE_PUBLIC_URL"] = CDN
    build_cocos(game, "v1", "1.0.0")
    game.build("v1", {"a": b"1"}, "facebook")
    game.lines("sync", "v1", "--platform", "ios,facebook")
    assert (game.store / "ios/version.manifest").exists()
    assert not (game.store / "facebook/version.manifest").exists()


def test_a_version_that_is_not_for_cocos_is_refused_where_its_clients_ask(asked):
    game = asked
    shutil.rmtree(game.source / "ios/v885")
    game.build("v885", FILES)
    before = everything(game)
    result = game.run("sync", "v885", *IOS)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "error: v885 of ios has no project.manifest of Cocos, but Cocos clients ask"
        f" {CDN}/ios/project.manifest and would stay with what that says. If the game"
        " is no longer of Cocos, delete project.manifest and version.manifest in the"
        " store\n"
    )
    assert everything(game) == before
    game.lines("sync", "v885", *IOS, "--no-pointer")
    assert game.run("publish", "v885", *IOS).stderr == result.stderr
    for name in FIXED:
        (game.store / "ios" / name).unlink()
    game.lines("publish", "v885", *IOS)


def test_without_a_public_address_it_says_who_is_left_behind(asked):
    game = asked
    del game.environment["RESOURCE_PUBLIC_URL"]
    lines = game.lines("sync", "v885", *IOS)
    assert lines[-2] == (
        f"warning: project.manifest and version.manifest in {game.store}/ios stay as"
        " they are, and Cocos clients with them: RESOURCE_PUBLIC_URL is not set"
    )
    assert version_at(game) == VERSIONS["v884"]


def test_a_check_of_the_store_names_addresses_that_are_wrong(asked):
    game = asked
    game.lines("sync", "v885", *IOS)
    folder = game.store / "ios"
    stored = (folder / "version.manifest").read_bytes()
    harms = {
        "is not there": (folder / "version.manifest").unlink,
        "names v884": lambda: (folder / "version.manifest").write_bytes(
            stored.replace(b"v885", b"v884")
        ),
        "names no version of this store": lambda: (
            folder / "version.manifest"
        ).write_bytes(b"[]"),
        "has other content": lambda: (folder / "version.manifest").write_bytes(
            stored + b"\n"
        ),
    }
    for reason, harm in harms.items():
        harm()
        result = game.run("check", "v885", "--store", *IOS)
        assert result.returncode == 1, reason
        assert result.stdout.splitlines()[-2:] == [
            f"ADDRESS version.manifest: expected v885, {reason}",
            "publish v885 mends the fixed addresses.",
        ]
        assert game.run("check", "v884", "--store", *IOS).returncode == 0
        assert game.lines("publish", "v885", *IOS) == [
            "Wrote version.manifest of iOS for Cocos clients.",
            "Nothing to do: v885 is already published.",
        ]
        game.lines("check", "v885", "--store", *IOS)
    (folder / "versions/v885/res/b.png").unlink()
    result = game.run("check", "v885", "--store", *IOS)
    assert result.returncode == 1
    assert (
        "NOT WHOLE versions/v885: 1 file that Cocos clients look for there can't be"
        " found\n"
    ) in result.stdout
    game.lines("publish", "v885", *IOS)
    assert version_at(game) == VERSIONS["v885"]


def test_prune_keeps_what_the_addresses_name(asked):
    game = asked
    game.lines("sync", "v885", *IOS)
    for number in (886, 887):
        build_cocos(game, f"v{number}", f"1.0.{number}")
        game.lines("sync", f"v{number}", *IOS)
    for name in FIXED:  # as a rollback leaves them that was killed
        content = (game.store / "ios" / name).read_bytes()
        (game.store / "ios" / name).write_bytes(content.replace(b"v887", b"v884"))
    game.lines("prune", "--keep", "1", "--force", *IOS)
    assert game.open_store().sealed_versions() == ["v884", "v886", "v887"]
    assert all((game.store / "ios" / name).exists() for name in FIXED)


@pytest.mark.parametrize(
    ("before", "command", "versions"),
    [
        ([], ("sync", "v885"), ("v884", "v885")),
        ([("sync", "v885", "--no-pointer")], ("publish", "v885"), ("v884", "v885")),
        (
            [("sync", "v885", "--channel", "beta")],
            ("promote", "--from", "beta"),
            ("v884", "v885"),
        ),
        ([("sync", "v885")], ("rollback", "v884"), ("v885", "v884")),
        (
            [
                ("sync", "v885", "--no-pointer"),
                ("rollout", "v885", "--percent", "5"),
            ],
            ("rollout", "v885", "--percent", "100"),
            ("v884", "v885"),
        ),
    ],
    ids=["sync", "publish", "promote", "rollback", "rollout"],
)
def test_a_kill_between_any_two_writes_leaves_clients_one_whole_version(
    asked, before, command, versions
):
    game = asked
    for each in before:
        game.lines(*each, *IOS)
    old, new = (VERSIONS[version] for version in versions)
    has_old = client(game)
    assert has_old.update() == old
    states = []
    kills = 0
    for code, errors in disturbed(game, "kill", *command, *IOS):
        assert code in (-signal.SIGKILL, 0), errors
        kills += code == -signal.SIGKILL
        states.append([game.open_store().fixed_document(name) for name in FIXED])
        assert version_at(game) in (old, new)
        if game.served()[0] == versions[1]:
            assert version_at(game) == new, "the pointer moved first"
        player = client(game)
        player.manifest, player.files = has_old.manifest, dict(has_old.files)
        assert player.update() in (old, new)
        player.require_whole()
        game.lines(*command, *IOS)
        assert version_at(game) == new
        game.lines("check", versions[1], "--store", *IOS)
    assert kills > 5
    # Also clients who read the two addresses before and after some of the writes.
    distinct = [state for state, _ in itertools.groupby(states)]
    assert len(distinct) == 3
    assert distinct[1] == [distinct[2][0], distinct[0][1]], "project.manifest is first"
    for first, second in itertools.combinations_with_replacement(distinct, 2):
        player = client(game)
        player.fetch = mixed(game, first, second)
        assert player.update() in (old, new)


def mixed(game, first, second):
    """Read version.manifest of one moment and project.manifest of a later one."""
    given = {"version.manifest": first[1], "project.manifest": second[0]}

    def fetch(url):
        if "/versions/" in url:
            return game.fetch(url)
        return given[url.rpartition("/")[2]]

    return fetch


def test_what_a_kill_left_ahead_of_the_pointer_is_put_right_by_what_comes_next(asked):
    game = asked
    kept = game.store.with_name("between")
    for _ in disturbed(game, "kill", "sync", "v885", *IOS):
        ahead = fixed(game, "version.manifest")["version"] == VERSIONS["v885"]
        if ahead and game.served()[0] == "v884":
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(game.store, kept)
    for command, version in (
        (("rollback", "v884"), "v884"),
        (("publish", "v884"), "v884"),
        (("sync", "v884"), "v884"),
        (("publish", "v885"), "v885"),
        (("sync", "v885"), "v885"),
    ):
        shutil.rmtree(game.store)
        shutil.copytree(kept, game.store)
        assert game.run("check", "v884", "--store", *IOS).returncode == 1
        game.lines(*command, *IOS)
        assert (game.served()[0], version_at(game)) == (version, VERSIONS[version])
        game.lines("check", version, "--store", *IOS)


STAGES = {
    "a copy": "v885/res/b.png",
    "the seal": "v885/manifest.jsonl",
    "project": "ios/project.manifest",
    "version": "ios/version.manifest",
    "history": "ios/history.json",
    "pointer": "ios/current.json",
}


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_a_kill_before_any_write_to_a_bucket_leaves_clients_whole(game_on_moto, stage):
    game = with_clients(game_on_moto)
    player = client(game)
    assert player.update() == VERSIONS["v884"]
    game.proxy.harm("hold", "PUT", stage)
    with game.start("sync", "v885", *IOS) as process:
        try:
            assert game.proxy.held.wait(60)
        finally:
            process.kill()
    assert game.open_store().pointer().version == "v884"
    ahead = stage in (STAGES["history"], STAGES["pointer"])
    assert player.update() == VERSIONS["v885" if ahead else "v884"]
    assert version_at(game) in (VERSIONS["v884"], VERSIONS["v885"])
    game.lines("sync", "v885", *IOS)
    assert player.update() == version_at(game) == VERSIONS["v885"]
    game.lines("check", "v885", "--store", *IOS)


@pytest.mark.parametrize("name", FIXED)
def test_an_address_that_can_not_be_written_keeps_the_pointer(game_on_moto, name):
    game = with_clients(game_on_moto)
    player = client(game)
    player.update()
    game.proxy.harm("quota", "PUT", f"ios/{name}", times=10**6)
    result = game.run("sync", "v885", *IOS)
    assert result.returncode == 5
    assert result.stderr.startswith(f"error: cannot write {name} in ")
    assert game.open_store().pointer().version == "v884"
    assert player.update() == VERSIONS["v884"]
    assert version_at(game) in (VERSIONS["v884"], VERSIONS["v885"])
    game.proxy.release_all()
    game.lines("sync", "v885", *IOS)
    assert player.update() == version_at(game) == VERSIONS["v885"]


def test_a_folder_where_an_address_should_lie_is_a_failure_of_the_store(asked):
    game = asked
    path = game.store / "ios/version.manifest"
    path.unlink()
    (path / "in the way").mkdir(parents=True)
    result = game.run("sync", "v885", *IOS)
    assert result.returncode == 3
    assert "version.manifest: Is a directory" in result.stderr
    assert game.served()[0] == "v884"


@pytest.fixture
def two_platforms(game):
    """Two platforms that serve v884, and hold v885."""
    game.environment["RESOURCE_PUBLIC_URL"] = CDN
    for version in ("v884", "v885"):
        folder = build_cocos(game, version, VERSIONS[version])
        shutil.copytree(folder, game.source / "android" / version)
    game.lines("sync", "v884", *BOTH)
    game.lines("sync", "v885", *BOTH, "--no-pointer")
    return game


def versions_at(game):
    """Give the versions of games that were just installed."""
    fetch = fetch_from(game.store)
    clients = (new_client(f"{CDN}/{name}", fetch) for name in ("ios", "android"))
    return [player.update() for player in clients]


def test_of_two_platforms_neither_moves_where_one_has_no_usable_manifest(two_platforms):
    game = two_platforms
    (game.store / "android/versions/v885/project.manifest").unlink()
    before = everything(game)
    assert game.run("publish", "v885", *BOTH).returncode in (1, 2)
    assert everything(game) == before
    game.lines("repair", "v885", *BOTH)
    lines = game.lines("publish", "v885", *BOTH)
    assert [line for line in lines if "Wrote" in line] == [
        f"Wrote project.manifest and version.manifest of {title} for Cocos clients."
        for title in ("iOS", "Android")
    ]
    assert versions_at(game) == [VERSIONS["v885"]] * 2


def test_a_kill_leaves_the_clients_of_two_platforms_whole(two_platforms):
    game = two_platforms
    publish = ("publish", "v885", *BOTH)
    found = []
    for code, errors in disturbed(game, "kill", *publish):
        assert code in (-signal.SIGKILL, 0), errors
        found.append(versions_at(game))
        game.lines(*publish)
        assert versions_at(game) == [VERSIONS["v885"]] * 2
    old, new = VERSIONS["v884"], VERSIONS["v885"]
    distinct = [each for each, _ in itertools.groupby(found)]
    assert distinct == [[old, old], [new, old], [new, new]]


def test_a_publisher_that_was_overtaken_writes_no_address(asked):
    game = asked
    game.lines("sync", "v885", *IOS, "--no-pointer")
    with standing_still(game, 1, "publish", "v885", *IOS) as first:
        build_cocos(game, "v886", "1.0.12")
        game.lines("sync", "v886", *IOS)
    assert first.returncode == 4, first.errors
    assert version_at(game) == "1.0.12"
