"""Seconds that `manage.py backup`, `restore` and `move_database` take with many lines.

    .venv/bin/python benchmarks/move.py [--lines 1000000] [--runs 3] --server URL

Makes a database of SQLite of its own, and one on the server, which is dropped.
"""

import argparse
import os
import resource
import secrets
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parent.parent
LINES_A_TASK = 10_000
MESSAGE = (
    "line {} of a log, as long as lines of a release are on average: 83 characters{}"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--server", required=True)
    options = parser.parse_args()
    taken: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), options.lines)
        for _ in range(options.runs):
            for name, seconds in measure(Path(folder), options.server):
                taken.setdefault(name, []).append(seconds)
    for name, measured in taken.items():
        seconds, used = zip(*measured, strict=True)
        runs = ", ".join(f"{one:.1f}" for one in sorted(seconds))
        print(
            f"{name:28} median {statistics.median(seconds):5.1f} s ({runs}), "
            f"{statistics.median(used):4.1f} s of processor"
        )


def manage(folder: Path, url: str, *arguments: str) -> tuple[float, float]:
    """Return how long a command took, and its processor time without the server's."""
    places = {"DATA_DIR": str(folder), "LOG_DIR": str(folder / "logs")}
    own = {"SECRET_KEY": "s" * 32, "DATABASE_URL": url, **places}
    began, used = time.perf_counter(), processor_seconds()
    subprocess.run(
        [sys.executable, ROOT / "manage.py", *arguments],
        env={**os.environ, **own},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - began, processor_seconds() - used


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def make(folder: Path, lines: int) -> None:
    """Fill a database of SQLite with finished tasks, as the product stores them."""
    manage(folder, "", "migrate", "-v0")
    with sqlite3.connect(folder / "db.sqlite3") as database:
        for start in range(0, lines, LINES_A_TASK):
            task = uuid.uuid4().hex
            count = min(LINES_A_TASK, lines - start)
            values = {
                "id": task,
                "type": "full-sync",
                "params": '{"version": "v885"}',
                "version": "v885",
                "status": "completed",
                "progress": 100,
                "created_at": "2026-01-01 00:00:00.123",
                "created_by": "key:ci",
                "completed_at": "2026-01-01 00:10:00",
                "trail": "[]",
                "number": start // LINES_A_TASK + 1,
                "last_seq": count,
                **dict.fromkeys(("step_index", "step_count", "pinned"), 0),
                **dict.fromkeys(("step_name", "log_sha256", "cancel_requested_by"), ""),
                "attempt": 1,
                "cancel_forced": 0,
            }
            names, marks = ", ".join(values), ", ".join("?" * len(values))
            database.execute(
                f"INSERT INTO tasks_task ({names}) VALUES ({marks})",
                list(values.values()),
            )
            database.executemany(
                "INSERT INTO tasks_logline (task_id, seq, at_ms, level, message) "
                "VALUES (?, ?, ?, 'stdout', ?)",
                (
                    (task, seq, 1_767_225_600_000 + seq, MESSAGE.format(seq, "." * 5))
                    for seq in range(1, count + 1)
                ),
            )
    database.close()


def measure(folder: Path, server: str):
    """Yield each command with the seconds that it took."""
    for name in ("a", "b"):
        (folder / name).mkdir(exist_ok=True)
    database = f"move_{secrets.token_hex(3)}"
    url = f"{server}/{database}"
    sqlite = str(folder / "sqlite.zip")
    dump = str(folder / "postgresql.zip")
    back = f"sqlite:///{folder / 'back.sqlite3'}"
    try:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as own:
            own.execute(f'CREATE DATABASE "{database}"')
        yield "backup, SQLite", manage(folder, "", "backup", "--force", sqlite)
        yield (
            "restore, SQLite",
            manage(folder / "a", "", "restore", "--replace", sqlite),
        )
        yield "move, SQLite to PostgreSQL", manage(folder, "", "move_database", url)
        yield "backup, PostgreSQL", manage(folder, url, "backup", "--force", dump)
        yield (
            "restore, PostgreSQL",
            manage(folder / "b", url, "restore", "--replace", dump),
        )
        yield "move, PostgreSQL to SQLite", manage(folder, url, "move_database", back)
        size = (folder / "db.sqlite3").stat().st_size, Path(sqlite).stat().st_size
        print(f"{size[0] / 1e6:.0f} MB of SQLite, a backup of {size[1] / 1e6:.0f} MB")
    finally:
        (folder / "back.sqlite3").unlink(missing_ok=True)
        with psycopg.connect(f"{server}/postgres", autocommit=True) as own:
            own.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


if __name__ == "__main__":
    main()
