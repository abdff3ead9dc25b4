"""How long a claim takes in a database with a long history, as JSON.

    python claims.py FINISHED BEHIND_A_LOCK CLAIMS

with the product's settings in the environment, and no runner at work. Where the table
has fewer than FINISHED tasks that have ended it is filled up with them, and stays so.
BEHIND_A_LOCK tasks, older than those to be claimed, wait for a lock that a running
task holds, until the end.
"""

import json
import os
import sys
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["DJANGO_SETTINGS_MODULE"] = "resource_sync.settings"

import django

django.setup()

from django.db import connection  # noqa: E402 (what needs settings comes after them)
from django.db.models import F  # noqa: E402
from django.utils import timezone  # noqa: E402

from tasks.models import Runner, Task  # noqa: E402
from tasks.runner.claim import claim  # noqa: E402

TYPE, LOCK = "true", "held"
COLUMNS = [field.column for field in Task._meta.concrete_fields]


def multiply(task: Task, count: int) -> None:
    """So many further tasks that are as this one is, a second apart before it."""
    moments = {"created_at", "started_at", "completed_at"}
    if connection.vendor == "postgresql":
        new_id, shifted = "gen_random_uuid()", "{} - n * interval '1 second'"
        numbers = f"generate_series(1, {count}) AS numbers (n)"
        recursive = ""
    else:
        new_id = "lower(hex(randomblob(16)))"
        shifted = "strftime('%Y-%m-%d %H:%M:%f', {}, '-' || n || ' seconds')"
        numbers = "numbers"
        recursive = (
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL "
            f"SELECT n + 1 FROM numbers WHERE n < {count}) "
        )
    own = {name: shifted.format(name) for name in moments} | {"id": new_id}
    values = ", ".join(own.get(name, f'"{name}"') for name in COLUMNS)
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    table = Task._meta.db_table
    key = task.pk.hex if connection.vendor == "sqlite" else str(task.pk)
    with connection.cursor() as cursor:
        cursor.execute(
            f"{recursive}INSERT INTO {table} ({names}) "
            f"SELECT {values} FROM {table}, {numbers} WHERE {table}.id = '{key}'"
        )
        # What the server does by itself, some time after so many changes.
        if connection.vendor == "postgresql":
            cursor.execute(f"VACUUM ANALYZE {table}")


def fill_up(finished: int) -> None:
    missing = finished - Task.objects.finished().count()
    if missing > 0:
        now = timezone.now()
        pattern = Task.objects.create(
            type=TYPE,
            status="completed",
            started_at=now,
            completed_at=now,
            step_count=1,
        )
        multiply(pattern, missing - 1)


def wait_behind_a_lock(count: int, runner: Runner) -> None:
    if count:
        Task.objects.create(
            type=TYPE,
            lock=LOCK,
            status="running",
            runner=runner,
            started_at=timezone.now(),
        )
        multiply(Task.objects.create(type=TYPE, lock=LOCK), count - 1)


def timed_claim(runner: Runner) -> float:
    """Milliseconds, of the one task that may be claimed."""
    wanted = Task.objects.create(type=TYPE).pk
    started = time.perf_counter()
    task = claim(runner)
    taken = 1000 * (time.perf_counter() - started)
    if task is None or task.pk != wanted:
        sys.exit(f"{task} was claimed, and not {wanted}.")
    Task.objects.filter(pk=wanted).delete()
    return taken


def main() -> None:
    finished, behind_a_lock, claims = map(int, sys.argv[1:])
    runner = Runner.objects.create(
        id=uuid.uuid4(), name="measured", host="nowhere", pid=1, concurrency=1
    )
    fill_up(finished)
    wait_behind_a_lock(behind_a_lock, runner)
    timed_claim(runner)  # the first one makes the statements
    print(json.dumps([timed_claim(runner) for _ in range(claims)]))
    Task.objects.filter(lock=LOCK).delete()
    Runner.objects.filter(pk=runner.pk).update(stopped_at=F("started_at"))


if __name__ == "__main__":
    main()
