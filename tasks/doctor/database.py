"""The database, its migrations, and its clock against this machine's."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils.translation import gettext as _

from tasks.databases import migrations
from tasks.databases.errors import outage_errors
from tasks.doctor.findings import Finding, ok, problem, skipped, warning
from tasks.notifications import connection_of_its_own, why_unreachable

if TYPE_CHECKING:
    import psycopg  # else where PostgreSQL is used: 12 MB

# Of a web process: its pool, and the two that hear of news. Of a runner, about.
OF_A_WEB_PROCESS, OF_A_RUNNER = 22, 4
UNUSABLE: tuple[type[Exception], ...] = (DatabaseError, *outage_errors())
PREPARE = ".venv/bin/python -m resource_sync.start prepare"
NEWS_CHANNEL, NEWS_SECONDS = "resource_sync_doctor", 5.0
CLOCK_WARNING_SECONDS, CLOCK_PROBLEM_SECONDS = 5.0, 60.0


def database() -> Iterator[Finding]:
    """It can be reached, and is one that the product can use."""
    began = time.monotonic()
    try:
        connection.ensure_connection()
        yield from _postgresql() if connection.vendor == "postgresql" else _sqlite()
    except UNUSABLE as error:
        text = _("The database can't be used: %(why)s")
        yield problem(
            text % {"why": why_unreachable(error)},
            _(
                'Is it running, and DATABASE_URL right? `psql "$DATABASE_URL"` says '
                "the same in more words; of SQLite, can this account write the folder?"
            ),
        )
        return
    yield ok(
        _("%(database)s answers in %(milliseconds)s ms.")
        % {
            "database": _version(),
            "milliseconds": round((time.monotonic() - began) * 1000),
        }
    )


def _version() -> str:
    number = connection.get_database_version()
    return f"{connection.display_name} {'.'.join(map(str, number))}"


def _asked(query: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return str(cursor.fetchone()[0])


def _sqlite() -> Iterator[Finding]:
    mode = _asked("PRAGMA journal_mode")
    if mode.lower() != "wal":
        yield problem(
            _("SQLite writes no WAL there (journal_mode is %(mode)s), so readers and "
              "writers wait for each other.") % {"mode": mode},
            _("Put it on a disk of this machine: network file systems have none."),
        )  # fmt: skip


def _postgresql() -> Iterator[Finding]:
    encoding = _asked("SHOW server_encoding")
    if encoding != "UTF8":
        yield problem(
            _("The database stores %(encoding)s, so not every line of a log fits.")
            % {"encoding": encoding},
            _("Make one with `createdb --encoding UTF8 --template template0`."),
        )
    if _asked("SELECT pg_is_in_recovery()") == "True":
        yield problem(
            _("The database is a replica, which takes no writes."),
            _("Have DATABASE_URL name the primary (?target_session_attrs=read-write)."),
        )
    if _asked("SHOW fsync") == "off":
        yield warning(
            _("PostgreSQL runs with fsync=off: a power cut may destroy the database."),
            _("Set fsync=on in postgresql.conf."),
        )
    most = int(_asked("SHOW max_connections"))
    needed = settings.WEB_PROCESSES * OF_A_WEB_PROCESS + settings.RUNNERS * OF_A_RUNNER
    if needed > most:
        yield warning(
            _("PostgreSQL takes %(most)s connections; this host alone may need "
              "%(needed)s.") % {"most": most, "needed": needed},
            _("Raise max_connections in postgresql.conf."),
        )  # fmt: skip


def applied_migrations() -> Iterator[Finding]:
    """The tables are those of the code."""
    missing, newer = migrations.missing(), migrations.from_a_newer_version()
    if missing:
        text = _("The database lacks migrations of this version: %(names)s.")
        yield problem(text % {"names": _names(missing)}, _prepare())
    if newer:
        yield warning(
            _("The database is of a newer version than this code: it had %(names)s.")
            % {"names": _names(newer)},
            _("Update the code of this host; meanwhile the older code goes on."),
        )
    if not (missing or newer):
        yield ok(_("The database has all migrations of this version."))


def _prepare() -> str:
    return _("Run %(command)s") % {"command": PREPARE}


def _names(found: list[migrations.Migration]) -> str:
    return ", ".join(f"{app}.{name}" for app, name in found[:5]) + "…" * (
        len(found) > 5
    )


def news() -> Iterator[Finding]:
    """What one process announces is heard by the others."""
    if connection.vendor != "postgresql":
        yield skipped(_("SQLite's processes are all on this machine."))
        return
    with closing(connection_of_its_own()) as listener:
        listener.execute(f"LISTEN {NEWS_CHANNEL}")
        _asked(f"SELECT pg_notify('{NEWS_CHANNEL}', '')")
        yield is_heard(listener)


def is_heard(listener: "psycopg.Connection[Any]") -> Finding:
    """Return whether a notification has come, or comes within a few seconds."""
    if list(listener.notifies(timeout=NEWS_SECONDS, stop_after=1)):
        return ok(_("What is announced through the database is heard."))
    return problem(
        _("What is announced through the database is not heard, so that new tasks and "
          "lines are noticed up to a second late."),
        _("Is PgBouncer between? It needs pool_mode=session, or let DATABASE_URL name "
          "PostgreSQL itself."),
    )  # fmt: skip


def clock() -> Iterator[Finding]:
    """This machine's clock and the database's are alike."""
    if connection.vendor != "postgresql":
        yield skipped(_("SQLite has no clock of its own."))
        return
    connection.ensure_connection()
    before = time.time()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs: datetime = cursor.fetchone()[0]
    yield clock_finding(_("the database"), theirs, (before + time.time()) / 2)


def clock_finding(whose: str, theirs: datetime, ours: float) -> Finding:
    """Return what is to be said of another clock, read at this moment of ours."""
    seconds = theirs.timestamp() - ours
    values = {"whose": whose, "seconds": f"{abs(seconds):.1f}"}
    if abs(seconds) < CLOCK_WARNING_SECONDS:
        return ok(_("The clock of %(whose)s is ours, to %(seconds)s s.") % values)
    text = _("The clock of %(whose)s is %(seconds)s s behind ours.")
    if seconds > 0:
        text = _("The clock of %(whose)s is %(seconds)s s ahead of ours.")
    advice = _("Have both machines keep time: `timedatectl set-ntp true`.")
    is_far = abs(seconds) >= CLOCK_PROBLEM_SECONDS
    return (problem if is_far else warning)(text % values, advice)
