"""The database as it is in one moment, while others go on writing."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from django.conf import settings
from django.db import connection

from tasks.backup.errors import BackupError, said_of
from tasks.backup.programs import connecting, last_words, program
from tasks.backup.tables import Applied, applied, counts, tables
from tasks.databases.in_use import opened
from tasks.databases.sqlite3.space import vacuum_into
from tasks.notifications import connection_of_its_own


class Snapshot(NamedTuple):
    """``content``: a file of SQLite, or what pg_dump wrote, under its name."""

    name: str
    content: IO[bytes]
    server: int  # PostgreSQL's major version; 0: SQLite
    migrations: Applied
    rows: dict[str, int]
    running: int  # tasks
    waiting: int

    @property
    def facts(self) -> dict[str, Any]:
        """Return what the manifest says of it."""
        return {
            "vendor": "postgresql" if self.server else "sqlite",
            "member": self.name,
            "server": self.server,
            "migrations": self.migrations,
            "rows": self.rows,
        }


@contextmanager
def taken(folder: Path) -> Iterator[Snapshot]:
    """Take one; ``folder``: where a copy finds room while it lasts."""
    if connection.vendor == "postgresql":
        with _of_postgresql() as found:
            yield found
    else:
        with _of_sqlite(Path(connection.settings_dict["NAME"]), folder) as found:
            yield found


@contextmanager
def _of_sqlite(path: Path, folder: Path) -> Iterator[Snapshot]:
    """By VACUUM INTO: as the backup API with all pages at once it delays no writer, and
    what was deleted does not come along. In steps, that API begins anew whenever
    another process has written, so that under a running task it never ends."""
    if not path.exists():
        raise BackupError(f"There is no database yet: {path}.")
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=folder) as own:
        copy = Path(own) / "db.sqlite3"
        with said_of(folder):
            with closing(opened(path)) as database:
                vacuum_into(database, copy)
            with closing(opened(copy)) as database:
                found = _facts(database)
            with copy.open("rb") as content:
                yield Snapshot("database.sqlite3", content, 0, *found)


@contextmanager
def _of_postgresql() -> Iterator[Snapshot]:
    with connection_of_its_own() as database, database.transaction():
        database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        ((name,),) = database.execute("SELECT pg_export_snapshot()").fetchall()
        server = database.info.server_version // 10_000
        found = _facts(database)
        arguments, environ = connecting(connection.get_connection_params())
        command = [program("pg_dump", server), "--format=custom", *arguments]
        with (
            tempfile.TemporaryFile(dir=settings.DATA_DIR) as errors,
            subprocess.Popen(
                [*command, f"--snapshot={name}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environ,
            ) as dump,
        ):
            try:
                content: Any = dump.stdout
                yield Snapshot("database.dump", content, server, *found)
            except BaseException:
                dump.kill()
                raise
            if dump.wait():
                errors.seek(0)
                raise BackupError(last_words(errors.read()))


def _facts(database: Any) -> tuple[Applied, dict[str, int], int, int]:
    names = tables(database)
    if "tasks_task" not in names:
        raise BackupError("The database has no tables yet; `make start` makes them.")
    by_status = dict(
        database.execute(
            "SELECT status, count(*) FROM tasks_task "
            "WHERE status IN ('running', 'pending') GROUP BY status"
        ).fetchall()
    )
    running, waiting = (by_status.get(status, 0) for status in ("running", "pending"))
    return applied(database), counts(database, names), running, waiting


def sync(file: IO[bytes]) -> None:
    """Have a file on the disk."""
    file.flush()
    os.fsync(file.fileno())
