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

from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS, wait_until

from .conftest import ROOT, processes_with
from .product import Started, copy_of_the_product, environment_of_a_user

pytestmark = pytest.mark.e2e

# Root writes wherever it likes, unless it lets go of that.
WITHOUT_ROOT_S_RIGHTS = (
    ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
    if os.getuid() == 0
    else ()
)


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
    key = secrets["API_KEY"]
    wait_until(lambda: key in started.output.read_text(), "the greeting")
    output = started.output.read_text()
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
    assert second.stderr.startswith("Resource Sync is already running")
    assert f"process {started.process.pid})" in second.stderr
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
    assert (status, error) == ("cancelled", "Cancelled because the runner shut down.")
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


@pytest.mark.parametrize("reads", [0, 1], ids=["nothing", "a line"])
def test_a_reader_that_goes_away_ends_nothing(clone, environ, reads):
    port = free_port()
    output, own_end = os.pipe()
    with os.fdopen(output) as lines:
        started = Started(clone, port, environ, output=own_end)
        os.close(own_end)
        for _ in range(reads):
            lines.readline()
    wait_until(started.is_healthy, "the start")
    (killed,) = started.children("resource_sync.web")
    killed.kill()  # the supervisor says so, to nobody
    killed.wait(10)
    wait_until(started.is_healthy, "it to recover")
    children = children_of(started)
    assert started.stop() == 0
    assert not [child for child in children if child.is_running()]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "http"),
        ("WEB_PROCESSES", "0"),
        ("WEB_PROCESSES", "-1"),
        ("WEB_PROCESSES", "abc"),
        ("WEB_PROCESSES", "100000"),
        ("RUNNERS", "0"),
        ("RUNNER_CONCURRENCY", "many"),
        ("RUNNER_DRAIN", "soon"),
        ("RUNNER_LABELS", "a b"),
        ("DEBUG", "perhaps"),
        ("RATE_LIMIT_CREATE", "many"),
        ("TASK_TYPES_FILE", "./no-such-file.toml"),
        ("DATABASE_URL", "mysql://somewhere/db"),
        ("DATABASE_URL", "postgres://nobody@127.0.0.1:9/nothing"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_line(clone, environ, variable, value):
    said = what_a_start_says(clone, {**environ, variable: value})
    assert variable in said


def what_a_start_says(clone, environ, *prefix):
    """Of one that can't work: one line, and exit code 1."""
    answer = subprocess.run(
        [*prefix, sys.executable, "-m", "resource_sync.start"],
        cwd=clone,
        env={"PORT": str(free_port()), **environ},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert answer.returncode == 1, answer.stderr
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert "Traceback" not in answer.stderr
    return answer.stderr


def test_a_log_that_can_t_be_written_is_named(clone, environ):
    (clone / "logs" / "combined.log").mkdir(parents=True)
    said = what_a_start_says(clone, environ)
    assert "logs/combined.log can't be used" in said


@pytest.mark.parametrize("name", ["DATA_DIR", "LOG_DIR"])
def test_a_folder_that_this_account_can_t_write_is_named(clone, environ, name):
    folder = clone / name
    folder.mkdir(mode=0o500)
    said = what_a_start_says(
        clone, {**environ, name: str(folder)}, *WITHOUT_ROOT_S_RIGHTS
    )
    assert str(folder) in said
    assert "by this account" in said


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells children")
def test_a_start_that_is_ended_leaves_nothing_that_makes_the_demo(clone, environ):
    command = [sys.executable, "-m", "resource_sync.start", "prepare"]
    with subprocess.Popen(
        command, cwd=clone, env=environ, stdout=subprocess.PIPE, text=True
    ) as start:
        (demo,) = wait_until(
            lambda: [
                child
                for child in psutil.Process(start.pid).children()
                if child.cmdline()[-2:] == ["resources", "demo"]
            ],
            "the demo to be made",
        )
        start.kill()
    demo.wait(PATIENCE_SECONDS)


def test_a_file_of_settings_that_is_no_text_is_named(clone, environ):
    (clone / ".env").write_bytes(b"\xff\xfe\x00")
    assert ".env can't be read" in what_a_start_says(clone, environ)


def test_a_database_that_is_none_is_named_and_not_a_variable(clone, environ):
    (clone / "data").mkdir()
    (clone / "data" / "db.sqlite3").write_text("no database" * 100)
    said = what_a_start_says(clone, environ)
    assert "data/db.sqlite3 can't be used (file is not a database)" in said
    assert "DATABASE_URL" not in said


def test_a_terminal_that_has_few_characters_is_no_reason_to_stop(clone, environ):
    answer = subprocess.run(
        [sys.executable, "-m", "resource_sync.start", "prepare"],
        cwd=clone,
        env={**environ, "PYTHONIOENCODING": "ascii", "RESOURCE_SOURCE": str(clone)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert answer.returncode == 0, answer.stderr
    assert "Collecting static files?" in answer.stdout


def test_a_stop_works_without_any_python(clone, environ):
    (clone / "data" / "run").mkdir(parents=True)
    words = ["sh", "-c", "read line; : resource_sync.supervise"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as process:
        (clone / "data" / "run" / "supervisord.pid").write_text(str(process.pid))
        stop = ["sh", clone / "deploy" / "stop.sh"]
        with subprocess.Popen(stop, env=environ, stdout=subprocess.PIPE) as stopping:
            assert process.wait(PATIENCE_SECONDS) == -signal.SIGTERM
            assert stopping.communicate(timeout=PATIENCE_SECONDS)[0] == b"Stopped.\n"
    again = subprocess.run(stop, env=environ, capture_output=True, check=True)
    assert again.stdout == b"Resource Sync is not running.\n"


def test_only_what_prepares_makes_a_broken_environment_anew(clone, environ):
    shutil.copy(ROOT / "Makefile", clone)
    broken = clone / ".venv" / "bin" / "python"
    broken.parent.mkdir(parents=True)
    broken.symlink_to("/no/such/python")

    def make(*arguments):
        command = ["make", *arguments]
        answer = subprocess.run(
            command, cwd=clone, env=environ, capture_output=True, text=True, check=True
        )
        return answer.stdout

    assert "Resource Sync is not running." in make("stop")
    make("help")
    assert broken.is_symlink()
    assert ".venv is broken" in make("--dry-run", "run")
    assert not broken.is_symlink()
