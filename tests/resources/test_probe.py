"""What a store can is found out by asking it, and how it has to be written is said."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from resources.stores import directory_probe
from resources.stores.bucket.location import read_location
from resources.stores.bucket.profiles import Abilities
from resources.stores.bucket.verdict import judge
from tests.ports import free_port
from tests.resources import oss, s3
from tests.resources.conftest import game_behind
from tests.resources.faulty_proxy import forward_to
from tests.waiting import wait_until

ALONE = (
    "Without conditional writes, two publishers that start in the same moment are not"
    " kept apart: let one program publish."
)
NOT_IMPLEMENTED = (
    "501 Not Implemented: NotImplemented: A header you provided implies functionality"
    " that is not implemented."
)
WELL = [
    "Objects are written, read, listed and deleted.",
    "An object's ETag is its MD5, which proves an upload.",
    "Content-Type and Cache-Control of objects are kept.",
]


def probe(game, store=None, **environment):
    """Give exit code and lines of a probe that leaves nothing behind."""
    result = game.run("probe", *([store] if store else []), **environment)
    if hasattr(game, "proxy"):
        assert left_in(game) == []
    assert result.stderr == ""
    return result.returncode, result.stdout.splitlines()


def left_in(game):
    """Name what lies beneath the game's prefix."""
    location = read_location(game.location + game.options, game.environment)
    return list(names_of(location))


def names_of(location):
    from resources.stores.bucket.objects import Bucket

    for page in Bucket(location).pages(""):
        yield from (item.path for item in page)


def test_oss_as_it_is_written_does_not_work_and_its_profile_does(game_on_oss):
    game = game_on_oss
    code, lines = probe(game, game.location)
    assert code == 1
    assert lines == [
        f"Probing {game.location}...",
        f"Path style (http://{oss.HOST}) is refused: 403 Forbidden:"
        " SecondLevelDomainForbidden: Please use virtual hosted style to access.",
        f"Virtual-hosted style (http://games.{oss.HOST}) works.",
        *WELL,
        f"Writes with If-None-Match are refused: {NOT_IMPLEMENTED}",
        f"Writes with If-Match are refused: {NOT_IMPLEMENTED}",
        f"x-amz-checksum-sha256 is refused: {NOT_IMPLEMENTED}",
        "Objects are written in parts.",
        "The server copies objects itself.",
        f"Several objects aren't deleted by one request: {NOT_IMPLEMENTED}",
        f"{game.location} will not work: this store takes no path style. Write it as"
        f" {game.location}?profile=oss",
        ALONE,
    ]
    code, lines = probe(game, f"{game.location}?profile=oss")
    assert (code, lines[-2:]) == (0, [f"{game.location}?profile=oss fits.", ALONE])


def test_what_a_store_relies_on_and_does_not_get_is_named(game_on_oss):
    game = game_on_oss
    store = f"{game.location}?style=virtual&retry=7"
    code, lines = probe(game, store)
    assert code == 1
    assert lines[-2] == (
        f"{store} will not work: this store takes no conditional writes,"
        " x-amz-checksum-sha256 and deleting of several objects by one request. Write"
        f" it as {game.location}?profile=oss&retry=7"
    )


def test_a_server_that_can_everything_fits_as_it_is(game_on_moto):
    game = game_on_moto
    code, lines = probe(game)
    written = game.location + game.options
    assert code == 0
    assert lines[2:] == [
        "Virtual-hosted style can't be tried: its endpoint is an address without a"
        " name.",
        *WELL,
        "Writes with If-None-Match are taken, and heeded.",
        "Writes with If-Match are taken, and heeded.",
        "x-amz-checksum-sha256 is taken, and a wrong one is taken, too: it proves"
        " nothing.",
        "Objects are written in parts.",
        "The server copies objects itself.",
        "Several objects are deleted by one request.",
        f"{written} fits, and so does {game.location}?profile=minio&retry=2",
    ]
    code, lines = probe(game, f"{game.location}?conditions=off")
    assert code == 0
    assert lines[-1] == (
        f"{game.location}?conditions=off works, but does without conditional writes,"
        f" which this store has. Write it as {game.location}?profile=minio"
    )


def test_a_server_that_ignores_conditions_is_told_from_one_that_refuses(game_on_rclone):
    game = game_on_rclone
    code, lines = probe(game, game.location)
    ignored = (
        "are taken, and the condition is ignored: what another publisher wrote is"
        " overwritten without a word."
    )
    assert code == 1
    assert f"Writes with If-None-Match {ignored}" in lines
    assert f"Writes with If-Match {ignored}" in lines
    assert lines[-2:] == [
        f"{game.location} will not work: this store takes no conditional writes."
        f" Write it as {game.location}?conditions=off",
        ALONE,
    ]
    code, lines = probe(game)
    written = game.location + game.options
    assert (code, lines[-2:]) == (0, [f"{written} fits.", ALONE])


@pytest.mark.parametrize("kind", ["azurite", "google"])
def test_other_providers_have_no_profiles(request, kind):
    game = request.getfixturevalue(f"game_on_{kind}")
    code, lines = probe(game)
    assert (code, lines[-1]) == (0, f"{game.location}{game.options} fits.")
    assert len([line for line in lines if line.endswith("taken, and heeded.")]) == 2
    is_md5 = "An object's ETag is its MD5, which proves an upload." in lines
    assert is_md5 == (kind == "google")


def test_programs_get_the_same_as_objects(game_on_oss):
    result = game_on_oss.run("probe", "--json")
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    findings = [entry for entry in objects if entry["type"] == "finding"]
    store = game_on_oss.location + game_on_oss.options.replace(
        "?retry=2&profile=oss", "?profile=oss&retry=2"
    )
    assert {entry["name"]: entry["works"] for entry in findings} == {
        "virtualStyle": True,
        "pathStyle": False,
        "objects": True,
        "etag": True,
        "headers": True,
        "createOnly": False,
        "updateOnly": False,
        "checksums": False,
        "parts": True,
        "copy": True,
        "deletes": False,
    }
    verdict = next(entry for entry in objects if entry["type"] == "verdict")
    assert verdict == {
        "type": "verdict",
        "store": game_on_oss.location + game_on_oss.options,
        "works": True,
        "profile": "oss",
        "write": store,
    }


# A server that is told what to refuse.


@pytest.fixture
def make_game(moto, tmp_path, monkeypatch):
    """Give what makes a game on an S3 server that answers some requests otherwise."""
    games = []

    def make(answer_to):
        forward = forward_to(moto)

        def answer(method, path, headers, body):
            asked = {name.lower(): value for name, value in headers.items()}
            told = answer_to(method, path, asked)
            return told or forward(method, path, headers, body)

        games.append(game_behind(answer, tmp_path, monkeypatch, s3, ""))
        return next(games[-1])

    yield make
    for game in games:
        next(game, None)


def error(status, code, message=""):
    content = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return status, {}, content.encode()


@pytest.mark.parametrize(
    ("asked", "line", "written"),
    [
        (
            lambda method, path, headers: "?uploads" in path,
            "Objects can't be written in parts, as all above 8 MiB are: 501 Not"
            " Implemented: NotImplemented.",
            None,
        ),
        (
            lambda method, path, headers: "x-amz-checksum-algorithm" in headers,
            "Objects are written in parts without x-amz-checksum-sha256: 501 Not"
            " Implemented: NotImplemented.",
            "?checksums=off",
        ),
        (
            lambda method, path, headers: "x-amz-copy-source" in headers,
            "The server copies no objects (--reuse copy): 501 Not Implemented:"
            " NotImplemented.",
            "",
        ),
        (
            lambda method, path, headers: "?delete" in path,
            "Several objects aren't deleted by one request: 501 Not Implemented:"
            " NotImplemented.",
            "?deletes=each",
        ),
        (
            lambda method, path, headers: "if-match" in headers and method == "PUT",
            "Writes with If-Match are refused: 501 Not Implemented: NotImplemented.",
            "?conditions=off",
        ),
    ],
)
def test_what_is_refused_is_said_and_avoided(make_game, asked, line, written):
    answer = error(501, "NotImplemented")
    game = make_game(lambda *request: answer if asked(*request) else None)
    code, lines = probe(game)
    assert line in lines
    if written is None:
        assert code == 1
        assert lines[-1] == f"{game.location} can't be a store of files above 8 MiB."
    elif written:
        assert code == 1
        assert f"Write it as {game.location}{written}" in " ".join(lines)
        assert probe(game, game.location + written)[0] == 0
    else:
        assert code == 0


def test_a_wrong_digest_that_is_refused_is_told(make_game):
    def answer(method, path, headers):
        if "wrong-checksum" in path:
            return error(400, "BadDigest") if method == "PUT" else None
        return None

    code, lines = probe(make_game(answer))
    assert code == 0
    assert "x-amz-checksum-sha256 is taken, and a wrong one is refused." in lines


def test_a_wrong_digest_that_could_not_be_tried_proves_nothing(make_game):
    def answer(method, path, headers):
        is_wrong = method == "PUT" and "wrong-checksum" in path
        return error(503, "SlowDown") if is_wrong else None

    assert (
        "x-amz-checksum-sha256 is taken, but what becomes of a wrong one could not be"
        " tried: 503 Service Unavailable."
    ) in probe(make_game(answer))[1]


def test_a_role_is_enough_for_all_but_a_wrong_digest(make_game):
    keys = {"AccessKeyId": "x", "SecretAccessKey": "y", "Token": "z"}
    role = json.dumps({**keys, "Expiration": "2099-01-01T00:00:00Z"}).encode()

    def answer(method, path, headers):
        return (200, {}, role) if path == "/role" else None

    game = make_game(answer)
    code, lines = probe(
        game,
        AWS_ACCESS_KEY_ID="",
        AWS_SECRET_ACCESS_KEY="",
        AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{game.proxy.url}/role",
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=os.devnull,
    )
    assert code == 0
    assert (
        "x-amz-checksum-sha256 is taken; without keys a wrong one can't be tried."
    ) in lines


def test_headers_that_are_not_kept_are_named(make_game, moto):
    forward = forward_to(moto)

    def answer(method, path, headers):
        if method != "GET" or not path.endswith("/headers"):
            return None
        status, answered, content = forward(method, path, headers, b"")
        kept = {k: v for k, v in answered.items() if k.lower() != "cache-control"}
        return status, kept, content

    code, lines = probe(make_game(answer))
    assert code == 0
    assert "Cache-Control of objects are not kept." in lines


# What fails.


def test_a_server_that_is_not_there_is_said(game_on_moto):
    endpoint = f"http://127.0.0.1:{free_port()}"
    result = game_on_moto.run("probe", AWS_ENDPOINT_URL=endpoint)
    assert result.returncode == 3
    assert result.stderr.startswith(f"error: cannot write in {game_on_moto.location}: ")
    assert "Connection refused" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("method", "part", "action"),
    [("GET", "list-type", "listed"), ("DELETE", "objects/a", "deleted")],
)
def test_an_account_that_may_not_is_said(make_game, method, part, action):
    def answer(asked, path, headers):
        refused = asked == method and part in path and ".probe" in path
        return error(403, "AccessDenied", "Not you.") if refused else None

    game = make_game(answer)
    result = game.run("probe")
    assert result.returncode == 3
    assert result.stderr == (
        f"error: objects can't be {action} in {game.location}: 403 Forbidden:"
        " AccessDenied: Not you\n"
    )
    assert "could not be emptied: " in result.stdout


def test_a_fault_that_passes_is_no_refusal(game_on_moto):
    game = game_on_moto
    game.proxy.harm("slow down", "PUT", "/create", 2)
    game.proxy.harm("drop", "GET", "/style", 1)
    code, lines = probe(game)
    assert code == 0
    assert "Writes with If-None-Match are taken, and heeded." in lines


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("part", ["/style", "/create", "partNumber=2"])
def test_a_cancelled_probe_clears_up(game_on_moto, number, part):
    game = game_on_moto
    game.proxy.harm("hold", "PUT", part)
    with game.start("probe") as process:
        try:
            assert game.proxy.held.wait(30)
            os.kill(process.pid, number)
            # What is under way may still be written, so it is waited for.
            wait_until(lambda: signal_was_taken(process.pid, number))
            game.proxy.release.set()
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, errors) == (128 + number, "error: cancelled\n")
    assert left_in(game) == []
    assert game.lines("prune", "--uploads")[0].startswith("Nothing to do")
    assert game.proxy.sent("PUT", "/deletes/") == []  # it went no further


def signal_was_taken(pid, number):
    """Return whether a process ignores a signal, as the engine does after the first."""
    status = Path(f"/proc/{pid}/status").read_text()
    ignored = int(re.search(r"SigIgn:\s*([0-9a-f]+)", status)[1], 16)
    return bool(ignored & 1 << (number - 1))


# Folders.

FITS = [
    "A file takes another's place in one step.",
    "Locks keep two publishers apart.",
    "Hard links work: --reuse copy takes no room.",
    "Names may have 255 bytes.",
]


def test_a_folder_fits_and_is_left_as_it_was(game, tmp_path):
    code, lines = probe(game)
    assert code == 0
    assert lines[:2] == [
        f"Probing {game.store}...",
        f"It isn't there yet; {tmp_path} is tried instead.",
    ]
    assert set(lines) >= {*FITS, f"{game.store} fits."}
    assert list(tmp_path.iterdir()) == []
    game.store.mkdir()
    code, lines = probe(game, str(game.store))
    assert lines[1] == FITS[0]
    assert list(game.store.iterdir()) == []


def test_clones_are_found_where_there_are_some(game, disk):
    _, lines = probe(game, str(disk))
    assert "Files can share their blocks (clones)." in lines


def test_a_folder_that_takes_no_files_is_said(game):
    result = game.run("probe", "/proc/self")
    assert result.returncode == 3
    assert result.stderr.startswith("error: cannot write to /proc/self: ")


@pytest.mark.parametrize(
    ("call", "missing", "line"),
    [
        ("flock", True, "Files can't be locked, so nothing can be published:"),
        ("link", False, "There are no hard links ("),
        ("fsync", True, "Files can't be brought to the disk:"),
    ],
)
def test_what_a_file_system_does_not_have_is_said(
    tmp_path, monkeypatch, call, missing, line
):
    def refuse(*_args, **_more):
        raise OSError(95, "Operation not supported")

    owner = directory_probe.fcntl if call == "flock" else directory_probe.os
    monkeypatch.setattr(owner, call, refuse)
    findings = list(directory_probe.DirectoryProbe(tmp_path).findings())
    found = next(finding for finding in findings if finding.text.startswith(line))
    assert "Operation not supported" in found.text
    assert (found.works, found.needed) == (False, missing)
    assert list(tmp_path.iterdir()) == []


def test_each_store_of_the_settings_is_probed_once(game, tmp_path):
    other = tmp_path / "other"
    _, lines = probe(game, RESOURCE_STORE_FACEBOOK=str(other))
    assert [line for line in lines if line.startswith("Probing")] == [
        f"Probing {game.store}...",
        f"Probing {other}...",
    ]


# What is judged.


def place(options="", endpoint=""):
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    return read_location(f"s3://games{options}", {**keys, "AWS_ENDPOINT_URL": endpoint})


@pytest.mark.parametrize(
    ("endpoint", "able", "profile"),
    [
        ("", [Abilities("path"), Abilities("virtual")], "aws"),
        ("https://x.r2.cloudflarestorage.com", [Abilities()], "r2"),
        ("https://cos.x.myqcloud.com", [Abilities("virtual", False, True)], "cos"),
        ("https://files.example.com", [Abilities("path")], "minio"),
        ("https://files.example.com", [Abilities(conditions=False)], ""),
    ],
)
def test_the_profile_is_that_of_the_service_or_what_is_the_same(
    endpoint, able, profile
):
    assert judge(place(endpoint=endpoint), able).profile == profile


def test_a_service_that_learned_conditional_writes_is_written_with_them():
    location = place("?profile=b2", "https://s3.eu.backblazeb2.com")
    verdict = judge(location, [Abilities()])
    assert verdict.works
    assert verdict.text == (
        "s3://games?profile=b2 works, but does without conditional writes, which this"
        " store has. Write it as s3://games?profile=b2&conditions=on"
    )
