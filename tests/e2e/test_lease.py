"""Runners that are stopped, or can't reach their database: what lives goes on, and no
two programs run under one lock."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tasks.reaper import WATCH_SECONDS
from tests.left_out import reason_against_hosts
from tests.waiting import wait_until

from .conftest import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]

STOPPED_SECONDS = 20  # longer than a lease, and longer than SQLite waits
# In a PID namespace of its own, as in a container: others can't see its processes.
CONTAINED = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
# Each program notes when it ran, by a clock that all of them share.
TYPES = """
[stamping]
title = "Stamps"
lock = "the one"
[stamping.params.name]
[stamping.params.enough]
[[stamping.steps]]
name = "stamp"
command = ["{{python}}", "-c", '''
import os, sys, time
name, enough, stamps = sys.argv[1:]
print("up", flush=True)
while not os.path.exists(enough):
    with open(stamps, "a") as file:
        print(name, time.monotonic(), file=file)
    time.sleep(0.02)
''', "{{name}}", "{{enough}}", "{stamps}"]
"""


@pytest.fixture
def stamped(new_service):
    """A product with a web process and a runner, and a type whose programs stamp."""
    service = new_service()
    service.stamps = service.data_dir / "stamps"
    with Path(service.env["TASK_TYPES_FILE"]).open("a") as types:
        types.write(TYPES.format(stamps=service.stamps))
    return service.run()


def begin(service, name):
    enough = service.data_dir / f"{name}.enough"
    return service.create("stamping", name=name, enough=str(enough))


def end(service, name):
    (service.data_dir / f"{name}.enough").touch()


def times_of(service, name):
    text = service.stamps.read_text() if service.stamps.exists() else ""
    rows = [line.split() for line in text.splitlines()]
    return [float(row[1]) for row in rows if len(row) == 2 and row[0] == name]


def wait_for_stamps(service, name):
    count = len(times_of(service, name))
    wait_until(lambda: len(times_of(service, name)) > count, f"a stamp of {name}")


def test_no_program_of_a_stopped_runner_lives_beside_the_next_holder_of_its_lock(
    stamped,
):
    frozen = stamped.processes["runner"]
    first = begin(stamped, "first")
    wait_for_stamps(stamped, "first")
    stamped.start("other")
    second = begin(stamped, "second")
    frozen.send_signal(signal.SIGSTOP)
    wait_for_stamps(stamped, "second")
    assert stamped.task(first)["status"] == "failed"
    assert "stopped at about" in stamped.task(first)["error"]
    assert max(times_of(stamped, "first")) < min(times_of(stamped, "second"))
    count = len(times_of(stamped, "first"))
    frozen.send_signal(signal.SIGCONT)
    assert frozen.wait(60) == 1
    assert "The lease was lost" in (stamped.data_dir / "runner.out").read_text()
    end(stamped, "second")
    assert stamped.wait_for(second)["status"] == "completed"
    assert len(times_of(stamped, "first")) == count


def all_processes_of(service):
    mine = [psutil.Process(process.pid) for process in service.processes.values()]
    return [*mine, *(child for one in mine for child in one.children(recursive=True))]


def test_what_is_paused_together_with_everything_else_loses_nothing(stamped):
    stamped.start("other")
    task_id = begin(stamped, "one")
    wait_for_stamps(stamped, "one")
    processes = all_processes_of(stamped)
    for process in processes:
        process.suspend()
    time.sleep(STOPPED_SECONDS)
    for process in reversed(processes):
        process.resume()
    wait_for_stamps(stamped, "one")
    goes_on_for_a_lease(stamped)
    end(stamped, "one")
    task = stamped.wait_for(task_id)
    assert (task["status"], task["attempt"]) == ("completed", 1)


def goes_on_for_a_lease(service):
    since = times_of(service, "one")[-1]
    wait_until(lambda: times_of(service, "one")[-1] > since + 15, "more stamps")


def test_a_runner_that_can_write_nothing_for_a_while_loses_nothing(stamped):
    if os.environ.get("TEST_DATABASE_URL"):
        pytest.skip("only SQLite can be locked as a whole")
    stamped.start("other")
    task_id = begin(stamped, "one")
    wait_for_stamps(stamped, "one")
    with closing(sqlite3.connect(stamped.data_dir / "db.sqlite3")) as database:
        database.isolation_level = None
        database.execute("BEGIN IMMEDIATE")
        time.sleep(STOPPED_SECONDS)
        assert stamped.is_healthy()
        database.execute("ROLLBACK")
    goes_on_for_a_lease(stamped)
    end(stamped, "one")
    task = stamped.wait_for(task_id)
    assert (task["status"], task["attempt"]) == ("completed", 1)


def test_what_ran_in_a_container_that_is_killed_is_not_waited_for(new_service):
    if reason := reason_against_hosts():
        pytest.skip(reason)
    service = new_service()
    service.start("web")
    runner = [sys.executable, str(ROOT / "manage.py"), "run_tasks"]
    with (service.data_dir / "runner.out").open("ab") as output:
        service.processes["runner"] = subprocess.Popen(
            [*CONTAINED, *runner], cwd=ROOT, env=service.env, stderr=output
        )
    service.wait_healthy()
    task_id = service.create("slowly", n="10000", pause=str(WATCH_SECONDS))
    # Others look at it meanwhile, and leave it alone.
    wait_until(lambda: len(service.lines(task_id)) > 4, "some lines")
    assert service.task(task_id)["status"] == "running"
    service.kill("runner")
    # For its patience others would wait longer than this test.
    assert service.wait_for(task_id)["status"] == "failed"
    assert "stopped at about" in service.task(task_id)["error"]
