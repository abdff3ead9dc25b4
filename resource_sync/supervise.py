"""Keeps web and runner running, by supervisor: in the foreground or as a daemon.

Both use deploy/supervisor/supervisord.conf, which takes what differs between
installations from the environment that is put together here.
"""

import hashlib
import hmac
import http.client
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from resource_sync.addresses import LOCAL_NAMES

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "deploy" / "supervisor" / "supervisord.conf"
# sun_path holds 104 bytes on macOS, and supervisor first binds "NAME.PID".
MAX_SOCKET_PATH_BYTES = 92
STOP_PATIENCE_SECONDS = 60.0  # above both programs' stopwaitsecs together
START_PATIENCE_SECONDS = 30.0
NOT_RUNNING = 3  # the exit code that Linux's service scripts use for it


# --- In the foreground --------------------------------------------------------------


def become_foreground() -> NoReturn:
    """Turn this process into the supervisor."""
    os.environ.update(environment(console=True))
    sys.stdout.flush()
    # A fresh interpreter: the supervisor needs none of Django's memory.
    os.execv(sys.executable, [sys.executable, "-m", "resource_sync.supervise"])  # noqa: S606


def foreground() -> int:
    """What runs in the place of ``make run`` until somebody ends it."""
    from supervisor import options, supervisord  # type: ignore[import-untyped]

    class ForegroundOptions(options.ServerOptions):  # type: ignore[misc]
        def get_signal(self) -> int | None:
            """Asked at least once a second."""
            received: int | None = super().get_signal()
            if received == signal.SIGHUP:
                # The terminal is gone: to the stock supervisor, "restart". With
                # nohup it is to be ignored.
                return None if nohup else signal.SIGTERM
            if received is None and parent.wants_end():
                return signal.SIGTERM
            return received

    nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    parent = Parent()
    with terminal_of_its_own():
        server = ForegroundOptions()
        server.realize(["-n", *arguments()])
        server.first, server.test = True, False
        supervisord.go(server)
        server.close_httpservers()
        server.close_logger()
    sys.stdout.write("Stopped.\n")
    return 0


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


class terminal_of_its_own:  # noqa: N801 (a context manager, used like a function)
    """Makes Ctrl-C reach this process only, as a shell does it for each job.

    A ``make`` that gets the signal too dies by it after everything has stopped in
    order, and its exit code then says failure.
    """

    def __enter__(self) -> None:
        self.shell_group: int | None = None
        if not (os.isatty(0) and os.isatty(1)):
            return
        with suppress(OSError):
            if os.tcgetpgrp(0) != os.getpgrp():
                return
            # Writing to the terminal or giving it back from the background would
            # stop this process; Ctrl-Z would stop it where no shell sees it.
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            signal.signal(signal.SIGTSTP, signal.SIG_IGN)
            former = os.getpgrp()
            os.setpgid(0, 0)
            os.tcsetpgrp(0, os.getpgrp())
            self.shell_group = former

    def __exit__(self, *_: object) -> None:
        if self.shell_group is not None:
            with suppress(OSError):
                os.tcsetpgrp(0, self.shell_group)


# --- As a daemon --------------------------------------------------------------------


def start_daemon() -> int:
    command = [sys.executable, "-m", "supervisor.supervisord", *arguments()]
    code = subprocess.run(
        command, env={**os.environ, **environment(console=False)}, check=False
    ).returncode
    if code:
        return code
    deadline = time.monotonic() + START_PATIENCE_SECONDS
    while not is_healthy():
        if time.monotonic() > deadline:
            sys.stderr.write("It does not answer yet; see make status, make logs.\n")
            return 1
        time.sleep(0.2)
    sys.stdout.write("Running in the background.\n")
    return 0


def stop_daemon() -> int:
    pid = running_pid()
    if pid is None:
        sys.stdout.write("Resource Sync is not running.\n")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_PATIENCE_SECONDS
    while running_pid() == pid:
        if time.monotonic() > deadline:
            sys.stderr.write(f"Process {pid} has not ended yet.\n")
            return 1
        time.sleep(0.1)
    sys.stdout.write("Stopped.\n")
    return 0


def show_status() -> int:
    if running_pid() is None:
        sys.stdout.write("Resource Sync is not running.\n")
        return NOT_RUNNING
    command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(CONFIG)]
    return subprocess.run(
        [*command, "status"],
        env={**os.environ, **environment(console=False)},
        check=False,
    ).returncode


def follow_logs() -> int:
    from django.conf import settings

    numbers = range(1, settings.WEB_PROCESSES + 1)
    web = [f"web-{number}.log" for number in numbers]
    publisher = ["publisher.log"] if settings.GRIP_URL else []
    names = ("combined.log", *web, "runner.log", *publisher, "supervisord.log")
    files = [str(settings.LOG_DIR / name) for name in names]
    for file in files:
        Path(file).touch()
    os.execvp("tail", ["tail", "-n", "20", "-F", *files])  # noqa: S606, S607 (by PATH)


def running_pid() -> int | None:
    """The supervisor of this DATA_DIR, if it lives."""
    import psutil
    from django.conf import settings

    try:
        pid = int((run_folder(settings.DATA_DIR) / "supervisord.pid").read_text())
        command = " ".join(psutil.Process(pid).cmdline())
    except (OSError, ValueError, psutil.Error):
        return None
    # After a crash the number may be another program's by now.
    ours = "supervisor.supervisord" in command or "resource_sync.supervise" in command
    return pid if ours else None


def refuse_second_start() -> None:
    if pid := running_pid():
        raise SystemExit(
            f"Resource Sync is already running with this DATA_DIR (process {pid}); "
            "`make stop` ends it."
        )


def is_healthy() -> bool:
    from django.conf import settings

    host = LOCAL_NAMES.get(settings.HOST, settings.HOST).strip("[]")
    names = [name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"]
    connection = http.client.HTTPConnection(host, settings.PORT, timeout=5)
    try:
        connection.request("GET", "/health", headers={"Host": (names or [host])[0]})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


# --- What both need -----------------------------------------------------------------


def arguments() -> list[str]:
    # As root it warns unless it is told that root is meant.
    return ["-c", str(CONFIG), *(["-u", "0"] if os.getuid() == 0 else [])]


def environment(*, console: bool) -> dict[str, str]:
    """The variables that supervisord.conf refers to."""
    from django.conf import settings

    run = run_folder(settings.DATA_DIR)
    logs = str(settings.LOG_DIR).replace("%", "%%")
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
        "SUPERVISE_PUBLISHERS": "1" if settings.GRIP_URL else "0",
        "SUPERVISE_PUBLISHER_OUTPUT": (
            "/dev/fd/1" if to_console else f"{logs}/publisher.log"
        ),
        # Each its own file: rotated by one, it would be lost to the others. The
        # supervisor fills the number in, so other percent signs are doubled.
        "SUPERVISE_WEB_OUTPUT": (
            "/dev/fd/1" if to_console else f"{logs}/web-%(process_num)d.log"
        ),
        "SUPERVISE_RUNNER_OUTPUT": "/dev/fd/1" if to_console else f"{logs}/runner.log",
        # A terminal or pipe can't be rotated.
        "SUPERVISE_OUTPUT_BYTES": "0" if to_console else "10MB",
    }


def console_can_be_opened() -> bool:
    """Whether /dev/fd/1 can be opened again: not where it is a socket, nor another
    user's terminal."""
    try:
        if stat.S_ISSOCK(os.fstat(1).st_mode):
            return False
        os.close(os.open("/dev/fd/1", os.O_WRONLY | os.O_APPEND))
    except OSError:
        return False
    return True


def run_folder(data_dir: Path) -> Path:
    folder = data_dir / "run"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def socket_path(run: Path) -> Path:
    """Where the control socket is: beside the data, or, where that path is too long
    for a socket, in the system's folder for temporary files."""
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
    sys.exit(foreground())
