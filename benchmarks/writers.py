"""How long processes that write to one SQLite file wait for each other.

    python writers.py [ROWS …] [--seconds N]

One process for each number (10 3000 3000): every 4 ms it begins a transaction, as the
product does, and inserts so many rows; 3,000 take it half of the time. Prints for each
how many it did, and how long it waited to begin, in milliseconds.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(os.environ.get("MEASURED", Path(__file__).resolve().parents[1]))
PAUSE_SECONDS = 0.004
ROW = ["[0000001] packing textures/env/forest/tree_00001.pvr: 482113 -> 118240 bytes"]


def write(rows: int, seconds: float) -> None:
    sys.path.insert(0, str(ROOT))
    os.environ["DJANGO_SETTINGS_MODULE"] = "resource_sync.settings"
    import django

    django.setup()
    from django.db import connection, transaction

    cursor = connection.cursor()
    cursor.execute("CREATE TABLE IF NOT EXISTS written (message)")
    print("ready", flush=True)
    sys.stdin.readline()
    waited = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        with transaction.atomic():
            waited.append(1000 * (time.perf_counter() - began))
            cursor.executemany("INSERT INTO written VALUES (%s)", [ROW] * rows)
        time.sleep(PAUSE_SECONDS)
    waited.sort()
    parts = (0.5, 0.99, 0.999)
    found = [waited[int(len(waited) * part)] for part in parts] + [waited[-1]]
    cells = [f"{rows:,}", f"{len(waited):,}", *(f"{ms:.2f}" for ms in found)]
    print(f"| {' | '.join(cells)} |")


def measure(writers: list[int], seconds: float) -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("MEASURED_IN")) as folder:
        os.environ |= {
            "DATA_DIR": f"{folder}/data",
            "LOG_DIR": f"{folder}/logs",
            "SECRET_KEY": "only-to-measure-" * 4,
            "DATABASE_URL": "",
        }
        Path(folder, "data").mkdir()
        started = [
            subprocess.Popen(
                [sys.executable, __file__, "--write", str(rows), str(seconds)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for rows in writers
        ]
        for one in started:
            assert one.stdout
            one.stdout.readline()
        print("| rows | transactions | p50 ms | p99 | p99.9 | max |")
        print("| ---: | ---: | ---: | ---: | ---: | ---: |")
        for one in started:
            assert one.stdin
            one.stdin.write("\n")
            one.stdin.flush()
        print("".join(one.communicate()[0] for one in started), end="")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="*", type=int, default=[10, 3000, 3000])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--write", nargs=2, type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write(int(options.write[0]), options.write[1])
    else:
        measure(options.rows, options.seconds)


if __name__ == "__main__":
    main()
