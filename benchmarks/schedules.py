"""How late schedules start their tasks, and what pauses cost a claim, as JSON.

    python schedules.py [--database postgres://…/NEW] [--at-once 1000 …] [--claims 400]

Everything is in a temporary folder; ``--database`` names an empty PostgreSQL database,
SQLite without it. A real runner runs beside, with the queue paused, so that what is
measured is that schedules start their tasks, and not the tasks.
"""

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
TYPES = """
[nothing]
[[nothing.steps]]
command = ["true"]
"""
SOON_SECONDS = 3.0  # until they are due; by then the runner is at rest
PAUSES = 10  # of single types, beside which a claim is measured


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--database", default="", help="SQLite without it")
    parser.add_argument("--at-once", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--claims", type=int, default=400, help="of each kind")
    return parser.parse_args()


def prepare(folder: Path, database: str) -> None:
    """Set the product up in this process, and migrate its database."""
    types = folder / "task_types.toml"
    types.write_text(TYPES)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="resource_sync.settings",
        SECRET_KEY=secrets.token_hex(32),
        DATA_DIR=str(folder),
        LOG_DIR=str(folder / "logs"),
        DATABASE_URL=database,
        TASK_TYPES_FILE=str(types),
        TASK_RETENTION="0",
    )
    manage = [sys.executable, str(ROOT / "manage.py")]
    subprocess.run([*manage, "migrate", "-v0"], check=True)
    import django

    django.setup()


def start_runner(folder: Path) -> "subprocess.Popen[bytes]":
    from tasks.models import Runner

    command = [sys.executable, str(ROOT / "manage.py"), "run_tasks"]
    with (folder / "runner.out").open("wb") as output:
        runner = subprocess.Popen(command, stdout=output, stderr=output)
    while not Runner.objects.alive().exists():
        if runner.poll() is not None:
            sys.exit((folder / "runner.out").read_text())
        time.sleep(0.1)
    return runner


def due_at_once(count: int, runner: "subprocess.Popen[bytes]") -> dict[str, float]:
    """Have so many schedules due at one moment; return how late their tasks came to be
    in the database, in seconds, and what that cost the runner."""
    import psutil

    from tasks.models import Schedule, ScheduleRun

    ScheduleRun.objects.all().delete()
    Schedule.objects.all().delete()
    moment = datetime.now(UTC) + timedelta(days=1)
    Schedule.objects.bulk_create(
        Schedule(name=f"s{n}", type="nothing", cron="0 3 * * *", next_run_at=moment)
        for n in range(count)
    )
    moment = datetime.now(UTC) + timedelta(seconds=SOON_SECONDS)
    Schedule.objects.update(next_run_at=moment)
    process = psutil.Process(runner.pid)
    before = sum(process.cpu_times()[:2])
    started = ScheduleRun.objects.filter(task__isnull=False)
    while started.count() < count:
        time.sleep(0.2)
    spent = sum(process.cpu_times()[:2]) - before
    found = started.values_list("task__created_at", flat=True)
    late = sorted((at - moment).total_seconds() for at in found)
    shares = statistics.quantiles(late, n=100, method="inclusive")
    return {
        "p50 s": round(shares[49], 2),
        "p99 s": round(shares[98], 2),
        "max s": round(late[-1], 2),
        "runner's cpu ms each": round(1000 * spent / count, 2),
    }


def claims(count: int) -> dict[str, float]:
    """Claim so many tasks without a pause, and as many beside pauses of other types, in
    turns; return the medians in milliseconds, and the median of their ratios."""
    from tasks.models import QueuePause, Runner, Task
    from tasks.runner.claim import claim

    Task.objects.all().delete()
    QueuePause.objects.all().delete()
    runner = Runner.objects.create(
        id=uuid.uuid4(), name="measured", host="nowhere", pid=1, concurrency=1
    )

    def timed() -> float:
        Task.objects.create(type="nothing")
        started = time.perf_counter()
        task = claim(runner)
        taken = 1000 * (time.perf_counter() - started)
        if task is None:
            sys.exit("Nothing was claimed.")
        task.delete()
        return taken

    pauses = [QueuePause(type=f"other-{n}", paused_by="nobody") for n in range(PAUSES)]
    timed()  # the first one makes the statements
    without, beside = [], []
    for _ in range(count):
        QueuePause.objects.all().delete()
        without.append(timed())
        QueuePause.objects.bulk_create(pauses)
        beside.append(timed())
    QueuePause.objects.all().delete()
    ratios = [b / a for a, b in zip(without, beside, strict=True)]
    return {
        "without a pause, median ms": round(statistics.median(without), 3),
        f"beside {PAUSES} pauses, median ms": round(statistics.median(beside), 3),
        "× without": round(statistics.median(ratios), 3),
    }


def main() -> None:
    asked = arguments()
    with tempfile.TemporaryDirectory(prefix="schedules-") as name:
        folder = Path(name)
        prepare(folder, asked.database)
        from tasks.models import ALL_TYPES, QueuePause

        QueuePause.objects.create(type=ALL_TYPES, paused_by="nobody")
        runner = start_runner(folder)
        found: dict[str, object] = {"load before": os.getloadavg()[0]}
        try:
            for count in asked.at_once:
                found[f"{count:,} due at one moment"] = due_at_once(count, runner)
                print(f"{count:,}: {found}", file=sys.stderr)
        finally:
            runner.terminate()
            runner.wait()
        found["a claim"] = claims(asked.claims)
        print(json.dumps(found, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
