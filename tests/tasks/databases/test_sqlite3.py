"""A database whose file is deleted or replaced while it is open, or that another one
writes to."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from django.db import OperationalError
from django.db.utils import ConnectionHandler

from tasks.databases.sqlite3.base import DatabaseReplaced
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.usefixtures("own_databases")


@pytest.fixture
def database(path):
    """A connection as the service has it, to a table with one row."""
    options = {"init_command": "PRAGMA journal_mode=WAL", "timeout": 0.1}
    own = {"ENGINE": "tasks.databases.sqlite3", "NAME": path, "OPTIONS": options}
    connection = ConnectionHandler({"default": own})["default"]
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t (x)")
        cursor.execute("INSERT INTO t VALUES (1)")
    yield connection
    connection.close()


def rows(connection):
    with connection.cursor() as cursor:
        return cursor.execute("SELECT x FROM t").fetchall()


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
def test_nothing_is_written_into_a_file_that_was_deleted(database, path, ending):
    assert rows(database) == [(1,)]
    path.with_name(path.name + ending).unlink()
    with pytest.raises(DatabaseReplaced, match="restart the service"):
        database.cursor()


def test_a_deleted_file_is_not_made_anew(database, path):
    path.unlink()
    database.close()
    with pytest.raises(OperationalError, match=r"db\.sqlite3 .* deleted or replaced"):
        rows(database)
    assert not path.exists()


def test_a_backup_in_its_place_is_not_taken_for_it(database, path, tmp_path):
    backup = tmp_path / "backup"
    with sqlite3.connect(backup) as other:
        database.connection.backup(other)
    other.close()
    backup.rename(path)
    for _ in range(2):  # also by a new connection
        with pytest.raises(DatabaseReplaced):
            rows(database)
        database.close()


def test_a_file_that_is_put_back_serves_again(database, path, tmp_path):
    path.rename(tmp_path / "away")
    with pytest.raises(DatabaseReplaced):
        rows(database)
    (tmp_path / "away").rename(path)
    assert rows(database) == [(1,)]


def test_a_database_in_memory_has_no_file_to_lose(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = {"ENGINE": "tasks.databases.sqlite3", "NAME": ":memory:"}
    with ConnectionHandler({"default": own})["default"].cursor() as cursor:
        assert cursor.execute("SELECT 1").fetchone() == (1,)


# --- While another one writes ---------------------------------------------------------


def opened(path, patience_seconds):
    own = {
        "ENGINE": "tasks.databases.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "init_command": "PRAGMA journal_mode=WAL",
            "timeout": patience_seconds,
            "transaction_mode": "IMMEDIATE",
        },
    }
    return ConnectionHandler({"default": own})["default"]


@pytest.fixture
def other(path):
    """Whoever writes, in the middle of it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE t (x)")
        other.execute("BEGIN IMMEDIATE")
        yield other


def begin(connection):
    """As ``atomic`` does."""
    force = {"force_begin_transaction_with_broken_autocommit": True}
    connection.set_autocommit(False, **force)


def seconds_of_sqlite(connection):
    with connection.cursor() as cursor:
        return cursor.execute("PRAGMA busy_timeout").fetchone()[0] / 1000


def test_a_transaction_asks_for_its_turn_over_and_over(path, other):
    asked = []

    def insert():
        with closing(opened(path, PATIENCE_SECONDS)) as connection:
            connection.ensure_connection()
            connection.connection.set_trace_callback(asked.append)
            begin(connection)
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO t VALUES (1)")
            connection.commit()
            return seconds_of_sqlite(connection)

    with ThreadPoolExecutor(1) as pool:
        inserting = pool.submit(insert)
        wait_until(lambda: asked.count("BEGIN IMMEDIATE") > 20, "it to ask")
        assert not inserting.done()
        other.execute("COMMIT")
        assert inserting.result(PATIENCE_SECONDS) == PATIENCE_SECONDS
    assert other.execute("SELECT x FROM t").fetchall() == [(1,)]


def test_a_transaction_whose_turn_does_not_come_is_refused(path, other):
    with closing(opened(path, 0.05)) as connection:
        with pytest.raises(OperationalError, match="locked"):
            begin(connection)
        assert seconds_of_sqlite(connection) == 0.05
        other.execute("COMMIT")
        connection.close()
        begin(connection)
        connection.rollback()


def test_what_is_wrong_with_a_transaction_is_said_at_once(path, other):
    with closing(opened(path, PATIENCE_SECONDS)) as connection:
        connection.ensure_connection()
        connection.transaction_mode = "TOMORROW"
        with pytest.raises(OperationalError, match="syntax error"):
            begin(connection)
