"""What the service costs: memory, connections and transactions at rest, the size of a
million lines, a scrape of /metrics, and the count of a task's end.

    .venv/bin/python benchmarks/costs.py
    .venv/bin/python benchmarks/costs.py --database postgres://postgres@127.0.0.1/postgres

The table of docs/explanation/costs.md, as Markdown, then everything as JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import psycopg
from rows import environment, markdown
from servers import Product, end_in_order_on_signals

SETTLE_SECONDS = 10
SCRAPES = 10
ENDS = 200  # of tasks, in each of ROUNDS turns with the trigger and without
ROUNDS = 4
LINE_CHARACTERS = 83
# What a build prints, more or less: a time, a number, a path.
PRINTS = """
[fill]
title = "Fill"
description = "Print so many lines of 83 characters"
[fill.params.lines]
pattern = "[0-9]+"
[[fill.steps]]
name = "fill"
command = ["{python}", "-c", '''
import sys
for n in range(int(sys.argv[1])):
    names = n // 60 % 60, n % 60, n, n % 977, n * 7919 % 100003
    line = "12:%02d:%02d [%08d] copied assets/atlas-%04d/sheet-%06d.png" % names
    print(line.ljust(83, "."))
''', "{lines}"]
"""


def main() -> bool:
    arguments = _arguments()
    end_in_order_on_signals()
    found: dict[str, Any] = {"environment": environment(arguments.database)}
    with TemporaryDirectory() as folder:
        emit = Path(folder) / "emit"  # a type that nobody starts
        server = Product(Path(folder), emit, arguments.database, PRINTS)
        server.env["WEB_PROCESSES"] = "1"
        server.prepare()
        found["end"] = ends(server)
        if arguments.ends:
            print(json.dumps(found))
            server.__exit__()
            return True
        try:
            server.start()
            server._wait_until_up()
            time.sleep(SETTLE_SECONDS)
            found["rest"] = at_rest(server, arguments.seconds)
            found["scrape"] = scrapes(server)
            found["lines"] = lines(server, arguments.lines)
        finally:
            server.__exit__()
    found["load"] = os.getloadavg()
    print(table(server.name, found))
    print(f"\n{json.dumps(found)}")
    return True


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--database", default="", help="PostgreSQL's URL (SQLite)")
    parser.add_argument("--seconds", type=int, default=30, help="at rest (30)")
    parser.add_argument("--lines", type=int, default=1_000_000, help="(1,000,000)")
    parser.add_argument("--ends", action="store_true", help="only these")
    return parser.parse_args()


# --- At rest --------------------------------------------------------------------------


def at_rest(server: Product, seconds: int) -> dict[str, Any]:
    groups = {
        "web": [psutil.Process(server.processes["web"].pid)],
        "runner": [psutil.Process(server.processes["runner"].pid)],
    }
    groups["its helpers"] = groups["runner"][0].children(recursive=True)
    cpu = {name: _cpu(group) for name, group in groups.items()}
    transactions = _transactions(server)
    began = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    found: dict[str, Any] = {
        name: {
            "processes": len(group),
            "rss MB": sum(one.memory_info().rss for one in group) / 1e6,
            "pss MB": sum(one.memory_full_info().pss for one in group) / 1e6,
            "cpu %": 100 * (_cpu(group) - cpu[name]) / took,
        }
        for name, group in groups.items()
    }
    if server.database_url:
        found["transactions a second"] = (_transactions(server) - transactions) / took
        found["connections"] = _connections(server)
    return found


def _cpu(group: list[psutil.Process]) -> float:
    times = [one.cpu_times() for one in group]
    return sum(one.user + one.system for one in times)


def _transactions(server: Product) -> int:
    """Committed so far; not those of who asks."""
    if not server.database_url:
        return 0
    (count,) = _ask(
        server._server_url,
        "SELECT xact_commit FROM pg_stat_database WHERE datname = %s",
        server._database,
    )
    return int(count)


def _connections(server: Product) -> dict[str, int]:
    """By the name that they go by in pg_stat_activity."""
    with psycopg.connect(server._server_url) as connection:
        rows = connection.execute(
            "SELECT application_name, count(*) FROM pg_stat_activity "
            "WHERE datname = %s GROUP BY 1 ORDER BY 1",
            [server._database],
        ).fetchall()
    return dict(rows)


def _ask(url: str, statement: str, *values: Any) -> Any:
    with psycopg.connect(url) as connection:
        return connection.execute(statement, values).fetchone()  # type: ignore[arg-type]


# --- Lines, scrapes, ends -------------------------------------------------------------


def lines(server: Product, count: int) -> dict[str, Any]:
    before = _bytes(server)
    began = time.monotonic()
    server.wait_for(server.submit("fill", lines=str(count)), 600)
    seconds = time.monotonic() - began
    server._stop(*server.processes)  # which leaves no journal
    sizes = {name: size - before[name] for name, size in _bytes(server).items()}
    scale = 1_000_000 / count / 1e6
    return {
        "lines": count,
        "seconds": seconds,
        "text MB a million": (LINE_CHARACTERS + 1) * count * scale,
        **{f"{name} MB a million": size * scale for name, size in sizes.items()},
    }


def _bytes(server: Product) -> dict[str, int]:
    if not server.database_url:
        files = server.folder.glob("db.sqlite3*")
        return {"database": sum(file.stat().st_size for file in files)}
    heap, index = _ask(
        server.database_url,
        "SELECT pg_table_size('tasks_logline'), pg_indexes_size('tasks_logline')",
    )
    return {"table": heap, "index": index}


def scrapes(server: Product) -> dict[str, Any]:
    took = []
    for _ in range(SCRAPES):
        time.sleep(1.05)  # or it would say what it said before
        began = time.monotonic()
        with server.get("/metrics") as answer:
            text = answer.read()
        took.append(1000 * (time.monotonic() - began))
    series = [line for line in text.splitlines() if line and not line.startswith(b"#")]
    return {"ms": median(took), "KB": len(text) / 1000, "series": len(series)}


def ends(server: Product) -> dict[str, float]:
    """Run ``count_ends`` in a process that has the product's settings."""
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; import costs; costs.count_ends()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent,
        env={**server.env, "DJANGO_SETTINGS_MODULE": "resource_sync.settings"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def count_ends() -> None:
    """Print how long it takes to end a task with the trigger, and without: a
    transaction each, in turns; of each turn the fastest tenth."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from importlib import import_module

    import django

    django.setup()
    from django.db import connection
    from django.utils import timezone

    from tasks.models import Task, TaskEnd

    migration = import_module("tasks.migrations.0031_ends_of_tasks")

    def execute(statements: dict[str, list[str]]) -> None:
        with connection.cursor() as cursor:
            for statement in statements[connection.vendor]:
                cursor.execute(statement)

    def end() -> float:
        now = timezone.now()
        fields = {"type": "fill", "status": "running", "started_at": now}
        tasks = [Task.objects.create(**fields) for _ in range(ENDS)]
        took = []
        for task in tasks:
            began = time.perf_counter()
            Task.objects.move(task.pk, "running", "completed", completed_at=now)
            took.append(time.perf_counter() - began)
        # Of a busy machine the median would be that of its other work.
        return quantiles(took, n=10)[0]

    end()
    times: dict[str, list[float]] = {"with": [], "without": []}
    for _ in range(ROUNDS):
        times["with"].append(end())
        execute(migration.COUNT_NO_MORE)
        times["without"].append(end())
        execute(migration.COUNT)
    assert TaskEnd.objects.count() == ENDS * (ROUNDS + 1)
    Task.objects.all().delete()
    ms = {f"ms {name} it": 1000 * median(each) for name, each in times.items()}
    print(json.dumps(ms))


def table(name: str, found: dict[str, Any]) -> str:
    rest = found["rest"]
    head = ["process", "RSS", "PSS", "processor"]
    rows = [head, ["---"] * 4]
    for process in ("web", "runner", "its helpers"):
        one = rest[process]
        cells = (f"{one['rss MB']:.0f} MB", f"{one['pss MB']:.0f} MB")
        rows.append([process, *cells, f"{one['cpu %']:.2f} %"])
    others = {
        key: value
        for part in ("lines", "scrape", "end")
        for key, value in found[part].items()
    }
    others |= {key: rest[key] for key in rest if key not in {*head, "web", "runner"}}
    others.pop("its helpers", None)
    said = [f"{key}: {value}" for key, value in others.items()]
    return f"{name}\n\n{markdown(rows)}\n\n" + "\n".join(said)


if __name__ == "__main__":
    sys.exit(not main())
