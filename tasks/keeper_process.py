"""Starts programs for a runner, and sees that nothing of them is ever left.

Run as a script, without Django, so that it is small and forks quickly. One *keeper* a
runner; for each program that it is told to start it forks an *attendant*, which is a
child subreaper (prctl(2)): whatever the program starts and however it hides (other
groups, other sessions, daemons) stays among the attendant's descendants. When these are
to end they are killed until wait(2) says that there is no child any more, which is the
kernel's own word that none is left. Where the cgroup v2 file system can be written to,
each program is in a cgroup of its own besides, which is killed in one go, so that
nothing outruns the killing (docs.kernel.org/admin-guide/cgroup-v2.html, cgroup.kill).

The ways of dying:

- the runner: its end of each attendant's connection closes, and each kills everything;
- an attendant: its descendants become the keeper's, which kills what is no attendant;
- the keeper: the attendants go on, and the runner starts a new one for what follows.

What is said on the connections is in ``tasks.keeper``.
"""

import ctypes
import gc
import glob
import json
import os
import pwd
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

KILL_SECONDS = 5.0  # a process that outlives SIGKILL for so long is stuck in the kernel
OUTRUN_SECONDS = 0.5  # what is not gone by then multiplies faster than it is killed
LOOK_SECONDS = 0.1  # between two looks at a group that was asked to end
PR_SET_CHILD_SUBREAPER = 36
HEADER_BYTES = 8  # of a request: the length of what follows
GROUP_ONLY, SUBREAPER, CGROUP = "group", "subreaper", "cgroup"


def become_subreaper() -> bool:
    """False where the system has no such thing (macOS)."""
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return False
    return bool(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


# --- cgroups ------------------------------------------------------------------------


def cgroup_of(base: str, attendant: int | str) -> str:
    return f"{base}/resource-sync-{attendant}"


def enter_cgroup(base: str | None) -> str | None:
    """Move into a new cgroup, and with this process all that it starts; None where
    that can't be."""
    if base is None:
        return None
    path = cgroup_of(base, os.getpid())
    try:
        os.mkdir(path)
        move_into(path)
    except OSError:
        remove_cgroup(path)
        return None
    return path


def move_into(path: str) -> None:
    with open(f"{path}/cgroup.procs", "w") as file:
        file.write(str(os.getpid()))


def kill_cgroup(path: str) -> None:
    with suppress(OSError), open(f"{path}/cgroup.kill", "w") as file:
        file.write("1")


def remove_cgroup(path: str) -> None:
    with suppress(OSError):
        os.rmdir(path)


def remove_abandoned_cgroups(base: str) -> None:
    """Those of attendants that outlived their keeper."""
    for path in glob.glob(cgroup_of(base, "*")):
        if not os.path.exists(f"/proc/{path.rpartition('-')[2]}"):
            remove_cgroup(path)


def usable_cgroup() -> str | None:
    """The cgroup v2 that this process is in, if it may be used: tried, not guessed."""
    try:
        with open("/proc/self/mountinfo") as file:
            mounts = [line.split() for line in file]
        with open("/proc/self/cgroup") as file:
            places = [line.rstrip("\n").split(":", 2) for line in file]
        mount = next(m[4] for m in mounts if m[m.index("-") + 1] == "cgroup2")
        place = next(path for number, _, path in places if number == "0")
    except (OSError, StopIteration, ValueError):
        return None
    base = os.path.normpath(mount + place)
    remove_abandoned_cgroups(base)
    path = enter_cgroup(base)
    if path is None:
        return None
    try:
        move_into(base)
        return base if os.path.exists(f"{path}/cgroup.kill") else None
    except OSError:
        return None
    finally:
        remove_cgroup(path)


# --- Who descends from whom ---------------------------------------------------------


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


# --- The attendant ------------------------------------------------------------------


class Attendant:
    """Starts one program, tells how it goes, and ends all that came of it."""

    def __init__(self, base: str | None) -> None:
        """``base``: the cgroup in which its own may be."""
        become_subreaper()
        self.base, self.cgroup = base, enter_cgroup(base)
        self.wake = waker()
        self.program = 0
        self.status: int | None = None
        self.is_asked_to_end = False

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

    def attend(self) -> None:
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
            if self.runner.fileno() in ready:
                command = self.hear()
                if command in ("", "K"):
                    break
                self.ask_to_end()
            if self.has_ended_as_asked():
                break
        self.end()

    # --- Start

    def start(self) -> bool:
        """Start the program, and tell its number; or tell why it can't be started."""
        try:
            self.program = self._popen()
        except (OSError, ValueError, KeyError) as error:
            self.tell(refused=refusal(error, self.order))
            return False
        finally:
            for fd in {self.out, self.err}:
                os.close(fd)
        self.tell(pid=self.program)
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
        process: subprocess.Popen[bytes] = subprocess.Popen(
            self.order["argv"],
            cwd=self.order["cwd"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=self.out,
            stderr=self.err,
            start_new_session=True,
            **options,
        )
        process.returncode = 0  # or it would bury the program itself when forgotten
        return process.pid

    # --- Watch

    def reap(self) -> bool:
        """Bury the dead; False where no child is left at all."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == self.program:
                self.status = os.waitstatus_to_exitcode(status)
                self.tell(status=self.status)
            elif not pid:
                return True

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
            if age >= OUTRUN_SECONDS and self.cgroup and self.base:
                with suppress(OSError):
                    move_into(self.base)
                    kill_cgroup(self.cgroup)
            select.select([self.wake], [], [], pause)
            drain(self.wake)
            pause = min(pause * 2, 0.05)
        else:
            left = {}
        self.tell(killed=len(found - {self.program}), left=sorted(left))


class NotRoot(ValueError):
    """Only root can run a program as somebody else."""


def refusal(error: Exception, order: dict[str, Any]) -> tuple[str, int]:
    """One sentence on why a program could not be started, and what a shell would
    exit with: 127 not found, 126 not executable."""
    program, cwd, user = order["argv"][0], order["cwd"], order["user"]
    match error:
        case FileNotFoundError():
            missing = f"The folder {cwd}" if error.filename == cwd else program
            return f"{missing} was not found.", 127
        case NotADirectoryError():
            return f"{error.filename} is not a folder.", 127
        case PermissionError():
            return f"{program} is not executable.", 126
        case OSError():
            return f"{program} could not be started: {error.strerror}.", 126
        case KeyError():
            return f"There is no account {user} on this host.", 126
        case NotRoot():
            return f"Only a runner that root started can run it as {user}.", 126
    return f"{program} could not be started: {error}.", 126  # a NUL in an argument


# --- The keeper ---------------------------------------------------------------------


class Keeper:
    """Hands the runner's orders on; one attendant each, and one that waits."""

    def __init__(self, runner: socket.socket) -> None:
        self.runner = runner
        is_subreaper = become_subreaper()
        self.base = usable_cgroup() if is_subreaper else None
        self.attendants: set[int] = set()
        self.wake = waker()
        self.spare = self.new_attendant()
        means = CGROUP if self.base else SUBREAPER
        holds = means if is_subreaper else GROUP_ONLY
        self.runner.sendall(json.dumps({"holds": holds}).encode() + b"\n")

    def keep(self) -> None:
        poller = select.poll()
        for fd in (self.runner.fileno(), self.wake):
            poller.register(fd, select.POLLIN)
        while self.attendants:
            ready = [fd for fd, _ in poller.poll()]
            if self.wake in ready:
                drain(self.wake)
                self.reap()
            if self.runner.fileno() in ready and not self.pass_on():
                # It is gone; the attendants see that for themselves.
                poller.unregister(self.runner)
                self.spare.close()

    def pass_on(self) -> bool:
        """Have an order carried out; False where no more will come."""
        try:
            message, fds = receive(self.runner)
        except EOFError:
            return False
        try:
            send_order(self.spare, message, fds)
        except OSError:  # somebody killed it
            self.spare.close()
            self.spare = self.new_attendant()
            send_order(self.spare, message, fds)
        for fd in fds:
            os.close(fd)
        self.spare.close()
        self.spare = self.new_attendant()
        return True

    def new_attendant(self) -> socket.socket:
        """The socket on which it takes its order."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid:
            self.attendants.add(pid)
            theirs.close()
            return ours
        try:
            ours.close()
            self.runner.close()
            attendant = Attendant(self.base)
            if attendant.wait_for_order(theirs):
                attendant.attend()
        except BaseException:  # noqa: BLE001 (what it leaves is the keeper's then)
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)

    def reap(self) -> None:
        """Bury attendants; end what those leave behind who were killed themselves."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    break
                self.attendants.discard(pid)
                cgroup = cgroup_of(self.base, pid) if self.base else None
                if status:
                    if cgroup:
                        kill_cgroup(cgroup)
                    self.end_orphans()
                if cgroup:
                    remove_cgroup(cgroup)

    def end_orphans(self) -> None:
        """Theirs are mine now; each one that ends hands me its children in turn."""
        me, deadline = os.getpid(), time.monotonic() + KILL_SECONDS
        while time.monotonic() < deadline:
            orphans = [
                pid
                for pid, (parent, _) in living().items()
                if parent == me and pid not in self.attendants
            ]
            if not orphans:
                return
            for pid in orphans:
                send(pid, signal.SIGKILL)
            time.sleep(0.002)
            for pid in orphans:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """One order and its descriptors. Raises EOFError where no more will come."""
    try:
        header, fds, _, _ = socket.recv_fds(connection, HEADER_BYTES, 3)
        header += read(connection, HEADER_BYTES - len(header))
        return read(connection, int.from_bytes(header)), fds
    except OSError as error:
        raise EOFError from error


def read(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        if not (more := connection.recv(count - len(data))):
            raise EOFError
        data += more
    return data


def send_order(connection: socket.socket, message: bytes, fds: list[int]) -> None:
    """Raises OSError where nobody has taken the whole of it."""
    data = len(message).to_bytes(HEADER_BYTES) + message
    sent = socket.send_fds(connection, [data], fds)
    # Not even nothing may be sent to somebody who has it all: he may have hung up,
    # and the order would be given twice.
    if rest := data[sent:]:
        connection.sendall(rest)


def waker() -> int:
    """A descriptor that is readable after each SIGCHLD."""
    reader, writer = os.pipe()
    for fd in (reader, writer):
        os.set_blocking(fd, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def drain(fd: int) -> None:
    with suppress(BlockingIOError):
        while os.read(fd, 4096):
            pass


def main() -> None:
    # Whoever stops a runner asks the runner; it tells us by going.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    gc.freeze()  # what a fork shares stays shared
    gc.disable()
    Keeper(socket.socket(fileno=int(sys.argv[1]))).keep()


if __name__ == "__main__":
    main()
