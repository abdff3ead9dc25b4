"""The two ends of a move: a database that is read, and an empty one that is filled."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from tasks.moving import rows
from tasks.moving.rows import Repairs, Table

COLUMNS = """
    SELECT table_name, column_name, udt_name FROM information_schema.columns
    WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position
"""
KEYS = """
    SELECT class.relname, attribute.attname
    FROM pg_index AS index
    JOIN pg_class AS class ON class.oid = index.indrelid
    CROSS JOIN LATERAL unnest(index.indkey) WITH ORDINALITY AS key (number, place)
    JOIN pg_attribute AS attribute
        ON attribute.attrelid = class.oid AND attribute.attnum = key.number
    WHERE index.indisprimary AND class.relnamespace = current_schema()::regnamespace
    ORDER BY class.relname, key.place
"""
SEQUENCES = """
    SELECT sequence.oid::regclass::text, class.relname, attribute.attname
    FROM pg_class AS sequence
    JOIN pg_depend AS depend ON depend.objid = sequence.oid
        AND depend.classid = 'pg_class'::regclass AND depend.deptype IN ('a', 'i')
    JOIN pg_class AS class ON class.oid = depend.refobjid
    JOIN pg_attribute AS attribute
        ON attribute.attrelid = class.oid AND attribute.attnum = depend.refobjsubid
    WHERE sequence.relkind = 'S'
        AND class.relnamespace = current_schema()::regnamespace
"""


class Database(Protocol):
    """One end. ``connection`` takes SQL by ``execute``."""

    connection: Any

    def read(self, table: Table, repairs: Repairs) -> Iterator[list[bytes]]:
        """Yield a table's rows in blocks, in the order of its key."""

    def write(self, table: Table, blocks: Iterable[list[bytes]]) -> None:
        """Put rows into an empty table."""

    def transaction(self) -> Any:
        """Return a context in which all or nothing is written."""

    def finish(self) -> None:
        """Set the numbers that come next, within the transaction."""


class Sqlite:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def read(self, table: Table, repairs: Repairs) -> Iterator[list[bytes]]:
        return rows.of_sqlite(self.connection, table, repairs)

    def write(self, table: Table, blocks: Iterable[list[bytes]]) -> None:
        marks = ", ".join("?" * len(table.columns))
        sql = f'INSERT INTO "{table.name}" ({table.quoted}) VALUES ({marks})'  # noqa: S608 (names of the schema)
        for block in blocks:
            self.connection.executemany(sql, [rows.values(table, row) for row in block])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def finish(self) -> None:
        """Its next numbers are one more than the greatest there is."""


class Postgresql:
    def __init__(self, connection: Any) -> None:
        self.connection = connection
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET DateStyle = 'ISO'")
        connection.execute("SET extra_float_digits = 1")

    def read(self, table: Table, repairs: Repairs) -> Iterator[list[bytes]]:
        return rows.of_postgresql(self.connection, table)

    def write(self, table: Table, blocks: Iterable[list[bytes]]) -> None:
        sql = f'COPY "{table.name}" ({table.quoted}) FROM STDIN'
        with self.connection.cursor() as cursor, cursor.copy(sql) as copy:
            for block in blocks:
                copy.write(b"\n".join(block) + b"\n")

    def transaction(self) -> Any:
        return self.connection.transaction()

    def finish(self) -> None:
        for sequence, table, column in self.connection.execute(SEQUENCES).fetchall():
            self.connection.execute(
                f"SELECT setval('{sequence}', "  # noqa: S608 (names of the schema)
                f'(SELECT COALESCE(MAX("{column}"), 0) + 1 FROM "{table}"), false)'
            )

    def tables(self, names: Iterable[str]) -> list[Table]:
        """Return these tables with their columns; those that are not there left out."""
        keys: dict[str, list[str]] = {}
        for table, column in self.connection.execute(KEYS).fetchall():
            keys.setdefault(table, []).append(column)
        found: dict[str, list[tuple[str, str]]] = {}
        for table, column, kind in self.connection.execute(COLUMNS).fetchall():
            found.setdefault(table, []).append((column, kind))
        return [
            Table(
                name,
                tuple(column for column, _ in found[name]),
                tuple(kind for _, kind in found[name]),
                tuple(keys[name]),
            )
            for name in sorted(names)
            if name in found
        ]


def path_of(url: str) -> Path | None:
    """Return the file that a URL of SQLite names; None of any other."""
    parts = urlsplit(url)
    return Path(unquote(parts.path[1:])) if parts.scheme == "sqlite" else None
