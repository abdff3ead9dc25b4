"""A restore that is killed at any of its steps leaves the old database or the new."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import psutil
import psycopg
import pytest

from tasks.backup.programs import program
from tests.waiting import PATIENCE_SECONDS, wait_until

from .conftest import ROOT

pytestmark = pytest.mark.e2e

# Ends itself, as kill -9 does, before the given step of those that change the
# database's files: what it opens to write, renames and removes, the programs and
# databases that it opens.
KILLED = """
import os, runpy, signal, sys
last, path = int(sys.argv[1]), sys.argv[2]
FILES = {"os.rename", "os.remove"}
OTHERS = {"subprocess.Popen", "sqlite3.connect"}
count = 0
def hook(event, arguments):
    global count
    is_write = event == "open" and arguments[1] and set(str(arguments[1])) & set("wxa+")
    is_ours = arguments and str(arguments[0]).startswith(path)
    if event in OTHERS or is_ours and (event in FILES or is_write):
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
sys.argv = sys.argv[3:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def restore(service, file, last):
    """Restore, and return the exit code: negative where it was killed."""
    path = str(service.data_dir / "db.sqlite3")
    manage = [str(ROOT / "manage.py"), "restore", "--replace", str(file)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(last), path, *manage],
        env=service.env,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode <= 0, done.stderr
    return done.returncode


def test_every_kill_leaves_one_or_the_other(new_service, tmp_path):
    service = new_service(DATABASE_URL="")
    service.manage("migrate", "-v0")
    file = tmp_path / "backup.zip"
    service.manage("submit", "three-steps")
    service.manage("backup", str(file))
    service.manage("submit", "say")
    database = service.data_dir / "db.sqlite3"
    old, seen = database.read_bytes(), set()
    last = 1
    while restore(service, file, last):
        found = state(database)
        # Never the old tasks of the backup without what holds them.
        assert found in {(2, 0), (1, 1)}
        seen.add(found)
        for ending in ("-wal", "-shm", "-journal"):
            database.with_name(database.name + ending).unlink(missing_ok=True)
        database.write_bytes(old)
        last += 1
    assert seen == {(2, 0), (1, 1)}
    assert last > 8
    assert state(database) == (1, 1)
    assert not list(service.data_dir.glob("*restoring*"))


def state(path):
    """How many tasks and pauses there are."""
    tables = ("tasks_task", "tasks_queuepause")
    with closing(sqlite3.connect(path)) as database:
        counts = [
            database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in tables
        ]
    return tuple(counts)


# Writes how the tables go and come, enough for a whole chunk, and then nothing more.
HALF = """\
#!/bin/sh
case "$*" in
*--file=-*)
    "{program}" "$@" | sed '/^COPY/,$d'
    yes '' | head -c 4000000
    exec sleep 600;;
*) exec "{program}" "$@";;
esac
"""
REPLACED = """
SELECT 1 FROM pg_locks WHERE relation = 'tasks_task'::regclass AND granted
    AND mode = 'AccessExclusiveLock' AND pid <> pg_backend_pid()
"""


@pytest.mark.postgres
def test_a_kill_in_the_middle_of_postgresql_s_restore_changes_nothing(
    new_service, tmp_path
):
    service = new_service()
    if not service.env["DATABASE_URL"]:
        pytest.skip("PostgreSQL: TEST_DATABASE_URL is not set")
    file = tmp_path / "backup.zip"
    service.manage("submit", "three-steps")
    service.manage("backup", str(file))
    service.manage("submit", "say")
    half = tmp_path / "bin" / "pg_restore"
    half.parent.mkdir()
    half.write_text(HALF.replace("{program}", program("pg_restore", 1)))
    half.chmod(0o755)
    with subprocess.Popen(
        [sys.executable, ROOT / "manage.py", "restore", "--replace", file],
        env={**service.env, "PATH": f"{half.parent}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_until(lambda: is_being_replaced(service), "the old tables to go")
        children = psutil.Process(process.pid).children()
        [psql] = [child for child in children if child.name() == "psql"]
        process.kill()
        psql.wait(PATIENCE_SECONDS)
    for other in set(children) - {psql}:
        other.kill()
    assert service.manage("list_tasks").stdout.count("\n") == 2
    service.manage("restore", "--replace", str(file))
    assert service.manage("list_tasks").stdout.count("\n") == 1


def is_being_replaced(service):
    """Whether a transaction has dropped a table, and is still open."""
    with psycopg.connect(service.env["DATABASE_URL"]) as database:
        return bool(database.execute(REPLACED).fetchone())
