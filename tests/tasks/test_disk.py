"""A disk without room is told as what it is."""

import errno
import sqlite3

import psycopg
import pytest
from django.db import OperationalError, connection

from tasks import disk
from tests.factories import RunnerFactory
from tests.tasks.api.answers import problem_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
SAYS = (
    "The disk of the database is full: nothing can be stored, and no task started, "
    "until there is room on it again."
)


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch):
    monkeypatch.setattr(disk, "_refused_at", None)


@pytest.fixture
def full_database():
    """SQLite may not make its file larger."""
    if connection.vendor != "sqlite":
        pytest.skip("a limit that only SQLite has")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA max_page_count")
        (before,) = cursor.fetchone()
        cursor.execute("VACUUM")  # what earlier tests deleted is room, too
        cursor.execute("PRAGMA max_page_count = 1")  # as large as it is, that is

    def make_room():
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA max_page_count = {before}")

    yield make_room
    make_room()


def refused(program):
    """The answer to the first start that the database has no room for."""
    for _ in range(500):
        answer = start(program)
        if answer.status_code != 202:
            return answer
    raise AssertionError("the database has room for 500 tasks")


def start(program):
    return program.post(
        "/api/tasks/check-integrity",
        {"version": "v885"},
        content_type="application/json",
    )


def test_a_start_that_finds_no_room_is_told_so_and_health_too(
    program, stranger, full_database, monkeypatch
):
    RunnerFactory()
    assert stranger.get("/health").status_code == 200
    answer = refused(program)
    assert problem_of(answer, 503)["detail"] == SAYS
    assert int(answer["Retry-After"]) >= 1
    health = stranger.get("/health")
    assert health.status_code == 503
    assert health.json()["database"] == "full"
    assert health.json()["reason"] == SAYS

    full_database()
    assert start(program).status_code == 202
    monkeypatch.setattr(disk, "REMEMBERED_SECONDS", 0.0)
    assert stranger.get("/health").json()["status"] == "ok"


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("database", "unavailable", 503), ("LOG_DIR", "degraded", 200)],
)
def test_a_disk_that_has_no_room_is_not_healthy(
    stranger, monkeypatch, name, status, code
):
    RunnerFactory()
    plenty = {"DATA_DIR": 2**40, "LOG_DIR": 2**40}
    monkeypatch.setattr(
        disk, "free_bytes", lambda: {**plenty, name: disk.FULL_BYTES - 1}
    )
    health = stranger.get("/health")
    assert (health.status_code, health.json()["status"]) == (code, status)
    assert "disk of" in health.json()["reason"]


def test_what_a_full_disk_makes_of_errors_is_known():
    full = OperationalError()
    full.__cause__ = psycopg.errors.DiskFull()
    assert disk.is_full(full)
    assert disk.is_full(OSError(errno.ENOSPC, "No space left on device"))
    assert disk.is_full(OSError(errno.EDQUOT, "Disk quota exceeded"))


def test_other_errors_are_not_a_full_disk():
    for error in (
        OperationalError("connection refused"),
        sqlite3.OperationalError("database is locked"),
        psycopg.errors.AdminShutdown(),
        OSError(errno.EACCES, "Permission denied"),
    ):
        assert not disk.is_full(error)
    assert not disk.database_is_full()


def test_postgresql_that_refused_something_is_asked_again(monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL's disk is its own machine's")
    assert disk.is_full(psycopg.errors.DiskFull())
    assert not disk.database_is_full(), "it takes more"
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname = 'room'")
        assert cursor.fetchone() == (0,)


def test_free_room_and_the_size_of_the_database_are_measured():
    found = disk.free_bytes()
    assert {"DATA_DIR", "LOG_DIR"} <= set(found)
    assert ("database" in found) == (connection.vendor == "sqlite")
    assert all(count > 0 for count in found.values())
    assert disk.database_bytes() > 100_000
