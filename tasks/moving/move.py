"""Moves everything into another database, and compares both before it counts."""

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.db import connection

from tasks.access.actor import Actor
from tasks.backup.errors import BackupError, said_of
from tasks.backup.restore_sqlite import migrate, target
from tasks.backup.restored import text
from tasks.backup.tables import applied, counts, our_tables, tables, unknown, what_is_in
from tasks.databases.errors import in_one_line
from tasks.databases.in_use import InUse, require_alone
from tasks.models import AuditEvent
from tasks.moving.databases import Database, Postgresql, Sqlite, path_of
from tasks.moving.rows import Repairs, Table, in_one_form
from tasks.notifications import connection_of_its_own

# What belongs to a database and not to what is in it.
OWN = {"django_migrations"}
MOVED = """
    INSERT INTO tasks_auditevent (actor, action, target, details)
    VALUES ({who}, {act}, 'database', {details})
"""


class Moved(NamedTuple):
    """A table's rows, and the digest of them that both databases have."""

    table: str
    rows: int
    sha256: str


class Outcome(NamedTuple):
    tables: list[Moved]
    repaired: int  # rows
    running: int  # tasks
    seconds: float


def move(url: str, actor: Actor, tell: Callable[[str], None]) -> Outcome:
    """Move all that this installation's database has into an empty one. Nothing is
    written where it comes from. Raises BackupError, and then the other one is empty."""
    began = time.monotonic()
    with ExitStack() as stack:
        source = stack.enter_context(_source())
        _refuse_unfinished(source)
        with _target(url) as there:
            _refuse_data(there.connection)
            if isinstance(there, Postgresql):
                _require_alone(there.connection)
        tell("Making the tables…")
        migrate(url)
        there = stack.enter_context(_target(url))
        if applied(there.connection) and _migrations(there) != _migrations(source):
            raise BackupError("The two databases have not the same migrations.")
        found = _tables(source, there)
        repairs = Repairs()
        with said_of(url.partition("@")[2] or url), there.transaction():
            _empty(there, found)
            sent = [_copy(source, there, table, repairs, tell) for table in found]
            there.finish()
            tell("Comparing…")
            for table, moved in zip(found, sent, strict=True):
                _compare(there, table, moved)
            _tell_the_trail(there, actor, sent)
        there.connection.execute("ANALYZE")
        running = _running(source.connection)
    return Outcome(sent, repairs.rows, running, time.monotonic() - began)


# --- The two ends -------------------------------------------------------------------


@contextmanager
def _source() -> Iterator[Database]:
    """Have this installation's database for oneself, so that nothing is missed."""
    if connection.vendor == "sqlite":
        path = Path(connection.settings_dict["NAME"])
        if not path.exists():
            raise BackupError(f"There is no database yet: {path}.")
        with target(path) as own:
            yield Sqlite(own)
        return
    with connection_of_its_own() as own, own.transaction():
        own.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        _require_alone(own)
        yield Postgresql(own)


@contextmanager
def _target(url: str) -> Iterator[Database]:
    scheme = urlsplit(url).scheme
    if path := path_of(url):
        if connection.vendor == "sqlite":
            raise BackupError(
                "From one file of SQLite to another there is nothing to move: stop the "
                "service, move the file, set DATABASE_URL."
            )
        with target(path) as own, closing(sqlite3.connect(":memory:")) as nothing:
            yield Sqlite(own or nothing)
        return
    if scheme not in {"postgres", "postgresql"}:
        raise BackupError(
            f"{scheme or url!r} is no database; expected "
            "postgres://USER:PASSWORD@HOST:PORT/NAME or sqlite:///PATH."
        )
    import psycopg

    try:
        own = psycopg.connect(url, autocommit=True, connect_timeout=5)
    except psycopg.Error as error:
        raise BackupError(
            f"The database can't be reached: {in_one_line(error)}. It has to be there: "
            "createdb makes an empty one."
        ) from error
    with own:
        try:
            yield Postgresql(own)
        except psycopg.Error as error:
            raise BackupError(f"{in_one_line(error)}. Nothing was moved.") from error


def _require_alone(own: Any) -> None:
    try:
        require_alone(own)
    except InUse as error:
        raise BackupError(
            f"The database is in use ({error}). Stop the service on all hosts first; "
            "`python -m resource_sync.start let-end` waits for the tasks that run. "
            "Nothing was changed."
        ) from error


def _refuse_unfinished(source: Database) -> None:
    there = applied(source.connection)
    if newer := unknown(there):
        raise BackupError(
            f"The database is of a newer version of the product: {newer[0]}. Update "
            "first."
        )


def _refuse_data(own: Any) -> None:
    if there := what_is_in(counts(own, tables(own))):
        raise BackupError(
            f"The other database is not empty ({there}); it takes an empty one. "
            "Nothing was changed."
        )


def _migrations(database: Database) -> set[tuple[str, str]]:
    return set(applied(database.connection))


def _tables(source: Database, there: Database) -> list[Table]:
    """Return what is moved: all tables of this version, by PostgreSQL's own account of
    their columns."""
    schema = there if isinstance(there, Postgresql) else source
    assert isinstance(schema, Postgresql)  # noqa: S101 (one of the two is)
    return schema.tables(our_tables() - OWN)


def _running(own: Any) -> int:
    sql = "SELECT count(*) FROM tasks_task WHERE status = 'running'"
    return int(own.execute(sql).fetchone()[0])


# --- The move -----------------------------------------------------------------------


def _empty(there: Database, found: Iterable[Table]) -> None:
    """Remove what the migrations brought: groups, permissions, kinds of content."""
    names = [table.name for table in found]
    for name, count in counts(there.connection, names).items():
        if count:
            there.connection.execute(f'DELETE FROM "{name}"')  # noqa: S608 (names of tables)


def _copy(
    source: Database,
    there: Database,
    table: Table,
    repairs: Repairs,
    tell: Callable[[str], None],
) -> Moved:
    digest, count = hashlib.sha256(), 0

    def counted() -> Iterator[list[bytes]]:
        nonlocal count
        for block in source.read(table, repairs):
            digest.update(in_one_form(table, block))
            count += len(block)
            yield block

    there.write(table, counted())
    if count:
        tell(f"{table.name}: {count:,}")
    return Moved(table.name, count, digest.hexdigest())


def _compare(there: Database, table: Table, moved: Moved) -> None:
    digest, count = hashlib.sha256(), 0
    for block in there.read(table, Repairs()):
        digest.update(in_one_form(table, block))
        count += len(block)
    if (count, digest.hexdigest()) != moved[1:]:
        raise BackupError(
            f"{table.name} is not the same in both databases ({moved.rows:,} rows were "
            f"sent, {count:,} are there); nothing was moved."
        )


def _tell_the_trail(there: Database, actor: Actor, sent: Iterable[Moved]) -> None:
    rows = {moved.table: moved.rows for moved in sent}
    vendor = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor]
    details = json.dumps({"from": vendor, "moved": what_is_in(rows)})
    there.connection.execute(
        MOVED.format(
            who=text(actor.name[:200]),
            act=text(AuditEvent.Action.MOVED),
            details=text(details),
        )
    )
