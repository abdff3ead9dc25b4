"""A PostgreSQL server of one's own, to be restarted and crashed."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg
import pytest

from tests.left_out import postgres_programs
from tests.ports import free_port
from tests.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from .hosts import Host


@contextmanager
def own_cluster(**options: Any) -> Iterator["Cluster"]:
    """A server inside of ``with``; a test is skipped where it can't be had."""
    if postgres_programs() is None:
        pytest.skip("PostgreSQL's server programs are not there")
    cluster = Cluster(**options)
    try:
        yield cluster
    finally:
        cluster.remove()


class Cluster:
    """A throw-away server. It refuses to run as root, so it runs as another."""

    def __init__(
        self,
        *,
        connections: int = 30,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        host: "Host | None" = None,
    ) -> None:
        """``host``: one of the tests' own, on which it runs and is reached."""
        self._host = host
        self._programs = postgres_programs()
        self._env = {**os.environ, **(env or {})}
        # Short, because a socket is in it.
        self._data = Path(tempfile.mkdtemp(prefix="pg-", dir=folder))
        self._account = {}
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self._data, owner.pw_uid, owner.pw_gid)
            self._account = {
                "user": owner.pw_uid,
                "group": owner.pw_gid,
                "extra_groups": [],
            }
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync")
        port = free_port()
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(
                f"port = {port}\nunix_socket_directories = '{self._data}'\n"
                f"fsync = off\nmax_connections = {connections}\n"
                # What no commit waits for is not flushed by the way, five times a
                # second, so that a crash takes some of it for sure.
                "wal_writer_delay = 10s\nwal_writer_flush_after = 64MB\n"
            )
        if host:
            with (self._data / "postgresql.conf").open("a") as settings:
                settings.write("listen_addresses = '*'\n")
            with (self._data / "pg_hba.conf").open("a") as rules:
                rules.write("host all all samenet trust\n")
        self.start()
        address = host.address if host else "127.0.0.1"
        self.url = f"postgres://postgres@{address}:{port}/postgres"

    def start(self) -> None:
        self._run("pg_ctl", "start", "--wait", f"--log={self._data}/log")

    def stop(self) -> None:
        """In order, so that nothing that was committed is lost."""
        self._run("pg_ctl", "stop", "--wait", "--mode=fast")

    def restart(self, mode: str) -> None:
        """``fast`` ends every connection in order; ``immediate`` is a crash."""
        log = f"--log={self._data}/log"
        self._run("pg_ctl", "restart", f"--mode={mode}", "--wait", log)

    def encrypt(self, certificate: Path, key: Path) -> None:
        """Have it offer TLS, with a copy of this certificate and its key."""
        for source, name in ((certificate, "server.crt"), (key, "server.key")):
            copy = self._data / name
            copy.write_bytes(source.read_bytes())
            copy.chmod(0o600)
            if self._account:
                os.chown(copy, self._account["user"], self._account["group"])
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write("ssl = on\n")
        self.restart("fast")

    def kill_a_backend(self) -> None:
        """The server then ends all others and recovers, as after a crash."""
        with closing(psycopg.connect(self.url)) as own:
            backend = psutil.Process(own.info.backend_pid)
            backend.send_signal(signal.SIGKILL)
            backend.wait(PATIENCE_SECONDS)

    def remove(self) -> None:
        self._run("pg_ctl", "stop", "--mode=immediate", check=False)
        shutil.rmtree(self._data)

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        command = [str(self._programs / program), f"--pgdata={self._data}", *arguments]
        account = self._account
        if self._host:
            command, account = self._host.command(*command, account="postgres"), {}
        subprocess.run(
            command,
            check=check,
            cwd=self._data,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS,
            **account,
        )
