"""`make roll` under load, again and again: does a request fail, is a line lost, does a
task end before its time, and what does anybody have to wait for?

    .venv/bin/python benchmarks/upgrade.py [--rolls 5] [--calm 30] [--nginx]
                                           [--release 2.0.0]

Two web processes and two runners on a PostgreSQL of their own. Prints a Markdown table;
the exit code is 1 when something was lost or failed. What it means is in README.md.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from rows import markdown
from servers import end_in_order_on_signals

from tests.e2e.cluster import Cluster
from tests.e2e.product import copy_of_the_product
from tests.e2e.releases import COMMITS, unpacked
from tests.e2e.rolling import Load, Product, resets, tcp_migrate_req, whole_logs
from tests.e2e.test_nginx import Nginx

CONNECTIONS = 80


class Period(NamedTuple):
    """From when until when, by time.monotonic()."""

    began: float
    ended: float

    def has(self, moment: float) -> bool:
        return self.began <= moment < self.ended


def run(options: argparse.Namespace) -> bool:
    """Return whether nothing was lost."""
    folder = Path(tempfile.mkdtemp(prefix="upgrade-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = Cluster(connections=CONNECTIONS, env={})
        stack.callback(cluster.remove)
        if options.release:
            unpacked(options.release, folder / "product")
        else:
            copy_of_the_product(folder / "product")
        product = Product(
            folder / "product", cluster.url, TRUSTED_PROXIES="127.0.0.1,::1"
        )
        stack.callback(product.stop)
        product.wait_until_whole()
        if options.nginx:
            (folder / "nginx").mkdir()
            nginx = Nginx(folder / "nginx", product.port)
            stack.callback(nginx.stop)
            product.url = nginx.url
            product.wait_until_whole()
        load = Load(product)
        load.wait_until_it_flows()
        began = time.monotonic()
        time.sleep(options.calm)
        calm = Period(began, time.monotonic())
        rolls = [_roll(product) for _ in range(options.rolls)]
        ids = load.end()
        statuses = Counter(load.status_of(ids).values())
    return _report(options, load, calm, rolls, statuses)


def _roll(product: Product) -> Period:
    began = time.monotonic()
    product.update()
    rolled = product.roll()
    if rolled.returncode:
        raise RuntimeError(rolled.stdout + rolled.stderr)
    return Period(began, time.monotonic())


def _report(
    options: argparse.Namespace,
    load: Load,
    calm: Period,
    rolls: list[Period],
    statuses: Counter[str],
) -> bool:
    answers = [answer for client in load.clients for answer in client.answers]
    silences = [
        (later, later - earlier)
        for watcher in load.watchers
        for earlier, later in pairwise(watcher.came_at)
    ]

    def rows(title: str, found: Iterable[tuple[float, float]]) -> list[list[str]]:
        columns = [
            [1000 * took for at, took in found if any(one.has(at) for one in periods)]
            for periods in ([calm], rolls)
        ]
        shown: list[tuple[str, Callable[[list[float]], float]]] = [
            ("", len),
            (", p50, ms", lambda values: _at(values, 0.5)),
            (", p99, ms", lambda values: _at(values, 0.99)),
            (", longest, ms", lambda values: max(values, default=0)),
        ]
        return [
            [title + what, *(f"{of(values):,.0f}" for values in columns)]
            for what, of in shown
        ]

    cut = sum(len(watcher.ports) - 1 for watcher in load.watchers)
    lost = resets(load.failures)
    other = [one for one in load.failures if one not in lost]
    is_whole = whole_logs(load.watchers)
    took = sorted(roll.ended - roll.began for roll in rolls)
    lines = sum(len(watcher.seqs) for watcher in load.watchers)
    way = "through nginx" if options.nginx else "directly"
    release = f"from {options.release}, " if options.release else ""
    print(f"{release}{way}, tcp_migrate_req = {tcp_migrate_req()}:\n")
    print(
        markdown(
            [
                ["", "at rest", "while it rolls"],
                ["---", "---:", "---:"],
                *rows("starts answered", answers),
                *rows("lines between which a stream was silent", silences),
            ]
        )
    )
    print(
        f"\n{len(rolls)} rolls of {took[0]:.0f} to {took[-1]:.0f} s;"
        f" {statuses.total():,} tasks: {dict(statuses)};"
        f" {len(load.watchers):,} streams, cut {cut:,} times, saw {lines:,} lines:"
        f" {'each once, in order' if is_whole else 'NOT each once and in order'};"
        f" starts that failed: {len(lost)} reset, {len(other)} otherwise."
    )
    for failure in load.failures[:10]:
        print(failure, file=sys.stderr)
    if not cut:
        print("No stream was cut, so nothing was tried.", file=sys.stderr)
    return bool(
        is_whole and cut and not load.failures and set(statuses) == {"completed"}
    )


def _at(values: list[float], part: float) -> float:
    return sorted(values)[int(len(values) * part)] if values else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rolls", type=int, default=5)
    parser.add_argument("--calm", type=float, default=30, help="seconds before (30)")
    parser.add_argument("--nginx", action="store_true", help="with the shipped site")
    parser.add_argument("--release", choices=list(COMMITS), help="what runs before")
    options = parser.parse_args()
    end_in_order_on_signals()
    try:
        is_well = run(options)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
