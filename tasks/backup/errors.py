"""What stops a backup, a restore or a move: one sentence for the person at the shell,
which says what would help."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = {errno.ENOSPC, errno.EDQUOT}


class BackupError(Exception):
    """Nothing was changed, or what was is undone."""


@contextmanager
def said_of(place: Path | str) -> Iterator[None]:
    """Turn what the system refuses at a place into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise no_room(place) from error
        reason = (error.strerror or str(error)).lower()
        raise BackupError(f"{error.filename or place}: {reason}.") from error
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
            raise no_room(place) from error
        raise BackupError(f"The database can't be used: {error}.") from error


def no_room(place: Path | str) -> BackupError:
    return BackupError(f"There is no room on the disk of {place}; nothing was left.")
