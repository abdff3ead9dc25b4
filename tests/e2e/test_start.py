"""``make run`` without make: a copy of the product, started, hurt and stopped."""

import os
import random
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys

import psutil
import pytest
import requests
from dotenv import dotenv_values

from .conftest import PATIENCE_SECONDS, ROOT, free_port, processes_with, wait_until

pytestmark = pytest.mark.e2e
# What the tests' own settings, or whoever runs them, would tell the product.
SERVICE_VARIABLES = re.compile(
    "SECRET_KEY|API_KEY|DATA_DIR|LOG_DIR|PORT|HOST|ADMIN_PASSWORD|MAKELEVEL"
    "|DATABASE_URL|RESOURCE_.*"
)
ROOMS = ("resource_sync", "tasks", "streaming", "resources", "templates", "static")
FILES = ("manage.py", "requirements.txt", "task_types.toml")


@pytest.fixture
def clone(tmp_path):
    """The product as a fresh clone has it: no .env, no data."""
    folder = tmp_path / "a clone"
    for room in (*ROOMS, "locale", "deploy"):
        shutil.copytree(ROOT / room, folder / room)
    for file in FILES:
        shutil.copy(ROOT / file, folder / file)
    return folder


class Started:
    def __init__(self, folder, port, environ):
        self.folder, self.port = folder, port
        self.output = folder / "output"
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "resource_sync.start"],
                cwd=folder,
                env={**environ, "PORT": str(port), "RESOURCE_SOURCE": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def is_healthy(self):
        assert self.process.poll() is None, self.output.read_text()
        try:
            url = f"http://127.0.0.1:{self.port}/health"
            return requests.get(url, timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    def child(self, mark):
        """The living child whose command line has this word, or None."""
        for child in psutil.Process(self.process.pid).children():
            if mark in child.cmdline():
                return child
        return None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)


@pytest.fixture
def environ():
    return {
        name: value
        for name, value in os.environ.items()
        if not SERVICE_VARIABLES.fullmatch(name)
    }


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

    for mark in ("run_tasks", "daphne"):
        killed = started.child(mark)
        killed.kill()
        killed.wait(10)
        wait_until(lambda mark=mark: started.child(mark), f"a new {mark}")
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
    assert (status, error) == ("cancelled", "Interrupted: the runner was shut down.")
    assert last_seq == 2


def test_the_hangup_of_a_terminal_leaves_nothing_behind(started):
    children = psutil.Process(started.process.pid).children(recursive=True)
    assert len(children) >= 2
    started.process.send_signal(signal.SIGHUP)
    assert started.process.wait(PATIENCE_SECONDS) == 0
    assert not [child for child in children if child.is_running()]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "http"),
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
