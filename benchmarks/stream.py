"""How fast lines come through, beside a plain Node server that keeps them in memory.

    .venv/bin/python benchmarks/stream.py [--quick] [--database postgres://USER@HOST/DB]

Prints a Markdown table and then JSON with every single measurement. What the rows
mean is in README.md.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from clients import LIMIT_SECONDS, Clients, Figures, Gate, open_all_gates
from rows import (
    Measure,
    Row,
    built,
    cpu_since,
    environment,
    markdown,
    measure,
    middle,
    node_version,
    number,
    options,
    report,
    values,
)
from servers import (
    Product,
    Server,
    Yardstick,
    allow_many_files,
    end_in_order_on_signals,
)

LINES_PER_SECOND = 100
FEW_STREAMS = 10
STALLED = 4
PASSED_LINES = 5  # to everybody, in the row with the most streams
MB = 1e6


@dataclass(frozen=True)
class Sizes:
    rounds: int
    flat_lines: int
    clients: int
    rate_seconds: int
    viewers: int
    many_viewers: int
    starts: int
    stored_lines: int
    late: int
    streams: int
    stalled_lines: int
    most_streams: int
    passed_every_seconds: int
    silent_seconds: int


FULL = Sizes(
    rounds=3,
    flat_lines=200_000,
    clients=10,
    rate_seconds=10,
    viewers=100,
    many_viewers=1000,
    starts=20,
    stored_lines=100_000,
    late=20,
    streams=1000,
    stalled_lines=500_000,
    most_streams=10_000,
    passed_every_seconds=3,
    silent_seconds=20,
)
QUICK = Sizes(
    rounds=1,
    flat_lines=20_000,
    clients=10,
    rate_seconds=2,
    viewers=100,
    many_viewers=300,
    starts=5,
    stored_lines=20_000,
    late=20,
    streams=200,
    stalled_lines=100_000,
    most_streams=1000,
    passed_every_seconds=1,
    silent_seconds=5,
)


class Bench:
    """One run: the sizes, the load client, and a folder for gates."""

    def __init__(self, sizes: Sizes, load: Path, folder: Path) -> None:
        self.sizes, self._load, self._folder = sizes, load, folder

    def follow(
        self, server: Server, task_id: str, readers: int, stalled: int = 0
    ) -> Clients:
        return Clients(self._load, server, task_id, readers, stalled)

    def gated(self, server: Server, lines: int, every: int = 0) -> tuple[str, Gate]:
        """A task whose program waits until the gate is opened."""
        gate = Gate(self._folder)
        return server.create(lines, every, str(gate.path)), gate

    def recover(self, server: Server) -> None:
        """After a failure: nothing of the failed row goes on."""
        open_all_gates(self._folder)
        server.restart()

    def flat(self, server: Server, clients: int) -> Figures:
        """Lines a second at each client, from the POST to its last ``end``."""
        before, started = server.cpu_seconds(), time.monotonic()
        task_id = server.create(self.sizes.flat_lines)
        with self.follow(server, task_id, clients) as following:
            report = following.report()
        seconds = report["ended"] - started
        per_client = report["lines"] / clients
        return {"lines/s": per_client / seconds, **cpu_since(before, server)}

    def rate(self, server: Server, clients: int) -> Figures:
        """How long a line takes from the program's write to the client's read, when
        everybody is there before the first one."""
        lines = LINES_PER_SECOND * self.sizes.rate_seconds
        task_id, gate = self.gated(server, lines, 1_000_000 // LINES_PER_SECOND)
        with self.follow(server, task_id, clients) as following:
            opened = following.wait_until_open()
            before = server.cpu_seconds()
            gate.open()
            report = following.report()
        used = cpu_since(before, server)
        return {"open s": opened, **latencies(server, report, clients * lines), **used}

    def first_line(self, server: Server) -> Figures:
        """From sending the POST to the program's first line at the client."""
        taken = []
        for _ in range(self.sizes.starts):
            started = time.monotonic()
            task_id = server.create(1)
            with server.get(f"/api/tasks/{task_id}/stream") as stream:
                for line in stream:
                    if b'"level":"stdout"' in line:
                        break
                taken.append(1000 * (time.monotonic() - started))
            server.wait_for(task_id, LIMIT_SECONDS)
        return {"median ms": median(taken), "max ms": max(taken)}

    def replay(self, server: Server, clients: int) -> Figures:
        """A stored log, to clients that come when nobody was there before."""
        task_id = server.create(self.sizes.stored_lines)
        server.wait_for(task_id, LIMIT_SECONDS)
        before = server.cpu_seconds()
        with self.follow(server, task_id, clients) as following:
            report = following.report()
        seconds = report["ended"] - report["started"]
        per_client = report["lines"] / clients
        used = cpu_since(before, server)
        return {"s": seconds, "lines/s": per_client / seconds, **used}

    def memory(self, server: Server) -> Figures:
        """What a stream costs: the difference between a few and many of them."""
        server.renew()
        task_id, gate = self.gated(server, 0)
        many = self.sizes.streams
        with self.follow(server, task_id, FEW_STREAMS) as first:
            first.wait_until_open()
            few = self._footprint(server, FEW_STREAMS)
            bytes_before = server.web_bytes()
            with self.follow(server, task_id, many - FEW_STREAMS) as others:
                others.wait_until_open()
                more_bytes = server.web_bytes() - bytes_before
                footprint = few | self._footprint(server, many)
                gate.open()
                others.report()
            first.report()
        return {"KB a stream": more_bytes / 1000 / (many - FEW_STREAMS), **footprint}

    def _footprint(self, server: Server, streams: int) -> Figures:
        threads = server.web_process.num_threads()
        connections = server.web_database_connections()
        return {
            f"threads, {streams} streams": threads,
            f"connections, {streams} streams": connections,
        }

    def stalled(self, server: Server) -> Figures:
        """A reader's lines a second without and beside clients that never read, and
        the most memory that the web process ever held for them."""
        alone, _ = self._flood(server, 0)
        beside, peak = self._flood(server, STALLED)
        return {
            "lines/s alone": alone,
            "lines/s beside": beside,
            "beside / alone": beside / alone,
            "peak MB": peak,
        }

    def _flood(self, server: Server, stalled: int) -> tuple[float, float]:
        """Lines a second, peak MB, of a fresh web process."""
        server.renew()
        task_id, gate = self.gated(server, self.sizes.stalled_lines)
        with self.follow(server, task_id, 1, stalled) as following:
            following.wait_until_open()
            started = gate.open()
            report = following.report()
        seconds = report["ended"] - started
        return report["lines"] / seconds, server.web_peak_bytes() / MB

    def most_streams(self, server: Server) -> Figures:
        """As many streams as there may be, and how long a line takes to all."""
        server.renew()
        before = server.cpu_seconds()
        clients, lines = self.sizes.most_streams, PASSED_LINES
        every = self.sizes.passed_every_seconds * 1_000_000
        task_id, gate = self.gated(server, lines, every)
        with self.follow(server, task_id, clients) as following:
            opened = following.wait_until_open()
            opening = cpu_since(before, server)
            held = server.web_bytes() / MB
            gate.open()
            report = following.report()
        return {
            "open s": opened,
            "MB": held,
            "peak MB": server.web_peak_bytes() / MB,
            **latencies(server, report, clients * lines),
            "open cpu s": opening["cpu s"],
            **opening,
        }

    def silent(self, server: Server) -> Figures:
        """What it costs that somebody watches a task that says nothing."""
        task_id, gate = self.gated(server, 0)
        with self.follow(server, task_id, 1) as following:
            following.wait_until_open()
            before, started = server.cpu_seconds(), time.monotonic()
            time.sleep(self.sizes.silent_seconds)
            seconds = time.monotonic() - started
            used = cpu_since(before, server)
            gate.open()
            following.report()
        shares = {name: 100 * value / seconds for name, value in used.items()}
        return {
            "web % of a core": shares[f"cpu s of {server.web}"],
            "all % of a core": shares["cpu s"],
            **used,
        }

    def rows(self) -> list[Row]:
        sizes = self.sizes
        flat = f"{sizes.flat_lines:,} lines flat out"
        stored = f"replay of {sizes.stored_lines:,} lines"
        paced = f"{LINES_PER_SECOND} lines/s for {sizes.rate_seconds} s"
        many = f"{sizes.many_viewers:,}"
        flat_shown = ("lines/s", "cpu s")
        rate_shown = ("p50 ms", "p99 ms", "cpu s", "open s")
        held_shown = (
            "KB a stream",
            *(f"threads, {count} streams" for count in (FEW_STREAMS, sizes.streams)),
            *(
                f"connections, {count} streams"
                for count in (FEW_STREAMS, sizes.streams)
            ),
        )
        stalled_shown = ("lines/s alone", "lines/s beside", "beside / alone", "peak MB")
        stalled = f"{sizes.stalled_lines:,} lines, {STALLED} clients that never read"
        silent = f"a watched but silent task, {sizes.silent_seconds} s"

        def flat_to(clients: int) -> Measure:
            return lambda server: self.flat(server, clients)

        def rate_to(clients: int) -> Measure:
            return lambda server: self.rate(server, clients)

        def replay_to(clients: int) -> Measure:
            return lambda server: self.replay(server, clients)

        return [
            Row("a", f"{flat}, 1 client", flat_shown, flat_to(1)),
            Row(
                "b",
                f"{flat}, {sizes.clients} clients",
                flat_shown,
                flat_to(sizes.clients),
            ),
            Row("c", f"{paced}, 1 client", rate_shown, rate_to(1)),
            Row(
                "d",
                f"{paced}, {sizes.viewers} clients",
                rate_shown,
                rate_to(sizes.viewers),
            ),
            Row("e", "POST to first line", ("median ms", "max ms"), self.first_line),
            Row("f", f"{stored}, 1 client", ("s", "cpu s"), replay_to(1)),
            Row(
                "g", f"{paced}, {many} clients", rate_shown, rate_to(sizes.many_viewers)
            ),
            Row(
                "h",
                f"{stored}, {sizes.late} clients at once",
                ("s", "cpu s"),
                replay_to(sizes.late),
            ),
            Row("i", "what a stream holds", held_shown, self.memory, is_steady=True),
            Row("j", stalled, stalled_shown, self.stalled),
            Row(
                "k",
                f"{sizes.most_streams:,} streams, then single lines",
                ("open s", "open cpu s", "MB", "peak MB", "p50 ms", "max ms"),
                self.most_streams,
                is_steady=True,
            ),
            Row(
                "l",
                silent,
                ("web % of a core", "all % of a core"),
                self.silent,
                is_steady=True,
            ),
        ]


def latencies(server: Server, report: Figures, expected: int) -> Figures:
    if report["timed_lines"] != expected:
        raise RuntimeError(f"{server.name}: not every line was timed: {report}")
    return {
        "p50 ms": report["p50_ms"],
        "p99 ms": report["p99_ms"],
        "max ms": report["max_ms"],
        "load cpu s": report["load_cpu_s"],
    }


# --- The run --------------------------------------------------------------------------


def table(rows: list[Row], servers: list[Server], measured: list[dict]) -> str:
    """Medians over the rounds; ``×`` is the median of each round's own ratio."""
    yardstick, *products = [server.name for server in servers]
    head = ["", "", yardstick, *(cell for name in products for cell in (name, "×"))]
    lines = [head, ["---"] * 2 + ["---:"] * (len(head) - 2)]
    for row in rows:
        for figure in row.shown:
            base = values(measured, row.key, yardstick, figure)
            title = f"({row.key}) {row.title}" if figure == row.shown[0] else ""
            cells = [title, figure, middle(list(base.values()), number)]
            for name in products:
                ours = values(measured, row.key, name, figure)
                ratios = [ours[x] / base[x] for x in ours if base.get(x)]
                cells.append(middle(list(ours.values()), number))
                cells.append(middle(ratios, "{:.2f}".format))
            lines.append(cells)
    return markdown(lines)


def run(rows: str, sizes: Sizes, steady_rounds: int, database: str) -> bool:
    """Measure and print; whether all went well."""
    allow_many_files()
    with ExitStack() as stack:
        # Its path is short because sockets will be in it.
        folder = Path(tempfile.mkdtemp(prefix="bench-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        emit = built(folder, "emit")
        stack.callback(open_all_gates, folder)
        bench = Bench(sizes, built(folder, "load"), folder)
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
        measured = measure(chosen, servers, sizes.rounds, steady_rounds, bench.recover)
        facts = environment(database) | {"node": node_version()}
        facts["load before, after"] = f"{before:.1f}, {os.getloadavg()[0]:.1f}"
        shown = table(chosen, servers, measured)
        return report(shown, measured, facts, asdict(sizes))


def main() -> None:
    servers = "a PostgreSQL server's URL"
    chosen = options(__doc__ or "", "a to l", "i, k and l", servers)
    sizes = QUICK if chosen.quick else FULL
    if chosen.rounds:
        sizes = replace(sizes, rounds=chosen.rounds)
    end_in_order_on_signals()
    try:
        is_well = run(chosen.rows, sizes, chosen.rounds or 1, chosen.database)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
