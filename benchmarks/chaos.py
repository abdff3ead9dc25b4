"""The whole product while whatever can die is killed, and what it stands on fails for a
while: is anything stuck, lost, torn, doubled, or failed without need?

    .venv/bin/python benchmarks/chaos.py [--minutes 10] [--database sqlite|postgres]
                                         [--web 2] [--seed N]

Prints Markdown tables; the exit code is 1 when one of the verdicts is bad. What they
mean is in README.md.
"""

import argparse
import os
import random
import re
import shutil
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPException
from itertools import zip_longest
from math import inf
from pathlib import Path
from subprocess import SubprocessError

import psutil
import psycopg
import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from faults import Disk, WallClock, may_mount, stopped, trees, write_lock
from rows import markdown
from servers import end_in_order_on_signals

from tests.e2e.cluster import Cluster
from tests.e2e.conftest import Service
from tests.e2e.viewers import RETURN_SECONDS, Viewer, assert_exact

RUNNERS, AT_A_TIME = 2, 8
MOST_OPEN = 30  # tasks that wait or run: more would only make the calm end longer
MOST_VIEWERS = 20
BETWEEN_TASKS, BETWEEN_CANCELS, BETWEEN_KILLS = (0.1, 0.5), (0.5, 3.0), (2.0, 6.0)
BETWEEN_FAULTS = (3.0, 8.0)
# How long a fault lasts, and by how much the clock is wrong, in seconds.
LOCKED, ABSENT, FULL, FROZEN, SUSPENDED = (1, 5, 15, 30), (3, 15, 40), (1, 3, 8), 5, 20
CLOCK_OFFSETS = (-3_600, -60, -14, 0, 14, 60, 3_600)
CONNECTIONS = 60  # of two runners and several web processes, also while they restart
CALM_SECONDS = 180  # for everything to end, once nothing is killed any more
# What was shown, but is not on PostgreSQL's disk yet, only the runner has: without both
# it is lost (docs/decisions/0009). So they don't die at once, but so far apart: a crash
# comes so long after a runner's death, a runner's death so long after a crash.
CRASH_AFTER_SECONDS, DEATH_AFTER_SECONDS = 1, 8
LEAVE_SECONDS = 5  # for processes of a task that has ended
TREE_SECONDS = 60  # until we stop looking for what a killed runner has left
SHOWN = 10  # examples of each bad verdict
# How often each type comes. {record}: a line in a file for each run.
WEIGHTS = {
    "quick": 6,
    "chatty": 3,
    "steady": 3,
    "locked": 3,
    "repeatable": 2,
    "stubborn": 1,
    "late": 1,
}
TYPE = """
[{name}]
title = "{name}"
{keys}
[[{name}.steps]]
name = "{name}"
env = {{ CHAOS_MARK = "{mark}" }}
command = ["sh", "-c", '''echo $0 >> $1
{script}
''', "{{task_id}}", "{ran}"]
"""
STEADILY = "for i in $(seq 20); do echo line $i; sleep 0.2; done"
SCRIPTS = {
    "quick": ("", "echo $0"),
    "chatty": ("", "for i in $(seq 5); do seq 1000; sleep 0.1; done"),
    "steady": ("", STEADILY),
    "locked": ('lock = "the one"', "echo in; sleep 0.3; echo out"),
    "repeatable": ("idempotent = true", STEADILY),
    # Two in sessions of their own: one holds the pipes, and none heeds SIGTERM.
    "stubborn": (
        "",
        """trap "" TERM
setsid sleep 1000 &
setsid sleep 1000 > /dev/null 2>&1 &
for i in $(seq 30); do echo line $i; sleep 0.1; done""",
    ),
    "late": ('timeout = "1s"', "echo waiting; sleep 1000"),
}
RUNNER_DIED = re.compile(r"The runner (\S+) stopped at about ")
# What these print, as often as they are allowed to end by themselves.
PRINTED = {
    "chatty": [str(number) for number in range(1, 1_001)] * 5,
    "steady": [f"line {number}" for number in range(1, 21)],
    "locked": ["in", "out"],
}


class Watcher(Viewer):
    """A viewer that also comes back to a server that is not there at the end."""

    def watch(self) -> None:
        while not (self.end or self.gone or self.is_called_off):
            try:
                self.visit()
            except (OSError, HTTPException):
                self.cuts += 1
            time.sleep(RETURN_SECONDS)

    def watch_in_thread(self) -> threading.Thread:
        def watch() -> None:
            try:
                self.watch()
            except BaseException as failure:  # noqa: BLE001 (a verdict, at the end)
                self.failure = failure

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        return thread


@dataclass
class Verdict:
    """What must not be, and which examples of it there are."""

    title: str
    bad: list[str] = field(default_factory=list)


class Chaos:
    """One run. Everything that happens is counted here."""

    def __init__(
        self,
        service: Service,
        web: int,
        cluster: Cluster | None,
        seed: int,
        clock: WallClock,
        disk: Disk | None,
    ) -> None:
        self.service, self.cluster, self._seed = service, cluster, seed
        self.clock, self.disk = clock, disk
        self.mark = service.data_dir.name
        # Not on the disk that is full at times: what the programs do is not judged.
        self.ran = Path(tempfile.mkstemp(prefix="chaos-ran-")[1])
        self.webs = [f"web-{number}" for number in range(1, web + 1)]
        self.runners = [f"runner-{number}" for number in range(1, RUNNERS + 1)]
        self.tasks: dict[str, str] = {}  # id to type
        self.viewers: dict[str, list[Watcher]] = {}
        self.threads: list[threading.Thread] = []
        self.kills: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._cluster_lock = threading.Lock()  # one thing at a time happens to it
        # Whoever is started while all stand still would see others stand still.
        self._processes_lock = threading.Lock()
        self.cancels: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.own_ends: Counter[str] = Counter()
        self.failures: list[str] = []
        self.killed_at: dict[str, float] = {}  # a runner's name to seconds since 1970
        self.trees_gone: list[float] = []  # seconds from the kill on
        self.trees_left: list[str] = []
        self._is_calm = threading.Event()
        self._starts = 0
        self._crashed = self._died = -inf  # PostgreSQL, and a runner (monotonic)

    # --- The product ----------------------------------------------------------------

    def write_types(self) -> None:
        types = Path(self.service.env["TASK_TYPES_FILE"])
        types.write_text(
            "".join(
                TYPE.format(
                    name=name, keys=keys, script=script, mark=self.mark, ran=self.ran
                )
                for name, (keys, script) in SCRIPTS.items()
            )
        )

    def start(self) -> None:
        for name in (*self.webs, *self.runners):
            self._start(name)
        self.service.wait_healthy()

    def _start(self, name: str) -> None:
        self._starts += 1
        given = ("--concurrency", str(AT_A_TIME), "--name", f"{name}.{self._starts}")
        self.service.start(name, *(given if name in self.runners else ()))

    def _name_of(self, runner: str) -> str:
        words = self.service.processes[runner].args
        return str(words[-1])

    def ask(self, method: str, path: str, **options) -> requests.Response:
        """An answer that is no complaint of the server's, however long it takes."""
        deadline = time.monotonic() + CALM_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = self.service.request(method, path, **options)
            except requests.RequestException:
                self.refusals["no connection"] += 1
            else:
                if answer.status_code < 500:
                    return answer
                self.refusals[f"status {answer.status_code}"] += 1
            time.sleep(0.1)
        raise TimeoutError(f"No answer to {method} {path} in {CALM_SECONDS} s.")

    def open_tasks(self) -> list[str]:
        """Those that wait or run, newest first."""
        query = "/api/tasks?status=pending,running&limit=100"
        return [task["id"] for task in self.ask("GET", query).json()["tasks"]]

    # --- What happens all the while -------------------------------------------------

    def rage(self, seconds: float) -> None:
        everything = (self._submit, self._cancel, self._kill, self._fail)
        ranges = (BETWEEN_TASKS, BETWEEN_CANCELS, BETWEEN_KILLS, BETWEEN_FAULTS)
        threads = [
            threading.Thread(
                target=self._again_and_again,
                args=(act, between, random.Random(f"{self._seed} {act.__name__}")),
                daemon=True,
            )
            for act, between in zip(everything, ranges, strict=True)
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._is_calm.wait(min(15, left))
            print(self._so_far(), file=sys.stderr)
        self._is_calm.set()
        for thread in threads:
            thread.join()
        self.clock.step_to(0)

    def _so_far(self) -> str:
        runs = self.ran.read_text().count("\n") if self.ran.exists() else 0
        happened = f"kills: {dict(self.kills)}, faults: {dict(self.faults)}"
        return f"{len(self.tasks)} tasks, {runs} runs, {happened}"

    def _again_and_again(
        self,
        act: Callable[[random.Random], None],
        between: tuple[float, float],
        dice: random.Random,
    ) -> None:
        while not self._is_calm.wait(dice.uniform(*between)):
            try:
                act(dice)
            except Exception as error:  # noqa: BLE001 (a verdict, at the end)
                self.failures.append(f"{act.__name__}: {error!r}")

    def _submit(self, dice: random.Random) -> None:
        if len(self.open_tasks()) >= MOST_OPEN:
            return
        (kind,) = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))
        # Sent again after a cut it is still one task.
        key = {"Idempotency-Key": str(uuid.UUID(int=dice.getrandbits(128)))}
        answer = self.ask("POST", f"/api/tasks/{kind}", json={}, headers=key)
        if answer.status_code != 202:
            raise RuntimeError(answer.text)
        task_id = answer.json()["taskId"]
        self.tasks[task_id] = kind
        self.threads = [thread for thread in self.threads if thread.is_alive()]
        for _ in range(dice.randrange(3)):
            if len(self.threads) < MOST_VIEWERS:
                self._watch(task_id, random.Random(dice.random()))

    def _watch(self, task_id: str, dice: random.Random) -> None:
        def most_bytes() -> float:
            is_cut = dice.random() < 0.5 and not self._is_calm.is_set()
            return dice.randrange(100, 100_000) if is_cut else inf

        viewer = Watcher(self.service, task_id, most_bytes=most_bytes)
        self.viewers.setdefault(task_id, []).append(viewer)
        self.threads.append(viewer.watch_in_thread())

    def _cancel(self, dice: random.Random) -> None:
        if not (tasks := self.open_tasks()):
            return
        is_forced = dice.random() < 0.3
        path = f"/api/tasks/{dice.choice(tasks)}/cancel"
        answer = self.ask("POST", path, json={"force": True} if is_forced else {})
        if answer.status_code == 202:
            self.cancels["forced" if is_forced else "in order"] += 1
        elif answer.status_code == 409:
            self.cancels["too late"] += 1
        else:
            raise RuntimeError(f"{answer.status_code} {answer.text}")

    def _kill(self, dice: random.Random) -> None:
        with self._processes_lock:
            self._kill_one(dice)

    def _kill_one(self, dice: random.Random) -> None:
        self._start_what_has_ended()
        kinds = {self._kill_a_web: 2}
        now = time.monotonic()
        if now - self._crashed > DEATH_AFTER_SECONDS:
            kinds[self._kill_a_runner] = 6
        if self.cluster is not None and now - self._died > CRASH_AFTER_SECONDS:
            kinds |= {self._kill_a_backend: 1, self._crash_postgresql: 1}
        (act,) = dice.choices(list(kinds), list(kinds.values()))
        act(dice)

    def _start_what_has_ended(self) -> None:
        """As a supervisor does; it is not in order, and counted."""
        for name, process in list(self.service.processes.items()):
            if process.poll() is not None:
                output = (self.service.data_dir / f"{name}.out").read_text()
                last = output.strip().rpartition("\n")[2]
                self.own_ends[f"{name.partition('-')[0]}, {last[:80]}"] += 1
                self._start(name)

    def _kill_a_runner(self, dice: random.Random) -> None:
        name = dice.choice(self.runners)
        tree = psutil.Process(self.service.processes[name].pid).children(recursive=True)
        self.killed_at[self._name_of(name)] = time.time()
        self.service.kill(name)
        self.kills["runner"] += 1
        self._died = time.monotonic()
        threading.Thread(target=self._see_off, args=(tree,), daemon=True).start()
        self._is_calm.wait(dice.choice([0, 0, 1, 3]))
        self._start(name)

    def _see_off(self, tree: list[psutil.Process]) -> None:
        killed = time.monotonic()
        _, left = psutil.wait_procs(tree, TREE_SECONDS)
        self.trees_gone.append(time.monotonic() - killed)
        for process in left:
            with suppress(psutil.Error):
                self.trees_left.append(" ".join(process.cmdline()))

    def _kill_a_web(self, dice: random.Random) -> None:
        name = dice.choice(self.webs)
        self.service.kill(name)
        self.kills["web"] += 1
        self._start(name)

    def _kill_a_backend(self, _dice: random.Random) -> None:
        # It may be on its way up from the last time.
        with self._cluster_lock, suppress(psycopg.Error, psutil.Error):
            self.cluster.kill_a_backend()
            self.kills["PostgreSQL: a backend"] += 1
            self._crashed = time.monotonic()

    def _crash_postgresql(self, _dice: random.Random) -> None:
        with self._cluster_lock, suppress(SubprocessError):
            self.cluster.restart("immediate")
            self.kills["PostgreSQL: all of it"] += 1
            self._crashed = time.monotonic()

    # --- What fails for a while, and is then as it was ------------------------------

    def _fail(self, dice: random.Random) -> None:
        faults = [self._step_the_clock, self._freeze_a_web, self._suspend_everything]
        faults.append(self._freeze_a_runner)
        if self.disk is not None:
            faults.append(self._fill_the_disk)
        if self.cluster is None:
            faults.append(self._lock_sqlite)
        else:
            faults.append(self._take_postgresql_away)
        dice.choice(faults)(dice)

    def _step_the_clock(self, dice: random.Random) -> None:
        self.clock.step_to(dice.choice(CLOCK_OFFSETS))
        self.faults["the clock was stepped"] += 1

    def _freeze_a_web(self, dice: random.Random) -> None:
        self._freeze(dice.choice(self.webs), "a web process")

    def _freeze_a_runner(self, dice: random.Random) -> None:
        """For less than a lease: longer, its tasks may be taken from it."""
        self._freeze(dice.choice(self.runners), "a runner")

    def _freeze(self, name: str, what: str) -> None:
        process = self.service.processes.get(name)
        if process is not None:  # it may be dead just now
            with suppress(psutil.Error), stopped([psutil.Process(process.pid)]):
                self.faults[f"{what} was stopped for {FROZEN} s"] += 1
                time.sleep(FROZEN)

    def _suspend_everything(self, _dice: random.Random) -> None:
        """As a laptop that is closed: the product and its programs stand still."""
        with self._processes_lock:
            pids = [process.pid for process in self.service.processes.values()]
            with stopped(trees(pids)):
                self.faults[f"all was stopped for {SUSPENDED} s"] += 1
                time.sleep(SUSPENDED)

    def _fill_the_disk(self, dice: random.Random) -> None:
        with self.disk.full():
            self.faults["the disk was full"] += 1
            time.sleep(dice.choice(FULL))

    def _lock_sqlite(self, dice: random.Random) -> None:
        with write_lock(self.service.data_dir / "db.sqlite3"):
            self.faults["SQLite's write lock was held"] += 1
            time.sleep(dice.choice(LOCKED))

    def _take_postgresql_away(self, dice: random.Random) -> None:
        with self._cluster_lock:
            self.cluster.stop()
            self.faults["PostgreSQL was away"] += 1
            time.sleep(dice.choice(ABSENT))
            self.cluster.start()

    # --- The calm end ---------------------------------------------------------------

    def calm_down(self) -> list[str]:
        """Wait for all to end; returns the tasks that have not."""
        self._start_what_has_ended()
        deadline = time.monotonic() + CALM_SECONDS
        while (tasks := self.open_tasks()) and time.monotonic() < deadline:
            time.sleep(0.5)
        for thread in self.threads:
            thread.join(max(1.0, deadline - time.monotonic()))
        return tasks

    def processes_left(self) -> list[psutil.Process]:
        """Of the tasks, and, once the product has ended, of anything of it."""
        return [one for one in psutil.process_iter() if carries(one, self.mark)]

    def verdicts(self) -> tuple[Counter[tuple[str, str]], list[float], list[Verdict]]:
        """The tasks by type and end state, the seconds from a runner's death to the
        end of a task of it, and what is to be said of it all."""
        endless = Verdict("tasks without an end state")
        doubled = Verdict("tasks run more often than they may be")
        unrun = Verdict("tasks completed without a run")
        torn = Verdict("logs that are not whole")
        inexact = Verdict("viewers that are not exact")
        left = Verdict("processes left")
        trees = Verdict("processes left by a killed runner after a minute")
        broken = Verdict("requests that failed")
        needless = Verdict("tasks failed though their runner lived")
        altered = Verdict("logs that are not what was printed")
        endless.bad = self.calm_down()
        deadline = time.monotonic() + LEAVE_SECONDS
        while (found := self._steps_left()) and time.monotonic() < deadline:
            time.sleep(0.1)
        runs = Counter(self.ran.read_text().split())
        states: Counter[tuple[str, str]] = Counter()
        orphaned: list[float] = []
        for task_id, kind in self.tasks.items():
            task = self.ask("GET", f"/api/tasks/{task_id}").json()
            states[kind, task["status"]] += 1
            about = f"{task_id} {kind} {task['status']} ({task['error']})"
            if runs[task_id] > (2 if kind == "repeatable" else 1):
                doubled.bad.append(f"{about}: {runs[task_id]} runs")
            if task["status"] == "completed" and not runs[task_id]:
                unrun.bad.append(about)
            if task["status"] == "failed" and not self._may_fail(kind, task["error"]):
                needless.bad.append(about)
            if task_id in endless.bad:
                continue
            fresh = Watcher(self.service, task_id)
            for viewer in (fresh, *self.viewers.get(task_id, ())):
                verdict = torn if viewer is fresh else inexact
                try:
                    if viewer is fresh:
                        viewer.watch()
                    if viewer.failure is not None:
                        raise viewer.failure
                    lines = assert_exact(self.service, task_id, viewer)
                except Exception as error:  # noqa: BLE001 (that is the verdict)
                    what = f"{error!r}"[:500]
                    verdict.bad.append(f"{about}: gone {viewer.gone} {what}")
                else:
                    if viewer is fresh:
                        orphaned += self._after_deaths(lines)
                        if task["status"] == "completed" and kind in PRINTED:
                            altered.bad += self._altered(about, PRINTED[kind], lines)
        self.service.stop()
        found += [one for one in self.processes_left() if one not in found]
        left.bad = [self._described(one) for one in found]
        trees.bad = self.trees_left
        broken.bad = self.failures
        verdicts = [endless, doubled, unrun, needless, left, trees, torn, altered]
        return states, orphaned, [*verdicts, inexact, broken]

    def _may_fail(self, kind: str, error: str) -> bool:
        """Whether that is how a task of this type may fail in all this."""
        if kind == "late" and error.startswith("Timed out"):
            return True
        death = RUNNER_DIED.search(error)
        return bool(death and death[1] in self.killed_at)

    def _altered(self, about: str, printed: list[str], lines: list[dict]) -> list[str]:
        """The first line that is another than was printed, if there is one."""
        logged = [line["message"] for line in lines if line["level"] == "stdout"]
        for number, (there, here) in enumerate(zip_longest(printed, logged)):
            if there != here:
                return [f"{about}: line {number + 1} is {here!r}, not {there!r}"]
        return []

    def _steps_left(self) -> list[psutil.Process]:
        mark = f"CHAOS_MARK={self.mark}"
        return [one for one in self.processes_left() if has_in_environment(one, mark)]

    def _after_deaths(self, lines: list[dict]) -> list[float]:
        """How long each runner of a task was dead when that was noted in its log."""
        found = [(RUNNER_DIED.search(line["message"]), line) for line in lines]
        return [
            self._seconds_after(self.killed_at[match[1]], line["timestamp"])
            for match, line in found
            if match and match[1] in self.killed_at
        ]

    def _seconds_after(self, death: float, timestamp: str) -> float:
        """The least that it can have been, where the clock showed this time twice."""
        shown = datetime.fromisoformat(timestamp).timestamp()
        delays = [at - death for at in self.clock.true_times(shown)]
        return min((delay for delay in delays if delay >= 0), default=0.0)

    def _described(self, process: psutil.Process) -> str:
        with suppress(psutil.Error):
            task_id = process.environ().get("TASK_ID", "")
            what = " ".join(process.cmdline())
            return f"{what} of {self.tasks.get(task_id, 'the product')} {task_id}"
        return f"{process.pid}, which has ended now"

    def remove_what_is_left(self) -> None:
        self.service.stop()
        for process in self.processes_left():
            with suppress(psutil.Error):
                process.kill()


def carries(process: psutil.Process, mark: str) -> bool:
    """Whether it lives and has this text in its command line or environment."""
    with suppress(psutil.Error):
        if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
            return False
        words = [*process.cmdline(), *process.environ().values()]
        return any(mark in word for word in words)
    return False


def has_in_environment(process: psutil.Process, entry: str) -> bool:
    name, _, value = entry.partition("=")
    with suppress(psutil.Error):
        return process.environ().get(name) == value
    return False


# --- The tables -----------------------------------------------------------------------


def tables(
    chaos: Chaos,
    states: Counter[tuple[str, str]],
    orphaned: list[float],
    verdicts: list[Verdict],
) -> str:
    ends = ("completed", "failed", "cancelled", "pending", "running")
    by_type = [["", *ends], ["---", *["---:"] * len(ends)]]
    by_type += [[x, *(f"{states[x, end]:,}" for end in ends)] for x in WEIGHTS]
    sums = [sum(states[kind, end] for kind in WEIGHTS) for end in ends]
    by_type.append([f"all {sum(sums):,}", *(f"{one:,}" for one in sums)])
    viewers = [one for some in chaos.viewers.values() for one in some]
    returns = sum(max(0, viewer.connections - 1) for viewer in viewers)
    happened = [["", ""], ["---", "---:"]]
    happened += [[f"killed: {kind}", f"{n:,}"] for kind, n in chaos.kills.items()]
    happened += [[kind, f"{n:,}"] for kind, n in chaos.faults.items()]
    happened += [[f"cancels: {kind}", f"{n:,}"] for kind, n in chaos.cancels.items()]
    happened += [[f"ended by itself: {x}", f"{n:,}"] for x, n in chaos.own_ends.items()]
    happened += [[f"asked again: {x}", f"{n:,}"] for x, n in chaos.refusals.items()]
    happened += [
        ["viewers", f"{len(viewers):,}"],
        ["viewers' returns", f"{returns:,}"],
        ["tasks whose runner died", f"{len(orphaned):,}"],
        ["longest from a runner's death to its task's end, s", longest(orphaned)],
        [
            "longest from a runner's death to its last process's, s",
            longest(chaos.trees_gone),
        ],
    ]
    judged = [["must not be", "found", ""], ["---", "---:", "---"]]
    for verdict in verdicts:
        found = len(verdict.bad)
        judged.append([verdict.title, f"{found:,}", "**bad**" if found else "good"])
    return "\n\n".join(markdown(lines) for lines in (by_type, happened, judged))


def longest(seconds: list[float]) -> str:
    return f"{max(seconds):.1f}" if seconds else "–"


# --- The run --------------------------------------------------------------------------


def run(minutes: float, database: str, web: int, seed: int) -> bool:
    """Whether every verdict is good."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    with ExitStack() as stack:
        clock, disk, cluster = WallClock(), None, None
        stack.callback(clock.remove)
        if may_mount():
            disk = Disk(folder)
            stack.callback(disk.remove)
        else:
            print("Left out: a full disk, which only root can try.", file=sys.stderr)
        if database == "postgres":
            cluster = Cluster(connections=CONNECTIONS, env=clock.env)
            stack.callback(cluster.remove)
        service = Service(
            folder,
            cluster.url if cluster else "",
            RATE_LIMIT_CREATE="0",
            RATE_LIMIT_READ="0",
            TASK_RETENTION="0",
            WEB_PROCESSES=str(web),
            **clock.env,
        )
        chaos = Chaos(service, web, cluster, seed, clock, disk)
        stack.callback(chaos.remove_what_is_left)
        chaos.write_types()
        service.prepare()
        service.manage("migrate")
        chaos.start()
        chaos.rage(60 * minutes)
        states, orphaned, verdicts = chaos.verdicts()
        print(f"{database}, {minutes:g} minutes, {web} web processes, seed {seed}:\n")
        print(tables(chaos, states, orphaned, verdicts))
        for verdict in verdicts:
            for example in verdict.bad[:SHOWN]:
                print(f"{verdict.title}: {example}", file=sys.stderr)
        is_well = not any(verdict.bad for verdict in verdicts)
        if not is_well:
            kept = Path(tempfile.mkdtemp(prefix="chaos-kept-"))
            shutil.copytree(folder, kept, dirs_exist_ok=True, ignore=sockets)
            print(f"What the product said is in {kept}.", file=sys.stderr)
        chaos.ran.unlink()
    shutil.rmtree(folder)
    return is_well


def sockets(folder: str, names: list[str]) -> list[str]:
    """Which of these can't be copied."""
    return [name for name in names if (Path(folder) / name).is_socket()]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="of chaos (10)")
    parser.add_argument(
        "--database",
        choices=["sqlite", "postgres"],
        default="sqlite",
        help="postgres: a server of its own, which is killed, too",
    )
    parser.add_argument("--web", type=int, default=2, help="web processes (2)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    end_in_order_on_signals()
    try:
        is_well = run(options.minutes, options.database, options.web, options.seed)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
