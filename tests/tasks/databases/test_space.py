"""SQLite's file becomes smaller when what was in it is deleted."""

import sqlite3
from contextlib import closing

import pytest
from django.db.utils import ConnectionHandler

from resource_sync.database import database
from tasks.databases.in_use import InUse
from tasks.databases.sqlite3 import space
from tasks.databases.sqlite3.space import NoRoom, Shrinker, rewrite

pytestmark = pytest.mark.usefixtures("own_databases")
ROWS = 4_000
TEXT = "x" * 1_000


@pytest.fixture
def ours(path):
    """A connection to a new file, as the service opens it, with many rows."""
    own = database("", path.parent)
    connection = ConnectionHandler({"default": own})["default"]
    with connection.cursor() as cursor:
        fill(cursor)
    yield connection
    connection.close()


@pytest.fixture
def old(path):
    """A file that was made by a version before, half of it free."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        fill(connection)
        connection.execute("DELETE FROM t WHERE id > ?", [ROWS // 2])
    return path


def fill(cursor):
    cursor.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
    cursor.execute(
        "INSERT INTO t (text) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL "
        f"SELECT i + 1 FROM n WHERE i < {ROWS}) SELECT '{TEXT}' FROM n"
    )


def give_back(connection, *, spare=True):
    """Yield how many bytes went by each step."""
    shrinker = Shrinker(spare=spare)
    while freed := shrinker.step(connection):
        yield freed


def rows(connection):
    return connection.execute("SELECT count(*), min(text) FROM t").fetchone()


def size(path):
    return path.stat().st_size


def test_a_new_file_is_made_so_that_it_shrinks(ours):
    with ours.cursor() as cursor:
        assert space.space(cursor).shrinks


def test_the_file_is_smaller_after_its_rows_were_deleted(ours, path):
    with ours.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        before = size(path)
        assert before > ROWS * len(TEXT)
        cursor.execute(f"DELETE FROM t WHERE id > {ROWS // 4}")
        freed = sum(give_back(cursor, spare=False))
        assert before - size(path) >= freed > before // 2
        assert rows(cursor) == (ROWS // 4, TEXT)
        assert cursor.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_no_step_moves_more_than_a_few_pages(ours):
    with ours.cursor() as cursor:
        cursor.execute("DELETE FROM t")
        steps = list(give_back(cursor, spare=False))
        assert len(steps) > 5
        assert max(steps) <= space.MOST_PAGES * 4096
        assert space.space(cursor).free_pages == 0


def test_some_room_stays_for_the_lines_to_come(ours):
    with ours.cursor() as cursor:
        cursor.execute("DELETE FROM t WHERE id > 3")
        before = space.space(cursor)
        assert before.free_bytes < space.SPARE_BYTES
        assert list(give_back(cursor)) == []


def test_what_is_left_in_the_middle_is_given_back_by_the_next_one(ours):
    with ours.cursor() as cursor:
        cursor.execute("DELETE FROM t")
        steps = give_back(cursor, spare=False)
        next(steps)
        steps.close()
        assert space.space(cursor).free_pages > 0
        assert sum(give_back(cursor, spare=False)) > 0
        assert space.space(cursor).free_pages == 0


def test_an_old_file_is_left_as_it_is_while_it_is_used(old):
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        assert space.space(connection).free_pages > 0
        assert list(give_back(connection, spare=False)) == []


def test_an_old_file_that_is_written_anew_is_smaller_and_shrinks_from_then_on(old):
    before, after = rewrite(old)
    assert not before.shrinks
    assert after.shrinks
    assert after.free_pages == 0
    assert size(old) == after.bytes < before.bytes * 0.6
    assert list(old.parent.iterdir()) == [old]
    with closing(sqlite3.connect(old)) as connection:
        assert rows(connection) == (ROWS // 2, TEXT)


def test_a_file_that_is_written_anew_can_be_read_by_whom_it_could_before(old):
    old.chmod(0o640)
    rewrite(old)
    assert old.stat().st_mode & 0o777 == 0o640


def test_a_file_that_is_open_is_not_written_anew(old):
    with closing(sqlite3.connect(old)) as connection:
        rows(connection)
        with pytest.raises(InUse):
            rewrite(old)
    assert space_of(old).free_pages > 0


def test_without_room_for_a_second_file_nothing_is_written(old, monkeypatch):
    class Full:
        f_bavail, f_frsize = 10, 4096

    monkeypatch.setattr(space.os, "statvfs", lambda _: Full)
    with pytest.raises(NoRoom) as refused:
        rewrite(old)
    assert refused.value.free == 40_960 < refused.value.needed
    assert list(old.parent.iterdir()) == [old]


def space_of(path):
    with closing(sqlite3.connect(path)) as connection:
        return space.space(connection)
