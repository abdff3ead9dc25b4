"""What is published in a bucket is served with types and for as long as it holds."""

import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from urllib.parse import quote

import obstore
import pytest
import requests
from obstore.store import from_url

from resources.delivery.nginx import nginx_rules
from resources.errors import InputError
from resources.stores.headers import (
    CHANGING_HEADERS,
    IMMUTABLE,
    NAMES,
    Headers,
    read_headers,
)
from tests.ports import free_port
from tests.resources.cdn import NGINX
from tests.resources.stores.test_stores import put, sync

IOS = ("--platform", "ios")
FILES = {
    "index.html": b"<!doctype html>",
    "src/main.js": b"0",
    "game.wasm": b"\0asm",
    "game.wasm.br": b"br",
    "ui.plist": b"<plist/>",
    "data": b"?",
}
RULES = """
["*.br"]
Content-Encoding = "br"
["*.wasm.br"]
Content-Type = "application/wasm"
["/index.html"]
Cache-Control = "max-age=60"
"""


def headers_of(game, key):
    """Ask the server, by a client that knows nothing of the engine."""
    client = from_url(f"{game.location}/ios", client_options={"allow_http": True})
    return dict(obstore.get(client, key).attributes)


def test_objects_get_types_and_cache_headers(game_on_moto):
    game = game_on_moto
    game.build("v1", FILES)
    game.lines("reuse", "v1", *IOS)
    sync(game, "v1")
    types = {
        "index.html": "text/html; charset=utf-8",
        "src/main.js": "text/javascript; charset=utf-8",
        "game.wasm": "application/wasm",
        "game.wasm.br": "application/octet-stream",
        "ui.plist": "application/xml",
        "data": "application/octet-stream",
        "manifest.jsonl": "application/x-ndjson",
    }
    for path, content_type in types.items():
        found = headers_of(game, f"versions/v1/{path}")
        assert found == {"Content-Type": content_type, "Cache-Control": IMMUTABLE}
    changing = {"Content-Type": "application/json", "Cache-Control": "no-cache"}
    assert headers_of(game, "current.json") == changing
    assert headers_of(game, "versions/v1/reuse.json") == changing


def test_a_large_object_and_a_copy_have_them_too(game_on_moto):
    game = game_on_moto
    store = game.open_store()
    with store.lock():
        put(store, "v1", "movie.mp4", b"x" * (9 << 20))
    game.build("v2", {"index.html": b"<!doctype html>"})
    sync(game, "v2")
    game.build("v3", {"index.html": b"<!doctype html>"})
    game.lines("sync", "v3", "--reuse", "copy", *IOS)
    for path, content_type in (
        ("v1/movie.mp4", "video/mp4"),
        ("v3/index.html", "text/html; charset=utf-8"),
    ):
        found = headers_of(game, f"versions/{path}")
        assert found == {"Content-Type": content_type, "Cache-Control": IMMUTABLE}


def test_rules_of_a_file_add_to_them(game_on_moto, tmp_path):
    game = game_on_moto
    game.build("v1", FILES)
    rules = tmp_path / "headers.toml"
    rules.write_text(RULES)
    result = game.run("sync", "v1", *IOS, RESOURCE_HEADERS=str(rules))
    assert (result.returncode, result.stderr) == (0, "")
    assert headers_of(game, "versions/v1/game.wasm.br") == {
        "Content-Type": "application/wasm",
        "Cache-Control": IMMUTABLE,
        "Content-Encoding": "br",
    }
    found = headers_of(game, "versions/v1/index.html")
    assert found["Cache-Control"] == "max-age=60"


def test_a_later_rule_wins_header_by_header():
    headers = Headers(
        {
            "*": {"Cache-Control": "no-cache", "Content-Language": "en"},
            "zh/": {"Content-Language": "zh"},
        }
    )
    assert headers.of("zh/a.txt") == {
        "Content-Type": "text/plain; charset=utf-8",
        "Cache-Control": "no-cache",
        "Content-Language": "zh",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "at end of document"),
        ('a = "b"', '"a" is no table of headers; write ["*.html"] and below it'),
        ('["*"]', '"*" is no table of headers'),
        (
            '["*"]\nX-Team = "a"',
            '["*"] X-Team: unknown header; there are: Content-Type',
        ),
        ('["*"]\ncache-control = "a"', '["*"] cache-control: unknown header'),
        ('["*"]\nCache-Control = 60', '["*"] Cache-Control takes a text'),
        ('["*"]\nCache-Control = " "', '["*"] Cache-Control takes a text'),
        ('["*"]\nContent-Type = "a\\nb"', "Content-Type takes printable ASCII only"),
        ('["#x"]\nContent-Type = "a/b"', 'the pattern "#x" matches nothing'),
        ('["!x"]\nContent-Type = "a/b"', 'the pattern "!x" begins with "!"'),
        ("['a\\']\nContent-Type = 'a/b'", "is not of gitignore's syntax"),
    ],
)
def test_a_wrong_file_is_refused_with_what_would_be_right(game, content, message):
    game.build("v1", FILES)
    rules = game.source / "headers.toml"
    rules.write_text(content)
    result = game.run("sync", "v1", *IOS, RESOURCE_HEADERS=str(rules))
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: RESOURCE_HEADERS: {rules}: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr.replace("\\\\", "\\")
    assert game.served() is None


def test_a_file_that_is_not_there_is_refused(game):
    result = game.run("sync", "v1", *IOS, RESOURCE_HEADERS="no.toml")
    assert result.returncode == 2
    assert result.stderr == (
        "error: RESOURCE_HEADERS: no.toml: it can't be read"
        " (No such file or directory)\n"
    )


SITE = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;
events {{ }}
http {{
    access_log off;
    include {folder}/headers.conf;
    {temporary}
    server {{
        listen 127.0.0.1:{port};
        root {store};
        location / {{
{lines}
        }}
    }}
}}
"""
# Beside those of a bucket: what gitignore's patterns can hold, and what may mislead.
ODD_FILES = {
    "html": b"no ending",
    "a{1}/b;c.PNG": b"",
    "zh/你好 1.json": b"{}",
    "versions/v9/x.js": b"a folder of the game's own",
}
ODD_RULES = """
["*"]
Content-Language = "en"
["zh/"]
Content-Language = "zh"
["a{1}/**/*.PNG"]
Content-Disposition = 'attachment; filename="\\\\"'
"""


@pytest.mark.nginx
@pytest.mark.skipif(NGINX is None, reason="nginx is not there")
def test_nginx_serves_a_folder_with_the_same_headers(game, tmp_path):
    files = FILES | ODD_FILES
    game.build("v1", files)
    game.lines("reuse", "v1", *IOS)
    game.lines("sync", "v1", *IOS)
    rules = tmp_path / "headers.toml"
    rules.write_text(RULES + ODD_RULES)
    printed = game.run("headers", "--nginx", RESOURCE_HEADERS=str(rules))
    assert (printed.returncode, printed.stderr) == (0, "")
    headers = read_headers(str(rules))
    expected = {f"versions/v1/{path}": headers.of(path) for path in files}
    expected["versions/v1/manifest.jsonl"] = headers.of("manifest.jsonl")
    changing = ("current.json", "versions/v1/reuse.json")
    expected |= dict.fromkeys(changing, CHANGING_HEADERS)
    with served_by_nginx(tmp_path, game.store, printed.stdout) as url:
        for path, wanted in expected.items():
            answer = requests.get(f"{url}/ios/{quote(path)}", timeout=30)
            found = {n: answer.headers[n] for n in NAMES if n in answer.headers}
            assert (answer.status_code, found) == (200, wanted), path


@pytest.mark.nginx
@pytest.mark.skipif(NGINX is None, reason="nginx is not there")
def test_a_cache_is_told_of_each_of_several_moves_within_one_second(game, tmp_path):
    game.build("v1", FILES)
    game.lines("sync", "v1", *IOS)
    rules = game.run("headers", "--nginx").stdout
    store = game.open_store()
    with served_by_nginx(tmp_path, game.store, rules) as url, store.lock():
        address, etag, old = f"{url}/ios/current.json", None, store.pointer()
        for serial in range(2, 7):
            moved = old._replace(serial=serial)
            store.move_pointer(moved, old)
            answer = requests.get(address, headers={"If-None-Match": etag}, timeout=30)
            assert answer.status_code == 200, "a cache would go on with the old one"
            assert answer.json()["serial"] == serial
            etag, old = answer.headers["ETag"], moved


@contextmanager
def served_by_nginx(folder, store, rules):
    (folder / "headers.conf").write_text(rules)
    lines = [
        line.removeprefix("#") for line in rules.splitlines() if line[:5] == "#    "
    ]
    port = free_port()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    site = folder / "nginx.conf"
    site.write_text(
        SITE.format(
            folder=folder, store=store, port=port, temporary=temporary,
            lines="\n".join(lines),
        )
    )  # fmt: skip
    server = subprocess.Popen([NGINX, "-c", site, "-e", folder / "errors"])
    try:
        deadline = time.monotonic() + 30
        while server.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.02)
        assert server.poll() is None, (folder / "errors").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def test_what_nginx_can_not_send_is_refused():
    rules = Headers({"*": {"Content-Disposition": "$x"}})
    with pytest.raises(InputError, match="Content-Disposition: nginx knows no way"):
        nginx_rules(rules)
