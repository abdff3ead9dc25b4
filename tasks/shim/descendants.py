"""Descendants of this process, and signals to them."""

import ctypes
import os
import signal
from contextlib import suppress

PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> bool:
    """False where the system has no such thing (macOS)."""
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return False
    return bool(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def living() -> dict[int, tuple[int, int]]:
    """(parent, group) of each process that lives; empty where there is no /proc."""
    found = {}
    with suppress(OSError):
        for name in os.listdir("/proc"):
            if name.isdecimal():
                with suppress(OSError, ValueError, IndexError):
                    with open(f"/proc/{name}/stat", "rb") as file:
                        fields = file.read().rpartition(b")")[2].split()
                    if fields[0] not in b"ZX":
                        found[int(name)] = (int(fields[1]), int(fields[2]))
    return found


def descendants() -> dict[int, int]:
    """Those of this process that live, each with its group."""
    everybody = living()
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in everybody.items():
        children.setdefault(parent, []).append(pid)
    found, unseen = {}, [os.getpid()]
    while unseen:
        for pid in children.get(unseen.pop(), ()):
            found[pid] = everybody[pid][1]
            unseen.append(pid)
    return found


def send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def send_to_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def is_stopped(pid: int) -> bool:
    """Return whether a process was stopped by a signal or a debugger."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in b"Tt"
    except (OSError, IndexError):
        return False
