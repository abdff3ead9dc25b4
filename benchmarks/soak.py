"""The whole product under mixed work for hours: does anything grow, is anything lost?

    .venv/bin/python benchmarks/soak.py [--minutes 120] [--database sqlite|postgres]

Prints Markdown tables; the exit code is 1 when one of the verdicts is bad. What they
mean is in README.md.
"""

import argparse
import hashlib
import json
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import psutil
import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from chaos import Watcher
from rows import markdown
from servers import end_in_order_on_signals

from tests.e2e.cluster import Cluster
from tests.e2e.conftest import Service
from tests.e2e.viewers import assert_exact

TYPES = """
[quick]
[[quick.steps]]
command = ["echo", "done"]
[chatty]
[[chatty.steps]]
command = ["sh", "-c", "for i in 1 2 3 4; do seq 500; sleep 0.1; done"]
[steady]
lock = "steady"
lock_order = "fifo"
[[steady.steps]]
command = ["sh", "-c", "for i in $(seq 20); do echo line $i; sleep 0.1; done"]
[asks]
approvers = ["admin"]
[[asks.steps]]
command = ["echo", "plan"]
[[asks.steps]]
approval = {by = ["admin"], not_self = false}
[[asks.steps]]
command = ["echo", "done"]
[timed]
[[timed.schedules]]
cron = "* * * * *"
[[timed.steps]]
command = ["echo", "on time"]
"""
WEIGHTS = {"quick": 5, "chatty": 3, "steady": 2, "asks": 1}
# By seconds: what happens how often.
EVERY = {
    "submit": (0.2, 0.8),
    "cancel": (5, 15),
    "decide": (1, 3),
    "restart": (45, 75),
    "search": (2, 6),
    "read_again": (1, 3),
}
MOST_OPEN, MOST_VIEWERS = 30, 20
KEPT_TASKS = 600
PACK_AFTER_SECONDS = 60  # a task is packed a minute or two before it is deleted
# As if the update that brought the packing were two days ago: it rests for one.
LET_PACKING_BEGIN = """
from datetime import timedelta
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import F
MigrationRecorder.Migration.objects.update(applied=F("applied") - timedelta(days=2))
"""
COUNT_PACKED = """
from tasks.models import LogBlock
print(len(set(LogBlock.objects.values_list("task_id", flat=True))))
"""
DRAIN_SECONDS, CALM_SECONDS = 60, 120
SAMPLE_SECONDS = 15
SERVER = """
SELECT count(*), pg_database_size(current_database()) FROM pg_stat_activity
WHERE datname IS NOT NULL AND pid <> pg_backend_pid()
"""
# What stays (web-1, runner-1) is measured; its neighbours are restarted all the while.
MEASURED = ("web-1", "runner-1")
RESTARTED = ("web-2", "runner-2")
# The last quarter may have so much more than the second: pools and caches fill.
MAY_GROW, MAY_GROW_MB, MAY_GROW_COUNT = 1.1, 8, 6
SHOWN = 10


@dataclass
class Run:
    """One run: what was done, what was measured, and what must not be."""

    service: Service
    server: Callable[[], tuple[int, int]]
    dice: random.Random
    watched: dict[str, list[Watcher]] = field(default_factory=dict)
    # Tasks whose log was found to be right, with its digest: packed later on.
    compared: dict[str, str] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    samples: dict[str, list[float]] = field(default_factory=dict)
    is_over: threading.Event = field(default_factory=threading.Event)
    # A task is looked at by whoever finds all its viewers at their end.
    lock: threading.Lock = field(default_factory=threading.Lock)

    # --- The product ------------------------------------------------------------------

    def start(self, name: str) -> None:
        options = ("--concurrency", "8", "--drain", str(DRAIN_SECONDS))
        self.service.start(name, *(options if name.startswith("runner") else ()))

    def ask(self, method: str, path: str, **options) -> dict:
        """Return an answer, which has to be one on the first try, whoever restarts."""
        answer = self.service.request(method, path, **options)
        if answer.status_code >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def tasks(self, **query: str) -> list[dict]:
        parameters = {"limit": "100", **query}
        return self.ask("GET", "/api/tasks", params=parameters)["tasks"]

    # --- What happens all the while ---------------------------------------------------

    def go_on(self, seconds: float) -> None:
        threads = [
            threading.Thread(target=self._again_and_again, args=(name,), daemon=True)
            for name in EVERY
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._sample()
            self._look_at_what_ended()
            time.sleep(SAMPLE_SECONDS)
            print(dict(self.done), len(self.bad), "bad", file=sys.stderr)
        self.is_over.set()
        for thread in threads:
            thread.join()
        self._come_to_the_end()

    def _again_and_again(self, name: str) -> None:
        act, between = getattr(self, f"_{name}"), EVERY[name]
        while not self.is_over.wait(self.dice.uniform(*between)):
            self._try(name, act)

    def _try(self, name: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 (a verdict, at the end)
            self._complain(f"{name}: {error!r}")

    def _complain(self, text: str) -> None:
        self.bad.append(f"{time.strftime('%H:%M:%S')} {text}"[:500])
        print(self.bad[-1], file=sys.stderr)

    def _submit(self) -> None:
        waiting = self.ask("GET", "/api/queue")
        if waiting["pending"] + waiting["running"] >= MOST_OPEN:
            return
        (kind,) = self.dice.choices(list(WEIGHTS), list(WEIGHTS.values()))
        task_id = self.ask("POST", f"/api/tasks/{kind}", json={})["taskId"]
        self.done["tasks"] += 1
        viewers = [self._viewer(task_id) for _ in range(self.dice.randrange(3))]
        with self.lock:
            watching = sum(map(len, self.watched.values()))
            viewers = viewers[: max(0, MOST_VIEWERS - watching)]
            self.watched[task_id] = viewers
        for viewer in viewers:
            viewer.watch_in_thread()

    def _viewer(self, task_id: str) -> Watcher:
        def most_bytes() -> float:
            is_cut = self.dice.random() < 0.3 and not self.is_over.is_set()
            return self.dice.randrange(100, 50_000) if is_cut else inf

        self.done["viewers"] += 1
        return Watcher(self.service, task_id, most_bytes=most_bytes)

    def _cancel(self) -> None:
        found = self.tasks(status="pending,running")
        if found:
            self._ask_of(self.dice.choice(found), "cancel", "cancels")

    def _decide(self) -> None:
        for task in self.tasks(status="blocked"):
            verb = "reject" if self.dice.random() < 0.2 else "approve"
            self._ask_of(task, verb, "decisions")

    def _ask_of(self, task: dict, verb: str, counted: str) -> None:
        path = f"/api/tasks/{task['id']}/{verb}"
        answer = self.service.request("POST", path, json={})
        if answer.status_code >= 300 and answer.status_code != 409:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
        self.done[counted] += answer.status_code != 409  # it ended meanwhile

    def _restart(self) -> None:
        """In order, as an update does: it ends what it began, and is started anew."""
        name = RESTARTED[self.done["restarts"] % len(RESTARTED)]
        process = self.service.processes.pop(name)
        process.terminate()
        process.wait(2 * DRAIN_SECONDS)
        self.start(name)
        self.done["restarts"] += 1

    def _search(self) -> None:
        """Read as people do: the history, a search in it, metrics, the pages."""
        self.tasks(q="line 1")
        for path in ("/metrics", "/api/schedules", "/api/statistics"):
            status = self.service.request("GET", path).status_code
            if status not in {200, 404}:
                raise RuntimeError(f"{path}: {status}")
        self.done["readings"] += 1

    def _read_again(self) -> None:
        """A log, packed by now or not, is what it was, or deleted as a whole."""
        with self.lock:
            if not self.compared:
                return
            task_id = self.dice.choice(list(self.compared))
            digest = self.compared[task_id]
        with suppress(KeyError):  # deleted while it was read
            if digest_of(self.service.lines(task_id)) == digest:
                self.done["logs read again"] += 1
                return
        if self.service.request("GET", f"/api/tasks/{task_id}").status_code != 404:
            raise RuntimeError(f"{task_id}: its log has changed")
        with self.lock:
            self.compared.pop(task_id, None)

    # --- What came of it --------------------------------------------------------------

    def _look_at_what_ended(self) -> None:
        """Compare each viewer of an ended task with its log, before it is deleted."""
        with self.lock:
            ended = {
                task_id: viewers
                for task_id, viewers in self.watched.items()
                if viewers
                and all(one.end or one.gone or one.failure for one in viewers)
            }
            for task_id in ended:
                del self.watched[task_id]
        for task_id, viewers in ended.items():
            try:
                for viewer in viewers:
                    if viewer.failure is not None:
                        raise viewer.failure
                lines = assert_exact(self.service, task_id, *viewers)
            except Exception as error:  # noqa: BLE001 (that is the verdict)
                self._complain(f"{task_id}: {error!r}")
            else:
                with self.lock:
                    self.compared[task_id] = digest_of(lines)
                    if len(self.compared) > KEPT_TASKS // 2:
                        del self.compared[next(iter(self.compared))]
                self.done["logs compared"] += 1
                self.done["lines compared"] += len(viewers) * len(lines)

    def _come_to_the_end(self) -> None:
        deadline = time.monotonic() + CALM_SECONDS
        while time.monotonic() < deadline:
            self._try("decide", self._decide)
            if not self.tasks(status="pending,running,blocked"):
                break
            time.sleep(0.5)
        open_ids = [x["id"] for x in self.tasks(status="pending,running,blocked")]
        self.bad += [f"{task_id} has not ended" for task_id in open_ids]
        time.sleep(1)
        self._look_at_what_ended()
        with self.lock:
            left = [task_id for task_id, viewers in self.watched.items() if viewers]
        self.bad += [f"{task_id}: a viewer has no end" for task_id in left]
        failed = self.tasks(status="failed")
        self.bad += [f"{task['id']} failed: {task['error']}" for task in failed]
        runs = self.tasks(type="timed")
        minutes = Counter(task["createdAt"][:16] for task in runs)
        self.bad += [f"{n} runs at {at}" for at, n in minutes.items() if n > 1]
        self.done["scheduled runs kept"] = len(runs)
        self.done["packed logs kept"] = int(
            self.service.manage("shell", "-c", COUNT_PACKED).stdout.split()[-1]
        )
        if not self.done["packed logs kept"]:
            self.bad.append("nothing was packed")

    # --- What it has ------------------------------------------------------------------

    def _sample(self) -> None:
        for name in MEASURED:
            process = psutil.Process(self.service.processes[name].pid)
            self._add(f"{name}: memory, MB", process.memory_info().rss / 1e6)
            self._add(f"{name}: descriptors", process.num_fds())
            self._add(f"{name}: threads", process.num_threads())
            self._add(f"{name}: processes below", len(process.children(recursive=True)))
        connections, size = self.server()
        self._add("PostgreSQL's connections", connections)
        self._add("PostgreSQL's database, MB", size / 1e6)
        sizes = {
            path: path.stat().st_size
            for path in self.service.data_dir.rglob("*")
            if path.is_file() and not path.is_symlink()
        }
        database = [n for path, n in sizes.items() if path.name.startswith("db.")]
        self._add("SQLite's files, MB", sum(database) / 1e6)
        self._add("all files, MB", sum(sizes.values()) / 1e6)
        self._add("files", len(sizes))

    def _add(self, what: str, value: float) -> None:
        self.samples.setdefault(what, []).append(value)

    def growth(self) -> tuple[list[list[str]], list[str]]:
        """Return the rows of medians by quarter, and what grew."""
        rows, grown = [], []
        for what, values in self.samples.items():
            size = max(1, len(values) // 4)
            quarters = [values[at : at + size] for at in range(0, 4 * size, size)]
            medians = [statistics.median(one) for one in quarters if one]
            slack = MAY_GROW_MB if what.endswith("MB") else MAY_GROW_COUNT
            is_flat = medians[-1] <= medians[len(medians) // 2 - 1] * MAY_GROW + slack
            verdict = "flat" if is_flat else "**grew**"
            rows.append([what, *(f"{one:,.1f}" for one in medians), verdict])
            if not is_flat:
                grown.append(what)
        return rows, grown


def digest_of(lines: list[dict]) -> str:
    return hashlib.sha256(json.dumps(lines, sort_keys=True).encode()).hexdigest()


# --- The run --------------------------------------------------------------------------


def run(minutes: float, database: str, seed: int) -> bool:
    """Return whether nothing grew and nothing was lost."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = None
        if database == "postgres":
            cluster = Cluster(connections=60, env={})
            stack.callback(cluster.remove)
        service = Service(
            folder,
            cluster.url if cluster else "",
            RATE_LIMIT_CREATE="0",
            RATE_LIMIT_READ="0",
            TASK_RETENTION=str(KEPT_TASKS),
            PACK_AFTER=str(PACK_AFTER_SECONDS),
            WEB_PROCESSES="2",
        )
        stack.callback(service.stop)
        Path(service.env["TASK_TYPES_FILE"]).write_text(TYPES)
        service.prepare()
        service.manage("migrate")
        service.manage("shell", "-c", LET_PACKING_BEGIN)

        def server() -> tuple[int, int]:
            """Its connections, and the database's size in bytes."""
            if cluster is None:
                return 0, 0
            with psycopg.connect(cluster.url) as connection:
                row = connection.execute(SERVER).fetchone()
            assert row
            return row[0], row[1]

        found = Run(service, server, random.Random(seed))
        for name in (*MEASURED, *RESTARTED):
            found.start(name)
        service.wait_healthy()
        found.go_on(60 * minutes)
    rows, grown = found.growth()
    happened = [["", ""], ["---", "---:"]]
    happened += [[what, f"{n:,}"] for what, n in sorted(found.done.items())]
    quarters = ["1st quarter", "2nd", "3rd", "4th"]
    head = [["median of", *quarters, ""], ["---", *4 * ["---:"], "---"]]
    print(f"{database}, {minutes:g} minutes, seed {seed}:\n")
    print(markdown(happened), markdown([*head, *rows]), sep="\n\n")
    print(f"\nLost, doubled, stuck or refused: {len(found.bad)}.")
    for example in found.bad[:SHOWN]:
        print(f"\n- {example}")
    return not (found.bad or grown)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=120, help="of work (120)")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    end_in_order_on_signals()
    try:
        is_well = run(options.minutes, options.database, options.seed)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
