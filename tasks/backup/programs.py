"""PostgreSQL's own programs: found, fit for the server, and called without a password
in their command line."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tasks.backup.errors import BackupError

DEBIAN = Path("/usr/lib/postgresql")  # one folder a version, of which one is in PATH
PACKAGE = (
    "install the package that brings it (Debian: postgresql-client-{least}, from "
    "https://wiki.postgresql.org/wiki/Apt where Debian's is older)"
)
# What Django and the pool have for themselves.
NOT_LIBPQ = {
    "pool",
    "cursor_factory",
    "context",
    "prepare_threshold",
    "client_encoding",
}


def program(name: str, least: int) -> str:
    """Return the path of a program of this major version or a later one, the first in
    PATH first. Raises BackupError, with what would help."""
    found: dict[str, int] = {}
    places = [shutil.which(name), *sorted(DEBIAN.glob(f"*/bin/{name}"), reverse=True)]
    for place in filter(None, places):
        version = _major(str(place))
        if version >= least:
            return str(place)
        found[str(place)] = version
    what = PACKAGE.format(least=least)
    if not found:
        raise BackupError(f"There is no {name} here; {what}.")
    newest = max(found.values())
    raise BackupError(
        f"{name} is of version {newest}, and this takes {least} or later; {what}."
    )


def _major(path: str) -> int:
    said = subprocess.run(
        [path, "--version"], capture_output=True, text=True, check=False
    ).stdout
    number = re.search(r"\) (\d+)", said)
    return int(number[1]) if number else 0


def connecting(parameters: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Return the arguments and the environment by which a program connects as these
    parameters of libpq do. The password is in the latter: a command line can be read by
    every account."""
    from psycopg.conninfo import make_conninfo

    libpq = {
        name: value
        for name, value in parameters.items()
        if name not in NOT_LIBPQ and value not in {None, ""}
    }
    password = libpq.pop("password", None)
    own = {} if password is None else {"PGPASSWORD": str(password)}
    arguments = [f"--dbname={make_conninfo('', **libpq)}", "--no-password"]
    return arguments, {**os.environ, **own, "LC_ALL": "C"}


def last_words(said: bytes | str) -> str:
    """Return the first line of errors that a program said, without its name."""
    text = said if isinstance(said, str) else said.decode(errors="replace")
    lines = [line for line in text.splitlines() if "error" in line.lower()]
    return (lines or text.splitlines() or ["it said nothing"])[0].strip()
