"""What packing gives and costs: megabytes, seconds, how packed logs are read, and how
long those wait meanwhile who write.

    .venv/bin/python benchmarks/packing.py [--lines 1000000] [--server URL]

Makes a database of its own: a file of SQLite, or one on the server, which is dropped.
The lines are those of a build: textures of the demo's releases with their sizes and
digests, a compiler's progress over this checkout's files with its warnings, and what
the engine prints; written 8 ms apart on average, 91 characters long.
"""

import argparse
import functools
import itertools
import json
import os
import random
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
LINES_A_TASK = 250_000
START_MS = 1_767_225_600_000
PLATFORMS = ("ios", "android", "facebook")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--server", help="PostgreSQL's URL, without a database")
    options = parser.parse_args()
    name = f"packing_{secrets.token_hex(3)}"
    with tempfile.TemporaryDirectory() as folder:
        url = f"{options.server}/{name}" if options.server else ""
        own = {"SECRET_KEY": "s" * 32, "DATABASE_URL": url, "DATA_DIR": folder}
        os.environ.update(own, LOG_DIR=f"{folder}/logs", HTTPS="off")
        if options.server:
            with psycopg.connect(f"{options.server}/postgres", autocommit=True) as own:
                own.execute(f'CREATE DATABASE "{name}"')
        try:
            measure(Path(folder), options.lines)
        finally:
            if options.server:
                drop(options.server, name)


def drop(server: str, name: str) -> None:
    with psycopg.connect(f"{server}/postgres", autocommit=True) as own:
        own.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def measure(folder: Path, count: int) -> None:
    manage = [sys.executable, str(ROOT / "manage.py"), "migrate", "-v0"]
    subprocess.run(manage, check=True)
    demo = [sys.executable, "-m", "resources", "demo"]
    subprocess.run(demo, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "resource_sync.settings"
    django.setup()
    tasks = make(story(folder / "resources/source"), count)
    task = tasks[0]
    before = size("tasks_logline")
    unpacked = readings(task)
    idle = Writer().measured(lambda: time.sleep(5))
    done = {}
    busy = Writer().measured(lambda: done.update(packed()))
    after = size("tasks_logblock")
    again = readings(task)
    print(f"{count:,} lines of {done['message_bytes'] / count:.0f} bytes: ", end="")
    print(f"{before / 1e6:.1f} MB before, {after / 1e6:.1f} MB packed")
    print(f"packed within {done['seconds']:.0f} s, {done['processor']:.1f} s at work")
    worst = sorted(done["steps"])[-5:]
    print(
        f"a step: median {median(done['steps']) * 1000:.1f} ms, the slowest five "
        + ", ".join(f"{one * 1000:.0f}" for one in worst)
    )
    print(f"who writes a line: alone {idle}, beside packing {busy}")
    for name, seconds in unpacked.items():
        print(
            f"{name:44} {seconds * 1000:9.2f} ms, packed {again[name] * 1000:9.2f} ms: "
            f"× {again[name] / seconds:.2f}"
        )


def story(source: Path) -> Iterator[tuple[int, int, str, str]]:
    """Yield lines of a build, without an end; the same ones each time."""
    dice = random.Random(18)
    textures = [
        (platform, json.loads(line))
        for platform in PLATFORMS
        for line in (source / platform / "v885/manifest.jsonl").open()
        if '"path"' in line
    ]
    rooms = ("tasks", "resources", "streaming", "static")
    found = (path for room in rooms for path in (ROOT / room).rglob("*.*"))
    code = sorted(str(x.relative_to(ROOT)) for x in found if x.suffix != ".pyc")
    at_ms = START_MS
    for seq, (level, text) in enumerate(_build(textures, code, dice), 1):
        at_ms += int(dice.expovariate(1 / 8))
        yield seq, at_ms, level, text


def _build(
    textures: list[tuple[str, dict[str, Any]]], code: list[str], dice: random.Random
) -> Iterator[tuple[str, str]]:
    for number in itertools.count(880):
        version = f"v{number}"
        yield "info", f"Executing: ./tools/atlas --version {version} --jobs 4"
        for platform, entry in dice.sample(textures, 600):
            state = dice.choice(["ok", "ok", "ok", "cached", "resized"])
            yield (
                "stdout",
                f"[{dice.randint(3, 900) / 10:7.1f} ms] {platform}/{entry['path']}: "
                f"{entry['size']} bytes, quality {dice.randint(60, 95)}, {state}",
            )
            if dice.random() < 0.05:
                yield "stdout", f"           sha256 {entry['sha256']}"
        yield "info", f"Executing: ninja -C build/{version}"
        for place, name in enumerate(code, 1):
            yield (
                "stdout",
                f"[{place}/{len(code)}] Compiling {name} -> build/{version}/{name}.o",
            )
            if dice.random() < 0.06:
                where = f"{name}:{dice.randint(1, 400)}:{dice.randint(1, 80)}"
                what = dice.choice(["count", "size", "last", "offset"])
                yield "stderr", f"{where}: warning: unused variable '{what}'"
        for platform in PLATFORMS:
            yield "stdout", f"Checking {platform} manifest..."
            yield "stdout", "All files matched successfully."
            yield "stdout", f"Total files checked: {dice.randint(900, 1400)}"


def make(lines: Iterator[tuple[int, int, str, str]], count: int) -> list[Any]:
    """Store ended tasks with so many lines."""
    from django.db import transaction
    from django.utils import timezone

    from tasks.logs.append import append
    from tasks.models import Task

    tasks = []
    while count:
        task = Task.objects.create(
            type="build", status="completed", completed_at=timezone.now()
        )
        own = min(count, LINES_A_TASK)
        rows = [
            (seq, *row[1:]) for seq, row in enumerate(itertools.islice(lines, own), 1)
        ]
        with transaction.atomic():
            append([(task.pk, rows)])
            Task.objects.filter(pk=task.pk).update(last_seq=own)
        task.last_seq = own
        tasks.append(task)
        count -= own
    return tasks


def size(table: str) -> int:
    """Return how many bytes a table has with its indexes."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_total_relation_size(%s)", [table])
        else:
            cursor.execute(
                "SELECT sum(pgsize) FROM dbstat WHERE name IN (%s, %s)",
                [table, f"sqlite_autoindex_{table}_1"],
            )
        return int(cursor.fetchone()[0])


def packed() -> dict[str, Any]:
    """Pack everything as a runner does, with its rests."""
    from django.utils import timezone

    from tasks.logs.packing import pack
    from tasks.runner.packer import REST

    steps, size = [], 0
    began, worked = time.perf_counter(), time.thread_time()
    parts = pack(timezone.now())
    while True:
        started = time.perf_counter()
        part = next(parts, None)
        took = time.perf_counter() - started
        if part is None:
            break
        steps.append(took)
        size += part.message_bytes
        time.sleep(REST * took)
    return {
        "message_bytes": size,
        "steps": steps,
        "seconds": time.perf_counter() - began,
        "processor": time.thread_time() - worked,
    }


class Writer(threading.Thread):
    """Writes a line into another task each 10 ms, as a runner would."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._is_over = threading.Event()
        self._taken: list[float] = []

    def measured(self, act: Callable[[], Any]) -> str:
        self.start()
        act()
        self._is_over.set()
        self.join()
        cuts = quantiles(self._taken, n=100)
        p50, p99, most = (x * 1000 for x in (cuts[49], cuts[98], max(self._taken)))
        return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, at most {most:.0f} ms"

    def run(self) -> None:
        from django.db import connection, transaction

        from tasks.logs.append import append

        task_id = uuid.uuid4()
        for seq in itertools.count(1):
            if self._is_over.wait(0.01):
                break
            started = time.perf_counter()
            with transaction.atomic():
                append([(task_id, [(seq, 0, "stdout", f"line {seq}")])])
            self._taken.append(time.perf_counter() - started)
        connection.close()


def readings(task: Any) -> dict[str, float]:
    """Return the seconds that each way to read takes; the median of some."""
    from tasks.logs import search
    from tasks.logs import store as log_store

    last = task.last_seq
    offsets = [last * part // 20 for part in range(20)]

    def each(read: Callable[[int], Any]) -> float:
        return median(timed(functools.partial(read, after)) for after in offsets)

    def search_all(q: str) -> None:
        after = 0
        while after < last:
            after = search.matches(task.pk, after, last, [], q).through

    def landmarks() -> None:
        after = 0
        while after < last:
            after = search.landmarks(task, after).through

    return {
        "a page of 1,000 lines": each(lambda x: log_store.rows(task.pk, x, None, 1000)),
        "a page of 100 lines": each(lambda x: log_store.rows(task.pk, x, None, 100)),
        "the newest 200": each(
            lambda _: log_store.newest_rows(task.pk, last, 200, 2**20)
        ),
        f"a walk of {last:,} lines, for its digest": timed(
            lambda: log_store.sha256(task.pk)
        ),
        "a replay of it in pages of 512": timed(
            lambda: [
                log_store.rows(task.pk, x, x + 512, 512) for x in range(0, last, 512)
            ]
        ),
        "a search through it, many found": timed(lambda: search_all("resized")),
        "a search through it, none found": timed(lambda: search_all("nowhere")),
        "its landmarks": timed(landmarks),
        "its summary": timed(lambda: log_store.samples(task.pk, last)),
    }


def clock() -> float:
    """Return seconds of processor time: on a busy machine it is the same. PostgreSQL
    works elsewhere, so there it is the wall's."""
    has_server = bool(os.environ["DATABASE_URL"])
    return time.perf_counter() if has_server else time.thread_time()


def timed(act: Callable[[], Any]) -> float:
    taken = []
    for _ in range(3):
        started = clock()
        act()
        taken.append(clock() - started)
    return median(taken)


if __name__ == "__main__":
    main()
