"""Ten thousand readers of one log, through nginx that keeps its pages.

    .venv/bin/python benchmarks/readers.py [--quick] [--rows abc] [--readers 10000]

Readers catch up and then wait by long polls (poll.c), beside the stream by server-sent
events (load.c). Prints a Markdown table and then JSON with every figure. What the rows
mean is in README.md.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from clients import LIMIT_SECONDS, Clients, Figures, Gate, open_all_gates
from front import Front
from rows import built, environment, markdown, number
from servers import Product, allow_many_files, end_in_order_on_signals

READERS, QUICK_READERS = 10_000, 500
SECONDS, QUICK_SECONDS = 30, 8
FIGURES = {
    "readers": "readers",
    "open_s": "open s",
    "p50_ms": "lag p50 ms",
    "p99_ms": "p99 ms",
    "max_ms": "max ms",
    "closed_s": "closed s",
    "requests": "requests",
    "pages": "pages asked of the service",
    "per_page": "requests a page",
    "rights": "rights asked",
    "cpu_web": "web cpu s",
    "cpu_runner": "runner cpu s",
    "cpu_nginx": "nginx cpu s",
    "cpu_load": "readers' cpu s",
    "per_core": "readers a core",
}


@dataclass(frozen=True)
class Row:
    """Readers of a log of so many lines a second. ``share``: of the readers that were
    asked for; ``late``: of those, who come while it is written, over ``late_share`` of
    that time; ``each_own``: each from an address of its own."""

    title: str
    caches: bool = True
    is_stream: bool = False
    rate: int = 20
    share: float = 1
    late: float = 0
    late_share: float = 1
    each_own: bool = False


ROWS = {
    "a": Row("all there from the beginning"),
    "b": Row("a tenth", share=0.1),
    "c": Row("half of them come late, one by one", late=0.5, late_share=0.9),
    "d": Row("half of them come late, all at once", late=0.5, late_share=0),
    "e": Row("100 lines/s: a page fills every 10 s", rate=100),
    "f": Row("a hundredth", share=0.01),
    "g": Row("a hundredth, without the cache", share=0.01, caches=False),
    "h": Row("a tenth, each from an address of its own", share=0.1, each_own=True),
    "i": Row("the stream, by server-sent events", caches=False, is_stream=True),
}


class Polls(Clients):
    """poll.c instead of load.c."""

    def __init__(
        self, poll: Path, front: Front, task_id: str, row: Row, count: int, seconds: int
    ) -> None:
        self._name = row.title
        late = int(row.late * count)
        numbers = (
            count - late,
            count if row.each_own else 4,
            late,
            row.late_share * seconds,
            LIMIT_SECONDS,
        )
        path = f"/api/tasks/{task_id}/log"
        command = [poll, str(front.port), path, front.api_key, *map(str, numbers)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)


class Bench:
    """One run: the product, the programs, and a folder for what they make."""

    def __init__(
        self, folder: Path, product: Product, readers: int, seconds: int
    ) -> None:
        self._folder, self._product = folder, product
        self._readers, self._seconds = readers, seconds
        self._poll, self._load = built(folder, "poll"), built(folder, "load")

    def measure(self, key: str, row: Row) -> Figures:
        """Return the figures of a row, once every reader has been told of the end."""
        count = max(1, int(self._readers * row.share))
        self._say_to_caches("public" if row.caches else "private")
        gate = Gate(self._folder)
        lines = row.rate * self._seconds
        every = 1_000_000 // row.rate
        front = Front(self._folder / f"nginx-{key}", self._product, caches=row.caches)
        with front:
            task_id = self._product.create(lines, every, str(gate.path))
            with self._readers_of(front, task_id, row, count) as reading:
                opened = reading.wait_until_open()
                before, nginx = self._product.cpu_seconds(), front.cpu_seconds()
                began = gate.open()
                report = reading.report()
            after, nginx = self._product.cpu_seconds(), front.cpu_seconds() - nginx
            seconds = time.monotonic() - began
            self._product.wait_for(task_id, LIMIT_SECONDS)
            expected = count * self._log_count(task_id)
        if report["lines"] != expected:
            raise RuntimeError(f"{row.title}: {report}, {expected} lines expected")
        web = after["web"] - before["web"]
        queries, rights = front.reached(task_id)
        return {
            "readers": count,
            "open_s": opened,
            **{name: report[name] for name in ("p50_ms", "p99_ms", "max_ms")},
            "closed_s": report["ended"] - report.get("first_end", report["ended"]),
            "requests": report.get("requests", count),
            "pages": queries.total(),
            "per_page": queries.total() / len(queries) if queries else 0,
            "most_per_page": max(queries.values(), default=0),
            "rights": rights,
            "cpu_web": web,
            "cpu_runner": after["runner"] - before["runner"],
            "cpu_nginx": nginx,
            "cpu_load": report["load_cpu_s"],
            "per_core": count * seconds / (web + nginx),
            "seconds": seconds,
            "report": report,
        }

    def _say_to_caches(self, what: str) -> None:
        if self._product.env["LOG_CACHE"] != what:
            self._product.env["LOG_CACHE"] = what
            self._product.renew()

    def _readers_of(self, front: Front, task_id: str, row: Row, count: int) -> Clients:
        if row.is_stream:
            return Clients(self._load, front, task_id, count)
        return Polls(self._poll, front, task_id, row, count, self._seconds)

    def _log_count(self, task_id: str) -> int:
        with self._product.get(f"/api/tasks/{task_id}") as answer:
            return int(json.load(answer)["logCount"])


def run(chosen: argparse.Namespace) -> bool:
    """Measure and print; return whether all went well."""
    allow_many_files()
    readers = chosen.readers or (QUICK_READERS if chosen.quick else READERS)
    seconds = QUICK_SECONDS if chosen.quick else SECONDS
    measured: dict[str, Figures] = {}
    is_well = True
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="bench-"))
        folder.chmod(0o755)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        product = Product(folder, built(folder, "emit"))
        product.env |= {"LOG_CACHE": "public", "TRUSTED_PROXIES": "127.0.0.1"}
        stack.enter_context(product)
        stack.callback(open_all_gates, folder)
        bench = Bench(folder, product, readers, seconds)
        for key in chosen.rows:
            load = os.getloadavg()[0]
            try:
                figures = bench.measure(key, ROWS[key])
            except (RuntimeError, OSError) as error:
                print(f"({key}) FAILED: {error}", file=sys.stderr)
                is_well = False
                open_all_gates(folder)
                continue
            measured[key] = {**figures, "load": load}
            shown = (f"{number(figures[name])} {FIGURES[name]}" for name in FIGURES)
            print(f"({key}) {', '.join(shown)}; load {load:.1f}", file=sys.stderr)
    print(table(measured))
    everything = {"environment": environment(""), "runs": measured}
    print(f"\n{json.dumps(everything)}")
    return is_well


def table(measured: dict[str, Figures]) -> str:
    """Return the rows, one below the other."""
    lines = [["", *FIGURES.values(), "load"], ["---", *["---:"] * (len(FIGURES) + 1)]]
    for key, figures in measured.items():
        cells = [number(figures[name]) for name in (*FIGURES, "load")]
        lines.append([f"({key}) {ROWS[key].title}", *cells])
    return markdown(lines)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="500 readers, 8 s")
    parser.add_argument("--rows", default="".join(ROWS), help="only these, e.g. abf")
    parser.add_argument("--readers", type=int)
    return parser.parse_args()


def main() -> None:
    end_in_order_on_signals()
    try:
        is_well = run(arguments())
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
