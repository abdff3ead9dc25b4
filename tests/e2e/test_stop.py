"""What a stop, a killed supervisor and a second start do to a running product."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import psutil
import pytest
import requests
from dotenv import dotenv_values

from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS, wait_until

from .conftest import processes_with
from .product import Started, copy_of_the_product, environment_of_a_user

pytestmark = pytest.mark.e2e

# It saves what it has when it is asked to end, for as long as the test wants.
TYPES = """
[saves]
stop_grace = "90s"
[[saves.steps]]
command = ["sh", "-c", '''
    trap 'until [ -e "$DATA_DIR/may-end" ]; do sleep 0.1; done; echo saved; exit' TERM
    echo up; while :; do sleep 0.1; done''']

[waits]
[[waits.steps]]
command = ["sh", "-c", '''
    echo up; until [ -e "$DATA_DIR/may-end" ]; do sleep 0.1; done; echo done''']
"""


@pytest.fixture
def clone(tmp_path):
    clone = copy_of_the_product(tmp_path / "a clone")
    (clone / "task_types.toml").write_text(TYPES)
    return clone


@pytest.fixture
def started(clone):
    started = Started(clone, free_port(), environment_of_a_user())
    wait_until(started.is_healthy, "the first start")
    yield started
    (started.folder / "data" / "may-end").touch()
    if started.process.poll() is None:
        started.process.kill()
    start(started, "stop")


def begin_to(command, started):
    """Begin one of the start's commands in the clone; its output comes by a pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", "resource_sync.start", command],
        cwd=started.folder,
        env={**environment_of_a_user(), "PORT": str(started.port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start(started, command):
    """Run one of the start's commands in the clone."""
    with begin_to(command, started) as process:
        output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def begin(started, kind="saves"):
    """Start a task, and wait until it runs; returns its id."""
    key = {"X-API-Key": dotenv_values(started.folder / ".env")["API_KEY"]}
    url = f"http://127.0.0.1:{started.port}/api/tasks/{kind}"
    task = requests.post(url, headers=key, json={}, timeout=10).json()["taskId"]
    wait_until(lambda: "up" in lines(started, task), "the task to run")
    return task


def lines(started, task):
    return [row for (row,) in rows(started, "SELECT message FROM tasks_logline", task)]


def rows(started, query, task):
    column = "task_id" if "logline" in query else "id"
    path = started.folder / "data" / "db.sqlite3"
    with closing(sqlite3.connect(path, timeout=PATIENCE_SECONDS)) as database:
        where = f"{query} WHERE {column} = ?"
        return database.execute(where, [task.replace("-", "")]).fetchall()


def test_a_stop_waits_for_what_was_promised_and_says_so(started):
    task = begin(started)
    started.process.send_signal(signal.SIGTERM)
    said = "Stopping: 1 task has up to 90 s to end"
    wait_until(lambda: said in started.output.read_text(), "the runner to say so")
    (started.folder / "data" / "may-end").touch()
    assert started.process.wait(PATIENCE_SECONDS) == 0
    assert "saved" in lines(started, task)
    assert rows(started, "SELECT status FROM tasks_task", task) == [("cancelled",)]


def test_a_second_stop_waits_for_nothing(started):
    task = begin(started)
    started.process.send_signal(signal.SIGINT)
    said = "Stopping: 1 task has"
    wait_until(lambda: said in started.output.read_text(), "the runner to say so")
    assert start(started, "stop").returncode == 0
    assert started.process.wait(PATIENCE_SECONDS) == 0
    assert "saved" not in lines(started, task)
    assert rows(started, "SELECT status FROM tasks_task", task) == [("cancelled",)]


def test_a_restart_lets_what_runs_come_to_its_end_and_says_so(started):
    task = begin(started, "waits")
    with begin_to("let-end", started) as stop:
        assert stop.stdout.readline() == (
            f"Running: waits {task[:8]}. It will be waited for; `make stop` in another "
            "terminal ends that at once.\n"
        )
        assert stop.stdout.readline().startswith("Waiting for the tasks that run")
        assert "1 task has as long as it takes to end" in started.output.read_text()
        (started.folder / "data" / "may-end").touch()
        assert stop.stdout.read() == "Stopped.\n"
    assert started.process.wait(PATIENCE_SECONDS) == 0
    assert rows(started, "SELECT status FROM tasks_task", task) == [("completed",)]


def test_a_stop_ends_at_once_what_a_restart_waits_for(started):
    task = begin(started, "waits")
    with begin_to("let-end", started) as restart:
        restart.stdout.readline()
        assert restart.stdout.readline().startswith("Waiting for the tasks that run")
        assert "will be ended at once" in start(started, "stop").stdout
        assert restart.stdout.read() == "Stopped.\n"
    assert started.process.wait(PATIENCE_SECONDS) == 0
    assert rows(started, "SELECT status FROM tasks_task", task) == [("cancelled",)]


def test_each_runner_that_is_asked_for_is_kept_running(clone):
    environ = {**environment_of_a_user(), "RUNNERS": "2", "RUNNER_CONCURRENCY": "3"}
    started = Started(clone, free_port(), environ)
    try:
        url = f"http://127.0.0.1:{started.port}/health"
        wait_until(started.is_healthy, "the first start")
        wait_until(lambda: requests.get(url, timeout=10).json()["runners"] == 2)
        path = started.folder / "data" / "db.sqlite3"
        with closing(sqlite3.connect(path, timeout=PATIENCE_SECONDS)) as database:
            found = database.execute("SELECT concurrency FROM tasks_runner").fetchall()
        assert found == [(3,), (3,)]
        shown = start(started, "status").stdout
        assert shown.count("RUNNING") == 3, shown
    finally:
        assert started.stop() == 0


def test_what_a_killed_supervisor_leaves_ends_in_order_and_is_seen_meanwhile(started):
    task = begin(started)
    children = psutil.Process(started.process.pid).children(recursive=True)
    (runner,) = started.children("run_tasks")
    started.process.kill()
    started.process.wait(10)

    status = start(started, "status")
    assert status.returncode == 1
    assert f"runner (process {runner.pid})" in status.stdout
    second = start(started, "run")
    assert second.returncode == 1
    assert f"runner (process {runner.pid})" in second.stderr

    with begin_to("stop", started) as stop:
        assert stop.stdout.readline().startswith("Waiting for the tasks that run")
        (started.folder / "data" / "may-end").touch()
        assert stop.stdout.read() == "Stopped.\n"
    assert "saved" in lines(started, task)
    wait_until(
        lambda: not [child for child in children if child.is_running()],
        "nothing to be left",
    )
    assert start(started, "status").returncode == 3
    assert not processes_with(str(started.folder))
