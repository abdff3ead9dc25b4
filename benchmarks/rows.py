"""The rows of a benchmark's table: measured in turns, shown as medians."""

import argparse
import json
import os
import platform
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import psycopg
from clients import Figures
from servers import HERE, Server

Measure = Callable[[Any], Figures]  # of a server


@dataclass(frozen=True)
class Row:
    key: str
    title: str
    shown: tuple[str, ...]
    measure: Measure
    is_steady: bool = False  # once is enough, unless more is asked for


def cpu_since(before: Figures, server: Server) -> Figures:
    """CPU seconds by process, and in sum as ``cpu s``."""
    after = server.cpu_seconds()
    used = {name: after[name] - before[name] for name in after}
    each = {f"cpu s of {name}": seconds for name, seconds in used.items()}
    return {"cpu s": sum(used.values()), **each}


def measure(
    rows: list[Row],
    servers: list[Any],
    rounds: int,
    steady_rounds: int,
    recover: Callable[[Any], None],
) -> list[dict]:
    """Every row on every server in turns, so that what else the machine does hits
    all alike. What fails is noted, and the rest goes on."""
    measured = []
    for row in rows:
        for number in range(steady_rounds if row.is_steady else rounds):
            turn = number % len(servers)
            for server in servers[turn:] + servers[:turn]:
                about = {"row": row.key, "round": number, "server": server.name}
                try:
                    figures = row.measure(server)
                except (RuntimeError, OSError) as error:
                    print(f"({row.key}) FAILED: {error}", file=sys.stderr)
                    measured.append({**about, "error": str(error)})
                    recover(server)
                    continue
                shown = ", ".join(f"{figures[name]:.4g} {name}" for name in row.shown)
                print(f"({row.key}) {server.name}: {shown}", file=sys.stderr)
                measured.append({**about, **figures})
    return measured


def values(
    measured: list[dict], row: str, server: str, figure: str
) -> dict[int, float]:
    """By round."""
    mine = [one for one in measured if (one["row"], one["server"]) == (row, server)]
    return {one["round"]: one[figure] for one in mine if figure in one}


def markdown(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def middle(found: list[float], shown: Callable[[float], str]) -> str:
    return shown(median(found)) if found else "–"


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def environment(database: str) -> dict[str, str]:
    """What the figures were measured with; ``database``: PostgreSQL's URL, if any."""
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
        "sqlite": sqlite3.sqlite_version,
    }
    if database:
        with psycopg.connect(database) as connection:
            parameter = connection.info.parameter_status("server_version")
        found["postgresql"] = parameter or ""
    return found


def node_version() -> str:
    node = subprocess.run(["node", "--version"], capture_output=True, check=True)
    return node.stdout.decode().strip()


def options(about: str, rows: str, steady: str, servers: str) -> argparse.Namespace:
    """What the command line says; ``servers``: what ``--database`` names."""
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small numbers, one round")
    parser.add_argument("--rounds", type=int, help=f"of each row (3; 1 of {steady})")
    parser.add_argument("--rows", default="", help=f"only these, e.g. abf ({rows})")
    parser.add_argument(
        "--database",
        default=os.environ.get("TEST_DATABASE_URL", ""),
        help=f"{servers}; a database is made there, and dropped",
    )
    return parser.parse_args()


def report(
    table: str, measured: list[dict], facts: dict[str, str], sizes: dict[str, Any]
) -> bool:
    """Print the table and then everything; whether all went well."""
    print(table)
    everything = {"environment": facts, "sizes": sizes, "runs": measured}
    print(f"\n{json.dumps(everything)}")
    return not any("error" in one for one in measured)


def built(folder: Path, name: str) -> Path:
    """One of the programs in C beside this file, compiled into a folder."""
    program = folder / name
    source = HERE / f"{name}.c"
    subprocess.run(["cc", "-O2", "-o", program, source], check=True)
    return program
