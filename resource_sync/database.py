"""DATABASE_URL as Django's settings have it.

A URL of PostgreSQL is read by libpq, so that it means what it means to psql: several
hosts, sockets, and every option, of which none is lost.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

import dj_database_url

CONNECT_SECONDS = 5  # for one host to answer, unless connect_timeout says otherwise
# What a server that vanishes without a word (a host, a cable, a firewall that forgot
# the connection) may leave unanswered before libpq gives the connection up. The kernel
# alone takes 15 minutes where something was sent, and hours where nothing was.
SILENCE = {
    "tcp_user_timeout": 15_000,  # milliseconds
    "keepalives_idle": 5,  # seconds, then five questions two seconds apart
    "keepalives_interval": 2,
    "keepalives_count": 5,
}
POOL = {
    "min_size": 1,
    # 12 requests at work, 3 others, and those who read for the streams
    "max_size": 20,
    "max_idle": 10,  # seconds, after which one that nobody uses is closed
    "timeout": 5,  # seconds for a free one, or a request is answered by 503
    # Seconds of trying to open one. The tries of an outage count as connections, and
    # the pauses between them double: by psycopg_pool's own 5 minutes nobody looks for
    # up to a minute after the server is back.
    "reconnect_timeout": 1,
    "num_workers": 1,  # threads that open and mend connections
}
PARTS = {
    "dbname": "NAME", "host": "HOST", "port": "PORT",
    "user": "USER", "password": "PASSWORD",
}  # fmt: skip
ENCODE = (
    "in a user's name or password, @ is written as %40, : as %3A, / as %2F, % as %25"
)


class WrongUrl(ValueError):
    """A DATABASE_URL can't be used; the message says why, and has no password."""


def database(raw: str, data_dir: Path) -> dict[str, Any]:
    """Return Django's settings of the database that a DATABASE_URL names; without one,
    of SQLite's file in ``data_dir``. Raises WrongUrl."""
    scheme = raw.partition(":")[0]
    if scheme in {"postgres", "postgresql"}:
        return _postgresql(raw)
    if raw and scheme != "sqlite":
        raise WrongUrl(f"{scheme!r} is no database")
    if "?" in raw:
        raise WrongUrl("for SQLite it takes a path, and no options")
    name = dj_database_url.parse(raw)["NAME"] if raw else data_dir / "db.sqlite3"
    return {
        "ENGINE": "tasks.databases.sqlite3",
        "NAME": name,
        "OPTIONS": {
            # A reader that turns writer would fail at once instead of waiting.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,  # seconds to wait for another writer
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                "PRAGMA cache_size=-4000;"
                # What a long reader (a backup) lets the -wal grow to goes again.
                "PRAGMA journal_size_limit=67108864;"
            ),
        },
        # The threads of requests are reused (resource_sync.http.request_threads), and
        # so are their connections.
        "CONN_MAX_AGE": None,
        "TEST": {"NAME": data_dir / "test.sqlite3"},
    }


def _postgresql(raw: str) -> dict[str, Any]:
    from psycopg import ProgrammingError  # 12 MB that SQLite does without
    from psycopg.conninfo import conninfo_to_dict

    try:
        options: dict[str, Any] = dict(conninfo_to_dict(raw))
    except ProgrammingError as error:
        raise WrongUrl(_why(str(error))) from error
    if "@" in str(options.get("host", "")):
        raise WrongUrl(ENCODE)
    parts = {theirs: options.pop(ours, "") for ours, theirs in PARTS.items()}
    options.setdefault("fallback_application_name", program())
    options = {**SILENCE, **options}
    if "PGCONNECT_TIMEOUT" not in os.environ:
        options.setdefault("connect_timeout", CONNECT_SECONDS)
    return {
        "ENGINE": "tasks.databases.postgresql",
        **parts,
        # Not CONN_MAX_AGE: idle threads would keep what others wait for; a pool does
        # not.
        "OPTIONS": {**options, "pool": POOL},
    }


def _why(said: str) -> str:
    """Return what libpq said of a URL, without what it quotes of a password."""
    if found := re.search(r'invalid URI query parameter: "([^"]*)"', said):
        return f"PostgreSQL knows no option {found[1]!r}"
    if "percent-encoded" in said:
        return ENCODE
    return "it is no URL of PostgreSQL"


def program() -> str:
    """Return the name by which this process is listed in ``pg_stat_activity``."""
    script, *words = sys.argv or [""]
    name = Path(script).stem
    if name == "manage" and words:
        name = words[0]
    return f"resource-sync {name}".strip()[:63]


def without_password(url: str) -> str:
    """Return a URL as it may be shown."""
    url = re.sub(r"(://[^/@:]*):.*@", r"\1:***@", url)
    return re.sub(r"(password=)[^&]*", r"\1***", url)
