"""Keeps what the service writes from the machine's other accounts.

The database has sessions, hashes of passwords and parameters, the logs have addresses:
whoever can read them is an administrator.
"""

import glob
import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

UMASK = 0o077
FORBIDDEN = 0o077  # what nobody but the owner may do
LOG = "combined.log"
# What the service keeps in its folders, which may be shared with other programs
# (LOG_DIR=/var/log), whose files are left alone.
KEPT = ("*.sqlite3*", "*.news", "*.log*", ".__*.lock", "run", "static", "resources")


def make_private(folder: Path) -> None:
    """Close a folder of the service, and what the service keeps in it, to all others:
    earlier versions left them readable."""
    if _is_its_own(folder):
        _close(folder)
    for pattern in KEPT:
        for path in folder.glob(pattern):
            _close(path)


def make_database_private(path: Path) -> None:
    """Do the same with SQLite's file, its -wal and -shm, and backups beside them."""
    for name in path.parent.glob(f"{glob.escape(path.name)}*"):
        _close(name)


def refuse_another_account(settings: Any) -> None:
    """Stop a process that would leave files that the service can't write: where its
    database or its log is there already, and belongs to another account."""
    database, places = settings.DATABASES["default"], [settings.LOG_DIR / LOG]
    if "sqlite" in database["ENGINE"]:  # elsewhere its name is no file's
        places.append(database["NAME"])
    for place in places:
        with suppress(OSError):
            owner = Path(place).stat().st_uid
            if owner != os.geteuid():
                name = account(owner)
                raise SystemExit(
                    f"{place} belongs to the account {name}, and this is "
                    f"{account(os.geteuid())}: run it as {name} (sudo -u {name} …), "
                    "or give that file to this account."
                )


def account(number: int) -> str:
    """Return an account's name, or its number where it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _is_its_own(folder: Path) -> bool:
    """Return whether nobody else keeps anything there. What lies right below the root
    is the system's, whoever set DATA_DIR to it."""
    if len(folder.parts) <= 2 or folder.stat().st_mode & stat.S_ISVTX:
        return False
    with os.scandir(folder) as entries:
        owners = {entry.stat(follow_symlinks=False).st_uid for entry in entries}
    return owners <= {os.geteuid()}


def _close(path: Path) -> None:
    with suppress(OSError):  # gone meanwhile, or not ours
        found = path.lstat()
        is_ours = found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode)
        if is_ours and found.st_mode & FORBIDDEN:
            path.chmod(stat.S_IMODE(found.st_mode) & ~FORBIDDEN)
