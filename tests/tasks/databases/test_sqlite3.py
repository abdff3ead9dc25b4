"""A database whose file is deleted or replaced while it is open."""

import sqlite3

import pytest
from django.db import OperationalError
from django.db.utils import ConnectionHandler

from tasks.databases.sqlite3.base import DatabaseReplaced

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
