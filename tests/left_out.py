"""Says at the end what this machine could not test; in CI that is a failure."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

AZURITE = Path(__file__).parent / "node_modules/.bin/azurite-blob"


def left_out() -> list[str]:
    later = os.environ.get("TESTED_LATER", "")
    missing = []
    if not os.environ.get("TEST_DATABASE_URL") and later != "PostgreSQL":
        missing.append("PostgreSQL: TEST_DATABASE_URL is not set")
    if not postgres_programs():
        missing.append("PostgreSQL's restart: its server programs are not there")
    if not os.environ.get("TEST_REDIS_URL"):
        missing.append("Redis: TEST_REDIS_URL is not set")
    if not (shutil.which("chromium") or shutil.which("chromium-browser")):
        missing.append("the browser: there is no chromium")
    if not administrators_program("nginx"):
        missing.append("nginx: the program is not there")
    if not shutil.which("node"):
        missing.append("the Node client: there is no node")
    if not shutil.which("promtool"):
        missing.append("the alert rules: there is no promtool")
    missing += [
        f"the client's completion: there is no {shell}"
        for shell in ("zsh", "fish")
        if not shutil.which(shell)
    ]
    if not AZURITE.exists():
        missing.append("a store at Azure: azurite comes by `npm ci --prefix tests`")
    if reason := reason_against_memory_disk():
        missing.append(f"full disks: {reason}")
    if reason := reason_against_hosts():
        missing.append(f"several hosts: {reason}")
    missing += [
        f"clones of files on {kind}: {reason}"
        for kind in ("xfs", "btrfs")
        if (reason := reason_against_disk(kind))
    ]
    return missing


def administrators_program(name: str) -> str | None:
    """Where a program is; not everybody's PATH has the folder of root's."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def reason_against_disk(kind: str) -> str | None:
    """Why no disk with such a file system can be made of a file here."""
    losetup = administrators_program("losetup")
    if not administrators_program(f"mkfs.{kind}"):
        return f"there is no mkfs.{kind}"
    if os.geteuid():
        return "only root can mount a disk"
    if not losetup or subprocess.run([losetup, "-f"], capture_output=True).returncode:
        return "there is no loop device"
    return None


def reason_against_memory_disk() -> str | None:
    """Why no small disk can be made of memory here."""
    if os.geteuid():
        return "only root can mount a disk"
    folder = tempfile.mkdtemp()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder]
    try:
        if subprocess.run(command, capture_output=True).returncode:
            return "no tmpfs can be mounted"
        subprocess.run(["umount", folder], check=True)
    finally:
        Path(folder).rmdir()
    return None


def reason_against_hosts() -> str | None:
    """Why no hosts can be made of namespaces here."""
    if sys.platform != "linux" or os.geteuid():
        return "only root of Linux can make namespaces"
    for program in ("ip", "nsenter", "unshare", "runuser"):
        if not administrators_program(program):
            return f"there is no {program}"
    name = f"rs{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True)
    if made.returncode:
        return "no network namespace can be made"
    try:
        veth = ["link", "add", "name", "one", "type", "veth", "peer", "name", "two"]
        inside = ["unshare", "--uts", "--pid", "--fork", "--mount-proc", "true"]
        for command in (["-n", name, *veth], ["netns", "exec", name, *inside]):
            if subprocess.run(["ip", *command], capture_output=True).returncode:
                return "no virtual network cards or other namespaces can be made"
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
    return None


def postgres_programs() -> Path | None:
    """The folder of initdb and pg_ctl; Debian keeps them out of the PATH."""
    found = shutil.which("initdb")
    places = [Path(found)] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return places[0].resolve().parent if places else None


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in {"1", "true"}


def pytest_sessionfinish(session: pytest.Session) -> None:
    is_main = not hasattr(session.config, "workerinput")
    if is_main and in_ci() and left_out() and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = left_out()
    if not missing:
        return
    failure = " (in CI this is a failure)" if in_ci() else ""
    terminalreporter.section(f"left out{failure}", red=in_ci(), yellow=not in_ci())
    for line in missing:
        terminalreporter.line(line)
