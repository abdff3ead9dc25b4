"""What a web process does before Daphne serves."""

import json
import os
import resource
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from resource_sync import web
from resource_sync.http import listen_socket as addresses

linux = pytest.mark.skipif(not psutil.LINUX, reason="only Linux shares a port evenly")


def limits_after(soft, hard, preparation=""):
    """(soft, hard) of a process that began with these and then wanted many files."""
    code = (
        "import json, resource\n"
        "from resource_sync import web\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        f"{preparation}\n"
        "web.allow_many_files()\n"
        "print(json.dumps(resource.getrlimit(resource.RLIMIT_NOFILE)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return json.loads(answer.stdout)


def test_the_soft_limit_of_open_files_is_raised_to_the_hard_one():
    assert limits_after(256, 2048) == [2048, 2048]


def test_a_limit_that_is_raised_already_stays():
    assert limits_after(2048, 2048) == [2048, 2048]


# As macOS does it, whose hard limit is "unlimited".
REFUSES_THE_HARD_LIMIT = """
system = resource.setrlimit
def setrlimit(which, limits):
    if limits[0] == limits[1]:
        raise ValueError("not allowed to raise maximum limit")
    system(which, limits)
resource.setrlimit = setrlimit
"""


@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] <= web.OPEN_MAX,
    reason="the limit here is lower than what is tested",
)
def test_where_the_hard_limit_is_refused_it_is_what_the_system_takes():
    hard = web.OPEN_MAX + 1
    assert limits_after(256, hard, REFUSES_THE_HARD_LIMIT) == [web.OPEN_MAX, hard]


@pytest.fixture
def listening():
    """Opens sockets that listen, and closes them in the end."""
    with ExitStack() as stack:

        def listening(host, port=0, *, shared=False):
            bound = addresses.bound_socket(host, port, shared=shared)
            stack.enter_context(bound)
            addresses.listen(bound, host, port)
            return bound, bound.getsockname()[1]

        yield listening


@linux
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0", "::"])
def test_shared_sockets_listen_on_one_port_and_refuse_any_other(listening, host):
    _, port = listening(host, shared=True)
    listening(host, port, shared=True)
    with pytest.raises(SystemExit, match=f"^PORT: {port} on {host} can't be used"):
        addresses.refuse_taken_port(host, port)


@linux
def test_a_socket_that_is_not_shared_keeps_shared_ones_out(listening):
    _, port = listening("127.0.0.1")
    with pytest.raises(SystemExit, match=f"^PORT: {port} on 127.0.0.1 can't be used"):
        listening("127.0.0.1", port, shared=True)


def test_of_two_that_bound_at_one_time_the_second_is_refused_in_one_line(listening):
    host = "127.0.0.1"
    with addresses.bound_socket(host, 0) as first:
        port = first.getsockname()[1]
        with addresses.bound_socket(host, port) as second:
            addresses.listen(first, host, port)
            with pytest.raises(SystemExit, match=f"^PORT: {port} on {host} can't be"):
                addresses.listen(second, host, port)


@linux
def test_as_many_may_wait_to_be_accepted_as_the_kernel_allows(listening):
    listener, _ = listening("127.0.0.1")
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    # tcpi_sacked: the backlog of a socket that listens.
    backlog = int.from_bytes(info[28:32], sys.byteorder)
    most = int(Path("/proc/sys/net/core/somaxconn").read_text())
    assert backlog == min(4096, most)


def test_where_a_port_can_not_be_shared_evenly_several_processes_are_refused():
    code = (
        "import sys, zoneinfo; "  # Python's own modules are those of this machine
        "sys.platform = 'darwin'; import resource_sync.settings"
    )
    answers = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "WEB_PROCESSES": number},
            capture_output=True,
            text=True,
            check=False,
        )
        for number in ("1", "2")
    ]
    assert [answer.returncode for answer in answers] == [0, 1], answers[0].stderr
    assert answers[1].stderr.startswith("WEB_PROCESSES: '2' is not valid")
    assert "Linux" in answers[1].stderr
    assert answers[1].stderr.count("\n") == 1


# --- What systemd is told -----------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "a file",
        pytest.param(
            "no file",
            marks=pytest.mark.skipif(not psutil.LINUX, reason="Linux's own"),
        ),
    ],
)
def test_systemd_is_told_once_that_connections_are_taken(kind, tmp_path, monkeypatch):
    name = str(tmp_path / "notify")
    shown, address = (name, name) if kind == "a file" else (f"@{name}", f"\0{name}")
    monkeypatch.setenv("NOTIFY_SOCKET", shown)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.setblocking(False)
        web.say_ready()
        assert systemd.recv(100) == b"READY=1"
        web.say_ready()  # as if a program of ours did
        with pytest.raises(BlockingIOError):
            systemd.recv(100)


def test_a_systemd_that_can_not_be_told_is_no_reason_to_end(monkeypatch, caplog):
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/notify")
    web.say_ready()
    assert "NOTIFY_SOCKET: systemd can't be told" in caplog.text
