"""Keeps web and runner running, by supervisor: in the foreground or as a daemon.

Both use deploy/supervisor/supervisord.conf, which takes what differs between
installations from the environment that is put together here.
"""

import ctypes
import hashlib
import hmac
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from supervisor import loggers  # type: ignore[import-untyped]
from supervisor.medusa.asyncore_25 import ExitNow  # type: ignore[import-untyped]
from supervisor.options import ServerOptions  # type: ignore[import-untyped]
from supervisor.states import (  # type: ignore[import-untyped]
    ProcessStates,
    SupervisorStates,
)
from supervisor.supervisord import Supervisor  # type: ignore[import-untyped]

from resource_sync.closed_pipes import forgiven
from resource_sync.running import CONFIG, ROOT, run_folder

# sun_path holds 104 bytes on macOS, and supervisor first binds "NAME.PID".
MAX_SOCKET_PATH_BYTES = 92
STOPS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
# One wish to stop may come as several signals: from the terminal, make and systemd.
SAME_WISH_SECONDS = 0.5
PR_SET_PDEATHSIG = 1


# --- How it is started --------------------------------------------------------------


def become_foreground() -> NoReturn:
    """Turn this process into the supervisor."""
    command = [sys.executable, "-m", "resource_sync.supervise"]
    environ = whole_environment(console=True)
    sys.stdout.flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # none is lost in between
    # A fresh interpreter: the supervisor needs none of Django's memory.
    os.execve(sys.executable, command, environ)  # noqa: S606


def start_daemon(lock: int) -> int:
    """Leave a supervisor in the background, which keeps the lock; returns an exit
    code."""
    return subprocess.run(
        [sys.executable, "-m", "resource_sync.supervise", "daemon"],
        env=whole_environment(console=False),
        pass_fds=[lock],
        check=False,
    ).returncode


def main(*how: str) -> int:
    """The supervisor itself, until somebody ends it."""
    loggers.Handler.handleError = take_error
    server = Options() if "daemon" in how else ForegroundOptions()
    server.realize([*server.arguments, *arguments()])
    server.first, server.test = True, False
    with suppress(ExitNow):
        server.supervisor.main()
    server.close_httpservers()
    server.close_logger()
    return 0


# --- The supervisor -----------------------------------------------------------------


class Options(ServerOptions):  # type: ignore[misc]
    """supervisor's, but that no child outlives it or misses a signal, and that who asks
    it twice to stop need not wait."""

    arguments: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.supervisor = Supervisor(self)
        self._asked_at: float | None = None
        self._is_pressing = False

    def fork(self) -> int:
        """Start a child that ends when the supervisor dies, and hears each signal.

        Until a child has turned into its program it has the supervisor's handlers,
        which would take a signal and forget it: it was sent 40 s of patience for
        nothing. So signals are held back until it has none.
        """
        supervisor = os.getpid()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        pid = os.fork()
        if pid == 0:
            for number in STOPS:
                signal.signal(number, signal.SIG_DFL)
            end_with(supervisor)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pid

    def get_signal(self) -> int | None:
        """The next signal. A second wish to stop goes to those who are stopping: the
        runner then gives its tasks no grace; a third kills."""
        received: int | None = super().get_signal()
        if received not in STOPS:
            # By SIGHUP the stock supervisor would start everything anew.
            return None if received == signal.SIGHUP else received
        now = time.monotonic()
        is_new = self._asked_at is None or now - self._asked_at > SAME_WISH_SECONDS
        is_first, self._asked_at = self._asked_at is None, now
        if is_new and not is_first:
            self._press_on()
        return received

    def _press_on(self) -> None:
        number = signal.SIGKILL if self._is_pressing else signal.SIGTERM
        self._is_pressing = True
        for group in self.supervisor.process_groups.values():
            for process in group.processes.values():
                if process.get_state() == ProcessStates.STOPPING and process.pid:
                    self.kill(process.pid, number)


def end_with(parent: int, by: signal.Signals = signal.SIGTERM) -> None:
    """Have Linux send this process a signal when its parent dies, by kill -9 too. On
    other systems `make stop` finds it."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, by, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


class ForegroundOptions(Options):
    """The same for ``make run``: it ends with its terminal, and with its make."""

    arguments = ("-n",)

    def __init__(self) -> None:
        super().__init__()
        self._nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        self._parent = Parent()

    def get_signal(self) -> int | None:
        """Asked at least once a second."""
        received = super().get_signal()
        is_up = self.mood >= SupervisorStates.RUNNING
        if received is None and is_up and self._parent.wants_end():
            self._asked_at = time.monotonic()
            return signal.SIGTERM
        return received

    def setsignals(self) -> None:
        """The hangup of a terminal ends it, but for one that was started by nohup."""
        super().setsignals()
        signal.signal(signal.SIGHUP, self._hang_up)

    def _hang_up(self, *_: object) -> None:
        if not self._nohup:
            self.signal_receiver.receive(signal.SIGTERM, None)

    def cleanup(self) -> None:
        super().cleanup()
        with forgiven(1):
            sys.stdout.write("Stopped.\n")
            sys.stdout.flush()


class Parent:
    """The ``make`` that waits for this process, as far as Linux shows it.

    make passes SIGTERM on, but on SIGINT and SIGHUP it only waits for its child,
    counting on the terminal to have told that, too. Where nobody did (``kill -INT``
    to make alone), both would wait for ever. While it waits so, the signal is
    blocked in it, and that can be seen. Killed outright, it leaves us an orphan.
    """

    def __init__(self) -> None:
        self.is_make = bool(os.environ.get("MAKELEVEL"))
        self.pid = os.getppid()
        self.ignored = signal.pthread_sigmask(signal.SIG_BLOCK, [])

    def wants_end(self) -> bool:
        if not self.is_make:
            return False
        if os.getppid() != self.pid:
            return True
        blocked = blocked_signals(self.pid) - self.ignored
        return bool(blocked & {signal.SIGINT, signal.SIGHUP})


def blocked_signals(pid: int) -> set[int]:
    """The signals that a process has blocked; none where /proc does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return set()
    for line in lines:
        if line.startswith("SigBlk:"):
            mask = int(line.split()[1], 16)
            return {number for number in range(1, 65) if mask >> (number - 1) & 1}
    return set()


print_error = loggers.Handler.handleError


def take_error(handler: Any) -> None:
    """Handle an error of the supervisor's logs. The stock supervisor prints each, and
    dies where that can't be printed either."""
    error = sys.exc_info()[1]
    if isinstance(error, BrokenPipeError):
        with forgiven(handler.stream.fileno()):
            raise error
    else:
        with forgiven(2):
            print_error(handler)


# --- What both need -----------------------------------------------------------------


def arguments() -> list[str]:
    # As root it warns unless it is told that root is meant.
    return ["-c", str(CONFIG), *(["-u", "0"] if os.getuid() == 0 else [])]


def whole_environment(*, console: bool) -> dict[str, str]:
    """Return the environment of the supervisor: that of this process, with the time
    zone that it was started with."""
    from django.conf import settings

    found = {**os.environ, **environment(console=console)}
    found.pop("TZ", None)  # Django's
    return found if settings.HOST_TZ is None else {**found, "TZ": settings.HOST_TZ}


def environment(*, console: bool) -> dict[str, str]:
    """The variables that supervisord.conf refers to."""
    from django.conf import settings

    run = run_folder(settings.DATA_DIR)
    logs = str(settings.LOG_DIR).replace("%", "%%")
    if settings.LOG_TO == "stdout":  # which the background has none of
        settings.LOG_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    to_console = console and console_can_be_opened()
    password = hmac.new(settings.SECRET_KEY.encode(), b"supervisor", hashlib.sha256)
    return {
        "SUPERVISE_PYTHON": sys.executable,
        "SUPERVISE_ROOT": str(ROOT),
        "SUPERVISE_RUN": str(run),
        "SUPERVISE_SOCKET": str(socket_path(run)),
        "SUPERVISE_PASSWORD": password.hexdigest(),
        "SUPERVISE_LOGS": str(settings.LOG_DIR),
        "SUPERVISE_WEB_PROCESSES": str(settings.WEB_PROCESSES),
        "SUPERVISE_RUNNERS": str(settings.RUNNERS),
        # Each its own file: rotated by one, it would be lost to the others. The
        # supervisor fills the number in, so other percent signs are doubled.
        "SUPERVISE_WEB_OUTPUT": (
            "/dev/fd/1" if to_console else f"{logs}/web-%(process_num)d.log"
        ),
        "SUPERVISE_RUNNER_OUTPUT": (
            "/dev/fd/1" if to_console else f"{logs}/runner-%(process_num)d.log"
        ),
        # A terminal or pipe can't be rotated.
        "SUPERVISE_OUTPUT_BYTES": "0" if to_console else "10MB",
    }


def console_can_be_opened() -> bool:
    """Return whether /dev/fd/1 can be opened again: not where it is a socket, nor
    another user's terminal."""
    try:
        if stat.S_ISSOCK(os.fstat(1).st_mode):
            return False
        os.close(os.open("/dev/fd/1", os.O_WRONLY | os.O_APPEND))
    except OSError:
        return False
    return True


def socket_path(run: Path) -> Path:
    """Return where the control socket is: beside the data, or, where that path is too
    long for a socket, in the system's folder for temporary files."""
    path = run / "supervisor.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
        return path
    digest = hashlib.sha256(os.fsencode(run)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"resource-sync-run-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise SystemExit(f"The folder {folder} belongs to somebody else.")
    return folder / "supervisor.sock"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
