"""Puts a backup in the place of what a database of PostgreSQL has, in one transaction:
a kill at any moment leaves the old content or the new one."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connection

from tasks.backup.archive import CHUNK, Archive
from tasks.backup.errors import BackupError, said_of
from tasks.backup.programs import connecting, last_words, program
from tasks.backup.restore_sqlite import in_use, migrate
from tasks.backup.tables import our_tables, tables_of_our_apps
from tasks.databases.in_use import InUse, require_alone
from tasks.notifications import connection_of_its_own

# What a database has before it has tables; it may be another role's.
NOT_OURS = (
    " SCHEMA - ",
    " EXTENSION - ",
    " COMMENT - SCHEMA ",
    " COMMENT - EXTENSION ",
)
BEGIN = """
BEGIN;
SET LOCAL lock_timeout = '10s';
{};
"""
# pg_restore has emptied the search path.
END = """
SET LOCAL search_path = {schema};
DO $check$ BEGIN {checks} END $check$;
{told};
COMMIT;
"""
CHECK = """
IF (SELECT count(*) FROM {name}) <> {count} THEN
    RAISE EXCEPTION 'The table {name} has not the {count} rows of the backup.';
END IF;
"""


@contextmanager
def target() -> Iterator[Any]:
    """Connect to the database that nobody else uses. Raises BackupError."""
    with connection_of_its_own() as database:
        try:
            require_alone(database)
        except InUse as error:
            raise BackupError(in_use(error)) from error
        yield database


def replace(database: Any, archive: Archive, told: Sequence[str]) -> None:
    """Put the backup's content in the place of the old one."""
    server = database.info.server_version // 10_000
    made_by = int(archive.database["server"])
    if made_by > server:
        raise BackupError(
            f"The backup is of PostgreSQL {made_by}, this server of {server}: it takes "
            f"a server of {made_by} or later."
        )
    restorer, psql = program("pg_restore", made_by), program("psql", server)
    ((schema,),) = database.execute("SELECT quote_ident(current_schema())").fetchall()
    with (
        said_of(settings.DATA_DIR),
        tempfile.TemporaryDirectory(
            prefix=".restore-", dir=settings.DATA_DIR
        ) as folder,
    ):
        dump, contents = Path(folder) / "dump", Path(folder) / "contents"
        with dump.open("xb") as file:
            archive.unpack(archive.database["member"], file)
        contents.write_text(_contents(restorer, dump))
        command = [restorer, "--clean", "--if-exists", "--no-owner", "--no-privileges"]
        command += ["--file=-", f"--use-list={contents}", str(dump)]
        ours = our_tables() | tables_of_our_apps(database)
        _feed(psql, command, *_around(archive, ours, schema, told))
    migrate(os.environ.get("DATABASE_URL", ""))


def _contents(restorer: str, dump: Path) -> str:
    """Return pg_restore's list of what is in a dump, without what a database brings."""
    done = subprocess.run(
        [restorer, "--list", str(dump)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BackupError(last_words(done.stderr))
    lines = done.stdout.splitlines(keepends=True)
    return "".join(x for x in lines if not any(part in x for part in NOT_OURS))


def _around(
    archive: Archive, ours: set[str], schema: str, told: Sequence[str]
) -> tuple[str, str]:
    """Return what comes before and behind pg_restore's statements. ``ours``: tables
    that go, whether or not the backup has them: it may be of an earlier version."""
    rows: Mapping[str, int] = archive.database["rows"]
    newer = [f'"{name}"' for name in sorted(ours - set(rows))]
    drop = f"DROP TABLE IF EXISTS {', '.join(newer)} CASCADE" if newer else "SELECT 1"
    checks = "".join(
        CHECK.format(name=f'"{name}"', count=int(count)) for name, count in rows.items()
    )
    end = END.format(schema=schema, checks=checks, told=";\n".join(told))
    return BEGIN.format(drop), end


def _feed(psql: str, command: Sequence[str], before: str, behind: str) -> None:
    """Have psql do what pg_restore writes, and commit only what came whole."""
    arguments, environ = connecting(connection.get_connection_params())
    call = [psql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", *arguments]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            call,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environ,
        ) as target,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, env=environ
        ) as source,
    ):
        try:
            _pump(source, target, before, behind)
        except BrokenPipeError:  # it says below what it did not like
            source.kill()
        except BaseException:
            source.kill()
            target.kill()
            raise
        if source.wait() | target.wait():
            errors.seek(0)
            raise BackupError(f"Nothing was changed: {last_words(errors.read())}")


def _pump(
    source: subprocess.Popen[bytes],
    target: subprocess.Popen[bytes],
    before: str,
    behind: str,
) -> None:
    output: IO[bytes] = source.stdout  # type: ignore[assignment] # a pipe
    into: IO[bytes] = target.stdin  # type: ignore[assignment] # a pipe
    into.write(before.encode())
    while chunk := output.read(CHUNK):
        into.write(chunk)
    # Without this psql comes to its end within the transaction, which undoes it.
    if source.wait() == 0:
        into.write(behind.encode())
    into.close()
