"""What the runner takes: tasks a second, starts, processor time, claims.

    .venv/bin/python benchmarks/runner.py [--quick] [--database postgres://USER@HOST/DB]

Prints a Markdown table and then JSON with every single measurement. What the rows
mean is in README.md.
"""

import json
import os
import random
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from statistics import median, quantiles
from threading import Thread

import psutil
from clients import LIMIT_SECONDS, Clients, Figures
from rows import (
    Row,
    built,
    environment,
    markdown,
    measure,
    middle,
    number,
    options,
    report,
)
from rows import values as values_of
from servers import HERE, Product, allow_many_files, end_in_order_on_signals

TYPES = """
[true]
title = "True"
description = "The shortest task that there is"
[[true.steps]]
name = "true"
command = ["true"]
"""
AT_A_TIME = 8
LINES_PER_SECOND = 10  # of each of many tasks
NEVER_ENDS = 100_000_000  # lines; cancelled before
# PostgreSQL's processes that work for all its databases.
SHARED_BACKENDS = ("walwriter", "checkpointer", "background writer")


@dataclass(frozen=True)
class Sizes:
    rounds: int
    tasks: int
    starts: int
    at_once: int
    viewers: int
    busy_seconds: int
    idle_seconds: int
    finished: int
    behind_a_lock: int
    claims: int


FULL = Sizes(
    rounds=3,
    tasks=1000,
    starts=50,
    at_once=200,
    viewers=20,
    busy_seconds=15,
    idle_seconds=30,
    finished=1_000_000,
    behind_a_lock=10_000,
    claims=200,
)
QUICK = Sizes(
    rounds=1,
    tasks=200,
    starts=10,
    at_once=50,
    viewers=5,
    busy_seconds=5,
    idle_seconds=10,
    finished=50_000,
    behind_a_lock=1000,
    claims=50,
)


class Bench:
    """One run: the sizes, the load client and the measured program."""

    def __init__(self, sizes: Sizes, load: Path, emit: Path) -> None:
        self.sizes, self._load, self._emit = sizes, load, emit

    def recover(self, server: Product) -> None:
        """After a failure: nothing of the failed row goes on."""
        server.stop_runner()
        cancel(server, unfinished(server))
        server.start_runner()
        wait_until(lambda: not unfinished(server), "all tasks to end")
        server.restart()

    def throughput(self, server: Product) -> Figures:
        """Tasks that wait already, and how fast they are through."""
        bare = bare_rate(self.sizes.tasks)
        server.stop_runner()
        tasks = {server.submit("true") for _ in range(self.sizes.tasks)}
        server.renew_runner("--concurrency", str(AT_A_TIME))
        wait_until(lambda: not unfinished(server), "all tasks to end")
        ended = [task for task in newest(server, len(tasks)) if task["id"] in tasks]
        if [task["status"] for task in ended] != ["completed"] * len(tasks):
            raise RuntimeError(f"{server.name}: not all tasks have completed.")
        first = min(moment(task["startedAt"]) for task in ended)
        last = max(moment(task["completedAt"]) for task in ended)
        rate = len(ended) / (last - first)
        return {"tasks/s": rate, "bare Python/s": bare, "× bare": rate / bare}

    def start(self, server: Product) -> Figures:
        """From sending the POST to the program's first own statement, with nothing
        else to do."""
        server.renew_runner("--concurrency", str(AT_A_TIME))
        taken = []
        for _ in range(self.sizes.starts):
            posted = time.time()
            task_id = server.create(1, every=1)
            server.wait_for(task_id, LIMIT_SECONDS)
            taken.append(1000 * (said_at(server, task_id) - posted))
            time.sleep(random.uniform(0, 0.1))  # in step with no clock of the product
        return spread(taken)

    def many_at_once(self, server: Product) -> Figures:
        """The processor time of everybody but the tasks' own programs."""
        sizes = self.sizes
        server.renew_runner("--concurrency", str(sizes.at_once))
        every = 1_000_000 // LINES_PER_SECOND
        tasks = [server.create(NEVER_ENDS, every) for _ in range(sizes.at_once)]
        try:
            wait_until(lambda: all_speak(server, tasks), "all tasks to print")
            alone = self._busy(server)
            with ExitStack() as stack:
                watched = tasks[: sizes.viewers]
                viewers = [
                    stack.enter_context(Clients(self._load, server, task_id, 1))
                    for task_id in watched
                ]
                for viewer in viewers:
                    viewer.wait_until_open()
                beside = self._busy(server)
                cancel(server, watched)
                for viewer in viewers:
                    viewer.report()
        finally:
            cancel(server, tasks)
            wait_until(lambda: not unfinished(server), "all tasks to end")
        return {
            **alone,
            "cores, watched": beside["cores"],
            **{f"watched: {name}": value for name, value in beside.items()},
        }

    def _busy(self, server: Product) -> Figures:
        lines = log_count(server)
        with counting(server, self._emit) as used:
            time.sleep(self.sizes.busy_seconds)
        seconds = used.pop("seconds")
        cores = {f"cores of {name}": value / seconds for name, value in used.items()}
        rate = (log_count(server) - lines) / seconds
        return {"cores": sum(cores.values()), "lines/s": rate, **cores}

    def idle(self, server: Product) -> Figures:
        server.renew_runner("--concurrency", str(AT_A_TIME))
        task_id = server.submit("true")  # it has done something before
        server.wait_for(task_id, LIMIT_SECONDS)
        with counting(server, self._emit) as used:
            time.sleep(self.sizes.idle_seconds)
        seconds = used.pop("seconds")
        own = used["runner"] + used["helpers"]
        return {
            "% of a core": 100 * own / seconds,
            "with web and database %": 100 * sum(used.values()) / seconds,
        }

    def claims(self, server: Product, behind_a_lock: int) -> Figures:
        """Of a table with a long history."""
        sizes = self.sizes
        server.stop_runner()
        numbers = (sizes.finished, behind_a_lock, sizes.claims)
        said = subprocess.run(
            [sys.executable, HERE / "claims.py", *map(str, numbers)],
            env=server.env,
            stdout=subprocess.PIPE,
            check=False,
        )
        server.start_runner()
        if said.returncode:
            raise RuntimeError(f"{server.name}: claims.py has failed.")
        return spread(json.loads(said.stdout))

    def webhook(self, server: Product) -> Figures:
        """From a task's end to the arrival of its message, one after the other."""
        arrived: SimpleQueue[tuple[float, dict]] = SimpleQueue()

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                came = time.time()
                body = self.rfile.read(int(self.headers["Content-Length"]))
                arrived.put((came, json.loads(body)["data"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        Thread(target=receiver.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{receiver.server_port}/"
        made = server.post("/api/webhooks", {"url": url, "events": ["task.completed"]})
        time.sleep(2)  # the runner has seen that there is one
        taken = []
        for _ in range(self.sizes.starts):
            server.post("/api/tasks/true", {})
            came, task = arrived.get(timeout=LIMIT_SECONDS)
            taken.append(1000 * (came - moment(task["completedAt"])))
        server.post(f"/api/webhooks/{made['id']}/disable")
        receiver.shutdown()
        receiver.server_close()
        return {**spread(taken), "max ms": max(taken)}

    def rows(self) -> list[Row]:
        sizes = self.sizes
        finished = f"{sizes.finished:,} finished tasks"
        spread_shown = ("median ms", "p95 ms")
        return [
            Row(
                "a",
                f"{sizes.tasks:,} tasks of `true`, {AT_A_TIME} at a time",
                ("tasks/s", "bare Python/s", "× bare"),
                self.throughput,
            ),
            Row("b", "POST to the program's start", spread_shown, self.start),
            Row(
                "c",
                f"{sizes.at_once} tasks of {LINES_PER_SECOND} lines/s at once",
                ("cores", "cores, watched", "lines/s", "watched: lines/s"),
                self.many_at_once,
            ),
            Row(
                "d",
                f"an idle runner, {sizes.idle_seconds} s",
                ("% of a core", "with web and database %"),
                self.idle,
                is_steady=True,
            ),
            Row(
                "g",
                "a task's end to its webhook's arrival",
                (*spread_shown, "max ms"),
                self.webhook,
            ),
            Row(
                "e",
                f"a claim beside {finished}",
                spread_shown,
                lambda server: self.claims(server, 0),
                is_steady=True,
            ),
            Row(
                "f",
                f"... and {sizes.behind_a_lock:,} behind a held lock",
                spread_shown,
                lambda server: self.claims(server, sizes.behind_a_lock),
                is_steady=True,
            ),
        ]


# What is asked of the product, by figure: (row, figure) to a text for the table.
GOALS = {
    ("a", "tasks/s"): "≥ 60, PostgreSQL ≥ 100",
    ("b", "median ms"): "≤ 20",
    ("c", "cores"): "< 1",
    ("c", "cores, watched"): "< 1",
    ("d", "% of a core"): "≤ 1",
    ("g", "max ms"): "≤ 1,000",
    ("e", "median ms"): "≤ 5",
    ("f", "median ms"): "≤ 5",
}


# --- What is measured -----------------------------------------------------------------


def bare_rate(count: int) -> float:
    """`true` a second by a plain loop that reads both pipes of 8 at a time to their
    end, and does nothing else."""
    selector = selectors.DefaultSelector()
    left, going, open_pipes = count, {}, {}
    started = time.monotonic()
    while left or going:
        while left and len(going) < AT_A_TIME:
            left -= 1
            child = subprocess.Popen(
                ["true"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
            )
            going[child.pid], open_pipes[child.pid] = child, 2
            for pipe in (child.stdout, child.stderr):
                selector.register(pipe, selectors.EVENT_READ, child.pid)
        for key, _ in selector.select():
            if key.fileobj.read(65536):
                continue
            selector.unregister(key.fileobj)
            key.fileobj.close()
            open_pipes[key.data] -= 1
            if not open_pipes[key.data]:
                going.pop(key.data).wait()
    selector.close()
    return count / (time.monotonic() - started)


def said_at(server: Product, task_id: str) -> float:
    """When the task's program looked at the clock, in seconds since 1970."""
    with server.get(f"/api/tasks/{task_id}/logs?level=stdout") as answer:
        (line,) = json.load(answer)["logs"]
    return int(line["message"].split()[0].removeprefix("t=")) / 1e6


@contextmanager
def counting(server: Product, emit: Path) -> Iterator[Figures]:
    """Processor seconds within the block: of runner, web and database, of the
    runner's helper processes, but not of the tasks' programs. And ``seconds``."""
    used: Figures = {}
    before, started = cpu_seconds(server, emit), time.monotonic()
    yield used
    used["seconds"] = time.monotonic() - started
    after = cpu_seconds(server, emit)
    for name, processes in after.items():
        used[name] = sum(
            seconds - before[name].get(pid, 0.0) for pid, seconds in processes.items()
        )


def cpu_seconds(server: Product, emit: Path) -> dict[str, dict[int, float]]:
    """By kind and process id, since the process's start."""
    runner = psutil.Process(server.processes["runner"].pid)
    helpers = [one for one in runner.children(recursive=True) if not runs(one, emit)]
    used = {
        "runner": exact_seconds([runner.pid]),
        "helpers": exact_seconds([helper.pid for helper in helpers]),
        "web": exact_seconds([server.web_process.pid]),
    }
    if server.database_url:
        used["database"] = exact_seconds(database_pids(server))
    return used


def runs(process: psutil.Process, program: Path) -> bool:
    with suppress(psutil.Error):
        return process.exe() == str(program)
    return False


def database_pids(server: Product) -> list[int]:
    """PostgreSQL's processes for this database, and those that it has for all."""
    found = []
    name = server.database_url.rpartition("/")[2]
    for process in psutil.process_iter(["cmdline"]):
        title = " ".join(process.info["cmdline"] or [])
        is_shared = title.startswith("postgres: ") and any(
            kind in title for kind in SHARED_BACKENDS
        )
        if name in title or is_shared:
            found.append(process.pid)
    return found


def exact_seconds(pids: Iterable[int]) -> dict[int, float]:
    """Processor seconds of each that is there, by the scheduler's count: the usual
    one is in hundredths, too coarse for hundreds of helpers that do next to nothing."""
    used = {}
    for pid in pids:
        with suppress(OSError):
            threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
            nanoseconds = sum(int(one.read_text().split()[0]) for one in threads)
            used[pid] = nanoseconds / 1e9
    return used


def spread(taken: list[float]) -> Figures:
    return {
        "median ms": median(taken),
        "p95 ms": quantiles(taken, n=20, method="inclusive")[-1],
        "max ms": max(taken),
    }


# --- What is asked of the product -----------------------------------------------------


def newest(server: Product, count: int, query: str = "") -> list[dict]:
    """The newest tasks, over as many pages as it takes."""
    found, path = [], f"/api/tasks?limit=100{query}"
    while path and len(found) < count:
        with server.get(path) as answer:
            page = json.load(answer)
        found += page["tasks"]
        path = page["next"] and page["next"].partition(f":{server.port}")[2]
    return found


def unfinished(server: Product) -> list[str]:
    tasks = newest(server, sys.maxsize, "&status=pending,running")
    return [task["id"] for task in tasks]


def all_speak(server: Product, tasks: list[str]) -> bool:
    running = newest(server, sys.maxsize, "&status=running")
    speaking = {task["id"] for task in running if task["logCount"] > 1}
    return speaking >= set(tasks)


def log_count(server: Product) -> int:
    running = newest(server, sys.maxsize, "&status=running")
    return sum(task["logCount"] for task in running)


def cancel(server: Product, tasks: Iterable[str]) -> None:
    for task_id in tasks:
        with suppress(RuntimeError):  # it has ended meanwhile
            server.post(f"/api/tasks/{task_id}/cancel")


def moment(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


def wait_until(condition, what: str) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"Waited {LIMIT_SECONDS} s in vain for {what}.")
        time.sleep(0.5)


# --- The run --------------------------------------------------------------------------


def table(rows: list[Row], servers: list[Product], measured: list[dict]) -> str:
    """Medians over the rounds."""
    names = [server.name for server in servers]
    lines = [["", "", "goal", *names], ["---"] * 3 + ["---:"] * len(names)]
    for row in rows:
        for figure in row.shown:
            title = f"({row.key}) {row.title}" if figure == row.shown[0] else ""
            cells = [title, figure, GOALS.get((row.key, figure), "")]
            for name in names:
                found = values_of(measured, row.key, name, figure)
                cells.append(middle(list(found.values()), number))
            lines.append(cells)
    return markdown(lines)


def run(rows: str, sizes: Sizes, steady_rounds: int, databases: list[str]) -> bool:
    """Measure and print; whether all went well."""
    allow_many_files()
    with ExitStack() as stack:
        # Its path is short because sockets will be in it.
        folder = Path(tempfile.mkdtemp(prefix="bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        emit = built(folder, "emit")
        bench = Bench(sizes, built(folder, "load"), emit)
        servers = []
        for index, database in enumerate(databases):
            own = folder / str(index)
            own.mkdir()
            product = Product(own, emit, database, TYPES)
            servers.append(stack.enter_context(product))
        chosen = [row for row in bench.rows() if not rows or row.key in rows]
        before = os.getloadavg()[0]
        measured = measure(chosen, servers, sizes.rounds, steady_rounds, bench.recover)
        facts = environment(databases[-1])
        facts["load before, after"] = f"{before:.1f}, {os.getloadavg()[0]:.1f}"
        shown = table(chosen, servers, measured)
        return report(shown, measured, facts, asdict(sizes))


def main() -> None:
    servers = "sqlite, or the URL of a PostgreSQL server to measure beside it"
    chosen = options(__doc__ or "", "a to g", "d, e and f", servers)
    sizes = QUICK if chosen.quick else FULL
    if chosen.rounds:
        sizes = replace(sizes, rounds=chosen.rounds)
    others = [] if chosen.database in ("", "sqlite") else [chosen.database]
    end_in_order_on_signals()
    try:
        is_well = run(chosen.rows, sizes, chosen.rounds or 1, ["", *others])
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
