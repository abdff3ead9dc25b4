"""Processes of this machine, as the system knows them: whether a runner's own still
exists, and what its programs have left."""

import os
import socket
import time
import uuid
from contextlib import suppress
from enum import Enum
from functools import cache
from pathlib import Path

import psutil

from tasks.models import Runner
from tasks.shim.client import ForkServer

KILL_SECONDS = 5.0  # what outlives SIGKILL for so long is stuck in the kernel
STOPPED = (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)


class ProcessState(Enum):
    GONE = "gone"  # a zombie, too: it runs no more
    STOPPED = "stopped"  # by SIGSTOP, by a terminal or by a debugger
    LIVES = "lives"


@cache
def process_space() -> str:
    """Within what a process's number is its own. Containers may share the name of a
    host, and need not share its processes: on Linux it is the machine's start and the
    PID namespace (pid_namespaces(7)), elsewhere the host."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def boot_of(space: str) -> str:
    """Return the part of a process space that is the machine's start."""
    return space.partition(" ")[0]


def process_started(pid: int) -> float:
    """Return when a process here began, by a clock that nobody sets where there is one:
    in seconds since the start of Linux, elsewhere since 1970.

    Raises psutil.NoSuchProcess.
    """
    if not psutil.LINUX:
        return psutil.Process(pid).create_time()
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError as error:
        raise psutil.NoSuchProcess(pid) from error
    ticks = int(stat.rpartition(b")")[2].split()[19])  # proc_pid_stat(5): starttime
    return ticks / os.sysconf("SC_CLK_TCK")


def is_here(runner: Runner) -> bool:
    """Return whether the runner's process is, or was, among those that can be asked
    here."""
    return runner.process_space == process_space()


def state_of(runner: Runner) -> ProcessState:
    """The state of the very process of a runner in this process space."""
    try:
        process = psutil.Process(runner.pid)
        # The second for runners that began before the first was what they noted.
        starts = process_started(runner.pid), process.create_time()
        status = process.status()
    except psutil.NoSuchProcess:
        return ProcessState.GONE
    is_another = all(abs(start - runner.process_started) >= 2.0 for start in starts)
    if is_another or status == psutil.STATUS_ZOMBIE:
        return ProcessState.GONE
    return ProcessState.STOPPED if status in STOPPED else ProcessState.LIVES


def has_programs(runner: Runner) -> bool:
    """Return whether anything that a runner here started still runs."""
    return bool(_helpers_and_programs(runner.pk)[0])


def end_programs(runner: Runner) -> bool:
    """Kill all that a runner here started; False where something can't be killed.

    Its helpers do that themselves when it dies. They don't where they were stopped
    with it, and whoever gives its locks to others has to be sure.
    """
    deadline = time.monotonic() + KILL_SECONDS
    while True:
        helpers, programs = _helpers_and_programs(runner.pk)
        is_late = time.monotonic() >= deadline
        # The helpers last: until then what loses its parent becomes theirs.
        for process in helpers if is_late else programs or helpers:
            with suppress(psutil.Error):
                process.kill()
        if is_late or not helpers:
            return not helpers
        time.sleep(0.02)


def _helpers_and_programs(
    runner_id: uuid.UUID,
) -> tuple[list[psutil.Process], list[psutil.Process]]:
    """The processes that start and hold a runner's programs, and what descends from
    these, all in one look at the system."""
    helpers: dict[int, psutil.Process] = {}
    children: dict[int, list[psutil.Process]] = {}
    for process in psutil.process_iter(["ppid", "cmdline", "status"]):
        if process.info["status"] == psutil.STATUS_ZOMBIE:
            continue
        children.setdefault(process.info["ppid"], []).append(process)
        if ForkServer.is_of(process.info["cmdline"] or (), runner_id):
            helpers[process.pid] = process
    programs: dict[int, psutil.Process] = {}
    unseen = list(helpers)
    while unseen:
        for process in children.get(unseen.pop(), ()):
            if process.pid not in helpers:
                programs[process.pid] = process
                unseen.append(process.pid)
    return list(helpers.values()), list(programs.values())
