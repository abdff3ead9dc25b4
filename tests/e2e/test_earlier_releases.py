"""Databases that earlier releases made, brought to this one: all that was there is told
by the API, and the service goes on with what waits."""

import json
import lzma
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.postgres]
# The old runner is on no machine that can be asked, and may have had minutes of it.
WITHOUT_PATIENCE = """
from tasks.models import Runner
Runner.objects.update(patience_seconds=0)
"""
DATABASES = Path(__file__).parents[1] / "upgrade"
ENDED = {"completed", "failed", "cancelled"}
IS_POSTGRESQL = bool(os.environ.get("TEST_DATABASE_URL"))
KIND = "sql" if IS_POSTGRESQL else "sqlite3"
FOUND = sorted(
    path.name.removesuffix(".sqlite3.xz") for path in DATABASES.glob("*3.xz")
)


def unpacked(name):
    return lzma.decompress((DATABASES / name).read_bytes())


@pytest.fixture(params=FOUND)
def facts(request):
    """What the release's database has, and its name."""
    found = json.loads(unpacked(f"{request.param}.{KIND}.json.xz"))
    return {**found, "name": request.param}


@pytest.fixture
def service(facts, new_service, new_database_url):
    """This release, on the database of the earlier one."""
    dump = unpacked(f"{facts['name']}.{KIND}.xz")
    types = str(DATABASES / "task_types.toml")
    if IS_POSTGRESQL:
        url = new_database_url.empty()
        with psycopg.connect(url) as connection:
            connection.execute(dump.decode())
        service = new_service(DATABASE_URL=url, TASK_TYPES_FILE=types)
    else:
        service = new_service(TASK_TYPES_FILE=types)
        (service.data_dir / "db.sqlite3").write_bytes(dump)
    service.manage("migrate", "-v0")
    service.manage("shell", "-c", WITHOUT_PATIENCE)
    service.prepare()
    return service.run()


def hexadecimal(task):
    return task["id"].replace("-", "")


def the_one(tasks, facts, status):
    """The one task that had this status before."""
    before = facts["tasks"]
    (found,) = (t for t in tasks if before[hexadecimal(t)]["status"] == status)
    return found


def test_there_is_a_database_of_each_release_that_is_out():
    text = (DATABASES.parents[1] / "CHANGELOG.md").read_text()
    released = [line.split("]")[0][4:] for line in text.splitlines() if "## [" in line]
    assert set(FOUND) == {name for name in released if name != "Unreleased"}


def test_all_that_an_earlier_release_stored_is_told_and_what_waited_goes_on(
    service, facts
):
    tasks = service.request("GET", "/api/tasks?limit=100").json()["tasks"]
    assert {hexadecimal(task) for task in tasks} == set(facts["tasks"])
    for task in tasks:
        before = facts["tasks"][hexadecimal(task)]
        assert task["type"] == before["type"]
        if before["status"] in ENDED:
            assert task["status"] == before["status"]
            lines = facts["lines"][hexadecimal(task)]
            assert service.messages(task["id"]) == lines
            assert service.task(task["id"])["logCount"] == len(lines)
    (waited,) = (
        t for t in tasks if facts["tasks"][hexadecimal(t)]["status"] == "pending"
    )
    assert service.wait_for(waited["id"])["status"] == "completed"
    assert "it waits for the update" in service.messages(waited["id"], "stdout")

    # Whose runner is gone is told so, with the lines that it had.
    (lost,) = (
        t for t in tasks if facts["tasks"][hexadecimal(t)]["status"] == "running"
    )
    assert service.wait_for(lost["id"], *ENDED)["status"] == "failed"
    before = facts["lines"][hexadecimal(lost)]
    assert service.messages(lost["id"])[: len(before)] == before


def test_no_table_of_an_earlier_release_is_left_in_another_shape(service, facts):
    """What migrations made of an old database is what they make of an empty one."""
    done = service.manage("migrate", "--check", check=False)
    assert done.returncode == 0, done.stderr
    done = service.manage("makemigrations", "--check", "--dry-run", check=False)
    assert done.returncode == 0, done.stdout
    if not IS_POSTGRESQL:
        path = service.data_dir / "db.sqlite3"
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    wait_until(service.is_healthy, "its health")
