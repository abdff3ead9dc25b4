"""What is measured: the product with its web server and runner, and the yardstick.

Each runs on 127.0.0.1, on a free port, on data of its own that is gone afterwards.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import psutil
import psycopg

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
START_SECONDS = 60
STOP_SECONDS = 15
REQUEST_SECONDS = 60
TASK_TYPES = """
[flat]
title = "Flat out"
description = "Print lines as fast as it goes"
[flat.params.lines]
pattern = "[0-9]+"
[[flat.steps]]
name = "print"
command = ["{emit}", "flat", "{{lines}}"]

[rate]
title = "At a rate"
description = "Print so many lines a second"
[rate.params.lines]
pattern = "[0-9]+"
[rate.params.seconds]
pattern = "[0-9]+"
[rate.params.delay]
pattern = "[0-9]+"
[[rate.steps]]
name = "print"
command = ["{emit}", "rate", "{{lines}}", "{{seconds}}", "{{delay}}"]
"""


class Server(ABC):
    """Something that runs tasks and streams their lines. Use it as a context."""

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.api_key = secrets.token_hex(16)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Server":
        try:
            self.start()
            self._wait_until_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @abstractmethod
    def start(self) -> None:
        """Start the processes, and return when they answer."""

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

    def create(self, task_type: str, **params: int) -> str:
        """Start a task; returns its id."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=REQUEST_SECONDS)
        body = json.dumps({name: str(value) for name, value in params.items()})
        headers = {"X-API-Key": self.api_key, "Content-Type": "application/json"}
        connection.request("POST", f"/api/tasks/{task_type}", body, headers)
        with connection.getresponse() as answer:
            text = answer.read().decode()
        connection.close()
        if answer.status != 202:
            raise RuntimeError(f"{self.name}: {answer.status} {text}")
        return str(json.loads(text)["taskId"])

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


class Yardstick(Server):
    """node_yardstick.js"""

    name = "Node, in memory"

    def __init__(self, folder: Path, emit: Path) -> None:
        super().__init__(folder)
        self._emit = emit

    def start(self) -> None:
        script = str(HERE / "node_yardstick.js")
        command = ["node", script, str(self.port), self.api_key, str(self._emit)]
        self._spawn("node", command, dict(os.environ))

    def is_up(self) -> bool:
        with self.get("/health") as answer:
            return answer.status == 404


class Product(Server):
    """Daphne and one runner, as `make run` starts them, with limits and retention
    off. ``server_url`` names a PostgreSQL server on which a database is made; without
    one it is SQLite."""

    def __init__(self, folder: Path, emit: Path, server_url: str = "") -> None:
        super().__init__(folder)
        self.name = "PostgreSQL" if server_url else "SQLite"
        self._server_url = server_url
        self._database = f"bench_{os.getpid()}_{secrets.token_hex(3)}"
        url = f"{server_url.rpartition('/')[0]}/{self._database}" if server_url else ""
        types = folder / "task_types.toml"
        types.write_text(TASK_TYPES.format(emit=emit))
        self._env = {
            **os.environ,
            "DATABASE_URL": url,
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
        }

    def start(self) -> None:
        if self._server_url:
            self._on_server(f'CREATE DATABASE "{self._database}"')
        manage = [sys.executable, str(ROOT / "manage.py")]
        for command in (["migrate", "-v0"], ["collectstatic", "--noinput", "-v0"]):
            subprocess.run([*manage, *command], env=self._env, check=True)
        endpoint = f"tcp:port={self.port}:interface=127.0.0.1:backlog=4096"
        web = ["-m", "daphne", "-e", endpoint, "resource_sync.asgi:application"]
        self._spawn("web", [sys.executable, *web], self._env)
        self._spawn("runner", [*manage, "run_tasks"], self._env)

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self._server_url:
            self._on_server(f'DROP DATABASE IF EXISTS "{self._database}" WITH (FORCE)')

    def _on_server(self, statement: str) -> None:
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]

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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
