"""What runs of the product with a DATA_DIR: told, found and ended.

Needs no setting but folders, and asks no database: a stop has to work whatever stands
in ``.env``, and while an update has brought the code of another version.
"""

import fcntl
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NoReturn

import psutil
from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "deploy" / "supervisor" / "supervisord.conf"
# As tasks.runner.loop has it, which can't be imported where a stop has to work.
PATIENT = signal.SIGURG
NOT_ALL = 1
NOT_RUNNING = 3  # the exit code that Linux's service scripts use for it
WITHOUT_SUPERVISOR = 1
ORPHANS_SECONDS = 5.0  # to end when their supervisor was killed
PATIENT_SECONDS = 5.0  # after which a stop says what it waits for

Environ = dict[str, str]


def value_of(variable: str, default: str) -> str:
    """Return what the settings read, unchecked."""
    own: dict[str, str | None] = {}
    with suppress(OSError, ValueError):
        own = dotenv_values(ROOT / ".env")
    return (os.environ.get(variable) or own.get(variable) or default).strip()


def data_dir() -> Path:
    return folder_of("DATA_DIR", "./data")


def folder_of(variable: str, default: str) -> Path:
    """Return a folder as the settings have it."""
    return (ROOT / Path(value_of(variable, default)).expanduser()).resolve()


def run_folder(folder: Path) -> Path:
    """Return where the state of a DATA_DIR's supervisor is."""
    run = folder / "run"
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    return run


def running_pid() -> int | None:
    """Return the supervisor of this DATA_DIR, if it lives."""
    with suppress(OSError, ValueError, psutil.Error):
        pid = int((data_dir() / "run" / "supervisord.pid").read_text())
        command = " ".join(psutil.Process(pid).cmdline())
        # After a crash the number may be another program's by now.
        if "supervisor.supervisord" in command or "resource_sync.supervise" in command:
            return pid
    return None


def orphans() -> list[psutil.Process]:
    """Return web and runner of a supervisor that was killed."""
    run, found = str(data_dir() / "run"), []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get("SUPERVISE_RUN") == run:
                found.append(process)
    return found


def names_of(processes: list[psutil.Process]) -> str:
    """Return what people call these processes."""
    shown = []
    for process in processes:
        with suppress(psutil.Error):
            name = process.environ().get("SUPERVISOR_GROUP_NAME", "a part")
            shown.append(f"{name} (process {process.pid})")
    return ", ".join(shown)


# --- Only one ------------------------------------------------------------------------


def refuse_second_start() -> None:
    """Stop where it runs already, whole or in parts."""
    if pid := running_pid():
        began = psutil.Process(pid).create_time()
        started = datetime.fromtimestamp(began, tz=UTC).astimezone()
        raise SystemExit(
            "Resource Sync is already running with this DATA_DIR (since "
            f"{started:%Y-%m-%d %H:%M:%S}, process {pid}); `make stop` ends it."
        )
    if not wait_until(lambda: not orphans(), ORPHANS_SECONDS):
        raise SystemExit(
            f"Without its supervisor, of Resource Sync still run: {names_of(orphans())}"
            "; `make stop` ends them."
        )


def only_start() -> int:
    """Return the open lock of a DATA_DIR, which lets one start prepare at a time. It is
    held for as long as this process, or what it turns into, lives."""
    with (run_folder(data_dir()) / "start.lock").open("a+") as file:
        if not lock(file):
            refuse_second_start()
            file.seek(0)
            raise SystemExit(
                "Resource Sync is being started with this DATA_DIR at this moment, by "
                f"process {file.read().strip() or 'another'}."
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        held = os.dup(file.fileno())
    os.set_inheritable(held, True)
    return held


def lock(file: IO[str]) -> bool:
    """Return whether nobody else had the lock of a file."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# --- Stop and status -----------------------------------------------------------------


def let_end() -> int:
    """Do what ``stop`` does, but let what runs come to its end first."""
    return stop(is_patient=True)


def stop(*, is_patient: bool = False) -> int:
    """End everything in order, for as long as running tasks were promised, and say what
    that is; returns an exit code."""
    pid = running_pid()
    ending = [psutil.Process(pid)] if pid else orphans()
    if not ending:
        sys.stdout.write("Resource Sync is not running.\n")
        return 0
    with (run_folder(data_dir()) / "stop.lock").open("a") as file:
        is_second = not lock(file)
        # What a killed supervisor left is ending already.
        if pid and (tasks := running_tasks(ending)):
            say(what_becomes_of(tasks, is_patient=is_patient, is_second=is_second))
        if is_patient and not is_second:
            ask(runners_among(ending), PATIENT)
        # The kernel asked orphans when their supervisor died (supervise.end_with), and
        # asked again they would give their tasks no time.
        if pid or is_second or not psutil.LINUX:
            ask(ending, signal.SIGTERM)
        wait_for(ending)
    say("Stopped.")
    return 0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def ask(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def family_of(processes: list[psutil.Process]) -> list[tuple[psutil.Process, Environ]]:
    """Return these and all that they started, each with its environment."""
    found = []
    for process in processes:
        with suppress(psutil.Error):
            for member in (process, *process.children(recursive=True)):
                with suppress(psutil.Error, OSError):
                    found.append((member, member.environ()))
    return found


def runners_among(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [
        process
        for process, environ in family_of(processes)
        if environ.get("SUPERVISOR_GROUP_NAME") == "runner"
        and "run_tasks" in process.cmdline()
    ]


def running_tasks(processes: list[psutil.Process]) -> list[str]:
    """Return the types and ids of the tasks that have a program among these."""
    return sorted(
        {
            f"{environ.get('TASK_TYPE')} {environ['TASK_ID'][:8]}"
            for _, environ in family_of(processes)
            if environ.get("TASK_ID")
        }
    )


def what_becomes_of(tasks: list[str], *, is_patient: bool, is_second: bool) -> str:
    """Return what is said of the tasks that run while it is stopped."""
    who = "It" if len(tasks) == 1 else "They"
    drain = value_of("RUNNER_DRAIN", "0")
    drain = f"{drain} s" if drain.isdecimal() else drain
    if is_second:
        then = "will be ended at once"
    elif drain not in {"0 s", "0s", "0m", "0h"}:
        then = f"may take {drain} to end (RUNNER_DRAIN), and will then be cancelled"
    elif is_patient:
        then = "will be waited for; `make stop` in another terminal ends that at once"
    else:
        then = "will be cancelled"
    return f"Running: {', '.join(tasks)}. {who} {then}."


def wait_for(processes: list[psutil.Process]) -> None:
    """Wait for processes to end; where that takes long, say for what."""
    if not wait_until(lambda: not living(processes), PATIENT_SECONDS):
        say(
            "Waiting for the tasks that run, for as long as they were promised; "
            "another `make stop` ends them at once."
        )
        wait_until(lambda: not living(processes), math.inf)


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that live. Where nobody waits for them the dead stay as zombies."""
    found = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            is_alive = process.status() != psutil.STATUS_ZOMBIE
            if is_alive and process.is_running():
                found.append(process)
    return found


def status() -> int:
    """Show what runs; returns an exit code: 0, 3 where nothing does, 1 where only
    parts do, or the supervisor is gone."""
    if pid := running_pid():
        return _show_programs(psutil.Process(pid))
    if left := orphans():
        sys.stdout.write(
            f"The supervisor of Resource Sync is gone; still running: {names_of(left)}."
            " `make stop` ends them.\n"
        )
        return WITHOUT_SUPERVISOR
    sys.stdout.write("Resource Sync is not running.\n")
    return NOT_RUNNING


def _show_programs(supervisor: psutil.Process) -> int:
    # As it was started, whatever the settings say by now.
    own = {k: v for k, v in supervisor.environ().items() if k.startswith("SUPERVISE_")}
    command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(CONFIG)]
    done = subprocess.run(
        [*command, "status"], cwd=ROOT, env={**os.environ, **own}, check=False
    )
    return NOT_ALL if done.returncode else 0


def follow_logs() -> NoReturn:
    """Turn into ``tail`` of the logs that there are."""
    folder = folder_of("LOG_DIR", "./logs")
    names = ("combined.log", "web-*.log", "runner-*.log", "supervisord.log")
    files = [str(file) for name in names for file in sorted(folder.glob(name))]
    if not files:
        raise SystemExit(f"There are no logs in {folder} yet.")
    os.execvp("tail", ["tail", "-n", "20", "-F", *files])  # noqa: S606, S607 (by PATH)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether a condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
