"""What players get is seen through a CDN that is wrong on purpose."""

import gzip
import json
import shutil

import pytest
import requests

from resources.stores.headers import Headers
from tests.resources.cdn import NGINX, cdn
from tests.resources.conftest import entry_of, manifest_of
from tests.resources.faulty_proxy import FaultyProxy, forward_to
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.nginx,
    pytest.mark.skipif(NGINX is None, reason="nginx is not there"),
]

IOS = ("--platform", "ios", "--wait", "0")
FILES = {
    "index.html": b"<!doctype html><title>game</title>",
    "src/main.js": b"boot()",
    "ui.json": b'{"ui": 1}',
    "img/a.png": b"picture",
}
NEWER = {**FILES, "src/main.js": b"boot(2)", "img/b.png": b"another picture"}
IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture
def served(game):
    """A game whose live version is v2, of which one file is held by v1."""
    game.build("v1", FILES)
    game.lines("sync", "v1", "--platform", "ios")
    game.build("v2", NEWER)
    game.lines("sync", "v2", "--platform", "ios")
    return game


def verify(game, url, *arguments, version="v2", **environment):
    given = {"RESOURCE_PUBLIC_URL": url, **environment}
    return game.run("verify-public", version, *IOS, *arguments, **given)


def problems(result, *, of=None):
    """Give the lines of problems of a check that found some."""
    assert (result.returncode, result.stderr) == (6, "")
    first, *lines, last = result.stdout.splitlines()
    assert first.startswith("Checking iOS at http")
    assert last.startswith("Players on iOS don't get v2 as it was published: ")
    if of is not None:
        assert last.endswith(f"{len(lines)} of {of} answers are wrong.")
    return lines


def test_what_is_served_rightly_passes(served, tmp_path):
    with cdn(tmp_path, served.store) as url:
        for _ in range(2):  # past the cache, and from it
            result = verify(served, url)
            assert (result.returncode, result.stderr) == (0, "")
            assert result.stdout.splitlines() == [
                f"Checking iOS at {url}/ios...",
                "Players get v2 on iOS: pointer, manifest and all 5 files are right.",
            ]


def test_a_cdn_may_compress_what_it_sends(served, tmp_path):
    compress = "gzip on; gzip_types *; gzip_proxied any; gzip_min_length 1;"
    with cdn(tmp_path, served.store, compress) as url:
        address = f"{url}/ios/versions/v1/index.html"
        assert requests.get(address).headers["Content-Encoding"] == "gzip"
        result = verify(served, url)
    assert (result.returncode, result.stderr) == (0, "")


OLD_POINTER = """
location = /ios/current.json {
    proxy_pass ORIGIN;
    proxy_ignore_headers Cache-Control;
    add_header Age 3120;
    add_header X-Cache $upstream_cache_status;
}
"""


def test_a_pointer_that_a_cache_keeps_for_an_hour_is_named_with_its_age(game, tmp_path):
    game.build("v1", FILES)
    game.lines("sync", "v1", "--platform", "ios")
    with cdn(tmp_path, game.store, OLD_POINTER) as url:
        assert requests.get(f"{url}/ios/current.json").json()["version"] == "v1"
        game.build("v2", NEWER)
        game.lines("sync", "v2", "--platform", "ios")
        result = verify(game, url)
    assert problems(result, of=7) == [
        "STALE current.json: the CDN still serves v1 (Age 3,120 s, X-Cache HIT)"
    ]


def test_an_older_pointer_of_the_same_version_is_named_by_its_serial(game, tmp_path):
    game.build("v1", FILES)
    game.lines("sync", "v1", "--platform", "ios")
    game.build("v2", NEWER)
    game.lines("sync", "v2", "--platform", "ios", "--no-pointer")
    game.lines("rollout", "v2", "--platform", "ios", "--percent", "5")
    with cdn(tmp_path, game.store, OLD_POINTER) as url:
        result = verify(game, url)
        assert result.stdout.splitlines()[-1] == (
            "5 % of the players get v2 on iOS: pointer, manifest and all 5 files are"
            " right."
        )
        game.lines("rollout", "v2", "--platform", "ios", "--percent", "100")
        result = verify(game, url)
    assert problems(result) == [
        "STALE current.json: the CDN still serves serial 2 of the pointer, not 3"
        " (Age 3,120 s, X-Cache HIT)"
    ]


def test_it_waits_for_a_cache_to_give_up_the_old_pointer(served, tmp_path):
    pointer = tmp_path / "current.json"
    now = (served.store / "ios" / "current.json").read_text()
    pointer.write_text(now.replace('"version": "v2"', '"version": "v1"'))
    alias = f"location = /ios/current.json {{ alias {pointer}; {JSON_NO_CACHE} }}"
    with cdn(tmp_path, served.store, alias) as url:
        served.environment["RESOURCE_PUBLIC_URL"] = url
        process = served.start(
            "verify-public", "v2", "--platform", "ios", "--wait", "10m"
        )
        line = process.stdout.readline()
        assert line == "Waiting for ios: STALE current.json: the CDN still serves v1\n"
        pointer.write_text(now)
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1].startswith("Players get v2 on iOS: ")


JSON_NO_CACHE = """
types { } default_type application/json; add_header Cache-Control no-cache;
"""
A_YEAR = f'add_header Cache-Control "{IMMUTABLE}";'


@pytest.mark.parametrize(
    ("site", "lines"),
    [
        (
            "location ~ js$ { types { } default_type text/plain; root STORE;"
            + A_YEAR
            + "}",
            [
                "TYPE versions/v2/src/main.js: expected text/javascript;"
                " charset=utf-8, got text/plain"
            ],
        ),
        (
            "location ~ png$ { proxy_pass ORIGIN; proxy_hide_header Cache-Control;"
            " add_header Cache-Control no-store; }",
            [
                f'CACHE versions/v1/img/a.png: expected "{IMMUTABLE}", got "no-store"'
                " (and 1 more answer)"
            ],
        ),
        (
            "location = /ios/current.json { proxy_pass ORIGIN;"
            " proxy_hide_header Cache-Control; add_header Cache-Control max-age=3600;}",
            ['CACHE current.json: expected "no-cache", got "max-age=3600"'],
        ),
        (
            "location = /ios/current.json { proxy_pass ORIGIN; proxy_hide_header"
            ' Cache-Control; add_header Cache-Control "max-age=0, s-maxage=900"; }',
            [
                'CACHE current.json: expected "no-cache", got "max-age=0, s-maxage=900"'
            ],
        ),
        (
            "location = /ios/current.json { proxy_pass ORIGIN;"
            " proxy_hide_header Cache-Control; }",
            ['CACHE current.json: expected "no-cache", got no Cache-Control'],
        ),
        (
            "location ~ html$ { return 403; } location ~ ui { return 404; }",
            [
                "STATUS versions/v1/index.html: expected 200, got 403",
                "MISSING versions/v1/ui.json: 404",
            ],
        ),
        (
            "location ~ ui { proxy_pass http://127.0.0.1:1; }",
            ["STATUS versions/v1/ui.json: expected 200, got 502 (X-Cache MISS)"],
        ),
        (
            "location ~ b.png$ { return 302 https://elsewhere.example.com/b.png; }",
            [
                "REDIRECT versions/v2/img/b.png: 302 to"
                " https://elsewhere.example.com/b.png, which clients may not follow"
            ],
        ),
        (
            "absolute_redirect off; location ~ b.png$ { return 302 /ios/b.png; }",
            [
                "REDIRECT versions/v2/img/b.png: 302 to URL/ios/b.png, which clients"
                " may not follow"
            ],
        ),
        (
            "rewrite ^/ios/versions/v2/(src/.*) /ios/versions/v1/$1;",
            ["SIZE versions/v2/src/main.js: expected 7, got 6"],
        ),
        (
            "rewrite ^/ios/versions/v2/manifest.jsonl"
            " /ios/versions/v1/manifest.jsonl;",
            [
                "MISMATCH versions/v2/manifest.jsonl: the manifest line 1: the version"
                ' is "v1", not "v2"'
            ],
        ),
        (
            "location ~ png$ { root /nowhere; error_page 404 =200 /ios/versions/v1/"
            "index.html; }",
            [
                "MISSING versions/v1/img/a.png: a web page came instead (200,"
                " text/html): something answers unknown addresses with it",
                "MISSING versions/v2/img/b.png: a web page came instead (200,"
                " text/html): something answers unknown addresses with it",
            ],
        ),
        (
            "location = /ios/current.json { return 200 '<html>'; }",
            [
                "MISMATCH current.json: it is no pointer; it begins with b'<html>'",
                "TYPE current.json: expected application/json, got text/plain",
                'CACHE current.json: expected "no-cache", got no Cache-Control',
            ],
        ),
        (
            "rewrite ^/ios/current.json /ios/channels/beta.json;",
            ["MISMATCH current.json: it is the pointer of beta of ios"],
        ),
    ],
)  # fmt: skip
def test_each_fault_of_a_cdn_is_named(served, tmp_path, site, lines):
    served.lines("publish", "v2", "--platform", "ios", "--channel", "beta")
    with cdn(tmp_path, served.store, site.replace("STORE", str(served.store))) as url:
        result = verify(served, url)
    assert problems(result) == [line.replace("URL", url) for line in lines]


def test_a_redirect_within_the_host_is_followed_and_a_warning(served, tmp_path):
    settings = "location ~ ^/ios/versions/v2/img/(.*) { return 302 /moved/$1; }"
    settings += f"location /moved/ {{ alias {served.store}/ios/versions/v2/img/; "
    settings += f"types {{ }} default_type image/png; {A_YEAR} }}"
    with cdn(tmp_path, served.store, settings) as url:
        result = verify(served, url)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1] == (
        f"REDIRECT versions/v2/img/b.png: leads to {url}/moved/b.png; each costs"
        " players a round trip"
    )


@pytest.mark.parametrize(
    ("content", "header", "line"),
    [
        (gzip.compress(FILES["index.html"], mtime=0), "gzip on;", "compressed twice"),
        (
            gzip.compress(FILES["index.html"], mtime=0),
            "",
            "compressed, but no Content-Encoding says so",
        ),
        (
            FILES["index.html"],
            "add_header Content-Encoding gzip;",
            "not compressed, but Content-Encoding says gzip",
        ),
        (
            gzip.compress(FILES["index.html"], mtime=0),
            "add_header Content-Encoding br;",
            'compressed as "br", which nobody asked for',
        ),
    ],
)
def test_what_is_compressed_wrongly_is_named(served, tmp_path, content, header, line):
    (tmp_path / "page").write_bytes(content)
    settings = (
        f"location ~ index.html$ {{ alias {tmp_path}/page; gzip_min_length 1; {header}"
        f' types {{ }} default_type "text/html; charset=utf-8"; {A_YEAR} }}'
    )
    settings = settings.replace("gzip on;", "gzip on; gzip_types *;")
    with cdn(tmp_path, served.store, settings) as url:
        result = verify(served, url)
    assert problems(result) == [f"ENCODING versions/v1/index.html: {line}"]


def test_a_compressed_body_without_its_end_is_named(served, tmp_path):
    (tmp_path / "page").write_bytes(gzip.compress(FILES["index.html"], mtime=0)[:-9])
    settings = (
        f"location ~ index.html$ {{ alias {tmp_path}/page; {A_YEAR} types {{ }}"
        ' default_type "text/html; charset=utf-8"; add_header Content-Encoding gzip; }'
    )
    with cdn(tmp_path, served.store, settings) as url:
        result = verify(served, url)
    assert problems(result) == [
        "SIZE versions/v1/index.html: it is compressed, and its end is missing"
    ]


def test_files_that_were_published_compressed_are_compared_as_they_came(game, tmp_path):
    rules = {"*.br": {"Content-Encoding": "br"}, "*.gz": {"Content-Encoding": "gzip"}}
    toml = tmp_path / "headers.toml"
    toml.write_text(
        "\n".join(f'["{name}"]\nContent-Encoding = "{name[2:]}"' for name in rules)
        .replace('"gz"', '"gzip"')
    )  # fmt: skip
    game.build("v2", {"a.wasm.br": b"br", "a.data.gz": gzip.compress(b"data", mtime=0)})
    game.lines("sync", "v2", "--platform", "ios")
    with cdn(tmp_path, game.store, headers=Headers(rules)) as url:
        result = verify(game, url, RESOURCE_HEADERS=str(toml))
    assert (result.returncode, result.stderr) == (0, "")
    with cdn(tmp_path, game.store) as url:
        result = verify(game, url, RESOURCE_HEADERS=str(toml))
    assert problems(result) == [
        'ENCODING versions/v2/a.data.gz: expected Content-Encoding "gzip", got none',
        'ENCODING versions/v2/a.wasm.br: expected Content-Encoding "br", got none',
    ]


def test_files_that_are_not_what_was_published_are_named(served, tmp_path):
    folder = served.store / "ios" / "versions"
    (folder / "v2" / "src" / "main.js").write_bytes(b"boot(3)")
    (folder / "v1" / "ui.json").write_bytes(b"{}")
    (folder / "v1" / "img" / "a.png").unlink()
    with cdn(tmp_path, served.store) as url:
        mismatch, missing, size = sorted(problems(verify(served, url)))
    assert mismatch.startswith("MISMATCH versions/v2/src/main.js: expected ")
    assert missing == "MISSING versions/v1/img/a.png: 404 (X-Cache MISS)"
    assert size == "SIZE versions/v1/ui.json: expected 9, got 2"


def test_names_are_encoded_as_an_address_needs_it(game, tmp_path):
    names = [
        "a b.png",
        "c#d?.png",
        "100%.png",
        "a%20b.png",
        "你好/世界.png",
        "+&=;'.png",
    ]
    game.build("v2", {name: name.encode() for name in names})
    game.lines("sync", "v2", "--platform", "ios")
    with cdn(tmp_path, game.store) as url:
        result = verify(game, url)
    assert result.stdout.splitlines()[-1] == (
        "Players get v2 on iOS: pointer, manifest and all 6 files are right."
    )


@pytest.fixture
def behind_proxy(served, tmp_path):
    """The CDN behind a proxy that cuts connections."""
    with (
        cdn(tmp_path, served.store) as url,
        FaultyProxy(forward_to(url.removeprefix("http://"))) as proxy,
    ):
        yield proxy


def test_connections_that_end_early_are_tried_again(served, behind_proxy):
    for path in ("current.json", "v2/manifest.jsonl", "src/main.js", "ui.json"):
        behind_proxy.harm("drop", "GET", path)
    behind_proxy.harm("truncate", "GET", "img/a.png")
    behind_proxy.harm("slow down", "GET", "img/b.png")
    behind_proxy.harm("too many", "GET", "img/b.png")
    result = verify(served, behind_proxy.url)
    assert (result.returncode, result.stderr) == (0, "")


def test_an_answer_that_never_comes_whole_is_named(served, behind_proxy):
    behind_proxy.harm("truncate", "GET", "index.html", times=9)
    behind_proxy.harm("drop", "GET", "ui.json", times=9)
    result = verify(served, behind_proxy.url)
    assert sorted(problems(result)) == [
        "UNREADABLE versions/v1/index.html: the connection ended after 17 of 34 bytes",
        "UNREADABLE versions/v1/ui.json: the connection ended before an answer came",
    ]


def test_where_nothing_answers_the_pointer_alone_is_asked_for(served):
    assert problems(verify(served, "http://127.0.0.1:1"), of=1) == [
        "UNREADABLE current.json: no connection: Connection refused"
    ]
    assert problems(verify(served, "http://cdn.invalid"), of=1) == [
        "UNREADABLE current.json: the name cdn.invalid is not known"
    ]


def test_a_version_that_is_not_live_is_no_question(served, tmp_path):
    result = verify(served, "http://127.0.0.1:1", version="v1")
    assert (result.returncode, result.stderr) == (
        2,
        "error: live of ios serves v2, not v1: publish that first, or check v2\n",
    )


def test_without_an_address_nothing_is_asked(served):
    result = served.run("verify-public", "v2", *IOS)
    assert result.returncode == 2
    assert result.stderr.startswith("error: RESOURCE_PUBLIC_URL is not set: ")
    assert "run it with --allow-unset" in result.stderr


def test_without_an_address_that_may_be_said_and_no_more(served):
    result = served.run("verify-public", "v2", *IOS, "--allow-unset")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "warning: what players of ios get was not looked at: RESOURCE_PUBLIC_URL is"
        " not set\n"
    )


def test_platforms_with_an_address_are_looked_at_beside_those_without(served, tmp_path):
    with cdn(tmp_path, served.store) as url:
        result = served.run(
            *("verify-public", "v2", "--platform", "ios,android", "--allow-unset"),
            RESOURCE_PUBLIC_URL_IOS=url,
        )
    assert result.returncode == 0
    assert "what players of android get was not looked at" in result.stdout
    assert result.stdout.endswith(" files are right.\n")


def test_a_moved_or_doubled_file_is_asked_for_where_it_lies(game, tmp_path):
    game.build("v1", {"a.png": b"picture", "b.json": b"{}"})
    game.lines("sync", "v1", "--platform", "ios")
    game.build("v2", {"new/a.png": b"picture", "1.js": b"new", "2.js": b"new"})
    game.lines("sync", "v2", "--platform", "ios", "--guard", "100")
    lies_in = {path.name for path in (game.store / "ios/versions/v2").rglob("*.*")}
    assert lies_in == {"1.js", "manifest.jsonl"}
    with cdn(tmp_path, game.store) as url:
        result = verify(game, url)
    assert (result.returncode, result.stderr) == (0, "")
    assert "pointer, manifest and all 3 files are right." in result.stdout


def test_a_version_without_files_is_no_success(game, tmp_path):
    game.build("v2", {})
    game.lines("sync", "v2", "--platform", "ios", "--allow-empty")
    with cdn(tmp_path, game.store) as url:
        result = verify(game, url)
        assert (result.returncode, result.stderr) == (
            2,
            "error: nothing was compared: the manifest of ios lists no file. If that"
            " is meant, run it with --allow-empty\n",
        )
        assert verify(game, url, "--allow-empty").returncode == 0


def test_whoever_has_no_store_can_check_too(served, tmp_path):
    with cdn(tmp_path, served.store) as url:
        result = verify(served, url, "--store", str(tmp_path / "other"))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0].startswith(
        "warning: what players of ios get is not compared with the store "
    )


def test_a_channel_has_a_pointer_of_its_own(served, tmp_path):
    served.build("v3", NEWER)
    served.lines("sync", "v3", "--platform", "ios", "--channel", "beta")
    with cdn(tmp_path, served.store) as url:
        result = verify(served, url, "--channel", "beta", version="v3")
        assert (result.returncode, result.stderr) == (0, "")
        (served.store / "ios" / "channels" / "beta.json").unlink()
        result = verify(served, url, "--channel", "beta", version="v3")
    assert "MISSING channels/beta.json: 404 (X-Cache MISS)" in result.stdout


def test_programs_get_counts_and_the_age(served, tmp_path):
    with cdn(tmp_path, served.store, OLD_POINTER) as url:
        result = verify(served, url, "--json")
    assert json.loads(result.stdout.splitlines()[-1]) == {
        "type": "result",
        "exitCode": 0,
        "counts": {"filesChecked": 5, "failed": 0},
        "platforms": {
            "ios": {
                "version": "v2",
                "filesChecked": 5,
                "failed": 0,
                "age": "3,120 s",
            }
        },
    }


def test_several_platforms_are_checked_each_at_its_address(game, tmp_path):
    for platform in ("ios", "android"):
        game.build("v2", FILES, platform)
        game.lines("sync", "v2", "--platform", platform)
    with cdn(tmp_path, game.store) as url:
        shutil.copytree(game.store / "android", game.store / "apk" / "android")
        arguments = ("verify-public", "v2", "--platform", "ios,android", "--wait", "0")
        result = game.run(
            *arguments,
            RESOURCE_PUBLIC_URL=url,
            RESOURCE_PUBLIC_URL_ANDROID=f"{url}/apk",
        )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[::2] == [
        f"Checking iOS at {url}/ios...",
        f"Checking Android at {url}/apk/android...",
    ]


def test_a_sample_is_looked_at_and_counted(game, tmp_path):
    game.build("v2", {f"f{n}.png": b"%d" % n for n in range(900)})
    game.lines("sync", "v2", "--platform", "ios")
    with cdn(tmp_path, game.store) as url:
        for arguments, files in (
            ((), "200 of"),
            (("--files", "10"), "10 of"),
            (("--files", "all"), "all"),
        ):
            assert verify(game, url, *arguments).stdout.splitlines()[-1] == (
                f"Players get v2 on iOS: pointer, manifest and {files} 900 files are"
                " right."
            )


def test_a_manifest_that_was_exchanged_is_named(served, tmp_path):
    folder = served.store / "ios" / "versions" / "v2"
    content = b"boot(3)"
    (folder / "src" / "main.js").write_bytes(content)
    entries = [
        entry_of(path, content if path == "src/main.js" else NEWER[path])
        for path in sorted(NEWER)
    ]
    (folder / "manifest.jsonl").write_bytes(manifest_of(entries, "v2"))
    with cdn(tmp_path, served.store) as url:
        (line,) = problems(verify(served, url))
    assert line.startswith("MISMATCH versions/v2/manifest.jsonl: the pointer names ")


def test_many_problems_are_counted_and_not_all_written(game, tmp_path):
    game.build("v2", {f"f{n:03}.png": b"%d" % n for n in range(500)})
    game.lines("sync", "v2", "--platform", "ios")
    with cdn(tmp_path, game.store, "location ~ png$ { return 404; }") as url:
        result = verify(game, url, "--files", "all")
    lines = problems(result)
    assert lines[:100] == [f"MISSING versions/v2/f{n:03}.png: 404" for n in range(100)]
    assert lines[100:] == ["... and 400 more"]


def test_a_cancelled_check_ends_at_once(served, behind_proxy):
    behind_proxy.harm("hold", "GET", "ui.json")
    served.environment["RESOURCE_PUBLIC_URL"] = behind_proxy.url
    process = served.start("verify-public", "v2", "--platform", "ios")
    wait_until(behind_proxy.held.is_set, "a request that waits")
    process.terminate()
    _, err = process.communicate()
    assert (process.returncode, err) == (143, "error: cancelled\n")
