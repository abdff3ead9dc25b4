"""``make roll``: replaces one process after another, while the others serve.

The new code is there already, and the old one goes on beside it until its turn:
docs/decisions/0089 says why that is allowed. What is asked of the database here is
asked by the new code, once ``prepare`` has migrated it.
"""

import signal
import sys
from contextlib import suppress

import psutil

from resource_sync import running

READY_SECONDS = 120.0  # for a process to serve after its start


def roll(supervisor: psutil.Process) -> int:
    """Replace the runners, then the web processes; returns an exit code."""
    with (running.run_folder(running.data_dir()) / "stop.lock").open("a") as file:
        if not running.lock(file):
            sys.stderr.write("Resource Sync is being stopped, or rolled, already.\n")
            return 1
        # Runners first: a task that a newer web process accepted may have what an older
        # runner does not know.
        for group in ("runner", "web"):
            for number in sorted(programs(supervisor, group)):
                if not replace(supervisor, group, number):
                    sys.stderr.write(
                        f"{group}:{number} does not serve again; what was not replaced "
                        "yet runs on. See make status, make logs.\n"
                    )
                    return 1
    running.say("All processes were replaced.")
    return 0


def replace(supervisor: psutil.Process, group: str, number: int) -> bool:
    """End a process in order, however long its tasks take; returns whether the one that
    supervisor starts in its place serves in time."""
    old = programs(supervisor, group)[number]
    running.say(f"Replacing {group}:{number} (process {old.pid})…")
    if group == "runner":
        running.ask([old], running.PATIENT)
    running.ask([old], signal.SIGTERM)
    running.wait_for([old])
    serves = listens if group == "web" else is_alive

    def is_back() -> bool:
        new = programs(supervisor, group).get(number)
        return new is not None and new.pid != old.pid and serves(new)

    is_over = running.wait_until(
        lambda: is_back() or not running.living([supervisor]), READY_SECONDS
    )
    return is_over and is_back()


def programs(supervisor: psutil.Process, group: str) -> dict[int, psutil.Process]:
    """Return what supervisor runs of a group, by number."""
    found = {}
    with suppress(psutil.NoSuchProcess):
        for process in supervisor.children():
            with suppress(psutil.Error, KeyError, OSError):
                environ = process.environ()
                if environ["SUPERVISOR_GROUP_NAME"] == group:
                    found[int(environ["SUPERVISOR_PROCESS_NAME"])] = process
    return found


def listens(process: psutil.Process) -> bool:
    """Return whether a web process takes connections, which it does once all that is
    slow is loaded."""
    with suppress(psutil.Error):
        found = process.net_connections("tcp")
        return any(one.status == psutil.CONN_LISTEN for one in found)
    return False


def is_alive(process: psutil.Process) -> bool:
    """Return whether a runner has registered, and so claims tasks."""
    from tasks.models import Runner

    return Runner.objects.alive().filter(pid=process.pid).exists()
