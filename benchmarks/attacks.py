"""One web process under what clients can do to it: does it still answer, and what
memory does it take?

    .venv/bin/python benchmarks/attacks.py [--rows bodies,trickle,…]

Prints a Markdown table; what the rows are is in README.md. SQLite, 127.0.0.1, Linux.
"""

import argparse
import http.client
import shutil
import socket
import sqlite3
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from rows import markdown
from servers import end_in_order_on_signals

from tests.e2e.conftest import Service

PROBE_SECONDS, PROBE_TIMEOUT_SECONDS = 0.1, 60
SETTLE_SECONDS = 5  # after an attack, before what stays is measured
BODY_BYTES = 30_000_000
LINES, LONG_LINES, LONG_LINE_BYTES = 600_000, 3_000, 60_000
TASKS, SEARCHES, WAITERS = 100_000, 300, 200
OUTPUTS, OUTPUT_TASKS = 200_000, 15
TRICKLERS, TRICKLE_SECONDS, TRICKLE_PATIENCE_SECONDS = 50, 3, 150
MULTIPART_TYPE = "multipart/form-data; boundary=b"
FORM_TYPE = "application/x-www-form-urlencoded"
PART = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
TYPES = """
[lines]
title = "Many lines"
[lines.params.n]
pattern = "[0-9]+"
[[lines.steps]]
name = "Print"
command = ["seq", "-f", "line %.0f of a log that is quite usual in its length", "{n}"]
[long-lines]
title = "Long lines"
[[long-lines.steps]]
name = "Print"
command = ["{python}", "-c", '''
for n in range(LONG_LINES):
    print(n, "x" * LONG_LINE_BYTES)
''']
[outputs]
title = "Many outputs"
[[outputs.steps]]
name = "Print"
command = ["{python}", "-c", '''
for n in range(OUTPUTS):
    print(f"::set-output name=o{{n}}::" + "x" * 90)
''']
[waits]
title = "Waits"
lock = "one"
[[waits.steps]]
name = "Sleep"
command = ["sleep", "20"]
""".replace("LONG_LINES", str(LONG_LINES))
TYPES = TYPES.replace("LONG_LINE_BYTES", str(LONG_LINE_BYTES))
TYPES = TYPES.replace("OUTPUTS", str(OUTPUTS))


@dataclass
class Watch:
    """How a web process fares meanwhile."""

    service: Service
    worst_health_seconds: float = 0.0
    rss_before: int = 0
    rss_most: int = 0
    rss_after: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    _is_over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator["Watch"]:
        self.rss_before = self.rss_most = self._rss()
        threads = [threading.Thread(target=act) for act in (self._probe, self._weigh)]
        for thread in threads:
            thread.start()
        try:
            yield self
            time.sleep(SETTLE_SECONDS)
            self.rss_after = self._rss()
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()

    def _rss(self) -> int:
        return psutil.Process(self.service.processes["web"].pid).memory_info().rss

    def _weigh(self) -> None:
        while not self._is_over.wait(0.05):
            self.rss_most = max(self.rss_most, self._rss())

    def _probe(self) -> None:
        while not self._is_over.wait(PROBE_SECONDS):
            began = time.monotonic()
            try:
                url = f"{self.service.url}/health"
                answer = requests.get(url, timeout=PROBE_TIMEOUT_SECONDS)
                if answer.status_code != 200:
                    self.answers[f"/health {answer.status_code}"] += 1
            except requests.RequestException as error:
                self.answers[f"/health {type(error).__name__}"] += 1
            took = time.monotonic() - began
            self.worst_health_seconds = max(self.worst_health_seconds, took)


class Attacks:
    def __init__(self, service: Service) -> None:
        self.service = service
        self._made: dict[str, str] = {}
        self.rows: dict[str, tuple[str, Callable[[Watch], None]]] = {}
        for kind, content_type, body in bodies():
            self.rows[f"bodies-{kind}"] = (
                f"30 MB, {kind}, no key, 4 at once",
                self._posts(content_type, body),
            )
        self.rows |= {
            "chunked": ("30 MB in chunks, no key, 4 at once", self._chunked),
            "trickle": (
                f"{TRICKLERS} heads and {TRICKLERS} bodies, a byte each "
                f"{TRICKLE_SECONDS} s",
                self._trickle,
            ),
            "downloads": (
                f"10 clients that don't read `logs.txt` of {LINES:,} lines",
                self._unread(lambda: self._ended("lines"), 10),
            ),
            "long-downloads": (
                f"3 clients that don't read {LONG_LINES:,} lines of 60 kB",
                self._unread(lambda: self._ended("long-lines"), 3),
            ),
            "long-pages": ("3 × `GET …/logs?limit=10000` of these", self._long_pages),
            "searches": (
                f"{SEARCHES} × `GET /api/tasks?q=e`, {TASKS:,} tasks",
                self._searches,
            ),
            "outputs": (
                f"20 unread streams of a task with {OUTPUTS:,} outputs",
                self._unread_streams,
            ),
            "lists": (
                f"4 × `GET /api/tasks?limit=100`, {OUTPUT_TASKS} such tasks",
                self._lists,
            ),
            "waits": (f"{WAITERS} × `Prefer: wait=15`, and they leave", self._waits),
        }

    # --- Requests that nobody should look at ----------------------------------------

    def _posts(self, content_type: str, body: bytes) -> Callable[[Watch], None]:
        def post(watch: Watch) -> None:
            began = time.monotonic()
            try:
                answer = requests.post(
                    f"{self.service.url}/api/tasks/lines",
                    data=body,
                    headers={"Content-Type": content_type},
                    timeout=300,
                )
                what = str(answer.status_code)
            except requests.RequestException as error:
                what = type(error).__name__
            watch.answers[f"{what} after {time.monotonic() - began:.1f} s"] += 1

        return lambda watch: at_once(4, lambda: post(watch))

    def _chunked(self, watch: Watch) -> None:
        def post() -> None:
            chunk = bytes(64 * 1024)
            chunks = (chunk for _ in range(BODY_BYTES // len(chunk)))
            try:
                url = f"{self.service.url}/api/tasks/lines"
                answer = requests.post(url, data=chunks, timeout=300)
                watch.answers[str(answer.status_code)] += 1
            except requests.RequestException as error:
                watch.answers[type(error).__name__] += 1

        at_once(4, post)

    def _trickle(self, watch: Watch) -> None:
        head = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
        length = b"Content-Length: 60000\r\n\r\n"
        post = b"POST /api/tasks/lines HTTP/1.1\r\nHost: 127.0.0.1\r\n" + length
        began = time.monotonic()
        with ExitStack() as stack:
            connections = [
                stack.enter_context(closing(self._connected(start)))
                for start in [head] * TRICKLERS + [post] * TRICKLERS
            ]
            open_ones = set(connections)
            while open_ones and time.monotonic() - began < TRICKLE_PATIENCE_SECONDS:
                for one in list(open_ones):
                    if is_cut(one):
                        open_ones.remove(one)
                time.sleep(TRICKLE_SECONDS)
            took = time.monotonic() - began
            watch.answers[f"{len(open_ones)} open after {took:.0f} s"] += 1

    def _connected(self, start: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.service.port), 10)
        connection.sendall(start)
        return connection

    # --- Answers that nobody reads --------------------------------------------------

    def _unread(self, task: Callable[[], str], clients: int) -> Callable[[Watch], None]:
        def download(watch: Watch) -> None:
            with self._unread_responses(f"/api/tasks/{task()}/logs.txt", clients):
                watch.answers["stalled clients"] += clients
                time.sleep(15)

        return download

    def _unread_streams(self, watch: Watch) -> None:
        path = f"/api/tasks/{self._ended('outputs')}/stream"
        with self._unread_responses(path, 20):
            watch.answers["stalled clients"] += 20
            time.sleep(15)

    @contextmanager
    def _unread_responses(self, path: str, clients: int) -> Iterator[None]:
        with ExitStack() as stack:
            for _ in range(clients):
                head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: "
                request = f"{head}{self.service.api_key}\r\n\r\n".encode()
                stack.enter_context(closing(self._connected(request)))
            yield

    # --- Answers that are large, or many --------------------------------------------

    def _long_pages(self, watch: Watch) -> None:
        path = f"/api/tasks/{self._ended('long-lines')}/logs?limit=10000"
        at_once(3, lambda: self._get(watch, path))

    def _searches(self, watch: Watch) -> None:
        at_once(SEARCHES, lambda: self._get(watch, "/api/tasks?q=e"))

    def _lists(self, watch: Watch) -> None:
        at_once(4, lambda: self._get(watch, "/api/tasks?limit=100"))

    def _get(self, watch: Watch, path: str) -> None:
        try:
            answer = self.service.request("GET", path, timeout=120)
            watch.answers[str(answer.status_code)] += 1
        except requests.RequestException as error:
            watch.answers[type(error).__name__] += 1

    def _waits(self, watch: Watch) -> None:
        self.service.create("waits")
        held: list[http.client.HTTPConnection] = []
        for _ in range(WAITERS):
            connection = http.client.HTTPConnection("127.0.0.1", self.service.port)
            headers = {"X-API-Key": self.service.api_key, "Prefer": "wait=15"}
            headers["Content-Type"] = "application/json"
            connection.request("POST", "/api/tasks/waits", "{}", headers)
            held.append(connection)
        time.sleep(8)
        for connection in held:
            connection.sock.settimeout(0)
            with suppress(BlockingIOError):
                answered = connection.sock.recv(15)
                watch.answers[f"answered early: {answered.decode()}"] += 1
            connection.close()
        prompt = {"Prefer": "wait=5"}
        answer = self.service.request(
            "POST", "/api/tasks/lines", json={"n": "3"}, headers=prompt
        )
        applied = answer.headers.get("Preference-Applied")
        watch.answers[f"the next: {answer.status_code}, {applied}"] += 1
        open_ones = "/api/tasks?status=pending,running&limit=100"
        while tasks := self.service.request("GET", open_ones).json()["tasks"]:
            for task in tasks:
                self.service.request("POST", f"/api/tasks/{task['id']}/cancel", json={})

    # --- What there is --------------------------------------------------------------

    def _ended(self, name: str, kind: str | None = None, **params: str) -> str:
        """A task of this type that has ended; made once for each name."""
        if name not in self._made:
            self._made[name] = self.service.create(kind or name, **params)
            self.service.wait_for(self._made[name])
        return self._made[name]

    def prepare(self, row: str) -> None:
        """Make what a row needs before anything is measured."""
        match row:
            case "downloads":
                self._ended("lines", n=str(LINES))
            case "long-downloads" | "long-pages":
                self._ended("long-lines")
            case "searches":
                database = self.service.data_dir / "db.sqlite3"
                copy_tasks(database, TASKS, self._ended("few", "lines", n="3"))
            case "outputs":
                self._ended("outputs")
            case "lists":
                for number in range(OUTPUT_TASKS):
                    self._ended(f"outputs {number}", "outputs")


def bodies() -> Iterator[tuple[str, str, bytes]]:
    yield "urlencoded", FORM_TYPE, b"a=1&" * (BODY_BYTES // 4)
    yield "escaped", FORM_TYPE, b"%61=%31&" * (BODY_BYTES // 8)
    yield "multipart", MULTIPART_TYPE, PART * (BODY_BYTES // len(PART)) + b"--b--\r\n"
    yield "octets", "application/octet-stream", bytes(BODY_BYTES)


def is_cut(connection: socket.socket) -> bool:
    """Send one more byte; whether the other side has closed, or answered and closed."""
    connection.settimeout(0)
    try:
        connection.send(b"x")
        return connection.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def at_once(count: int, act: Callable[[], None]) -> None:
    with ThreadPoolExecutor(count) as threads:
        for done in [threads.submit(act) for _ in range(count)]:
            done.result()


def copy_tasks(database: Path, count: int, task_id: str) -> None:
    """Let there be so many more tasks like this one."""
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        names = [x[1] for x in connection.execute("PRAGMA table_info(tasks_task)")]
        wanted = ", ".join(names)
        found = connection.execute(
            f"SELECT {wanted} FROM tasks_task WHERE id = ?",
            [task_id.replace("-", "")],
        ).fetchone()
        row = dict(zip(names, found, strict=True))
        marks = ", ".join(f":{name}" for name in names)

        def copies() -> Iterator[dict[str, object]]:
            for number in range(count):
                copy = {**row, "id": uuid.uuid4().hex}
                if "number" in row:
                    copy["number"] = row["number"] + 1_000_000 + number
                yield copy

        connection.executemany(
            f"INSERT INTO tasks_task ({wanted}) VALUES ({marks})",
            copies(),
        )


def run(wanted: list[str]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="attacks-"))
    limits = {"RATE_LIMIT_CREATE": "0", "RATE_LIMIT_READ": "0", "TASK_RETENTION": "0"}
    service = Service(folder, "", **limits)
    try:
        (folder / "task_types.toml").write_text(TYPES)
        service.prepare()
        service.run()
        attacks = Attacks(service)
        table = [["", "answers", "worst /health, s", "RSS, MB", "most", "after"]]
        table.append(["---", "---", "---:", "---:", "---:", "---:"])
        for key, (title, attack) in attacks.rows.items():
            if wanted and not any(key.startswith(name) for name in wanted):
                continue
            attacks.prepare(key)
            service.stop_one("web")
            service.start("web")
            service.wait_healthy()
            with Watch(service).watching() as watch:
                attack(watch)
            sizes = (watch.rss_before, watch.rss_most, watch.rss_after)
            answers = "; ".join(f"{n} × {what}" for what, n in watch.answers.items())
            megabytes = [f"{size / 1e6:,.0f}" for size in sizes]
            worst = f"{watch.worst_health_seconds:.2f}"
            table.append([title, answers, worst, *megabytes])
            print(*table[-1], file=sys.stderr)
        print(markdown(table))
    finally:
        service.stop()
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", default="", help="names, or how they begin")
    options = parser.parse_args()
    end_in_order_on_signals()
    run([name for name in options.rows.split(",") if name])


if __name__ == "__main__":
    main()
