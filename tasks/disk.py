"""Room on the disks: how much is left, and which error says that there is none."""

import errno
import os
import sqlite3
import time
from pathlib import Path

from django.conf import settings
from django.db import Error, connection, transaction

# SQLite's journal alone grows by as much between two checkpoints.
FULL_BYTES = 4 * 1024 * 1024
# https://www.postgresql.org/docs/current/errcodes-appendix.html
DISK_FULL = "53100"
REMEMBERED_SECONDS = 30.0  # that a disk which can't be looked at from here was full
PROBE_ROWS, PROBE_BYTES = 300, 1_900  # not compressed: shorter than what TOAST takes

_refused_at: float | None = None  # by this process's clock


def is_full(error: BaseException | None) -> bool:
    """Return whether an error says that the disk of the database has no room. It is
    remembered, for ``database_is_full``."""
    global _refused_at
    while error is not None:
        if _says_full(error):
            _refused_at = time.monotonic()
            return True
        error = error.__cause__ or error.__context__
    return False


def _says_full(error: BaseException) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        name = getattr(error, "sqlite_errorname", "")
        # Of the journal's index it says only that it can't be enlarged.
        is_io = name.startswith("SQLITE_IOERR") and "database" in full_disks()
        return name == "SQLITE_FULL" or is_io
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    return getattr(error, "sqlstate", None) == DISK_FULL


def database_is_full() -> bool:
    """Return whether the database's disk has no room: SQLite's is looked at; PostgreSQL
    is asked where it refused something for that."""
    global _refused_at
    if "database" in full_disks():
        return True
    if _refused_at is None:
        return False
    if connection.vendor == "postgresql":
        still = not _takes_more()
    else:  # a quota, say
        still = time.monotonic() - _refused_at < REMEMBERED_SECONDS
    if not still:
        _refused_at = None
    return still


def _takes_more() -> bool:
    """Return whether PostgreSQL can make a file larger. Nothing is left of it."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE room (text text) ON COMMIT DROP")
            cursor.execute(
                "INSERT INTO room SELECT repeat('x', %s) FROM generate_series(1, %s)",
                [PROBE_BYTES, PROBE_ROWS],
            )
            transaction.set_rollback(True)
    except Error as error:
        return not is_full(error)
    return True


def own_folders() -> dict[str, Path]:
    """Return the folders that the service writes to: without ``LOG_DIR`` where its logs
    go elsewhere."""
    found = {"DATA_DIR": settings.DATA_DIR}
    if settings.LOG_TO == "files":
        found["LOG_DIR"] = settings.LOG_DIR
    return found


def free_bytes() -> dict[str, int]:
    """Return how much is free on the disks of ``DATA_DIR`` and ``LOG_DIR``, and on that
    of SQLite's file (``database``); what can't be looked at is left out."""
    places = own_folders()
    if connection.vendor == "sqlite":
        places["database"] = Path(connection.settings_dict["NAME"]).parent
    found = {}
    for name, folder in places.items():
        try:
            disk = os.statvfs(folder)
        except OSError:
            continue
        found[name] = disk.f_bavail * disk.f_frsize
    return found


def full_disks() -> list[str]:
    """Return the names, of those in ``free_bytes``, that have no room."""
    return [name for name, free in free_bytes().items() if free < FULL_BYTES]


def database_bytes() -> int:
    """Return how large the database is."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0])
    path = Path(connection.settings_dict["NAME"])
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())
