"""A fork server ends what it started when its runner loses the lease."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest

from tasks.runner.process import Child
from tasks.shim import server
from tasks.shim.client import ForkServer, LeaseLost, Program
from tasks.shim.server import STOPPED_SECONDS, WATCH_SECONDS, LeaseWatch
from tests.e2e.conftest import ROOT, processes_with
from tests.waiting import wait_until

SLEEPER = ["sh", "-c", "setsid sleep 1000 & exec sleep 1000"]


def started_by(fork_server):
    return Child(fork_server, Program(SLEEPER, "/", {"PATH": os.environ["PATH"]}))


def children_of(fork_server):
    return psutil.Process(fork_server._process.pid).children(recursive=True)


@pytest.fixture
def impatient():
    fork_server = ForkServer(patience_seconds=2.5)
    yield fork_server
    fork_server.close()


def test_without_a_confirmed_lease_everything_is_killed_and_nothing_is_started(
    impatient,
):
    child = started_by(impatient)
    wait_until(lambda: len(children_of(impatient)) >= 4, "the sleepers")
    family = children_of(impatient)
    wait_until(lambda: impatient._process.poll() is not None, "the end")
    assert not [process for process in family if process.is_running()]
    with pytest.raises(LeaseLost):
        started_by(impatient)
    with pytest.raises(LeaseLost):
        impatient.confirm_lease()
    child.abandon()


def test_a_confirmed_lease_keeps_everything_running(watch):
    watching = watch(patience_seconds=5)
    for _ in range(10):
        assert not watching.looks(3)
        watching.lease.confirm()
    assert watching.looks(5)


class Watching:
    """A watch of a process with a clock that goes only as it looks."""

    def __init__(self, monkeypatch, pid, patience_seconds):
        self.now = 1000.0
        clock = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr(server, "time", clock)
        self.lease = LeaseWatch(pid, patience_seconds)

    def looks(self, seconds):
        """Whether the lease is lost within so many seconds."""
        until = self.now + seconds
        is_lost = False
        while self.now < until and not is_lost:
            self.now += WATCH_SECONDS
            is_lost = self.lease.is_lost()
        return is_lost


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "1000"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def watch(monkeypatch, sleeper):
    def make(patience_seconds=10_000.0):
        return Watching(monkeypatch, sleeper.pid, patience_seconds)

    return make


def stop(process):
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


def test_a_runner_that_is_stopped_for_a_lease_has_lost_it(watch, sleeper):
    watching = watch()
    assert not watching.looks(3 * STOPPED_SECONDS)
    stop(sleeper)
    assert not watching.looks(STOPPED_SECONDS - WATCH_SECONDS)
    assert watching.looks(WATCH_SECONDS)


def test_a_runner_that_goes_on_in_time_keeps_its_lease(watch, sleeper):
    watching = watch()
    for _ in range(3):
        stop(sleeper)
        assert not watching.looks(STOPPED_SECONDS - WATCH_SECONDS)
        sleeper.send_signal(signal.SIGCONT)
        os.waitid(os.P_PID, sleeper.pid, os.WCONTINUED)
        assert not watching.looks(WATCH_SECONDS)


def test_who_was_stopped_with_the_runner_gives_it_the_chance_to_go_on_first(
    watch, sleeper
):
    watching = watch(patience_seconds=60)
    stop(sleeper)
    assert not watching.looks(STOPPED_SECONDS - WATCH_SECONDS)
    watching.now += 3600
    assert not watching.looks(STOPPED_SECONDS - WATCH_SECONDS)
    assert watching.looks(2 * WATCH_SECONDS)


RUNNER = """
import os, sys
sys.path.insert(0, "{root}")
from tasks.runner.process import Child
from tasks.shim import server
from tasks.shim.client import ForkServer, Program
script = "setsid sleep 1000 & echo {mark}; exec sleep 1000"
fork_server = ForkServer()
env = dict(os.environ)
child = Child(fork_server, Program(["sh", "-c", script, "{mark}"], "/", env))
print("up", flush=True)
sys.stdin.read()
"""


def test_what_a_stopped_runner_has_started_ends_though_nobody_else_is_there():
    mark = f"lease-{os.getpid()}"
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER.format(root=ROOT, mark=mark), "runner"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    def programs():
        found = psutil.Process(runner.pid).children(recursive=True)
        return [process for process in found if "sleep" in process.cmdline()]

    try:
        wait_until(lambda: len(programs()) == 2, "the programs")
        family = programs()
        runner.send_signal(signal.SIGSTOP)
        wait_until(lambda: not any(p.is_running() for p in family), "the end")
        assert psutil.Process(runner.pid).status() == psutil.STATUS_STOPPED
    finally:
        runner.kill()
        runner.communicate()
    assert not processes_with(mark)
