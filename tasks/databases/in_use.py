"""Who else uses a database: told before its content is replaced or moved away.

Asked of the database itself, so it holds for any service on any host, however it was
started.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

# After its last process has ended, a server may list its connections for a moment.
PATIENCE_SECONDS = 3.0
OTHERS = """
    SELECT COALESCE(NULLIF(application_name, ''), usename::text, 'a client'),
        COALESCE(host(client_addr), 'this machine'), count(*)
    FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND COALESCE(backend_type, 'client backend') = 'client backend'
    GROUP BY 1, 2 ORDER BY 1, 2
"""


class InUse(Exception):
    """Somebody has the database open; the message says who, as far as that is
    known."""


def opened(path: Path, seconds: float = 20) -> sqlite3.Connection:
    """Open SQLite's file, which has to be there; each statement is its own
    transaction. Raises sqlite3.OperationalError."""
    uri = f"file:{quote(str(path))}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=seconds, isolation_level=None)


@contextmanager
def held_alone(path: Path) -> Iterator[sqlite3.Connection]:
    """Have SQLite's file for oneself: whoever opens it meanwhile is told that it is
    locked. Raises InUse where somebody has it open already.

    In WAL mode each connection holds a shared lock for as long as it lives, so that
    asking for the exclusive one tells idle ones, too. Nothing is written.
    """
    with closing(opened(path, PATIENCE_SECONDS)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
                raise InUse(f"{path} is open in another process") from None
            raise
        yield connection


def require_alone(connection: Any) -> None:
    """Raises InUse where others are connected to this PostgreSQL database."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while others := connection.execute(OTHERS).fetchall():
        if time.monotonic() > deadline:
            names = [
                f"{name} from {place}" + (f" ({count} times)" if count > 1 else "")
                for name, place, count in others
            ]
            raise InUse(f"connected to it: {', '.join(names)}")
        time.sleep(0.1)
