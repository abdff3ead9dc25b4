"""The shim of one program: a child subreaper (prctl(2)) that starts it, tells how it
goes, and ends all that came of it.

Whatever the program starts and however it hides (other groups, other sessions,
daemons) stays among the shim's descendants. When these are to end they are killed until
wait(2) says that there is no child any more, which is the kernel's own word that none
is left. (containerd-shim is the same for containers.)
"""

import json
import os
import pwd
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from tasks.reasons import Reason
from tasks.shim.descendants import (
    become_subreaper,
    descendants,
    send,
    send_to_group,
)
from tasks.shim.messages import receive
from tasks.shim.out_of_memory import KILLED, easier_to_kill, oom_kills
from tasks.shim.wakeups import drain, waker

KILL_SECONDS = 5.0  # a process that outlives SIGKILL for so long is stuck in the kernel
LOOK_SECONDS = 0.1  # between two looks at a group that was asked to end


class NotRoot(ValueError):
    """Only root can run a program as somebody else."""


def refusal(error: Exception, order: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Return why a program could not be started, as ``Reason.as_json()`` has it, and
    what a shell would exit with: 127 not found, 126 not executable."""
    reason, status = _refusal(error, order)
    return reason.as_json(), status


def _refusal(error: Exception, order: dict[str, Any]) -> tuple[Reason, int]:
    program, user = order["argv"][0], order["user"]
    match error:
        case OSError():
            with suppress(ImportError, OSError):  # where no file can be opened
                from tasks.shim.start_failures import Ordered, reason_of

                return reason_of(error, Ordered.of(order))
            cause: str | Reason = error.strerror or str(error)
        case MemoryError():
            cause = Reason("memory-limit")
        case KeyError():
            return Reason("no-such-account", user=user), 126
        case NotRoot():
            return Reason("not-root", user=user), 126
        case _:
            cause = str(error)  # a NUL in an argument
    return Reason("program-not-started", path=program, cause=cause), 126


class Shim:
    """Starts one program on the order that it waits for."""

    def __init__(self) -> None:
        become_subreaper()
        self.wake = waker()
        self.program = 0
        self.status: int | None = None
        self.is_lease_lost = False
        signal.signal(signal.SIGUSR1, self.lose_lease)
        self.is_asked_to_end = self.is_ending = False
        self.oom_kills = 0

    def wait_for_order(self, orders: socket.socket) -> bool:
        """False where none will come."""
        try:
            message, fds = receive(orders)
        except EOFError:
            return False
        finally:
            orders.close()
        self.order: dict[str, Any] = json.loads(message)
        self.runner = socket.socket(fileno=fds[0])
        self.out, self.err = fds[1], fds[-1]
        return True

    def run(self) -> None:
        if not self.start():
            return
        poller = select.poll()
        for fd in (self.runner.fileno(), self.wake):
            poller.register(fd, select.POLLIN)
        while self.reap():
            patience = LOOK_SECONDS * 1000 if self.is_asked_to_end else None
            ready = [fd for fd, _ in poller.poll(patience)]
            if self.wake in ready:
                drain(self.wake)
            if self.is_lease_lost:
                break
            if self.runner.fileno() in ready:
                command = self.hear()
                if command in ("", "K"):
                    break
                self.ask_to_end()
            if self.has_ended_as_asked():
                break
        self.end()

    def lose_lease(self, *_: Any) -> None:
        self.is_lease_lost = True

    # --- Start

    def start(self) -> bool:
        """Start the program, and tell its number; or tell why it can't be started."""
        try:
            self.program = self._popen()
        except (OSError, ValueError, KeyError, MemoryError) as error:
            self.tell(refused=refusal(error, self.order))
            return False
        finally:
            for fd in {self.out, self.err}:
                os.close(fd)
        self.tell(pid=self.program)
        self.oom_kills = oom_kills()
        return True

    def _popen(self) -> int:
        env = self.order["env"]
        options: dict[str, Any] = {}
        if name := self.order["user"]:
            account = pwd.getpwnam(name)
            if account.pw_uid != os.geteuid():
                if os.geteuid() != 0:
                    raise NotRoot
                options = {
                    "user": account.pw_uid,
                    "group": account.pw_gid,
                    "extra_groups": os.getgrouplist(name, account.pw_gid),
                }
            own = {"HOME": account.pw_dir, "USER": name, "LOGNAME": name}
            env = {**env, **own, **self.order["own_env"]}
        with easier_to_kill():
            process: subprocess.Popen[bytes] = subprocess.Popen(
                self.order["argv"],
                cwd=self.order["cwd"],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=self.out,
                stderr=self.err,
                start_new_session=True,
                umask=self.order["umask"],
                **options,
            )
        process.returncode = 0  # or it would bury the program itself when forgotten
        return process.pid

    # --- Watch

    def reap(self) -> bool:
        """Bury the dead; False where no child is left at all."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == self.program:
                self.status = os.waitstatus_to_exitcode(status)
                self.tell(status=self.status, usage=used(usage), why=self.why())
            elif not pid:
                return True

    def why(self) -> dict[str, Any] | None:
        """Return why it may have ended so, where neither its status nor its words say
        it, as ``Reason.as_json()`` has it."""
        reason = self._why()
        return None if reason is None else reason.as_json()

    def _why(self) -> Reason | None:
        if self.status in KILLED and not self.is_ending:
            return Reason("out-of-memory") if oom_kills() > self.oom_kills else None
        if self.status not in {126, 127}:
            return None
        from tasks.shim.start_failures import Ordered, reason_of_exit

        try:
            return reason_of_exit(Ordered.of(self.order))
        except OSError:  # its file can't be read
            return None

    def hear(self) -> str:
        """A command; nothing where the runner is gone."""
        try:
            return self.runner.recv(1).decode()
        except OSError:
            return ""

    def tell(self, **news: Any) -> None:
        with suppress(OSError):
            self.runner.sendall(json.dumps(news).encode() + b"\n")

    # --- End

    def ask_to_end(self) -> None:
        self.is_asked_to_end = True
        if self.status is None:
            send_to_group(self.program, signal.SIGTERM)
        else:  # its number may be another's by now: only those who are there for sure
            for pid in self.group():
                send(pid, signal.SIGTERM)

    def group(self) -> list[int]:
        """The living in the program's own group."""
        return [pid for pid, group in descendants().items() if group == self.program]

    def has_ended_as_asked(self) -> bool:
        """Nobody who heard the SIGTERM is left; others get no grace."""
        return self.is_asked_to_end and self.status is not None and not self.group()

    def end(self) -> None:
        """Kill whoever is left, and tell how many these were, and who can't be."""
        self.is_ending = True
        found: set[int] = set()
        left: dict[int, int] = {}
        started = time.monotonic()
        pause = 0.001
        while self.reap():
            left = descendants()
            found.update(left)
            age = time.monotonic() - started
            if age >= KILL_SECONDS:
                break
            if self.status is None:
                send_to_group(self.program, signal.SIGKILL)
            for pid in left:
                send(pid, signal.SIGKILL)
            select.select([self.wake], [], [], pause)
            drain(self.wake)
            pause = min(pause * 2, 0.05)
        else:
            left = {}
        self.tell(killed=len(found - {self.program}), left=sorted(left))


def used(usage: resource.struct_rusage) -> dict[str, float]:
    """Return what a program used, with those of its children that it waited for."""
    # In KiB, as Linux and the BSDs count; macOS counts bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "maxRssBytes": usage.ru_maxrss * unit,
        "cpuSeconds": round(usage.ru_utime + usage.ru_stime, 3),
    }
