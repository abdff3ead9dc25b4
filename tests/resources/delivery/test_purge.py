"""Caches are told what changed, by a webhook or a program, until that works."""

import io
import json
import shlex
import sys
import threading
import time
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from resources.delivery.purge import AT_ONCE, PAUSES, purge_addresses, read_purge
from resources.delivery.purge_receivers import Command, Webhook, seconds_asked
from resources.errors import AfterwardsError, InputError
from resources.report import Report
from tests.ports import free_port
from tests.resources.conftest import OLD_FILES
from tests.resources.releases.safeguards.test_acceptance import build_cocos, everything
from tests.waiting import wait_until

IOS = ("--platform", "ios")
CDN = "https://cdn.example.com/games"
LIVE = [f"{CDN}/ios/current.json"]
FIXED = [f"{CDN}/ios/{name}.manifest" for name in ("project", "version")]
SECRET = "s3cr3t"


class Caches(HTTPServer):
    """A webhook that gives prepared answers, and keeps what it got."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), CachesHandler)
        self.answers = []  # a status, or one with headers; 204 after the last
        self.got = []
        self.headers = {}
        self.address = f"http://127.0.0.1:{self.server_port}/purge?key={SECRET}"

    def urls(self):
        return [json.loads(body)["urls"] for body in self.got]


class CachesHandler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.headers = self.headers
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(body)
        answer = self.server.answers.pop(0) if self.server.answers else 204
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        if status is None:  # no answer
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def caches():
    with running(Caches()) as server:
        yield server


@contextmanager
def running(server):
    serve = {"poll_interval": 0.02}
    thread = threading.Thread(target=server.serve_forever, kwargs=serve)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def program(tmp_path):
    """A program that keeps what it got on stdin and in its environment, and then does
    what the lines of Python in ``then`` say."""

    def make(then=""):
        path = tmp_path / "purge caches.py"
        got = tmp_path / "got.txt"
        path.write_text(
            "import os, sys, subprocess, time\n"
            f"file = open({str(got)!r}, 'a')\n"
            "file.write(sys.stdin.read() + os.environ.get('GREETING', '') + '.\\n')\n"
            f"file.close()\ntries = open({str(got)!r}).read().count('.\\n')\n{then}\n"
        )
        return f'{sys.executable} "{path}" {SECRET}', got

    return make


def purged(purge, urls=("https://a/b",), **more):
    """Purge, and give the lines that were written and the seconds that were waited."""
    waited = []
    lines = io.StringIO()
    try:
        with redirect_stdout(lines):
            report = Report(progress=False, outputs=False)
            purge_addresses(purge, urls, report, sleep=waited.append, **more)
    except AfterwardsError as error:
        return str(error), waited
    finally:
        assert SECRET not in lines.getvalue()
    return lines.getvalue().splitlines(), waited


def serving(game, purge):
    game.environment |= {"RESOURCE_PUBLIC_URL": CDN, "RESOURCE_PURGE": purge}
    game.build("v884", OLD_FILES)
    game.build("v885", {**OLD_FILES, "a.json": b"[]"})
    return game


def test_every_move_of_a_pointer_is_purged(game, caches):
    serving(game, caches.address)
    beta = [f"{CDN}/ios/channels/beta.json"]
    for *command, expected in (
        ("sync", "v884", LIVE),
        ("sync", "v885", "--channel", "beta", beta),
        ("promote", "--from", "beta", LIVE),
        ("rollback", "v884", LIVE),
        ("rollout", "v885", "--percent", "5", LIVE),
        ("rollout", "v885", "--halt", LIVE),
        ("rollout", "v885", "--percent", "5", LIVE),
        ("rollout", "v885", "--percent", "100", LIVE),
        ("publish", "v884", "--allow-older", LIVE),
    ):
        lines = game.lines(*command, *IOS)
        assert lines[-1] == "Purged 1 address."
        assert caches.urls()[-1] == expected
    assert len(caches.got) == 9
    assert caches.headers["Content-Type"] == "application/json"


def test_what_moves_nothing_purges_nothing(game, caches):
    serving(game, caches.address)
    game.lines("sync", "v884", *IOS, "--dry-run")
    game.lines("sync", "v884", *IOS, "--no-pointer")
    game.lines("check", "v884", *IOS, "--store")
    game.lines("repair", "v884", *IOS)
    assert caches.got == []


def test_the_addresses_of_cocos_clients_are_purged_too(game, caches):
    game.environment |= {"RESOURCE_PUBLIC_URL": CDN, "RESOURCE_PURGE": caches.address}
    build_cocos(game, "v884", "1.0.0")
    game.build("v884", OLD_FILES, "facebook")
    lines = game.lines("sync", "v884", "--platform", "ios,facebook")
    assert lines[-1] == "Purged 4 addresses."
    assert caches.urls() == [[*LIVE, *FIXED, f"{CDN}/facebook/current.json"]]


def test_what_was_repaired_is_purged(game, caches):
    serving(game, caches.address)
    game.build("v884", {**OLD_FILES, "a b/ü.png": b"x"})
    game.lines("sync", "v884", *IOS)
    game.lines("sync", "v885", *IOS)
    del caches.got[:]
    (game.store / "ios/versions/v884/img/b.png").write_bytes(b"pictur!")
    lines = game.lines("repair", "v885", *IOS)
    assert lines[-1] == "Purged 1 address."
    (game.store / "ios/versions/v884/a b/ü.png").write_bytes(b"y")
    game.lines("repair", "v884", *IOS)
    folder = f"{CDN}/ios/versions/v884"
    assert caches.urls() == [
        [f"{folder}/img/b.png"],
        [f"{folder}/a%20b/%C3%BC.png"],
    ]


def test_a_store_that_can_not_be_asked_what_to_purge_is_such_a_failure(game, caches):
    serving(game, caches.address)
    game.lines("sync", "v884", *IOS)
    game.lines("sync", "v885", *IOS, "--no-pointer")
    (game.store / "ios/version.manifest").mkdir()
    result = game.run("rollout", "v885", "--percent", "5", *IOS)
    assert result.returncode == 6
    assert result.stderr.startswith(
        "error: rolled out, but the purge failed: cannot read version.manifest: Is a"
        " directory; players"
    )
    assert game.open_store().pointer().rollout.version == "v885"


def test_what_was_repaired_and_not_purged_is_named(game, caches):
    serving(game, caches.address)
    game.lines("sync", "v884", *IOS)
    caches.answers = [404, 404]
    folder = game.store / "ios/versions/v884"
    (folder / "img/b.png").write_bytes(b"pictur!")
    result = game.run("repair", "v884", *IOS)
    assert result.returncode == 6
    assert result.stdout.endswith(f"NOT PURGED {CDN}/ios/versions/v884/img/b.png\n")
    assert "error: repaired, but the purge failed" in result.stderr
    assert "purge the addresses above by hand" in result.stderr
    for path in ("img/b.png", "a.json"):
        (folder / path).write_bytes(b"??")
    (game.source / "ios/v884/a.json").unlink()
    result = game.run("repair", "v884", *IOS)
    assert result.returncode == 1
    assert "NOT REPAIRED a.json" in result.stdout
    assert "repaired, but the purge failed" in result.stdout


def test_what_was_repaired_before_a_failure_is_purged(game, caches):
    serving(game, caches.address)
    game.build("v884", OLD_FILES, "android")
    both = ("--platform", "ios,android")
    game.lines("sync", "v884", *both)
    del caches.got[:]
    (game.store / "ios/versions/v884/img/b.png").write_bytes(b"pictur!")
    (game.store / "android/versions/v884/manifest.jsonl").write_bytes(b"{}")
    (game.source / "android/v884/a.json").write_bytes(b"else")
    (game.source / "android/v884/manifest.jsonl").unlink()
    result = game.run("repair", "v884", *both)
    assert result.returncode not in (0, 6)
    assert caches.urls() == [[f"{CDN}/ios/versions/v884/img/b.png"]]


def test_a_failed_purge_says_that_the_version_is_published(game, caches):
    serving(game, caches.address)
    caches.answers = [403]
    result = game.run("sync", "v884", *IOS)
    assert result.returncode == 6
    assert result.stderr == (
        "error: published, but the purge failed:"
        f" http://127.0.0.1:{caches.server_port} answered 403; players may get what was"
        " there before until caches expire. To purge once more, run the same command"
        " again\n"
    )
    assert game.served()[0] == "v884"
    lines = game.lines("sync", "v884", *IOS)
    assert lines == ["Nothing to do: v884 is already published.", "Purged 1 address."]
    game.lines("sync", "v885", *IOS, "--no-pointer")
    for arguments, done, way_out in (
        (("rollout", "v885", "--percent", "5"), "rolled out", "run the same command"),
        (("rollout", "v885", "--halt"), "halted", "publish the version that is served"),
    ):
        caches.answers = [403]
        result = game.run(*arguments, *IOS)
        assert result.returncode == 6
        assert f"error: {done}, but the purge failed" in result.stderr
        assert f"To purge once more, {way_out}" in result.stderr
    assert game.lines("publish", "v884", *IOS)[-1] == "Purged 1 address."


def test_it_is_tried_again_with_growing_pauses(caches):
    caches.answers = [500, None, 429]
    lines, waited = purged(Webhook(caches.address))
    assert waited == list(PAUSES)
    assert sorted(PAUSES) == list(PAUSES)
    name = f"http://127.0.0.1:{caches.server_port}"
    assert lines == [
        f"warning: {name} answered 500; trying again in 1 s",
        f"warning: {name} can't be reached (RemoteDisconnected); trying again in 2 s",
        f"warning: {name} answered 429; trying again in 4 s",
        "Purged 1 address.",
    ]
    assert len(caches.got) == 4


def test_the_engine_itself_waits_and_tries_again(game, caches):
    serving(game, caches.address)
    caches.answers = [503]
    started = time.monotonic()
    lines = game.lines("sync", "v884", *IOS)
    assert lines[-1] == "Purged 1 address."
    assert time.monotonic() - started >= PAUSES[0]
    assert len(caches.got) == 2


def test_it_gives_up_after_four_tries(caches):
    caches.answers = [503] * 9
    said, waited = purged(Webhook(caches.address))
    assert "answered 503, 4 times; players" in said
    assert (len(caches.got), len(waited)) == (4, 3)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404])
def test_what_will_not_pass_is_not_tried_again(caches, status):
    caches.answers = [(status, {"Location": "/elsewhere"})]
    said, waited = purged(Webhook(caches.address))
    assert f"answered {status}; players" in said
    assert (len(caches.got), waited) == (1, [])


def test_it_waits_as_long_as_it_is_asked_to(caches):
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    caches.answers = [
        (503, {"Retry-After": "7"}),
        (503, {"Retry-After": soon}),
        (429, {"Retry-After": "86400"}),
    ]
    _, waited = purged(Webhook(caches.address))
    assert (waited[0], waited[2]) == (7.0, 60.0)
    assert PAUSES[1] < waited[1] <= 30


@pytest.mark.parametrize("odd", ["", None, "soon", "-5", "1e3", "٣x"])
def test_an_odd_pause_is_none(odd):
    assert seconds_asked(odd) is None


def test_a_webhook_that_is_not_there_or_silent_is_said():
    port = free_port()
    said, waited = purged(Webhook(f"http://127.0.0.1:{port}/{SECRET}"))
    assert f"http://127.0.0.1:{port} can't be reached (Connection refused)" in said
    assert len(waited) == 3
    server = HTTPServer(("127.0.0.1", 0), CachesHandler)  # accepts, and never answers
    url = f"http://127.0.0.1:{server.server_port}/{SECRET}"
    said, _ = purged(Webhook(url, timeout=0.1), pauses=())
    server.server_close()
    assert "can't be reached (TimeoutError); players" in said


def test_a_name_and_password_go_into_the_head(caches):
    url = caches.address.replace("//", f"//us%20er:{SECRET}@")
    purged(Webhook(url))
    assert caches.headers["Authorization"] == "Basic dXMgZXI6czNjcjN0"
    caches.answers = [400]
    said, _ = purged(Webhook(url))
    assert f"failed: http://127.0.0.1:{caches.server_port} answered 400" in said


def test_many_addresses_go_in_several_requests(caches):
    urls = [f"https://a/{number}" for number in range(AT_ONCE + 1)]
    lines, _ = purged(Webhook(caches.address), urls)
    assert lines == [f"Purged {AT_ONCE + 1} addresses."]
    assert caches.urls() == [urls[:AT_ONCE], urls[AT_ONCE:]]


def test_a_program_gets_the_addresses_line_by_line(game, program):
    command, got = program("print('::error::two\\nlines')")
    serving(game, command)
    game.environment["GREETING"] = "hello"
    lines = game.lines("sync", "v884", *IOS)
    assert lines[-3:] == ["purge: ::error::two", "purge: lines", "Purged 1 address."]
    assert got.read_text() == f"{LIVE[0]}\nhello.\n"


def test_a_program_is_tried_again(program):
    command, got = program("print('no'); sys.exit(3 if tries < 3 else 0)")
    purge = read_purge({"RESOURCE_PURGE": command})
    lines, waited = purged(purge)
    name = sys.executable.rpartition("/")[2]
    assert lines[:2] == [
        "purge: no",
        f"warning: {name} ended with exit code 3; trying again in 1 s",
    ]
    assert lines[-1] == "Purged 1 address."
    assert waited == [1.0, 2.0]
    assert got.read_text().count("https://a/b\n") == 3


def test_a_program_that_reads_nothing_and_says_much_is_fine(program):
    command, _ = program("print('x\\n' * 200_000)")
    urls = [f"https://a/{'x' * 900}/{number}" for number in range(AT_ONCE)]
    lines, _ = purged(read_purge({"RESOURCE_PURGE": command}), urls)
    assert lines[99:] == [
        "purge: x",
        "purge: ... and 199901 more lines",
        f"Purged {AT_ONCE} addresses.",
    ]
    assert purged(Command(["true"]), urls)[0] == [f"Purged {AT_ONCE} addresses."]


def test_a_program_that_does_not_end_is_ended_with_what_it_started(tmp_path, program):
    pid = tmp_path / "pid"
    command, _ = program(
        "child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid))\n"
        "print('hanging', flush=True); time.sleep(600)"
    )
    words = shlex.split(command)
    said, _ = purged(Command(words, timeout=5), pauses=())
    assert "did not end in 5 seconds; players may" in said
    wait_until(lambda: is_gone(pid.read_text()), "the program's child to end")


def test_a_cancelled_command_ends_the_program_that_purges(game, tmp_path, program):
    pid = tmp_path / "pid"
    command, _ = program(
        f"open({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    )
    serving(game, command)
    with game.start("sync", "v884", *IOS) as process:
        try:
            wait_until(lambda: pid.exists() and pid.read_text(), "the program to start")
            process.terminate()
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, errors) == (143, "error: cancelled\n")
    wait_until(lambda: is_gone(pid.read_text()), "the program to end")
    assert game.served()[0] == "v884"


def is_gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True


def test_a_signal_of_the_program_is_said(program):
    command, _ = program("os.kill(os.getpid(), 9)")
    said, _ = purged(read_purge({"RESOURCE_PURGE": command}), pauses=())
    assert "ended with signal 9; players" in said


@pytest.mark.parametrize(
    ("purge", "reason"),
    [
        (f"ftp://{SECRET}", "that is no address, such as"),
        (f"https:///{SECRET}", "that is no address, such as"),
        (f"https://a:{SECRET}/", "that is no address, such as"),
        (f"https://a/ä{SECRET}", "that is no address, such as"),
        (f"https://a/ {SECRET}", "that is no address, such as"),
        (f'curl "{SECRET}', "that is no command line: no closing quotation"),
        (f"no-such-{SECRET} a", "its first word is no program that can be run"),
    ],
)
def test_what_is_no_purge_is_refused_without_repeating_it(purge, reason):
    with pytest.raises(InputError) as caught:
        read_purge({"RESOURCE_PURGE": purge})
    assert str(caught.value).startswith(f"RESOURCE_PURGE: {reason}")
    assert SECRET not in str(caught.value)


def test_without_a_public_address_nothing_is_written(game, caches):
    serving(game, caches.address)
    game.lines("sync", "v884", *IOS)
    del game.environment["RESOURCE_PUBLIC_URL"]
    before = everything(game)
    for command in (
        ("sync", "v885"),
        ("publish", "v884"),
        ("rollback", "v884"),
        ("repair", "v884"),
        ("rollout", "v885", "--halt"),
    ):
        result = game.run(*command, *IOS)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == (
            "error: RESOURCE_PURGE: what is purged is an address, and"
            " RESOURCE_PUBLIC_URL is not set; set it to where players find the store,"
            " as https://cdn.example.com/games\n"
        )
    assert everything(game) == before
    assert read_purge({"RESOURCE_PURGE": " "}) is None
