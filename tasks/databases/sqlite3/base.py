"""Django's SQLite, for a file that somebody may delete or replace while it is open.

SQLite goes on in the file that it has open, which nobody finds again; what was accepted
is lost at the next start. So each statement first looks whether the files at the paths
are still the ones that are open. That is one call of stat(), of their folder, as long
as nothing came or went there.

And a transaction that finds another one writing waits in its own way, because SQLite's
lets it miss its turn again and again.
"""

import os
import time
from pathlib import Path
from sqlite3 import SQLITE_BUSY, SQLITE_OK, Connection, ProgrammingError
from typing import Any
from weakref import WeakSet

from django.db import OperationalError
from django.db.backends.sqlite3 import base

Identity = tuple[int, int] | None  # device and inode; None where there is no file

STEP_NS = 50_000_000

# SQLite asks again after 1, 3, 8, 18, 33, 53 … ms, and may find the next one writing at
# each of them. Asked each time that the wait is a tenth longer, who waits beside two
# that write half of the time has the lock after 8 to 10 ms at p99.9 in place of 107 to
# 180.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.0005, 0.02
PAUSE_PART = 0.1
PRIMARY_CODE = 0xFF  # of an extended one: https://sqlite.org/rescode.html

_first_opened: dict[str, Identity] = {}  # by path, in this process
# Files that an open connection of this process had, and that are not there any more. A
# new connection would make -wal and -shm anew, and take what the others refuse.
_lost: dict[str, Identity] = {}
_wrappers: "WeakSet[DatabaseWrapper]" = WeakSet()


class DatabaseReplaced(OperationalError):
    """The file at the database's path is not the one that this process has open."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"The database's file {path} (or its -wal or -shm) was deleted or replaced "
            "while the service runs; restart the service."
        )


def identity(path: str) -> Identity:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_new(path: str) -> bool:
    """Return whether nothing is in a file yet, or it is still to be made."""
    if path.startswith((":", "file:")):  # in memory
        return False
    try:
        return Path(path).stat().st_size == 0
    except OSError:
        return True


def state_of(folder: str) -> tuple[int, ...] | None:
    """Return what changes whenever a name in a folder comes or goes."""
    try:
        found = os.stat(folder)  # noqa: PTH116 (half of Path.stat's time)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _is_busy(error: OperationalError) -> bool:
    """Return whether somebody else has the lock."""
    code = getattr(error.__cause__, "sqlite_errorcode", SQLITE_OK)
    return bool(code & PRIMARY_CODE == SQLITE_BUSY)


class DatabaseWrapper(base.DatabaseWrapper):
    init_commands: list[str]
    _opened: dict[str, Identity] = {}
    _folder: str
    _folder_state: tuple[int, ...] | None = None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        path = str(conn_params["database"])
        files = (path, f"{path}-wal", f"{path}-shm")
        first = _first_opened.get(path)
        if first is not None and identity(path) != first:
            raise DatabaseReplaced(path)  # opened, a deleted one would be made anew
        for other in list(_wrappers):
            other._note_lost_files()
        for file in files:
            if (lost := _lost.get(file)) is not None and identity(file) != lost:
                raise DatabaseReplaced(path)
            _lost.pop(file, None)  # put back
        connection = self._connect(path, conn_params)
        # It takes a look inside for -wal and -shm to be opened.
        connection.execute("SELECT count(*) FROM sqlite_master").close()
        self._folder, self._folder_state = str(Path(path).parent), None
        self._opened = {file: found for file in files if (found := identity(file))}
        if path in self._opened:
            _first_opened.setdefault(path, self._opened[path])
        _wrappers.add(self)
        return connection

    def _connect(self, path: str, conn_params: dict[str, Any]) -> Connection:
        """Open the file; a new one is made so that it shrinks (tasks.databases.sqlite3.
        space), which has to be said before anything is in it. Said of another one, it
        would wait for who writes."""
        usual = self.init_commands
        if is_new(path):
            self.init_commands = ["PRAGMA auto_vacuum = INCREMENTAL", *usual]
        try:
            connection: Connection = super().get_new_connection(conn_params)
        finally:
            self.init_commands = usual
        return connection

    def _start_transaction_under_autocommit(self) -> None:
        """Begin a transaction, and wait for the one that writes, as long as the
        settings' ``timeout`` says."""
        patience_seconds = float(self.settings_dict["OPTIONS"].get("timeout", 5))
        began = time.monotonic()
        self._wait_in_sqlite(0)
        try:
            while True:
                try:
                    super()._start_transaction_under_autocommit()  # type: ignore[misc]
                    return
                except OperationalError as error:
                    waited = time.monotonic() - began
                    if not _is_busy(error) or waited >= patience_seconds:
                        raise
                pause = max(PAUSE_PART * waited, FIRST_PAUSE_SECONDS)
                time.sleep(min(pause, LONGEST_PAUSE_SECONDS))
        finally:
            self._wait_in_sqlite(patience_seconds)

    def _wait_in_sqlite(self, seconds: float) -> None:
        """Have single statements wait for so long; costs 1.4 us."""
        self.connection.execute(f"PRAGMA busy_timeout={int(1000 * seconds)}").close()

    def create_cursor(self, name: str | None = None) -> Any:
        if self._opened:
            self._refuse_other_files()
        return super().create_cursor(name)

    def _refuse_other_files(self) -> None:
        state = state_of(self._folder)
        if state is not None and state == self._folder_state:
            return
        if self._note_lost_files():
            raise DatabaseReplaced(str(self.settings_dict["NAME"]))
        # Times of files go in steps of some milliseconds: within the last one something
        # may come to pass that they don't show.
        if state is not None and time.time_ns() - state[-1] > STEP_NS:
            self._folder_state = state

    def _note_lost_files(self) -> bool:
        """Return whether a file that this connection has open is not there any more."""
        opened = self._opened
        missing = {
            path: opened[path] for path in opened if identity(path) != opened[path]
        }
        # The last one to be closed takes -wal and -shm away itself, so it is asked now.
        if missing and self._is_open():
            _lost.update(missing)
            return True
        return False

    def _is_open(self) -> bool:
        try:
            return self.connection is not None and self.connection.total_changes >= 0
        except ProgrammingError:  # it was closed without this wrapper
            return False
