"""How long another process waits to store lines while a long history is deleted.

    python retention.py [LINES] [--tasks N] [--database postgres://…]

Makes a database of its own (SQLite's file in a temporary folder, in MEASURED_IN where
that is set, or one on the server that is named), fills it with LINES lines (5,000,000)
of finished tasks, and lets one process delete them all by the product's own retention
while another commits ten lines of a running task every 5 ms, as a runner does. Prints
JSON: how long these waited to begin, and took, without a deletion beside them and with
it, in milliseconds; how long the deletion took; how large the database was.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(os.environ.get("MEASURED", Path(__file__).resolve().parents[1]))
GOAL_MS = 50.0
QUIET_SECONDS = 10.0
PAUSE_SECONDS = 0.005
BATCH = 10
MESSAGE = "[{:07d}] packing textures/env/forest/tree_{:05d}.pvr: 482113 -> 118240 bytes"


def setup() -> None:
    sys.path.insert(0, str(ROOT))
    os.environ["DJANGO_SETTINGS_MODULE"] = "resource_sync.settings"
    import django

    django.setup()


# --- The one who writes -------------------------------------------------------------


def write() -> None:
    """Commit lines of a running task until the standard input ends; then print of each
    commit when it began, how long it waited to begin its transaction (for SQLite's
    lock), and how long it took in all, in milliseconds."""
    setup()
    import select

    from django.db import connection, transaction
    from django.utils import timezone

    from tasks.logs.append import append
    from tasks.models import Task

    task = Task.objects.create(
        type="measured", status="running", started_at=timezone.now()
    )
    took: list[tuple[float, float, float]] = []
    seq = 0
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
        rows = [
            (seq + n, int(time.time() * 1000), "stdout", MESSAGE.format(seq + n, n))
            for n in range(1, BATCH + 1)
        ]
        began = time.perf_counter()
        with transaction.atomic():
            waited = time.perf_counter() - began
            if connection.vendor == "postgresql":  # lines don't wait for its disk
                connection.cursor().execute("SET LOCAL synchronous_commit TO off")
            append([(task.pk, rows)])
            Task.objects.filter(pk=task.pk).update(last_seq=seq + BATCH)
        all_of_it = time.perf_counter() - began
        took.append((time.time(), 1000 * waited, 1000 * all_of_it))
        seq += BATCH
    print(json.dumps(took))


@contextmanager
def writer() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, __file__, "--write"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        process.stdout.readline()
        yield process


def summary(took: Sequence[float]) -> dict[str, float | int]:
    found = sorted(took)
    at = {name: found[int(len(found) * part)] for name, part in PARTS}
    late = sum(ms > GOAL_MS for ms in found)
    return {
        "commits": len(found),
        **{name: round(ms, 2) for name, ms in at.items()},
        "max": round(found[-1], 2),
        "over 50 ms": late,
    }


def summaries(took: Sequence[Sequence[float]]) -> dict[str, object]:
    return {
        "to begin": summary([one[1] for one in took]),
        "to commit": summary([one[2] for one in took]),
    }


PARTS = (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))

# --- The history --------------------------------------------------------------------


def fill(lines: int, tasks: int) -> None:
    from django.db import transaction
    from django.utils import timezone

    from tasks.logs.append import append
    from tasks.models import Task

    each = lines // tasks
    now = timezone.now()
    for number in range(1, tasks + 1):
        with transaction.atomic():
            task = Task.objects.create(
                type="measured",
                status="completed",
                started_at=now,
                completed_at=now,
                last_seq=each,
                ended=number,
            )
            at_ms = int(now.timestamp() * 1000)
            for start in range(1, each + 1, 10_000):
                seqs = range(start, min(start + 10_000, each + 1))
                rows = [(n, at_ms, "stdout", MESSAGE.format(n, n)) for n in seqs]
                append([(task.pk, rows)])


def delete_all() -> None:
    from tasks.access.actor import Actor
    from tasks.catalog.task_type import Retention
    from tasks.pruning import prune_at_leisure
    from tasks.retention.limits import limits

    prune_at_leisure(limits(Retention(count=0)), Actor("shell:benchmark"))


def megabytes() -> float:
    from tasks.disk import database_bytes

    return round(database_bytes() / 1e6, 1)


def measure(lines: int, tasks: int) -> dict[str, object]:
    setup()
    from django.core.management import call_command
    from django.db import connection

    from tasks.models import LogLine

    call_command("migrate", verbosity=0)
    print(f"Writing {lines:,} lines…", file=sys.stderr)
    fill(lines, tasks)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    before = megabytes()
    load = os.getloadavg()[0]
    with writer() as process:
        time.sleep(QUIET_SECONDS)
        began = time.time()
        print("Deleting…", file=sys.stderr)
        delete_all()
        ended = time.time()
        said, _ = process.communicate()
    took = json.loads(said)
    left = LogLine.objects.exclude(task__status="running").count()
    if left:
        sys.exit(f"{left} lines were not deleted.")
    return {
        "database": connection.vendor,
        "lines": lines,
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        "seconds": round(ended - began, 1),
        "alone": summaries([one for one in took if one[0] < began]),
        "beside": summaries([one for one in took if began <= one[0] <= ended]),
        "MB": [before, megabytes()],
    }


@contextmanager
def own_database(url: str | None) -> Iterator[None]:
    with tempfile.TemporaryDirectory(dir=os.environ.get("MEASURED_IN")) as folder:
        os.environ |= {
            "DATA_DIR": f"{folder}/data",
            "LOG_DIR": f"{folder}/logs",
            "SECRET_KEY": os.environ.get("SECRET_KEY", "only-to-measure-" * 4),
            "DATABASE_URL": "",
        }
        if url is None:
            yield
            return
        import psycopg

        name = f"measured_{os.getpid()}"
        server, _, _ = url.rpartition("/")
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f'CREATE DATABASE "{name}"')
            os.environ["DATABASE_URL"] = f"{server}/{name}"
            try:
                yield
            finally:
                admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("lines", nargs="?", type=int, default=5_000_000)
    parser.add_argument("--tasks", type=int, default=50)
    parser.add_argument("--database")
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write()
        return
    with own_database(options.database):
        print(json.dumps(measure(options.lines, options.tasks)))


if __name__ == "__main__":
    main()
