"""``make run`` without make: a copy of the product, started, hurt and stopped."""

import random
import re
import signal
import sqlite3
import stat
import subprocess
import sys

import psutil
import pytest
import requests
from dotenv import dotenv_values

from .conftest import PATIENCE_SECONDS, free_port, processes_with, wait_until
from .product import Started, copy_of_the_product, environment_of_a_user

pytestmark = pytest.mark.e2e


@pytest.fixture
def clone(tmp_path):
    return copy_of_the_product(tmp_path / "a clone")


@pytest.fixture
def environ():
    return environment_of_a_user()


@pytest.fixture
def started(clone, environ):
    started = Started(clone, free_port(), environ)
    wait_until(started.is_healthy, "the first start")
    yield started
    if started.process.poll() is None:
        started.stop()


def test_from_nothing_to_a_service_and_back(started, environ):
    clone = started.folder
    secrets = dotenv_values(clone / ".env")
    assert stat.S_IMODE((clone / ".env").stat().st_mode) == 0o600
    output = started.output.read_text()
    assert secrets["API_KEY"] in output
    assert secrets["ADMIN_PASSWORD"] in output
    assert "root" not in output.lower().replace(str(clone), "")

    link = re.search(r"http://\S+/sign-in/\S+", output)[0]
    assert requests.get(link, timeout=10).status_code == 200
    key = {"X-API-Key": secrets["API_KEY"]}
    tasks = f"http://127.0.0.1:{started.port}/api/tasks"
    assert requests.get(tasks, headers=key, timeout=10).json()["tasks"] == []

    for mark in ("run_tasks", "resource_sync.web"):
        (killed,) = started.children(mark)
        killed.kill()
        killed.wait(10)
        wait_until(lambda mark=mark: started.children(mark), f"a new {mark}")
    wait_until(started.is_healthy, "it to recover")

    second = subprocess.run(
        [sys.executable, "-m", "resource_sync.start"],
        cwd=clone,
        env={**environ, "PORT": str(started.port)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert second.returncode == 1
    assert second.stderr.startswith(f"PORT: {started.port} on 127.0.0.1")
    assert second.stderr.count("\n") == 1

    children = psutil.Process(started.process.pid).children(recursive=True)
    assert started.stop() == 0
    assert not [child for child in children if child.is_running()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_running_tasks_records_it_and_leaves_nothing(
    clone, environ, number
):
    mark = str(random.randrange(10_000_000, 99_999_999))
    types = clone / "task_types.toml"
    types.write_text(
        f"[long]\n[[long.steps]]\ncommand = ['sh', '-c', 'sleep {mark} & sleep {mark}']"
    )
    started = Started(clone, free_port(), environ)
    wait_until(started.is_healthy, "the first start")
    key = {"X-API-Key": dotenv_values(clone / ".env")["API_KEY"]}
    url = f"http://127.0.0.1:{started.port}/api/tasks/long"
    task_id = requests.post(url, headers=key, json={}, timeout=10).json()["taskId"]
    wait_until(lambda: len(processes_with(mark)) >= 3, "the task's processes")

    started.process.send_signal(number)
    assert started.process.wait(PATIENCE_SECONDS) == 0
    assert not processes_with(mark)
    with sqlite3.connect(clone / "data" / "db.sqlite3") as database:
        query = "SELECT status, error, last_seq FROM tasks_task WHERE id = ?"
        ((status, error, last_seq),) = database.execute(
            query, [task_id.replace("-", "")]
        )
    database.close()
    assert (status, error) == ("cancelled", "Interrupted by shutdown of the runner.")
    assert last_seq == 2


def children_of(started):
    return psutil.Process(started.process.pid).children(recursive=True)


def test_the_hangup_of_a_terminal_leaves_nothing_behind(started):
    # psutil leaves out who seems older than the parent, as when a clock is put back.
    wait_until(lambda: len(children_of(started)) >= 2, "the children to be seen")
    children = children_of(started)
    started.process.send_signal(signal.SIGHUP)
    assert started.process.wait(PATIENCE_SECONDS) == 0
    assert not [child for child in children if child.is_running()]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "http"),
        ("WEB_PROCESSES", "0"),
        ("WEB_PROCESSES", "-1"),
        ("WEB_PROCESSES", "abc"),
        ("WEB_PROCESSES", "100000"),
        ("DEBUG", "perhaps"),
        ("RATE_LIMIT_CREATE", "many"),
        ("TASK_TYPES_FILE", "./no-such-file.toml"),
        ("DATABASE_URL", "mysql://somewhere/db"),
        ("DATABASE_URL", "postgres://nobody@127.0.0.1:9/nothing"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(clone, environ, variable, value):
    answer = subprocess.run(
        [sys.executable, "-m", "resource_sync.start"],
        cwd=clone,
        env={"PORT": str(free_port()), **environ, variable: value},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert answer.returncode == 1, answer.stderr
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert variable in answer.stderr
    assert "Traceback" not in answer.stderr
