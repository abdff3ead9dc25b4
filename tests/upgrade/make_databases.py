"""Makes the databases of earlier releases that the tests of upgrades start from.

Each release makes its own, by its own code out of the repository's history, on SQLite
and on PostgreSQL (TEST_DATABASE_URL): ``python -m tests.upgrade.make_databases``. What
is made lies beside this file and is never made anew without a reason: a release that
is out doesn't change.
"""

import json
import lzma
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RELEASES = {"1.0.0": "ccddc70", "2.0.0": "7ef075c"}  # the commits
# What these needed and today's requirements don't have.
LEFT_SINCE = ("environs==15.2.0", "marshmallow==4.4.0", "django-filter==26.2")
SECRET_KEY = "of-no-installation-0123456789-abcdefghijklmnopqrstuvwxyz"
TASKS = "SELECT id, type, status, version, last_seq FROM tasks_task"
LINES = "SELECT task_id, message FROM tasks_logline ORDER BY task_id, seq"
SECONDS = 900
NUMBERS = 20  # of a task that is cancelled, or loses its runner
# One process, because each takes seconds to start.
FILL = f"""
from django.core.management import call_command as call
call("migrate", verbosity=0)
call("createsuperuser", interactive=False, username="admin", email="admin@example.com")
try:
    call("create_api_key", "ci", "--scope", "start")
except Exception:  # release 1.0.0 knows no scopes
    call("create_api_key", "ci")
call("submit", "say", "--text", "v884 is out")
call("submit", "fail", "--version", "v885")
call("submit", "count", "--version", "v885", "--n", "3000", "--rest", "0")
for version in ("v886", "v887"):
    call("submit", "count", "--version", version, "--n", "{NUMBERS}", "--rest", "3600")
call("submit", "say", "--text", "it waits for the update")
"""


class Release:
    """The code of a release, on a database of its own."""

    def __init__(self, commit: str, folder: Path, url: str) -> None:
        self.code, self.data = folder / "code", folder / "data"
        archive = subprocess.run(
            ["git", "archive", "--format=tar", commit],
            cwd=ROOT, capture_output=True, check=True,
        ).stdout  # fmt: skip
        with tarfile.open(fileobj=BytesIO(archive)) as tar:
            tar.extractall(self.code, filter="data")
        self.data.mkdir()
        self.url = url
        self.environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(folder.parent / "left_since"),
            "SECRET_KEY": SECRET_KEY,
            "DATA_DIR": str(self.data),
            "LOG_DIR": str(self.data / "logs"),
            "DATABASE_URL": url,
            "TASK_TYPES_FILE": str(HERE / "task_types.toml"),
            "DJANGO_SUPERUSER_PASSWORD": "only-in-tests",
        }

    def manage(self, *arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=self.code, env=self.environ, stdout=subprocess.PIPE, text=True,
            check=True, timeout=SECONDS,
        ).stdout  # fmt: skip

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        if self.url:
            with psycopg.connect(self.url) as connection:
                return connection.execute(query).fetchall()
        with closing(sqlite3.connect(self.data / "db.sqlite3")) as connection:
            return connection.execute(query).fetchall()

    def wait_for(self, status: str, version: str) -> None:
        """Until the task of this version has the status, and all its numbers."""
        deadline = time.monotonic() + SECONDS
        while not any(
            row[2:4] == (status, version) and row[4] > NUMBERS
            for row in self.rows(TASKS)
        ):
            if time.monotonic() > deadline:
                raise SystemExit(f"Waited in vain for {version} to be {status}.")
            time.sleep(0.1)

    def fill(self) -> dict[str, Any]:
        """Tasks of each status, a person and a key; returns what has to be found."""
        self.manage("shell", "-c", FILL)
        command = [sys.executable, "manage.py", "run_tasks", "--concurrency", "1"]
        runner = subprocess.Popen(command, cwd=self.code, env=self.environ)
        self.wait_for("running", "v886")
        (task,) = (str(row[0]) for row in self.rows(TASKS) if row[2] == "running")
        self.manage("cancel_task", task)
        self.wait_for("running", "v887")
        runner.send_signal(signal.SIGKILL)
        runner.wait()
        return {
            "tasks": {
                hexadecimal(row[0]): {"type": row[1], "status": row[2]}
                for row in self.rows(TASKS)
            },
            "lines": self.lines(),
        }

    def lines(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for task_id, message in self.rows(LINES):
            found.setdefault(hexadecimal(task_id), []).append(message)
        return found

    def dump(self) -> bytes:
        if not self.url:
            path = self.data / "db.sqlite3"
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.execute("VACUUM")
            return path.read_bytes()
        options = ["--no-owner", "--no-privileges", "--rows-per-insert=200"]
        dumped = subprocess.run(
            ["pg_dump", *options, self.url], capture_output=True, check=True
        ).stdout
        # "\restrict" and its like are for psql alone.
        lines = dumped.splitlines(keepends=True)
        return b"".join(line for line in lines if not line.startswith((b"\\", b"--")))


def hexadecimal(task_id: object) -> str:
    return str(task_id).replace("-", "")


def make(name: str, commit: str, kind: str, url: str, folder: Path) -> None:
    folder.mkdir()
    release = Release(commit, folder, url)
    facts = release.fill()
    target = HERE / f"{name}.{kind}"
    target.with_name(target.name + ".xz").write_bytes(
        lzma.compress(release.dump(), preset=9 | lzma.PRESET_EXTREME)
    )
    target.with_name(target.name + ".json.xz").write_bytes(
        lzma.compress(json.dumps(facts).encode(), preset=9 | lzma.PRESET_EXTREME)
    )
    sys.stdout.write(f"{name} on {kind}: {len(facts['tasks'])} tasks\n")


@contextmanager
def own_database(server: str) -> Iterator[str]:
    """A database inside of ``with``; gives its URL."""
    name = f"upgrade_{secrets.token_hex(4)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"{server}/{name}"
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def main() -> None:
    server = os.environ["TEST_DATABASE_URL"].rpartition("/")[0]
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
        subprocess.run([*pip, str(base / "left_since"), *LEFT_SINCE], check=True)
        for name, commit in RELEASES.items():
            make(name, commit, "sqlite3", "", base / f"{name}-sqlite3")
            with own_database(server) as url:
                make(name, commit, "sql", url, base / f"{name}-sql")


if __name__ == "__main__":
    main()
