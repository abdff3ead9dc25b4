"""How fast lines come through, beside a plain Node server that keeps them in memory.

    .venv/bin/python benchmarks/stream.py [--quick] [--database postgres://USER@HOST/DB]

Prints a Markdown table and then JSON with every single measurement. What the rows
mean is in README.md.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

import psutil
import psycopg
from servers import HERE, Product, Server, Yardstick

Figures = dict[str, float]
LIMIT_SECONDS = 300  # for one measurement; then it is an error


@dataclass(frozen=True)
class Sizes:
    rounds: int
    flat_lines: int
    stored_lines: int
    rate_seconds: int
    clients: int
    viewers: int
    starts: int


FULL = Sizes(3, 200_000, 100_000, 10, 10, 100, 20)
QUICK = Sizes(1, 20_000, 20_000, 2, 10, 100, 5)


class Bench:
    """One run: the sizes, and the load client."""

    def __init__(self, sizes: Sizes, load: Path) -> None:
        self.sizes, self._load = sizes, load

    def flat(self, server: Server, clients: int) -> Figures:
        """Lines a second at each client, from the POST to its last ``end``."""
        before, started = server.cpu_seconds(), time.monotonic()
        task_id = server.create("flat", lines=self.sizes.flat_lines)
        report = self.follow(server, task_id, clients)
        seconds = report["ended"] - started
        per_client = report["lines"] / clients
        return {"lines/s": per_client / seconds, **cpu_since(before, server)}

    def rate(self, server: Server, clients: int) -> Figures:
        """How long a line takes from the program's write to the client's read."""
        before = server.cpu_seconds()
        seconds = self.sizes.rate_seconds
        # Everybody is connected before the first line comes.
        task_id = server.create("rate", lines=100, seconds=seconds, delay=2)
        report = self.follow(server, task_id, clients)
        if report["timed_lines"] != clients * 100 * seconds:
            raise RuntimeError(f"{server.name}: not every line was timed: {report}")
        return {
            "p50 ms": report["p50_ms"],
            "p99 ms": report["p99_ms"],
            **cpu_since(before, server),
        }

    def first_line(self, server: Server) -> Figures:
        """From sending the POST to the program's first line at the client."""
        taken = []
        for _ in range(self.sizes.starts):
            started = time.monotonic()
            task_id = server.create("flat", lines=1)
            with server.get(f"/api/tasks/{task_id}/stream") as stream:
                for line in stream:
                    if b'"level":"stdout"' in line:
                        break
                taken.append(1000 * (time.monotonic() - started))
            server.wait_for(task_id, LIMIT_SECONDS)
        return {"median ms": median(taken), "max ms": max(taken)}

    def replay(self, server: Server) -> Figures:
        """Lines a second of a stored log, to a client that nobody was before."""
        task_id = server.create("flat", lines=self.sizes.stored_lines)
        server.wait_for(task_id, LIMIT_SECONDS)
        report = self.follow(server, task_id, 1)
        return {"lines/s": report["lines"] / (report["ended"] - report["started"])}

    def follow(self, server: Server, task_id: str, clients: int) -> Figures:
        """What load.c says of so many clients of a task, to the end."""
        path = f"/api/tasks/{task_id}/stream"
        done = subprocess.run(
            [
                *(self._load, str(server.port), path, server.api_key),
                *(str(clients), str(LIMIT_SECONDS)),
            ],
            stdout=subprocess.PIPE,
            check=False,
        )
        report: Figures = json.loads(done.stdout)
        if done.returncode:
            raise RuntimeError(f"{server.name}: {report}")
        return report

    def rows(self) -> list["Row"]:
        sizes = self.sizes
        flat, stored = f"{sizes.flat_lines:,} lines", f"{sizes.stored_lines:,}"
        paced = f"100 lines/s for {sizes.rate_seconds} s"
        flat_shown, rate_shown = ("lines/s", "cpu s"), ("p50 ms", "p99 ms", "cpu s")
        return [
            Row(
                "a", f"{flat} flat out, 1 client", flat_shown, lambda s: self.flat(s, 1)
            ),
            Row(
                "b",
                f"{flat} flat out, {sizes.clients} clients",
                flat_shown,
                lambda s: self.flat(s, sizes.clients),
            ),
            Row("c", f"{paced}, 1 client", rate_shown, lambda s: self.rate(s, 1)),
            Row(
                "d",
                f"{paced}, {sizes.viewers} clients",
                rate_shown,
                lambda s: self.rate(s, sizes.viewers),
            ),
            Row("e", "POST to first line", ("median ms", "max ms"), self.first_line),
            Row("f", f"replay of {stored} lines, 1 client", ("lines/s",), self.replay),
        ]


@dataclass(frozen=True)
class Row:
    key: str
    title: str
    shown: tuple[str, ...]
    measure: Callable[[Server], Figures]


def cpu_since(before: Figures, server: Server) -> Figures:
    """CPU seconds by process, and in sum as ``cpu s``."""
    after = server.cpu_seconds()
    used = {name: after[name] - before[name] for name in after}
    each = {f"cpu s of {name}": seconds for name, seconds in used.items()}
    return {"cpu s": sum(used.values()), **each}


# --- The run --------------------------------------------------------------------------


def measure(rows: list[Row], servers: list[Server], rounds: int) -> list[dict]:
    """Every row on every server in turns, so that what else the machine does hits
    all alike."""
    measured = []
    for row in rows:
        for number in range(rounds):
            turn = number % len(servers)
            for server in servers[turn:] + servers[:turn]:
                figures = row.measure(server)
                shown = ", ".join(f"{figures[name]:.4g} {name}" for name in row.shown)
                print(f"({row.key}) {server.name}: {shown}", file=sys.stderr)
                measured.append(
                    {"row": row.key, "round": number, "server": server.name, **figures}
                )
    return measured


def values(measured: list[dict], row: str, server: str, figure: str) -> list[float]:
    """By round."""
    mine = [one for one in measured if (one["row"], one["server"]) == (row, server)]
    return [one[figure] for one in sorted(mine, key=lambda one: one["round"])]


def table(rows: list[Row], servers: list[Server], measured: list[dict]) -> str:
    """Medians over the rounds; ``×`` is the median of each round's own ratio."""
    yardstick, *products = [server.name for server in servers]
    head = ["", "", yardstick, *(cell for name in products for cell in (name, "×"))]
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2)]
    for row in rows:
        for figure in row.shown:
            base = values(measured, row.key, yardstick, figure)
            title = f"({row.key}) {row.title}" if figure == row.shown[0] else ""
            cells = [title, figure, number(median(base))]
            for name in products:
                ours = values(measured, row.key, name, figure)
                ratios = [a / b for a, b in zip(ours, base, strict=True) if b]
                ratio = f"{median(ratios):.2f}" if ratios else "–"
                cells += [number(median(ours)), ratio]
            lines.append(cells)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def environment(database: str) -> dict[str, str]:
    node = subprocess.run(["node", "--version"], capture_output=True, check=True)
    cpu = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": f"{cpu[0] if cpu else platform.machine()}, {psutil.cpu_count()} cores",
        "python": platform.python_version(),
        "django": version("Django"),
        "daphne": version("daphne"),
        "node": node.stdout.decode().strip(),
        "sqlite": sqlite3.sqlite_version,
    }
    if database:
        with psycopg.connect(database) as connection:
            parameter = connection.info.parameter_status("server_version")
        found["postgresql"] = parameter or ""
    return found


def built(folder: Path, name: str) -> Path:
    program = folder / name
    source = HERE / f"{name}.c"
    subprocess.run(["cc", "-O2", "-o", program, source], check=True)
    return program


def run(rows: str, sizes: Sizes, database: str) -> None:
    with ExitStack() as stack:
        # Its path is short because sockets will be in it.
        folder = Path(tempfile.mkdtemp(prefix="bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        emit = built(folder, "emit")
        bench = Bench(sizes, built(folder, "load"))
        kinds: list[Callable[[Path], Server]] = [
            lambda folder: Yardstick(folder, emit),
            lambda folder: Product(folder, emit),
        ]
        if database:
            kinds.append(lambda folder: Product(folder, emit, database))
        servers = []
        for index, kind in enumerate(kinds):
            own = folder / str(index)
            own.mkdir()
            servers.append(stack.enter_context(kind(own)))
        chosen = [row for row in bench.rows() if not rows or row.key in rows]
        before = os.getloadavg()[0]
        measured = measure(chosen, servers, sizes.rounds)
        print(table(chosen, servers, measured))
        facts = environment(database)
        facts["load before, after"] = f"{before:.1f}, {os.getloadavg()[0]:.1f}"
        everything = {"environment": facts, "sizes": asdict(sizes), "runs": measured}
        print(f"\n{json.dumps(everything)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small numbers, one round")
    parser.add_argument("--rounds", type=int, help="of each row and server (3)")
    parser.add_argument("--rows", default="", help="only these, e.g. abf")
    parser.add_argument(
        "--database",
        default=os.environ.get("TEST_DATABASE_URL", ""),
        help="a PostgreSQL server's URL; a database is made there, and dropped",
    )
    options = parser.parse_args()
    sizes = QUICK if options.quick else FULL
    if options.rounds:
        sizes = Sizes(**{**asdict(sizes), "rounds": options.rounds})
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        run(options.rows, sizes, options.database)
    except KeyboardInterrupt:
        sys.exit(130)


def stop(*_: object) -> None:
    """End in order. Pressed once more meanwhile, Ctrl-C would leave things behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
