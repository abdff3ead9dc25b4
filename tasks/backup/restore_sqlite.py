"""Puts a backup in the place of SQLite's file: made ready beside it, then renamed, so
that a kill at any moment leaves the old one or the new one."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings

from tasks.backup.archive import Archive
from tasks.backup.errors import BackupError, said_of
from tasks.backup.snapshot import sync
from tasks.backup.tables import counts, tables
from tasks.databases.in_use import InUse, held_alone, opened
from tasks.databases.sqlite3.space import sync_folder

ENDINGS = ("", "-wal", "-shm", "-journal")


@contextmanager
def target(path: Path) -> Iterator[Any]:
    """Have the database for oneself, if there is one. Raises BackupError."""
    if not path.exists():
        yield None
        return
    try:
        with said_of(path.parent), held_alone(path) as database:
            yield database
    except InUse as error:
        raise BackupError(in_use(error)) from error


def in_use(error: InUse) -> str:
    return (
        f"The database is in use ({error}). Stop the service on all hosts first: `make "
        "stop`, or `systemctl stop resource-sync.target`. Nothing was changed."
    )


def rows(database: Any) -> dict[str, int]:
    return counts(database, tables(database)) if database else {}


def replace(path: Path, old: Any, archive: Archive, told: Sequence[str]) -> None:
    """Put the backup's database in the place of the old one (None: there is none)."""
    new = path.with_name(f"{path.name}.restoring")
    with said_of(path.parent):
        try:
            _remove(new)
            path.parent.mkdir(parents=True, exist_ok=True)
            with new.open("xb") as file:
                archive.unpack(archive.database["member"], file)
            migrate(f"sqlite:///{quote(str(new))}")
            with closing(opened(new)) as database:
                database.execute("BEGIN IMMEDIATE")
                for statement in told:
                    database.execute(statement)
                database.execute("COMMIT")
                # So that all of it is in one file, without a -wal beside it.
                database.execute("PRAGMA journal_mode = DELETE").fetchall()
            with new.open("rb+") as file:
                sync(file)
            if old is not None:
                # The old -wal would be taken for the new file's.
                old.execute("PRAGMA journal_mode = DELETE").fetchall()
            new.replace(path)
            sync_folder(path.parent)
        finally:
            _remove(new)


def _remove(new: Path) -> None:
    for ending in ENDINGS:
        new.with_name(new.name + ending).unlink(missing_ok=True)


def migrate(url: str) -> None:
    """Bring a database up to this version, in a process that knows no other one.
    Raises BackupError."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "migrate"]
    done = subprocess.run(
        [*command, "--no-input", "--verbosity=0", "--skip-checks"],
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise BackupError(f"The database can't be migrated: {why}")
