"""Clients of Cocos poll fixed addresses, which have to say what is live."""

import hashlib
import json

import pytest

from tests.resources.cdn import NGINX, cdn
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.nginx,
    pytest.mark.skipif(NGINX is None, reason="nginx is not there"),
]

FILES = {"src/main.js": b"boot()", "res/a.png": b"picture"}
NO_CACHE = "add_header Cache-Control no-cache;"
TYPES = """
location ~ manifest$ {
    types { } default_type application/json; root STORE;
    FIXED
}
location /ios/versions/ { proxy_pass ORIGIN; }
"""


def documents(version, url, files):
    """Give the two manifests of a build, as Cocos' own script writes them."""
    stated = {
        "packageUrl": url,
        "remoteManifestUrl": f"{url}project.manifest",
        "remoteVersionUrl": f"{url}version.manifest",
        "version": version,
    }
    assets = {
        path: {"size": len(content), "md5": hashlib.md5(content).hexdigest()}
        for path, content in files.items()
    }
    return {
        "project.manifest": json.dumps({**stated, "assets": assets}).encode(),
        "version.manifest": json.dumps(stated).encode(),
    }


@pytest.fixture
def cocos_game(game):
    """A game for Cocos' clients whose live version is v2, of which v1 holds a file."""
    for version, stated in (("v1", "1.0.0"), ("v2", "1.0.1")):
        files = {**FILES, "src/main.js": version.encode()}
        built = files | documents(stated, "http://build/", files)
        (game.build(version, built) / "manifest.jsonl").unlink()
        game.lines("sync", version, "--platform", "ios", "--reuse", "copy")
    return game


def write_fixed(game, url, stated="1.0.1", version="v2", folder=""):
    package = f"{url}/ios/versions/{version}/"
    for name, content in documents(stated, package, FILES).items():
        path = game.store / "ios" / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


def verify(game, url, *arguments):
    arguments = ("verify-public", "v2", "--platform", "ios", "--wait", "0", *arguments)
    result = game.run(*arguments, RESOURCE_PUBLIC_URL=url)
    assert result.stderr == ""
    return result.returncode, result.stdout.splitlines()[1:]


def site(game):
    text = TYPES.replace("STORE", str(game.store))
    return text.replace(
        "location ~ manifest$", "location ~ ^/ios/[^/]*/?[a-z]*.manifest$"
    )


def test_fixed_addresses_say_what_is_live_and_where_it_is(cocos_game, tmp_path):
    game = cocos_game
    with cdn(tmp_path, game.store, site(game).replace("FIXED", NO_CACHE)) as url:
        write_fixed(game, url)
        assert verify(game, url) == (
            0,
            [
                "Players get v2 on iOS: pointer, manifest and all 4 files are right.",
            ],
        )
        write_fixed(game, url, stated="1.0.0", version="v1")
        code, lines = verify(game, url)
        assert (code, lines[:-1]) == (
            6,
            [
                'STALE version.manifest: the CDN still serves "1.0.0", not "1.0.1"',
                'STALE project.manifest: the CDN still serves "1.0.0", not "1.0.1"',
            ],
        )
        write_fixed(game, url, version="v1")
        code, lines = verify(game, url)
        assert (code, lines[:-1]) == (
            6,
            [
                f'MISMATCH {name}.manifest: packageUrl is "{url}/ios/versions/v1/", not'
                f' "{url}/ios/versions/v2/"'
                for name in ("version", "project")
            ],
        )


def test_a_fixed_address_may_not_be_kept_or_be_something_else(cocos_game, tmp_path):
    game = cocos_game
    kept = "add_header Age 77; expires 1h;"
    with cdn(tmp_path, game.store, site(game).replace("FIXED", kept)) as url:
        write_fixed(game, url, stated="1.0.0")
        (game.store / "ios" / "project.manifest").write_text("[]")
        code, lines = verify(game, url)
    assert code == 6
    assert lines[:2] == [
        'STALE version.manifest: the CDN still serves "1.0.0" (Age 77 s), not "1.0.1"',
        "MISMATCH project.manifest: it is no JSON object",
    ]
    assert lines[2].startswith('CACHE version.manifest: expected "no-cache", got "')
    assert lines[2].endswith(" (and 1 more answer)")


def test_a_channel_has_fixed_addresses_of_its_own(cocos_game, tmp_path):
    game = cocos_game
    game.lines("publish", "v2", "--platform", "ios", "--channel", "beta")
    with cdn(tmp_path, game.store, site(game).replace("FIXED", NO_CACHE)) as url:
        code, lines = verify(game, url, "--channel", "beta")
        assert (code, lines[:-1]) == (
            6,
            [
                "MISSING beta/version.manifest: 404",
                "MISSING beta/project.manifest: 404",
            ],
        )
        write_fixed(game, url, folder="beta")
        assert verify(game, url, "--channel", "beta")[0] == 0


def test_their_files_are_looked_for_in_the_version_s_own_folder(cocos_game, tmp_path):
    game = cocos_game
    (game.store / "ios" / "versions" / "v2" / "res" / "a.png").unlink()
    with cdn(tmp_path, game.store, site(game).replace("FIXED", NO_CACHE)) as url:
        write_fixed(game, url)
        code, lines = verify(game, url)
    assert (code, lines[:-1]) == (
        6,
        ["MISSING versions/v2/res/a.png: 404 (X-Cache MISS)"],
    )


def test_it_waits_for_fixed_addresses_as_for_the_pointer(cocos_game, tmp_path):
    game = cocos_game
    with cdn(tmp_path, game.store, site(game).replace("FIXED", NO_CACHE)) as url:
        game.environment["RESOURCE_PUBLIC_URL"] = url
        write_fixed(game, url, stated="1.0.0")
        process = game.start("verify-public", "v2", "--platform", "ios", "--wait", "9m")
        wait_until(lambda: asked_for_twice(tmp_path), "a second look")
        write_fixed(game, url)
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1].startswith("Players get v2 on iOS: ")


def asked_for_twice(folder):
    return (folder / "requests").read_text().count("GET /ios/version.manifest") > 1
