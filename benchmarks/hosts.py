"""One installation on nine hosts, of which one after the other vanishes, is of another
version or has a wrong clock: is anything lost, doubled, stuck, or run twice?

    .venv/bin/python benchmarks/hosts.py [--only NAME,…] [--seconds 60]

As root of Linux: each host is a network namespace with processes of its own. Prints
Markdown tables; the exit code is 1 when one of the verdicts is bad. What they mean is
in README.md.
"""

import argparse
import os
import re
import secrets
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from faults import WallClock
from rows import markdown

from tests.e2e.cluster import own_cluster
from tests.e2e.conftest import ROOT
from tests.e2e.hosts import Host, Site, network
from tests.e2e.test_nginx import Nginx
from tests.e2e.viewers import Viewer, assert_exact, watching
from tests.left_out import reason_against_hosts
from tests.ports import free_port
from tests.resources.conftest import Game
from tests.waiting import wait_until

NAMES = ("db", "store", "front", "web1", "web2", "run1", "run2", "run3", "run4")
PATIENCE_SECONDS = "15"  # of the runners that are cut off
CLOCK_SECONDS = 90
BETWEEN_TASKS, BETWEEN_READS = 0.7, 0.2
LINES = 40  # of a task, ten a second
END_SECONDS = 300
REQUEST_SECONDS = 130
PROGRAM = ROOT / "tests" / "e2e" / "guarded.py"
TYPE = """
[{name}]
title = "{name}"
{more}
[{name}.params.name]
pattern = "[a-z0-9]+"
[{name}.params.most]
default = "{lines}"
[[{name}.steps]]
name = "print"
command = ["{{python}}", "{program}", "{folder}", "{{name}}", "{{most}}"]
"""
PUBLISH = """
[publish]
title = "publish"
lock = "publish"
idempotent = true
[publish.params.name]
pattern = "v[0-9]+"
[[publish.steps]]
name = "sync"
command = ["{python}", "-m", "resources", "sync", "{name}", "--guard", "100"]
"""
# Type, what it says besides, and the hosts that may run it.
KINDS = {
    "anywhere": ("idempotent = true", {"run1", "run2", "run3", "run4"}),
    "once": ("", {"run1", "run2", "run3", "run4"}),
    "mac": ('labels = ["mac"]', {"run3"}),
    "gpu": ('labels = ["gpu", "big"]\nidempotent = true', {"run4"}),
    "canary": ('labels = ["calm"]', {"run3"}),
    "pair": ('labels = ["pair"]\nidempotent = true', {"run2", "run4"}),
}
OLD_KINDS = ("anywhere", "once")  # what the earlier version has in its file
SHOWN = (
    "longest without an answer to a read, s",
    "longest until a start was accepted, s",
    "longest silence of a stream, s",
)
OPTIONS = {
    "run1": ("--types", "anywhere,once", "--drain", "30"),
    "run2": ("--labels", "pair", "--patience", PATIENCE_SECONDS),
    "run3": ("--labels", "mac,calm"),
    "run4": ("--labels", "gpu,big,pair", "--patience", PATIENCE_SECONDS),
}


@dataclass
class Measured:
    """What clients met while one thing was wrong, in seconds."""

    name: str
    about: str = ""
    seconds: float = 0.0
    reads: int = 0
    refused: int = 0
    longest_read: float = 0.0
    starts: int = 0
    longest_start: float = 0.0
    longest_silence: float = 0.0
    figures: list[str] = field(default_factory=list)

    def row(self) -> list[str]:
        return [
            self.about,
            f"{self.seconds:.0f}",
            f"{self.longest_read:.1f} ({self.refused} of {self.reads} refused)",
            f"{self.longest_start:.1f} (of {self.starts})",
            f"{self.longest_silence:.1f}",
            "; ".join(self.figures),
        ]


class Load:
    """Tasks of all types and reads, through nginx, from another host than any."""

    def __init__(self, site: Site, versions: Iterator[str]) -> None:
        self.site, self._versions = site, versions
        self.tasks: dict[str, tuple[str, str]] = {}  # id to type and name
        self.now = Measured("calm")
        self.is_over = False
        self._numbers = count()
        self._threads = [
            threading.Thread(target=loop, daemon=True)
            for loop in (self._start_tasks, self._read)
        ]

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self.is_over = True
        for thread in self._threads:
            thread.join(END_SECONDS)
            assert not thread.is_alive(), "a client hangs"

    def start(self, kind: str, **params: str) -> str:
        """Start a task, however often that takes; return its id."""
        name = f"t{next(self._numbers)}"
        given = {"name": name, **params}
        if kind == "publish":
            given = {"name": next(self._versions)}
        now, began, key = self.now, time.monotonic(), secrets.token_hex(8)
        while True:
            with suppress(requests.RequestException):
                answer = self.site.request(
                    "POST",
                    f"/api/tasks/{kind}",
                    json=given,
                    headers={"Idempotency-Key": key},
                    timeout=REQUEST_SECONDS,
                )
                if answer.status_code == 202:
                    break
                # The earlier version has no such type.
                assert answer.status_code in {404, 502, 503, 504}, answer.text
            time.sleep(BETWEEN_READS)
        took = time.monotonic() - began
        now.starts += 1
        now.longest_start = max(now.longest_start, took)
        task_id = str(answer.json()["taskId"])
        self.tasks[task_id] = kind, given["name"]
        return task_id

    def _start_tasks(self) -> None:
        kinds = ["anywhere", "once", "mac", "gpu", "pair", "publish"]
        while not self.is_over:
            self.start(kinds[next(self._numbers) % len(kinds)])
            time.sleep(BETWEEN_TASKS)

    def _read(self) -> None:
        since = time.monotonic()
        while not self.is_over:
            met, status = self.now, 0
            with suppress(requests.RequestException):
                status = self.site.request(
                    "GET", "/api/tasks?limit=1", timeout=REQUEST_SECONDS
                ).status_code
            now = time.monotonic()
            met.reads += 1
            met.refused += status != 200
            met.longest_read = max(met.longest_read, now - since)
            if status == 200:
                since = time.monotonic()
            time.sleep(BETWEEN_READS)


class Canary:
    """A task that prints all the while, watched by four clients through nginx."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.task_id = load.start("canary", most="99999")
        self.name = load.tasks[self.task_id][1]
        self.viewers = [Viewer(load.site, self.task_id) for _ in range(4)]
        self._is_over = False
        self._watching = ExitStack()
        self._watching.enter_context(watching(*self.viewers))
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._looking.start()
        wait_until(lambda: all(one.last > 5 for one in self.viewers), "first lines")

    def _look(self) -> None:
        seen = {one: (one.last, time.monotonic()) for one in self.viewers}
        while not self._is_over:
            now = time.monotonic()
            for one in self.viewers:
                if one.last != seen[one][0]:
                    seen[one] = one.last, now
                silence = now - seen[one][1]
                self.load.now.longest_silence = max(
                    self.load.now.longest_silence, silence
                )
            time.sleep(0.05)

    def end(self) -> int:
        """Return how many lines were compared."""
        self._is_over = True
        (self.load.site.data_dir / f"{self.name}.enough").touch()
        self._looking.join()
        self._watching.close()
        lines = assert_exact(self.load.site, self.task_id, *self.viewers)
        return len(lines) * len(self.viewers)


class Stage:
    """The hosts and what runs on them."""

    def __init__(self, stack: ExitStack, folder: Path, old: str) -> None:
        made = stack.enter_context(network())
        self.hosts = {name: made.host(name) for name in NAMES}
        cluster = stack.enter_context(
            own_cluster(host=self.hosts["db"], connections=150)
        )
        self.folder, self.old = folder, old
        self.clocks = {"run3": WallClock(), "web2": WallClock()}
        for clock in self.clocks.values():
            stack.callback(clock.remove)
        game = Game(folder)
        self.versions = [f"v{number}" for number in range(1, 400)]
        for version in self.versions:
            game.build(version, {"a.txt": version.encode(), "b.txt": b"the same"})
        store, ports = self.hosts["store"], (free_port(), free_port())
        self._services = [
            self._serve(store, "redis-server", "--port", str(ports[0]), "--save", "",
                        "--bind", store.address, "--protected-mode", "no"),
            self._serve(store, sys.executable, "-m", "moto.server", "-H", store.address,
                        "-p", str(ports[1])),
        ]  # fmt: skip
        endpoint = f"http://{store.address}:{ports[1]}"
        wait_until(lambda: _is_made(f"{endpoint}/games"), "the bucket")
        self.site = Site(
            folder,
            cluster.url,
            PUBLISH + "".join(_type(folder, kind) for kind in KINDS),
            ALLOWED_HOSTS=",".join(host.address for host in self.hosts.values()),
            TRUSTED_PROXIES=self.hosts["front"].address,
            REDIS_URL=f"redis://{store.address}:{ports[0]}/0",
            RATE_LIMIT_READ="100000/m",
            RATE_LIMIT_CREATE="100000/m",
            TASK_RETENTION="0",
            RESOURCE_SOURCE=str(game.source),
            RESOURCE_STORE="s3://games/released",
            RESOURCE_PLATFORMS="ios",
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",
            AWS_REGION="us-east-1",
            AWS_ENDPOINT_URL=endpoint,
            AWS_ALLOW_HTTP="true",
        )
        stack.callback(self.stop)
        (folder / "old.toml").write_text(
            "".join(_type(folder, kind) for kind in OLD_KINDS)
        )
        self.site.prepare()
        self.site.manage("migrate", "-v0")
        for name in ("web1", "web2", *OPTIONS):
            self.start(name)
        site, self.nginx = self.site, None
        for name in ("web1", "web2"):
            site.url = site.url_on(self.hosts[name])
            wait_until(site.is_healthy, name)
        upstream = [
            f"server {self.hosts[n].address}:{site.port};" for n in ("web1", "web2")
        ]
        self.nginx = Nginx(
            folder,
            site.port,
            (f"server 127.0.0.1:{site.port};", upstream[0]),
            ("# server 192.168.1.8:3000;", f"{upstream[1]} #"),
            host=self.hosts["front"],
        )
        site.url = self.nginx.url
        wait_until(site.is_healthy, "nginx")

    def _serve(self, host: Host, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{Path(command[0]).name}.out").open("wb") as output:
            return subprocess.Popen(
                host.command(*command), stdout=output, stderr=output
            )

    def start(self, name: str, code: Path = ROOT, **more: str) -> None:
        clock = self.clocks[name].env if name in self.clocks and code == ROOT else {}
        options = OPTIONS.get(name, ())
        self.site.start_on(
            self.hosts[name], name, *options, code=code, **{**clock, **more}
        )

    def restart(self, name: str, code: Path = ROOT, **more: str) -> None:
        self.site.signal(name, 15)
        self.site.processes[name].wait(60)
        self.start(name, code, **more)

    def revive(self) -> None:
        """Start what has ended, as systemd would."""
        for name, process in list(self.site.processes.items()):
            if process.poll() is not None:
                self.start(name)

    def stop(self) -> None:
        self.site.stop()
        if self.nginx is not None:
            self.nginx.stop()
        for process in self._services:
            process.kill()
            process.wait()

    def host_of(self, name: str) -> str:
        """Where a guarded program began last."""
        return (self.folder / f"{name}.began").read_text().split()[-2]

    def programs_on(self, name: str) -> int:
        """How many of the tasks' programs run on a host."""
        found = 0
        for process in psutil.process_iter(["cmdline"]):
            if str(PROGRAM) in (process.info["cmdline"] or []):
                with suppress(psutil.Error, OSError):
                    status = Path(f"/proc/{process.pid}/environ").read_text()
                    found += f"DATA_DIR={self.folder}/{name}\0" in status
        return found


# --- What goes wrong ------------------------------------------------------------------

Act = Callable[[Stage, Load, float], None]


def calm(stage: Stage, load: Load, seconds: float) -> None:
    """nothing"""
    time.sleep(seconds / 2)


def runner(stage: Stage, load: Load, seconds: float) -> None:
    """a runner's host vanishes, and comes back"""
    task_id = load.start("pair", most="600")
    name = load.tasks[task_id][1]
    wait_until((stage.folder / f"{name}.began").exists, "a program")
    victim, began = stage.host_of(name), time.monotonic()
    with stage.hosts[victim].cut_off():
        wait_until(lambda: not stage.programs_on(victim), "its programs to end")
        load.now.figures.append(
            f"its programs ended {time.monotonic() - began:.0f} s after"
        )
        wait_until(lambda: _attempt(load, task_id) == 2, "its task to be taken over")
        load.now.figures.append(f"taken over {time.monotonic() - began:.0f} s after")
        (stage.folder / f"{name}.enough").touch()
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))
    ended = stage.site.processes[victim]
    wait_until(lambda: ended.poll() is not None, "the runner to end itself")
    load.now.figures.append(f"the runner came back, and ended with {ended.returncode}")


def web(stage: Stage, load: Load, seconds: float) -> None:
    """a web host vanishes"""
    with stage.hosts["web2"].cut_off():
        time.sleep(seconds)


def database(stage: Stage, load: Load, seconds: float) -> None:
    """the database's host vanishes"""
    with stage.hosts["db"].cut_off():
        time.sleep(20)
    began = time.monotonic()
    wait_until(stage.site.is_healthy, "the service")
    load.now.figures.append(
        f"healthy {time.monotonic() - began:.1f} s after its return"
    )


def cable(stage: Stage, load: Load, seconds: float) -> None:
    """a runner's cable is pulled for 10 s"""
    with stage.hosts["run1"].unplugged():
        time.sleep(10)


def redis(stage: Stage, load: Load, seconds: float) -> None:
    """Redis and the store vanish"""
    with stage.hosts["store"].cut_off():
        time.sleep(20)


def versions(stage: Stage, load: Load, seconds: float) -> None:
    """a web host and a runner of an earlier version"""
    with earlier_version(stage.old) as code:
        types = {"TASK_TYPES_FILE": str(stage.folder / "old.toml")}
        for name in ("run1", "web2"):
            stage.restart(name, code, **types)
        time.sleep(seconds)
        found = stage.site.request("GET", "/health").json()
        load.now.figures.append(f"{found['runners']} runners alive")
        for name in ("run1", "web2"):
            stage.restart(name)


def clocks(stage: Stage, load: Load, seconds: float) -> None:
    """a runner's clock 90 s ahead, a web host's 90 s behind"""
    stage.clocks["run3"].step_to(CLOCK_SECONDS)
    stage.clocks["web2"].step_to(-CLOCK_SECONDS)
    time.sleep(seconds / 2)
    for clock in stage.clocks.values():
        clock.step_to(0)


ACTS: tuple[Act, ...] = (calm, runner, web, database, cable, redis, versions, clocks)


@contextmanager
def earlier_version(commit: str) -> Iterator[Path]:
    """The code of a commit, in a folder."""
    with tempfile.TemporaryDirectory(prefix="earlier-") as folder:
        archive = ["git", "archive", "--format=tar", commit]
        content = subprocess.run(archive, cwd=ROOT, check=True, capture_output=True)
        with tarfile.open(fileobj=BytesIO(content.stdout)) as files:
            files.extractall(folder, filter="data")
        Path(folder).chmod(0o755)
        yield Path(folder)


def before_the_newest_tables() -> str:
    """The commit before the last but one that brought a migration."""
    command = ["git", "log", "--diff-filter=A", "--format=%h", "--", "tasks/migrations"]
    found = subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    )
    return f"{found.stdout.split()[1]}^"


# --- Verdicts -------------------------------------------------------------------------


def verdicts(stage: Stage, load: Load, lines: int) -> list[tuple[str, int, list[str]]]:
    """Each question, how many things it was asked of, and what was found wrong."""
    ended = {key: load.site.wait_for(key) for key in load.tasks}
    wrong: dict[str, list[str]] = {"place": [], "lines": [], "status": []}
    places = compared = 0
    for key, task in ended.items():
        kind, name = load.tasks[key]
        text = f"{key} ({kind}): {task['status']} {task['error'] or ''}"
        if task["status"] != "completed" and not _is_excused(kind, task):
            wrong["status"].append(text)
        if kind == "publish":
            continue
        began = stage.folder / f"{name}.began"
        if began.exists():
            hosts = {line.split()[0] for line in began.read_text().splitlines()}
            places += 1
            if not hosts <= KINDS[kind][1]:
                wrong["place"].append(f"{text} on {hosts}")
        stored = load.site.lines(key)
        compared += len(stored)
        seqs = [line["seq"] for line in stored]
        numbers = [int(x["message"]) for x in stored if x["level"] == "stdout"]
        runs = re.sub(r",(?=1,|1$)", "|", ",".join(map(str, numbers))).split("|")
        exact = all(run.split(",") == [*map(str, range(1, len(run.split(",")) + 1))]
                    for run in runs if run)  # fmt: skip
        if (
            seqs != list(range(1, len(seqs) + 1))
            or not exact
            or len(runs) > task["attempt"]
        ):
            wrong["lines"].append(text)
    twice = [path.name for path in stage.folder.glob("*.twice")]
    ends = "each task that was accepted has completed, or says why its host failed it"
    allowed = "each ran on a host that its labels and `--types` allow"
    return [
        (ends, len(ended), wrong["status"]),
        ("no program ran twice at a time", places, twice),
        (allowed, places, wrong["place"]),
        ("no line is lost or doubled in the tasks' logs", compared, wrong["lines"]),
        ("no line is lost or doubled at the canaries' viewers", lines, []),
    ]


def _is_excused(kind: str, task: dict[str, Any]) -> bool:
    """Return whether a failure is what a host that was cut off has to lead to."""
    if kind == "publish":
        return True  # the store was away; a sync says so, and people run it again
    return task["errorCode"] in {"runner-lost", "output-not-stored"}


def _type(folder: Path, kind: str) -> str:
    more, _ = KINDS[kind]
    values = {"more": more, "lines": LINES, "program": PROGRAM, "folder": folder}
    return TYPE.format(name=kind, **values)


def _attempt(load: Load, task_id: str) -> int:
    with suppress(requests.RequestException, KeyError, ValueError):
        return int(load.site.task(task_id)["attempt"])
    return 0


def _is_made(bucket: str) -> bool:
    with suppress(requests.RequestException):
        return requests.put(bucket, timeout=5).ok
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="these alone, with commas between")
    parser.add_argument("--seconds", type=float, default=60, help="how long, about")
    options = parser.parse_args()
    if reason := reason_against_hosts():
        parser.exit(2, f"No hosts can be made here: {reason}\n")
    wanted = options.only.split(",") if options.only else [a.__name__ for a in ACTS]
    folder = Path(tempfile.mkdtemp(prefix="hosts-"))
    folder.chmod(0o755)
    measured, lines = [], 0
    print(f"load at the start {os.getloadavg()[0]:.1f}", file=sys.stderr)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stage = Stage(stack, folder, before_the_newest_tables())
        load = Load(stage.site, iter(stage.versions))
        load.begin()
        for act in ACTS:
            if act.__name__ not in wanted:
                continue
            load.now = Measured(act.__name__, str(act.__doc__))
            canary, began = Canary(load), time.monotonic()
            act(stage, load, options.seconds)
            wait_until(stage.site.is_healthy, "health")
            load.now.seconds = time.monotonic() - began
            measured.append(load.now)
            lines += canary.end()
            stage.revive()
            print(f"{act.__name__}: {measured[-1]}", file=sys.stderr)
        load.end()
        found = verdicts(stage, load, lines)
        status = Counter(load.site.task(key)["status"] for key in load.tasks)
    heads = ["what is wrong", "s", *SHOWN, ""]
    print(markdown([heads, ["---"] * len(heads), *(one.row() for one in measured)]))
    rows = [["is it so?", "asked of", "answer"], ["---"] * 3]
    for question, number, bad in found:
        answer = "; ".join(bad[:5]) or ("yes" if number else "not looked at")
        rows.append([question, f"{number:,}", answer])
    print(f"\n{markdown(rows)}")
    print(f"\n{dict(status)}; load at the end {os.getloadavg()[0]:.1f}")
    return int(any(bad or not number for _, number, bad in found))


if __name__ == "__main__":
    sys.exit(main())
