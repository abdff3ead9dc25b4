"""Several hosts on one machine: namespaces of Linux on a switch, each host with a
network, a name and processes of its own.

They share the kernel, its clock and the disks. A host can be cut off so that packets
vanish without a word, as behind a firewall or a dead switch: nobody gets a reset.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from tests.waiting import PATIENCE_SECONDS, wait_until

from .conftest import ROOT, Service

# RFC 2544 keeps 198.18.0.0/15 for tests of networks: no machine is there in earnest.
SUBNET = "198.18.{}.{}"
FIRST_PROCESS = 'hostname "$0"; while :; do sleep 3600 & wait; done'


class Network:
    """A switch, and the hosts on it; this machine is on it, too."""

    def __init__(self) -> None:
        self._number = os.getpid() % 250
        self._prefix = f"rs{os.getpid() % 100_000}"
        self._switch = f"{self._prefix}-switch"
        self._hosts: list[Host] = []
        self._cards: list[tuple[int, tuple[str, ...], str]] = []
        _ip("netns", "add", self._switch)
        _ip("-n", self._switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "bridge", "up")
        self._plug_in(None, self._prefix, "uplink", 1)

    def host(self, name: str) -> "Host":
        """Return a new host."""
        number = len(self._hosts) + 10
        namespace = f"{self._prefix}-{name}"
        _ip("netns", "add", namespace)
        _ip("-n", namespace, "link", "set", "lo", "up")
        self._plug_in(namespace, "eth0", name, number)
        host = Host(name, namespace, self._switch, self.address(number))
        self._hosts.append(host)
        return host

    def address(self, number: int) -> str:
        return SUBNET.format(self._number, number)

    def _plug_in(
        self, namespace: str | None, card: str, port: str, number: int
    ) -> None:
        inside = ("-n", namespace) if namespace else ()
        where = ("netns", namespace) if namespace else ()
        mac = _mac(number)
        _ip(
            *("link", "add", card, "address", mac, *where),
            *("type", "veth", "peer", "name", port, "netns", self._switch),
        )
        _ip(*inside, "address", "add", f"{self.address(number)}/24", "dev", card)
        _ip(*inside, "link", "set", card, "up")
        _ip("-n", self._switch, "link", "set", port, "master", "bridge", "up")
        # Everybody knows everybody, as one knows a router: else the kernel would say
        # within seconds that a host that is cut off can't be found.
        for there, at, its_card in self._cards:
            _know(inside, card, self.address(there), _mac(there))
            _know(at, its_card, self.address(number), mac)
        self._cards.append((number, inside, card))

    def remove(self) -> None:
        for host in self._hosts:
            host.crash()
            _ip("netns", "delete", host.namespace, check=False)
        _ip("netns", "delete", self._switch, check=False)


class Host:
    """A host: ``command`` is what starts a program there."""

    def __init__(self, name: str, namespace: str, switch: str, address: str) -> None:
        self.name, self.namespace, self.address = name, namespace, address
        self._switch = switch
        self.boot()

    def boot(self) -> None:
        """Start its first process, with which all others end."""
        unshare = [
            "unshare",
            "--uts",
            "--pid",
            "--mount",
            "--mount-proc",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
        ]
        self._boot = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, *unshare, FIRST_PROCESS, self.name]
        )
        wait_until(self._has_booted, f"{self.name} to boot")

    def _has_booted(self) -> bool:
        said = subprocess.run(
            self.command("hostname"), capture_output=True, text=True, check=False
        )
        return said.stdout.strip() == self.name

    def command(self, *words: str, account: str = "") -> list[str]:
        """Return the command line that runs a program there, in this folder."""
        first = next(iter(psutil.Process(self._boot.pid).children()), None)
        if first is None:
            return ["false"]
        enter = ["nsenter", "--target", str(first.pid)]
        enter += ["--net", "--uts", "--pid", "--mount", "env", f"--chdir={Path.cwd()}"]
        if account:
            enter += ["runuser", "-u", account, "--"]
        return [*enter, *words]

    def crash(self) -> None:
        """End all that runs there, as when the power fails."""
        self._boot.kill()
        self._boot.wait(PATIENCE_SECONDS)

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Let all packets from and to it vanish, while it sees nothing of that."""
        port = ("-n", self._switch, "link", "set", self.name)
        _ip(*port, "nomaster")
        try:
            yield
        finally:
            _ip(*port, "master", "bridge")

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """Pull its cable, which it sees."""
        port = ("-n", self._switch, "link", "set", self.name)
        _ip(*port, "down")
        try:
            yield
        finally:
            _ip(*port, "up")


class Site(Service):
    """One installation on several hosts; ``url`` is where its clients go."""

    def __init__(
        self, folder: Path, database_url: str, types: str, **settings: str
    ) -> None:
        """``types``: all its task types. Others wait for the longest grace of all of
        them before they take a task from a runner."""
        unlimited = {"RATE_LIMIT_CREATE": "0", "RATE_LIMIT_READ": "0"}
        super().__init__(folder, database_url, **{**unlimited, **settings})
        (folder / "task_types.toml").write_text(types)

    def url_on(self, host: Host) -> str:
        """Return where a web process there is reached."""
        return f"http://{host.address}:{self.port}"

    def start_on(
        self, host: Host, name: str, *arguments: str, code: Path = ROOT, **more: str
    ) -> subprocess.Popen[bytes]:
        """Start ``web…`` or any runner there; what it prints is in NAME.out."""
        data = self.data_dir / host.name
        data.mkdir(exist_ok=True)
        static = self.data_dir / "static"
        if static.exists() and not (data / "static").exists():
            shutil.copytree(static, data / "static")
        places = {"DATA_DIR": str(data), "LOG_DIR": str(data / "logs")}
        command = [sys.executable, str(code / "manage.py"), "run_tasks", *arguments]
        if name.startswith("web"):
            command = [sys.executable, "-m", "resource_sync.web"]
            places["HOST"] = host.address
        with (self.data_dir / f"{name}.out").open("ab") as output:
            process = subprocess.Popen(
                host.command("env", "--chdir", str(code), *command),
                env={**self.env, **places, **more},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.processes[name] = process
        return process

    def signal(self, name: str, number: int) -> None:
        """Send it to the program, not to what started it on its host."""
        for process in psutil.Process(self.processes[name].pid).children():
            process.send_signal(number)

    def stop(self) -> None:
        for name in self.processes:
            with suppress(psutil.Error):
                self.signal(name, signal.SIGTERM)
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
        self.processes.clear()


@contextmanager
def network() -> Iterator[Network]:
    made = Network()
    try:
        yield made
    finally:
        made.remove()


def _mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def _know(inside: tuple[str, ...], card: str, address: str, mac: str) -> None:
    to = ("to", address, "lladdr", mac, "dev", card, "nud", "permanent")
    _ip(*inside, "neighbour", "replace", *to)


def _ip(*words: Any, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, timeout=PATIENCE_SECONDS)
