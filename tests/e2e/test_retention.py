"""A history is deleted by real processes, one of which is killed, and the disk gets its
room back."""

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tests.waiting import wait_until

from .conftest import ROOT

pytestmark = pytest.mark.e2e
LINES = 30_000
MAKE = f"""
from tests.factories import TaskFactory, write_log
for _ in range(3):
    write_log(TaskFactory(status="completed"), *["x" * 100] * {LINES // 3})
"""


@pytest.fixture
def service(new_service):
    """An installation on SQLite with three finished tasks, that does not run."""
    service = new_service(DATABASE_URL="", TASK_RETENTION="0")
    service.manage("migrate", "-v0")
    service.manage("shell", "-v0", "-c", MAKE)
    return service


@pytest.fixture
def path(service):
    return service.data_dir / "db.sqlite3"


def count(path, table):
    with closing(sqlite3.connect(path, timeout=20)) as database:
        return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def pragma(path, text):
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        return database.execute(f"PRAGMA {text}").fetchone()


def size(path):
    pragma(path, "wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


def test_a_deletion_that_was_killed_shows_nothing_and_is_finished_by_the_next(
    service, path
):
    before = size(path)
    command = [sys.executable, ROOT / "manage.py", "prune_tasks", "--keep", "0"]
    with subprocess.Popen(
        command, env=service.env, stdout=subprocess.DEVNULL
    ) as process:
        wait_until(
            lambda: 0 < count(path, "tasks_logline") < LINES, "some lines to be gone"
        )
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert 0 < count(path, "tasks_logline") < LINES
    assert service.manage("list_tasks", "--json").stdout == ""
    said = service.manage("prune_tasks", "--keep", "0", "--json").stdout
    assert json.loads(said)["deleted"] == 0
    assert count(path, "tasks_logline") == count(path, "tasks_prunedlog") == 0
    # What stays free is for the next lines.
    service.manage("vacuum_database")
    assert size(path) < before / 2
    assert pragma(path, "integrity_check") == ("ok",)


def test_a_file_of_an_older_version_is_written_anew_once(service, path):
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA auto_vacuum = NONE")
        database.execute("VACUUM")
    service.manage("prune_tasks", "--keep", "0")
    before = size(path)
    with closing(sqlite3.connect(path)) as somebody:
        somebody.execute("SELECT count(*) FROM tasks_task").fetchone()
        refused = service.manage("vacuum_database", check=False)
    assert refused.returncode == 1
    assert "stop the service first" in refused.stderr
    assert size(path) == before
    said = json.loads(service.manage("vacuum_database", "--json").stdout)
    assert said["rewritten"] is True
    assert said["bytes"] == size(path) < before / 2
    assert pragma(path, "auto_vacuum") == (2,)
    again = json.loads(service.manage("vacuum_database", "--json").stdout)
    assert again["rewritten"] is False
