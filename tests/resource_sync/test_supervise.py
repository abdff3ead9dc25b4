"""How web and runner are kept running."""

import os
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from supervisor.states import ProcessStates

from resource_sync import supervise


def test_a_short_socket_path_is_beside_the_data(tmp_path):
    run = Path("/tmp/run")
    assert supervise.socket_path(run) == run / "supervisor.sock"


def test_a_socket_path_too_long_for_the_system_is_elsewhere(tmp_path):
    run = tmp_path / ("d" * 100)
    path = supervise.socket_path(run)
    assert len(os.fsencode(path)) <= supervise.MAX_SOCKET_PATH_BYTES
    assert path.parent.stat().st_mode & 0o077 == 0
    assert path == supervise.socket_path(run), "make status must find it again"
    path.parent.rmdir()


@pytest.mark.parametrize("number", sorted(supervise.STOPS))
def test_a_child_that_is_just_being_made_does_not_forget_a_signal(number):
    before = signal.signal(number, lambda *_: None)  # as the supervisor has it
    try:
        options = supervise.Options()
        if (child := options.fork()) == 0:
            time.sleep(30)  # between fork and exec
            os._exit(0)
        os.kill(child, number)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -number
    finally:
        signal.signal(number, before)


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux tells a child")
def test_a_child_ends_when_its_supervisor_is_killed():
    reader, writer = os.pipe()
    if (parent := os.fork()) == 0:
        options = supervise.Options()
        if options.fork() == 0:
            os.write(writer, b"up")
            time.sleep(60)
            os._exit(0)
        time.sleep(60)
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 2) == b"up"
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    assert os.read(reader, 2) == b"", "the child holds the pipe"
    os.close(reader)


def asked(options, *numbers, pause=0.0):
    """What the supervisor makes of signals."""
    found = []
    for number in numbers:
        options.signal_receiver.receive(number, None)
        found.append(options.get_signal())
        time.sleep(pause)
    return found


@pytest.fixture
def runner():
    """A process that the supervisor has asked to end, and that goes on."""
    process = subprocess.Popen(["sh", "-c", "trap : TERM; while :; do sleep 0.1; done"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def options(monkeypatch, runner):
    """A supervisor that is stopping; ``sent`` has what it sends."""
    options = supervise.Options()
    stopping = SimpleNamespace(pid=runner.pid, get_state=lambda: ProcessStates.STOPPING)
    idle = SimpleNamespace(pid=os.getpid(), get_state=lambda: ProcessStates.RUNNING)
    group = SimpleNamespace(processes={"runner": stopping, "web": idle})
    options.supervisor.process_groups = {"all": group}
    options.sent = []
    monkeypatch.setattr(options, "kill", lambda *what: options.sent.append(what))
    return options


def test_who_asks_twice_need_not_wait_and_who_asks_thrice_kills(options, runner):
    wishes = [signal.SIGTERM, signal.SIGINT, signal.SIGTERM]
    asked(options, *wishes, pause=supervise.SAME_WISH_SECONDS + 0.1)
    assert options.sent == [
        (runner.pid, signal.SIGTERM),
        (runner.pid, signal.SIGKILL),
    ]


def test_one_wish_that_comes_as_several_signals_is_one(options):
    assert asked(options, signal.SIGINT, signal.SIGTERM) == [
        signal.SIGINT,
        signal.SIGTERM,
    ]
    assert options.sent == []


def test_a_daemon_is_not_started_anew_by_a_hangup(options):
    assert asked(options, signal.SIGHUP) == [None]


@pytest.mark.skipif(not psutil.LINUX, reason="only /proc tells")
def test_a_signal_that_the_parent_is_handling_can_be_seen():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        assert signal.SIGUSR2 in supervise.blocked_signals(os.getpid())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_each_web_process_prints_into_a_file_of_its_own(settings):
    settings.WEB_PROCESSES, settings.LOG_DIR = 3, Path("/logs/100%")
    found = supervise.environment(console=False)
    assert found["SUPERVISE_WEB_PROCESSES"] == "3"
    files = [found["SUPERVISE_WEB_OUTPUT"] % {"process_num": n} for n in (1, 2, 3)]
    assert files == [f"/logs/100%/web-{n}.log" for n in (1, 2, 3)]


def test_every_variable_of_the_supervisor_s_file_is_set():
    names = set(supervise.environment(console=True))
    text = supervise.CONFIG.read_text()
    used = {part.split(")")[0] for part in text.split("%(ENV_")[1:]}
    assert used == names


@pytest.mark.parametrize("zone", ["Asia/Shanghai", None])
def test_what_it_starts_has_the_time_zone_that_it_was_started_with(settings, zone):
    assert os.environ["TZ"] == "UTC", "Django sets it"
    settings.HOST_TZ = zone
    assert supervise.whole_environment(console=False).get("TZ") == zone
