"""What is measured: the product with its web server and runner, and the yardstick.

Each runs on 127.0.0.1, on a free port, on data of its own that is gone afterwards, and
may open as many files as the system's hard limit allows.
"""

import json
import os
import resource
import secrets
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg
from psycopg.conninfo import conninfo_to_dict

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
START_SECONDS = 60
STOP_SECONDS = 15
REQUEST_SECONDS = 60
TASK_TYPES = """
[print]
title = "Print"
description = "Print lines when told to, as fast as it goes or at a rate"
[print.params.lines]
pattern = "[0-9]+"
[print.params.every]
pattern = "[0-9]+"
[print.params.gate]
pattern = ".+"
[[print.steps]]
name = "print"
command = ["{emit}", "{{lines}}", "{{every}}", "{{gate}}"]
"""


class Server(ABC):
    """Something that runs tasks and streams their lines. Use it as a context."""

    name = ""
    web = ""  # its process that has the streams

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.api_key = secrets.token_hex(16)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self.prepare()
            self.start()
            self._wait_until_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop(*self.processes)

    def renew(self) -> None:
        """A fresh web process, so that its memory is what the next row makes of it."""
        self._stop(self.web)
        self.start_web()
        self._wait_until_up()

    def _stop(self, *names: str) -> None:
        for name in names:
            self.processes[name].send_signal(signal.SIGTERM)
        for name in names:
            try:
                self.processes[name].wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.processes[name].kill()
                self.processes[name].wait()

    def restart(self) -> None:
        """All its processes, on the same data."""
        self._stop(*self.processes)
        self.start()
        self._wait_until_up()

    @abstractmethod
    def prepare(self) -> None:
        """Make what has to be there before its processes start."""

    @abstractmethod
    def start(self) -> None:
        """Start the processes."""

    @abstractmethod
    def start_web(self) -> None:
        """Start the one that has the streams."""

    def _spawn(self, name: str, command: list[str], env: dict[str, str]) -> None:
        with (self.folder / f"{name}.out").open("ab") as output:
            self.processes[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                env=env,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us; we stop them in order
            )

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for name, process in self.processes.items():
                if process.poll() is not None:
                    output = (self.folder / f"{name}.out").read_text()
                    raise RuntimeError(f"{self.name}: {name} ended:\n{output}")
            try:
                if self.is_up():
                    return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} did not come up in {START_SECONDS} s.")

    def is_up(self) -> bool:
        with self.get("/health") as answer:
            return answer.status == 200

    # --- The API --------------------------------------------------------------------

    def get(self, path: str) -> HTTPResponse:
        """The open answer; it holds the connection."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_SECONDS)
        headers = {"X-API-Key": self.api_key, "Connection": "close"}
        connection.request("GET", path, headers=headers)
        return connection.getresponse()

    def create(self, lines: int, every: int = 0, gate: str = "-") -> str:
        """Start a task that prints, see emit.c; returns its id."""
        return self.submit("print", lines=str(lines), every=str(every), gate=gate)

    def submit(self, task_type: str, **params: str) -> str:
        """Start a task of any type; returns its id."""
        return str(self.post(f"/api/tasks/{task_type}", params)["taskId"])

    def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer, which has to be 2xx."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_SECONDS)
        headers = {"X-API-Key": self.api_key, "Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body or {}), headers)
        with connection.getresponse() as answer:
            text = answer.read().decode()
        connection.close()
        if answer.status // 100 != 2:
            raise RuntimeError(f"{self.name}: {answer.status} {text}")
        said: dict[str, Any] = json.loads(text)
        return said

    def wait_for(self, task_id: str, seconds: float) -> None:
        """Until a task has completed; nobody watches its stream meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self.get(f"/api/tasks/{task_id}") as answer:
                status = json.load(answer)["status"]
            if status == "completed":
                return
            if status not in {"pending", "running"}:
                break
            time.sleep(0.2)
        raise RuntimeError(f"{self.name}: task {task_id} is {status}.")

    # --- What it costs --------------------------------------------------------------

    def cpu_seconds(self) -> dict[str, float]:
        """By process, since its start; a runner's tasks are not counted."""
        used = {}
        for name, process in self.processes.items():
            times = psutil.Process(process.pid).cpu_times()
            used[name] = times.user + times.system
        return used

    @property
    def web_process(self) -> psutil.Process:
        return psutil.Process(self.processes[self.web].pid)

    def web_bytes(self) -> int:
        """What the web process holds in memory."""
        return int(self.web_process.memory_info().rss)

    def web_peak_bytes(self) -> int:
        """The most that it ever held."""
        status = Path(f"/proc/{self.web_process.pid}/status").read_text()
        peak = next(x for x in status.splitlines() if x.startswith("VmHWM:"))
        return 1024 * int(peak.split()[1])

    def web_database_connections(self) -> int:
        return 0


class Yardstick(Server):
    """node_yardstick.js"""

    name = "Node, in memory"
    web = "node"

    def __init__(self, folder: Path, emit: Path) -> None:
        super().__init__(folder)
        self._emit = emit

    def prepare(self) -> None:
        pass

    def start(self) -> None:
        self.start_web()

    def start_web(self) -> None:
        script = str(HERE / "node_yardstick.js")
        command = ["node", script, str(self.port), self.api_key, str(self._emit)]
        self._spawn("node", command, dict(os.environ))

    def is_up(self) -> bool:
        with self.get("/health") as answer:
            return answer.status == 404


class DatabaseServer(Server):
    """With a database of its own: on the PostgreSQL server that ``server_url`` names,
    or, where it names none, in SQLite's file in ``folder``."""

    web = "web"

    def __init__(self, folder: Path, server_url: str = "") -> None:
        super().__init__(folder)
        self.name = "PostgreSQL" if server_url else "SQLite"
        self._server_url = server_url
        self._database = f"bench_{os.getpid()}_{secrets.token_hex(3)}"

    @property
    def database_url(self) -> str:
        """ "" for SQLite."""
        server, _, _ = self._server_url.rpartition("/")
        return f"{server}/{self._database}" if server else ""

    def prepare(self) -> None:
        if self._server_url:
            self._on_server(f'CREATE DATABASE "{self._database}"')

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self._server_url:
            self._on_server(f'DROP DATABASE IF EXISTS "{self._database}" WITH (FORCE)')

    def _on_server(self, statement: str) -> None:
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]

    def web_database_connections(self) -> int:
        """Sockets to PostgreSQL's port, or SQLite's open files."""
        if not self._server_url:
            database = str(self.folder / "db.sqlite3")
            return sum(one.path == database for one in self.web_process.open_files())
        port = int(conninfo_to_dict(self._server_url).get("port") or 5432)
        sockets = self.web_process.net_connections("tcp")
        return sum(bool(one.raddr) and one.raddr.port == port for one in sockets)

    def cpu_seconds(self) -> dict[str, float]:
        used: dict[str, float] = super().cpu_seconds()
        if self._server_url:
            used["database"] = sum(self._backends().values())
        return used

    def _backends(self) -> dict[int, float]:
        """PostgreSQL's processes for this database, where it runs on this machine."""
        found: dict[int, Any] = {}
        for process in psutil.process_iter(["pid", "cmdline", "cpu_times"]):
            if self._database in " ".join(process.info["cmdline"] or []):
                times = process.info["cpu_times"]
                found[process.pid] = times.user + times.system
        return found


class Product(DatabaseServer):
    """Daphne and one runner, as `make run` starts them, with limits and retention
    off."""

    def __init__(
        self, folder: Path, emit: Path, server_url: str = "", more_types: str = ""
    ) -> None:
        super().__init__(folder, server_url)
        types = folder / "task_types.toml"
        types.write_text(TASK_TYPES.format(emit=emit) + more_types)
        self.env = {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "DATA_DIR": str(folder),
            "LOG_DIR": str(folder / "logs"),
            "TASK_TYPES_FILE": str(types),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "SECRET_KEY": secrets.token_hex(32),
            "API_KEY": self.api_key,
            "RATE_LIMIT_CREATE": "0",
            "RATE_LIMIT_READ": "0",
            "TASK_RETENTION": "0",
            # What somebody's .env might say otherwise.
            "REDIS_URL": "",
            "IP_ALLOWLIST": "",
            "HTTPS": "off",
            "DEBUG": "off",
            "WEBHOOK_ALLOW": "127.0.0.0/8",
        }

    def prepare(self) -> None:
        super().prepare()
        manage = [sys.executable, str(ROOT / "manage.py")]
        for command in (["migrate", "-v0"], ["collectstatic", "--noinput", "-v0"]):
            subprocess.run([*manage, *command], env=self.env, check=True)

    def start(self) -> None:
        self.start_web()
        self.start_runner()

    def start_web(self) -> None:
        self._spawn("web", [sys.executable, "-m", "resource_sync.web"], self.env)

    def start_runner(self, *arguments: str) -> None:
        runner = [sys.executable, str(ROOT / "manage.py"), "run_tasks", *arguments]
        self._spawn("runner", runner, self.env)

    def stop_runner(self) -> None:
        if "runner" in self.processes:
            self._stop("runner")
            del self.processes["runner"]

    def renew_runner(self, *arguments: str) -> None:
        """A fresh runner, with other arguments."""
        self.stop_runner()
        self.start_runner(*arguments)
        self._wait_until_up()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end_in_order_on_signals() -> None:
    """Turn the first signal to stop into KeyboardInterrupt, and pass over the rest:
    pressed once more meanwhile, Ctrl-C would leave things behind."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(*_: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in numbers:
        signal.signal(number, stop)


def allow_many_files() -> None:
    """Every stream is an open file. What is started from here inherits the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
