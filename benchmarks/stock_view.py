"""What django-eventstream's stock view does with a task's log lines.

    .venv/bin/python benchmarks/stock_view.py [--quick] [--database postgres://USER@HOST/DB]

A small Django project in a temporary folder, configured as django-eventstream's
documentation says, under Daphne: a program calls ``send_event`` once for each line and
once for the end, and viewers connect to the package's own view. One more setup goes
beyond that: rows stored in batches, with a storage class over them, each line then
announced as ``send_event`` does it. Prints Markdown tables; docs/decisions/0002 rests
on them. How to read them is in README.md.
"""

import argparse
import json
import os
import platform
import re
import secrets
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from servers import DatabaseServer, allow_many_files, end_in_order_on_signals

QUIET_SECONDS = 5.0  # without a line, after the sender has ended: no more will come
LIMIT_SECONDS = 600
BURST_LINES = 300
STREAMS = (1, 20, 100)

SETTINGS = """
import json, os
import dj_database_url
SECRET_KEY = "only for this measurement, and gone with it"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [
    "daphne",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django_eventstream",
]
ROOT_URLCONF = "project"
ASGI_APPLICATION = "project.application"
USE_TZ = True
if url := os.environ["DATABASE_URL"]:
    DATABASES = {"default": dj_database_url.parse(url)}
else:  # as the product has it
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["FOLDER"] + "/db.sqlite3",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                    "PRAGMA busy_timeout=20000; PRAGMA cache_size=-16000;"
                ),
            },
        }
    }
if os.environ["STORAGE"]:
    EVENTSTREAM_STORAGE_CLASS = os.environ["STORAGE"]
if os.environ["REDIS"]:
    EVENTSTREAM_REDIS = json.loads(os.environ["REDIS"])
"""

PROJECT = '''
"""URLs, the ASGI application, and a view that prints in the web process."""
import json, os, threading
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
from django.core.asgi import get_asgi_application
application = get_asgi_application()
import django_eventstream
from django.http import HttpResponse
from django.urls import include, path

def health(request):
    return HttpResponse()

def start(request, channel, lines):
    from lines import send
    answer = os.environ["FOLDER"] + f"/{channel}.json"
    threading.Thread(target=send, args=(channel, lines, answer), daemon=True).start()
    return HttpResponse()

urlpatterns = [
    path("health", health),
    path("start/<channel>/<int:lines>", start),
    path("events/<channel>/", include(django_eventstream.urls)),
]
'''

LINES = '''
"""Send so many lines, then the end; into ANSWER goes what it cost."""
import json, os, sys, time

def events(lines):
    for seq in range(1, lines + 1):
        log = {
            "seq": seq,
            "timestamp": "2025-11-26T10:30:01.234Z",
            "level": "stdout",
            "message": f"line {seq:07d} copying resources/ios/atlas_0042.png",
        }
        yield {"type": "log", "log": log}
    yield {"type": "end", "status": "completed", "logCount": lines}

def one_by_one(channel, lines):
    from django_eventstream import send_event
    for event in events(lines):
        send_event(channel, "message", event)

def in_batches(channel, lines):
    from rows import store_and_announce
    batch, first = [], 1
    for event in events(lines):
        batch.append(json.dumps(event))
        if len(batch) == 500 or event["type"] == "end":
            store_and_announce(channel, first, batch)
            batch, first = [], first + len(batch)

def send(channel, lines, answer):
    from django.db import connection
    statements = 0
    def count(execute, *arguments):
        nonlocal statements
        statements += 1
        return execute(*arguments)
    started, error = time.monotonic(), ""
    try:
        with connection.execute_wrapper(count):
            how = in_batches if "rows" in os.environ["STORAGE"] else one_by_one
            how(channel, lines)
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}"
    finally:
        connection.close()
    seconds = time.monotonic() - started
    said = {"started": started, "seconds": seconds, "error": error}
    with open(answer + ".new", "w") as file:
        json.dump({**said, "statements": statements}, file)
    os.rename(answer + ".new", answer)

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    import django
    django.setup()
    send(sys.argv[1], int(sys.argv[2]), sys.argv[3])
'''

ROWS = '''
"""A storage over rows that are stored in batches."""
import json
from django.db import connection, transaction
from django_eventstream.event import Event
from django_eventstream.storage import EventDoesNotExist, StorageBase

def make_table():
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE line (channel varchar(64), seq integer, data text,"
            " PRIMARY KEY (channel, seq))"
        )

def store_and_announce(channel, first, batch):
    from django_eventstream.eventstream import redis_client
    rows = [(channel, first + at, data) for at, data in enumerate(batch)]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany("INSERT INTO line VALUES (%s, %s, %s)", rows)
    with redis_client.pipeline(transaction=False) as pipe:
        for _, seq, data in rows:  # what send_event says
            event = {"channel": channel, "event_type": "message", "data": data}
            pipe.publish("events_channel", json.dumps({**event, "pub_id": str(seq)}))
        pipe.execute()

class RowStorage(StorageBase):
    def get_events(self, channel, last_id, limit=100):
        current = self.get_current_id(channel)
        if last_id > current:
            raise EventDoesNotExist(f"No such event {last_id}", current)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT seq, data FROM line WHERE channel = %s AND seq > %s"
                " ORDER BY seq LIMIT %s", [channel, last_id, limit]
            )
            rows = cursor.fetchall()
        return [Event(channel, "message", data, id=seq) for seq, data in rows]

    def get_current_id(self, channel):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(max(seq), 0) FROM line WHERE channel = %s", [channel]
            )
            return cursor.fetchone()[0]
'''


@dataclass(frozen=True)
class Setup:
    """One of the ways in which the documentation says to configure it."""

    title: str
    storage: str
    has_redis: bool  # then a process of its own sends, as a runner would


STORED = "django_eventstream.storage.DjangoModelStorage"
SETUPS = (
    Setup("a process of its own; Redis; storage in the database", STORED, True),
    Setup("a process of its own; Redis; no storage", "", True),
    Setup("a thread of the web process; storage in the database", STORED, False),
    Setup("a process of its own; Redis; rows in batches", "rows.RowStorage", True),
)


class StockView(DatabaseServer):
    def __init__(
        self, folder: Path, setup: Setup, redis_url: str, server_url: str
    ) -> None:
        super().__init__(folder, server_url)
        self._setup = setup
        for name, text in (
            ("settings", SETTINGS),
            ("project", PROJECT),
            ("lines", LINES),
            ("rows", ROWS),
        ):
            (folder / f"{name}.py").write_text(text.lstrip())
        redis = urlsplit(redis_url)
        where = {
            "host": redis.hostname,
            "port": redis.port or 6379,
            "db": int(redis.path.strip("/") or 0),
        }
        self._env = {
            **os.environ,
            "PYTHONPATH": str(folder),
            "DJANGO_SETTINGS_MODULE": "settings",
            "DATABASE_URL": self.database_url,
            "FOLDER": str(folder),
            "STORAGE": setup.storage,
            "REDIS": json.dumps(where) if setup.has_redis else "",
        }

    def prepare(self) -> None:
        super().prepare()
        make_table = "import django; django.setup(); import rows; rows.make_table()"
        for command in (["-m", "django", "migrate", "-v0"], ["-c", make_table]):
            subprocess.run([sys.executable, *command], env=self._env, check=True)

    def start(self) -> None:
        self.start_web()

    def start_web(self) -> None:
        endpoint = f"tcp:port={self.port}:interface=127.0.0.1:backlog=4096"
        command = ["-m", "daphne", "-e", endpoint, "project:application"]
        self._spawn("web", [sys.executable, *command], self._env)

    def send(self, channel: str, lines: int) -> Path:
        """Start to send; returns the file that is there when that is done."""
        answer = self.folder / f"{channel}.json"
        if self._setup.has_redis:
            program = str(self.folder / "lines.py")
            command = [sys.executable, program, channel, str(lines), str(answer)]
            self._spawn("sender", command, self._env)
        else:
            with self.get(f"/start/{channel}/{lines}") as response:
                response.read()
        return answer


# --- Viewers --------------------------------------------------------------------------


class Viewer:
    """Counts the lines of one stream."""

    SEQ = re.compile(rb'"seq": (\d+)')

    def __init__(self, port: int, channel: str, lines: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        request = f"GET /events/{channel}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        self.socket.sendall(request.encode())
        self._rest = b""
        self.counts = [0] * (lines + 1)
        self.is_open = self.is_closed = self.has_end = False
        self.last_line_at = 0.0

    def take(self) -> None:
        """Read what is there; the events in it are whole, as chunks carry them so."""
        got = self.socket.recv(256 * 1024)
        if not got:
            self.is_closed = True
            return
        data = self._rest + got
        whole, found, self._rest = data.rpartition(b"\n\n")
        whole += found
        for seq in self.SEQ.findall(whole):
            self.counts[int(seq)] += 1
            self.last_line_at = time.monotonic()
        self.is_open = self.is_open or b"event: stream-open" in whole
        self.has_end = self.has_end or b'"type": "end"' in whole

    @property
    def delivered(self) -> int:
        return sum(map(bool, self.counts))

    @property
    def doubled(self) -> int:
        return sum(count - 1 for count in self.counts if count)


class Viewers:
    """Streams of one channel, read by turns. Use it as a context."""

    def __init__(self, port: int, channel: str, count: int, lines: int) -> None:
        self._selector = selectors.DefaultSelector()
        self.all = [Viewer(port, channel, lines) for _ in range(count)]
        for viewer in self.all:
            self._selector.register(viewer.socket, selectors.EVENT_READ, viewer)
        deadline = time.monotonic() + 60
        while not all(viewer.is_open for viewer in self.all):
            if time.monotonic() > deadline:
                break
            self.read()

    def __enter__(self) -> "Viewers":
        return self

    def __exit__(self, *_: object) -> None:
        for viewer in self.all:
            viewer.socket.close()
        self._selector.close()

    @property
    def open_count(self) -> int:
        return sum(viewer.is_open for viewer in self.all)

    def read(self) -> None:
        for key, _ in self._selector.select(0.1):
            key.data.take()
            if key.data.is_closed:
                self._selector.unregister(key.fileobj)

    def read_until_quiet(self, answer: Path) -> None:
        """Until all is sent and all have it, or nobody gets any more."""
        deadline = time.monotonic() + LIMIT_SECONDS
        sent_at = 0.0
        while time.monotonic() < deadline:
            self.read()
            now = time.monotonic()
            if not sent_at and answer.exists():
                sent_at = now
            last = max(sent_at, *(viewer.last_line_at for viewer in self.all), 0.0)
            if sent_at and now - last > QUIET_SECONDS:
                return


# --- The measurement ------------------------------------------------------------------


def delivery(server: StockView, viewers: int, lines: int) -> list[str]:
    """One table row: what became of so many lines."""
    channel = f"task-{secrets.token_hex(4)}"  # Redis tells it to all who listen there
    with Viewers(server.port, channel, viewers, lines) as watching:
        answer = server.send(channel, lines)
        watching.read_until_quiet(answer)
        if not answer.exists():
            return [f"{lines:,}", str(viewers), "not sent in time", *[""] * 7]
        said = json.loads(answer.read_text())
        everybody = watching.all
        delivered = [viewer.delivered for viewer in everybody]
        last = max(viewer.last_line_at for viewer in everybody)
        seconds = max(last - said["started"], said["seconds"])
        ends = sum(viewer.has_end for viewer in everybody)
        sent = f"{lines / said['seconds']:,.0f}"
        return [
            f"{lines:,}",
            str(viewers),
            said["error"] or sent,
            f"{said['statements'] / lines:.3g}",
            f"{sum(delivered) / viewers / seconds:,.0f}",
            spread(delivered),
            spread([lines - one for one in delivered]),
            spread([viewer.doubled for viewer in everybody]),
            f"{ends} of {viewers}",
            str(sum(viewer.is_closed for viewer in everybody)),
        ]


def spread(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def footprint(server: StockView) -> Iterator[list[str]]:
    """Table rows: threads, connections and memory by the number of idle streams."""
    first = 0
    for count in STREAMS:
        with Viewers(server.port, "quiet", count, 0) as watching:
            memory = server.web_bytes()
            first = first or memory
            a_stream = (memory - first) / 1000 / max(1, count - 1)
            yield [
                str(count),
                str(watching.open_count),
                str(server.web_process.num_threads()),
                str(server.web_database_connections()),
                f"{memory / 1e6:.0f}",
                f"{a_stream:.0f}" if count > 1 else "–",
            ]
        server.renew()


def measure(setup: Setup, server_url: str, redis_url: str, flood: int) -> None:
    """One setup's two tables, each of a fresh server."""
    with a_server(setup, redis_url, server_url) as server:
        database = server.name if setup.storage else "none"
        print(f"\n**{setup.title}** (database: {database})\n")
        table(
            [
                *("lines", "viewers", "sent/s", "SQL a line", "lines/s", "delivered"),
                *("lost", "doubled", "`end` came", "cut off"),
            ],
            (
                delivery(server, viewers, lines)
                for lines in (BURST_LINES, flood)
                for viewers in (1, 20)
            ),
        )
    with a_server(setup, redis_url, server_url) as server:
        print()
        table(
            [
                *("idle streams", "open", "threads", "connections", "MB"),
                "KB a stream",
            ],
            footprint(server),
        )


@contextmanager
def a_server(setup: Setup, redis_url: str, server_url: str) -> Iterator[StockView]:
    folder = Path(tempfile.mkdtemp(prefix="stock-"))
    try:
        with StockView(folder, setup, redis_url, server_url) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def table(head: list[str], rows: Iterable[list[str]]) -> None:
    for cells in chain([head, ["---:"] * len(head)], rows):
        print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="2,000 lines, not 20,000")
    parser.add_argument("--setups", default="1234", help="only these, e.g. 14")
    parser.add_argument(
        "--database",
        default=os.environ.get("TEST_DATABASE_URL", ""),
        help="a PostgreSQL server's URL, for the same on PostgreSQL",
    )
    parser.add_argument(
        "--redis",
        default=os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/7"),
        help="a Redis database's URL, for sending from another process",
    )
    options = parser.parse_args()
    allow_many_files()
    end_in_order_on_signals()
    try:
        run(options.setups, options.database, options.redis, options.quick)
    except KeyboardInterrupt:
        sys.exit(130)


def run(setups: str, server_url: str, redis_url: str, is_quick: bool) -> None:
    names = ("django-eventstream", "Django", "channels", "daphne", "redis", "psycopg")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    print(
        f"{time.strftime('%Y-%m-%d')}. Python {platform.python_version()}, {versions}"
    )
    if server_url:
        with psycopg.connect(server_url) as connection:
            print(f"PostgreSQL {connection.info.parameter_status('server_version')}")
    flood = 2_000 if is_quick else 20_000
    for number, setup in enumerate(SETUPS, 1):
        if str(number) not in setups:
            continue
        measure(setup, "", redis_url, flood)
        if server_url and setup.storage:
            measure(setup, server_url, redis_url, flood)


if __name__ == "__main__":
    main()
