"""Starts programs for a runner, and sees that nothing of them is ever left.

Run as a script, without Django, so that it is small and forks quickly. One *keeper* a
runner; for each program that it is told to start it forks an *attendant*, which is a
child subreaper (prctl(2)): whatever the program starts and however it hides (other
groups, other sessions, daemons) stays among the attendant's descendants. When these are
to end they are killed until wait(2) says that there is no child any more, which is the
kernel's own word that none is left.

The ways of dying:

- the runner: its end of each attendant's connection closes, and each kills everything;
- an attendant: its descendants become the keeper's, which kills what is no attendant;
- the keeper: the attendants go on, and the runner starts a new one for what follows.

A runner may also lose its lease without dying: stopped by a signal, or hung. Others
then run its tasks, so the keeper has the attendants end all that they have, and takes
no order any more.

What is said on the connections is in ``tasks.keeper``.
"""

import ctypes
import errno
import gc
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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

KILL_SECONDS = 5.0  # a process that outlives SIGKILL for so long is stuck in the kernel
LOOK_SECONDS = 0.1  # between two looks at a group that was asked to end
PR_SET_CHILD_SUBREAPER = 36
WATCH_SECONDS = 1.0  # between two looks at the runner
STOPPED_SECONDS = 12.0  # a runner's lease: stopped for so long, it has lost it
LEASE_LOST = 75  # the exit status: what ran was ended, and nothing may follow
HEADER_BYTES = 8  # of a request: the length of what follows
ORDER_FDS = 3  # that come with it: the connection, and where its output goes
OOM_SCORE = 500  # by how much a program is likelier to be ended when memory runs out
MOST_OOM_SCORE = 1000
GROUP_ONLY, SUBREAPER = "group", "subreaper"


def become_subreaper() -> bool:
    """False where the system has no such thing (macOS)."""
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return False
    return bool(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


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


def is_stopped(pid: int) -> bool:
    """Return whether a process was stopped by a signal or a debugger."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in b"Tt"
    except (OSError, IndexError):
        return False


# --- The attendant ------------------------------------------------------------------


class Attendant:
    """Starts one program, tells how it goes, and ends all that came of it."""

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

    def why(self) -> str | None:
        """Why it may have ended so, where neither its status nor its words say it."""
        if self.status in KILLED and not self.is_ending:
            return OUT_OF_MEMORY if oom_kills() > self.oom_kills else None
        if self.status not in {126, 127}:
            return None
        find_project()
        from tasks.start_failures import Ordered, reason_of_exit

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


# --- When memory runs out -----------------------------------------------------------

# By SIGKILL, itself or what it waited for, as shells tell it.
KILLED = {-signal.SIGKILL, 128 + signal.SIGKILL}
OUT_OF_MEMORY = (
    "Probably out of memory; the kernel killed a process for that meanwhile."
)


@contextmanager
def easier_to_kill() -> Iterator[None]:
    """Let what is started meanwhile be ended before the service when memory runs out.
    https://docs.kernel.org/filesystems/proc.html, oom_score_adj"""
    path = "/proc/self/oom_score_adj"
    own = ""
    with suppress(OSError, ValueError):
        with open(path) as file:
            own = file.read().strip()
        with open(path, "w") as file:
            file.write(str(min(MOST_OOM_SCORE, int(own) + OOM_SCORE)))
    try:
        yield
    finally:
        with suppress(OSError), open(path, "w") as file:
            file.write(own)


def oom_kills() -> int:
    """Return how many processes the kernel has killed because memory ran out, in this
    cgroup and below where that is told, else in the whole system."""
    with suppress(OSError, StopIteration, IndexError, ValueError):
        return number_in(f"{own_cgroup()}/memory.events", "oom_kill")
    with suppress(OSError, StopIteration, IndexError, ValueError):
        return number_in("/proc/vmstat", "oom_kill")
    return 0


def own_cgroup() -> str:
    with open("/proc/self/cgroup") as file:
        place = next(line for line in file if line.startswith("0::"))
    return "/sys/fs/cgroup" + place[3:].rstrip("\n/")


def number_in(path: str, name: str) -> int:
    with open(path) as file:
        return next(int(line.split()[1]) for line in file if line.split()[0] == name)


class NotRoot(ValueError):
    """Only root can run a program as somebody else."""


def refusal(error: Exception, order: dict[str, Any]) -> tuple[str, int]:
    """One sentence on why a program could not be started, and what a shell would
    exit with: 127 not found, 126 not executable."""
    program, user = order["argv"][0], order["user"]
    match error:
        case OSError():
            with suppress(ImportError, OSError):  # where no file can be opened
                find_project()
                from tasks.start_failures import Ordered, reason_of

                return reason_of(error, Ordered.of(order))
            return f"{program} could not be started: {error.strerror}.", 126
        case MemoryError():
            return f"{program} could not be started: there is not enough memory.", 126
        case KeyError():
            return f"There is no account {user} on this host.", 126
        case NotRoot():
            return f"Only a runner that root started can run it as {user}.", 126
    return f"{program} could not be started: {error}.", 126  # a NUL in an argument


def find_project() -> None:
    """Let what is needed seldom be imported only then: what forks stays small."""
    project = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if project not in sys.path:
        sys.path.append(project)


# --- The keeper ---------------------------------------------------------------------


class LeaseWatch:
    """Whether a runner can still have its lease: it is not stopped, and it says from
    time to time that its heartbeat was taken.

    Who was stopped himself has seen nothing: then the runner gets the chance to say
    something first.
    """

    def __init__(self, pid: int, patience_seconds: float) -> None:
        self.pid, self.patience_seconds = pid, patience_seconds
        self.looked_at = self.went_on_at = self.confirmed_at = time.monotonic()

    def confirm(self) -> None:
        self.went_on_at = self.confirmed_at = time.monotonic()

    def is_lost(self) -> bool:
        """Look once; to be called about every WATCH_SECONDS."""
        was_away = time.monotonic() - self.looked_at > 3 * WATCH_SECONDS
        self.looked_at = time.monotonic()
        if was_away:
            self.confirm()
        if not is_stopped(self.pid):
            self.went_on_at = self.looked_at
        return (
            self.looked_at - self.went_on_at >= STOPPED_SECONDS
            or self.looked_at - self.confirmed_at >= self.patience_seconds
        )


class Keeper:
    """Hands the runner's orders on; one attendant each, and one that waits."""

    def __init__(self, runner: socket.socket, patience_seconds: float) -> None:
        self.runner = runner
        self.lease = LeaseWatch(os.getppid(), patience_seconds)
        self.takes_orders, self.is_lease_lost = True, False
        is_subreaper = become_subreaper()
        self.attendants: set[int] = set()
        self.wake = waker()
        self.spare: socket.socket | None = None
        self.prepare()
        holds = SUBREAPER if is_subreaper else GROUP_ONLY
        self.runner.sendall(json.dumps({"holds": holds}).encode() + b"\n")

    def keep(self) -> None:
        poller = select.poll()
        for fd in (self.runner.fileno(), self.wake):
            poller.register(fd, select.POLLIN)
        while self.takes_orders or self.attendants:
            ready = [fd for fd, _ in poller.poll(WATCH_SECONDS * 1000)]
            if self.wake in ready:
                drain(self.wake)
                self.reap()
            if not self.takes_orders:
                continue
            if self.runner.fileno() in ready and not self.pass_on():
                # It is gone; the attendants see that for themselves.
                self.takes_orders = False
            elif self.lease.is_lost():
                self.takes_orders, self.is_lease_lost = False, True
                for pid in self.attendants:
                    send(pid, signal.SIGUSR1)
            if not self.takes_orders:
                poller.unregister(self.runner)
                self.forget_spare()

    def pass_on(self) -> bool:
        """Have an order carried out, or refuse it; False where no more will come."""
        try:
            message, fds = receive(self.runner)
        except EOFError:
            return False
        if not message:
            self.lease.confirm()
            return True
        try:
            self.hand_on(message, fds)
        except OSError as error:  # a limit of the system's, which others may not meet
            refuse(message, fds, error)
        finally:
            for fd in fds:
                os.close(fd)
        self.prepare()
        return True

    def hand_on(self, message: bytes, fds: list[int]) -> None:
        if len(fds) < ORDER_FDS:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        if self.spare is not None:
            try:
                return send_order(self.spare, message, fds)
            except OSError:  # somebody killed it
                self.forget_spare()
        self.spare = self.new_attendant()
        return send_order(self.spare, message, fds)

    def prepare(self) -> None:
        """Have an attendant wait for the next order; where there can be none now, that
        order will try again."""
        self.forget_spare()
        with suppress(OSError):
            self.spare = self.new_attendant()

    def forget_spare(self) -> None:
        if self.spare is not None:
            self.spare.close()
            self.spare = None

    def new_attendant(self) -> socket.socket:
        """The socket on which it takes its order."""
        ours, theirs = socket.socketpair()
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            raise
        if pid:
            self.attendants.add(pid)
            theirs.close()
            return ours
        try:
            ours.close()
            self.runner.close()
            attendant = Attendant()
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
                if status:
                    self.end_orphans()

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


def refuse(message: bytes, fds: list[int], error: OSError) -> None:
    """Tell on an order's own connection why it is not carried out; where not even that
    came through, closing it tells that."""
    if fds:
        runner = socket.socket(fileno=os.dup(fds[0]))
        with runner, suppress(OSError):
            news = {"refused": refusal(error, json.loads(message))}
            runner.sendall(json.dumps(news).encode() + b"\n")


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """One order and its descriptors. Raises EOFError where no more will come."""
    try:
        header, fds, _, _ = socket.recv_fds(connection, HEADER_BYTES, ORDER_FDS)
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
    signal.signal(signal.SIGUSR1, lambda *_: None)
    keeper = Keeper(socket.socket(fileno=int(sys.argv[1])), float(sys.argv[2]))
    keeper.keep()
    if keeper.is_lease_lost:
        sys.exit(LEASE_LOST)


if __name__ == "__main__":
    main()
