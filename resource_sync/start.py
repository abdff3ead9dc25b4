"""Prepares everything and starts the product: what ``make run`` does.

In one process up to the banner, because each Python start costs a second start's
patience; then this process becomes the supervisor (resource_sync.supervise). Nothing
of Django is imported before ``.env`` exists and the settings are known to be good.
"""

import argparse
import errno
import gc
import hashlib
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from psutil import Process

from resource_sync import rolling, running
from resource_sync.banner import Prepared, banner, banner_of_a_daemon
from resource_sync.closed_pipes import forgiven
from resource_sync.env_file import ENV_FILE, write_env_file
from resource_sync.http.listen_socket import refuse_taken_port
from resource_sync.private_files import UMASK, account, refuse_another_account
from resource_sync.running import only_start, refuse_second_start

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str] | None = None) -> int:
    os.chdir(ROOT)
    os.umask(UMASK)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "resource_sync.settings")
    parser = argparse.ArgumentParser(prog="python -m resource_sync.start")
    commands: dict[str, Callable[[], int]] = {
        "run": run, "start": start, "roll": roll, "prepare": prepare_only,
        "stop": running.stop, "let-end": running.let_end,
        "status": running.status, "logs": running.follow_logs,
    }  # fmt: skip
    parser.add_argument("command", nargs="?", choices=commands, default="run")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal in Latin-1 has no "…"
    command = commands[parser.parse_args(arguments).command]
    try:
        return command()
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        raise refuse(why(error)) from error


def run() -> int:
    """Prepare, then turn into the supervisor, in the foreground."""
    refuse_second_start()
    only_start()
    text = banner(prepare(), how_to_stop="Ctrl-C")
    from resource_sync import greeting, supervise

    greeting.say_when_it_answers(text)
    supervise.become_foreground()


def start() -> int:
    """Prepare, then leave web and runner running in the background."""
    refuse_second_start()
    lock = only_start()
    text = banner_of_a_daemon(prepare())
    from resource_sync import greeting, supervise

    if code := supervise.start_daemon(lock):
        return code
    if why := greeting.wait_for_health(greeting.address()):
        sys.stderr.write(f"Not ready yet: {why} See make status, make logs.\n")
        return 1
    say(f"{text}\nRunning in the background.")
    return 0


def roll() -> int:
    """Prepare, then replace what runs, one process after another; returns an exit
    code."""
    pid = running.running_pid()
    if not pid:
        raise refuse("Resource Sync is not running; `make start` starts it.")
    supervisor = Process(pid)
    refuse_what_needs_a_restart(rolling.programs(supervisor, "web"))
    prepare(port_is_needed=False)
    return rolling.roll(supervisor)


def refuse_what_needs_a_restart(web: "dict[int, Process]") -> None:
    """Stop where nobody would answer while the one web process is replaced."""
    if len(web) < 2:
        raise refuse(
            "There is one web process, and nobody would answer while it is replaced: "
            "use `make restart`, or set WEB_PROCESSES=2 first."
        )


def say(text: str) -> None:
    with forgiven(1):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def refuse(message: object) -> SystemExit:
    """One line on the error output, and exit code 1."""
    return SystemExit(" ".join(str(message).split()))


def why(error: OSError) -> str:
    """Return one sentence on what the system refused, and what would help."""
    reason = (error.strerror or str(error)).lower()
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"There is no room on the disk of DATA_DIR or LOG_DIR ({reason})."
    return f"{error.filename or 'A file'} can't be used by this account ({reason})."


def prepare_only() -> int:
    """Database, administrator and static files, for who starts the rest otherwise.
    Shows once what it made, unless that would be kept with the logs."""
    refuse_root_in_another_s_folder(ROOT)
    prepared = prepare(port_is_needed=False)
    from django.conf import settings

    if prepared.is_first and settings.LOG_TO == "files":
        say(banner(prepared))
    say("Prepared. `manage.py sign_in_link` prints a link that signs you in.")
    return 0


def refuse_root_in_another_s_folder(folder: Path) -> None:
    """Stop root where the product was given to an account of its own, before files are
    made that this account can neither read nor replace."""
    owner = folder.stat().st_uid
    if owner and not os.geteuid():
        name = account(owner)
        raise refuse(
            f"{folder} belongs to the account {name}, and this is root: run it as "
            f"{name} (runuser -u {name} -- …)."
        )


def prepare(*, port_is_needed: bool = True) -> Prepared:
    gc.disable()  # importing makes no garbage; looking for it took a third of the time
    made = write_env_file(ENV_FILE)
    from django.conf import settings

    refuse_another_account(settings)
    if settings.LOG_TO == "files":
        for name in ("combined.log", "error.log"):
            (settings.LOG_DIR / name).open("a").close()  # told here who can't write it
    if port_is_needed:
        refuse_taken_port(settings.HOST, settings.PORT)

    import django
    from django.db import DatabaseError

    django.setup()
    from tasks.access.sign_in import first_administrator

    check()
    demo = start_demo(os.environ, settings.DATA_DIR)
    try:
        migrate()
        is_first = bool(made) or first_administrator() is None
        user, password = admin_user(os.environ.get("ADMIN_PASSWORD", "").strip())
    except DatabaseError as error:
        raise refuse(why_no_database(error)) from error
    collect_static(settings.DATA_DIR / "run" / "static-files")
    finish_demo(demo, settings.DATA_DIR)
    return Prepared(user, password, is_first)


# --- Checks -------------------------------------------------------------------------


def check() -> None:
    """Django's system checks; the first error stops the start with one line, and each
    warning is a line, as is each variable of ``.env`` that nothing reads."""
    from django.core import checks
    from dotenv import dotenv_values

    from resource_sync.settings import VARIABLES
    from resource_sync.variables import misspelt
    from resources.releases.current import all_platforms

    errors = [found for found in checks.run_checks() if found.is_serious()]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        hint = f" {errors[0].hint}" if errors[0].hint else ""
        raise refuse(f"{errors[0].msg}{hint}{more}")
    warnings = [found for found in checks.run_checks() if not found.is_serious()]
    warnings += checks.run_checks(
        tags=["web_processes"], include_deployment_checks=True
    )
    for warning in warnings:
        say(f"Warning: {warning.msg} {warning.hint}")
    own = {
        f"RESOURCE_{subject}_{name.upper()}"
        for subject in ("STORE", "PUBLIC_URL")
        for name in all_platforms()
    }
    for sentence in misspelt(dotenv_values(ENV_FILE), VARIABLES | own):
        say(f"Warning: {sentence}")


# --- Database -----------------------------------------------------------------------


def migrate() -> None:
    from django.core.management import call_command
    from django.db import connection

    if connection.vendor == "postgresql":
        reach_postgresql()
    call_command("migrate", interactive=False, verbosity=0)


def why_no_database(error: Exception) -> str:
    """Return one sentence on why the database can't be used: SQLite's file is named,
    because nobody has set DATABASE_URL there."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    if not database["ENGINE"].endswith("sqlite3"):
        return f"DATABASE_URL: the database can't be used: {error}"
    return (
        f"The database {database['NAME']} can't be used ({error}); it has to be a file "
        "of SQLite that this account can write, on a disk with room."
    )


def reach_postgresql() -> None:
    """Connect once without the pool, which would try for half a minute."""
    import psycopg
    from django.db import OperationalError

    from tasks.notifications import connection_of_its_own

    try:
        connection_of_its_own().close()
    except psycopg.Error as error:
        raise OperationalError(str(error)) from error


def admin_user(password: str) -> "tuple[User, str]":
    """The administrator and what to show as the password.

    Made on the first start, that is where there is no administrator yet.
    """
    from django.contrib.auth.models import User

    from tasks.access.sign_in import first_administrator

    user = first_administrator()
    if user is None:
        shown = password or secrets.token_urlsafe(12)
        return User.objects.create_superuser("admin", password=shown), shown
    # Whether that is still the password takes a quarter of a second to find out.
    return user, "(ADMIN_PASSWORD, or as you set it)" if password else "(as you set it)"


# --- Demo resources -----------------------------------------------------------------


def start_demo(
    environ: "os._Environ[str]", data_dir: Path
) -> "subprocess.Popen[bytes] | None":
    """Begin to make the demo resources, once, where the folders are the defaults."""
    own = [name for name in environ if re.match(r"RESOURCE_(SOURCE|STORE)", name)]
    if (data_dir / "run" / "demo").exists() or any(environ[name] for name in own):
        return None
    from resource_sync.supervise import end_with

    say("Making the demo resources (v884 and v885)…")
    return subprocess.Popen(
        [sys.executable, "-m", "resources", "demo"],
        env={**environ, "DATA_DIR": str(data_dir)},
        stdout=subprocess.DEVNULL,
        # A start that ends early leaves nothing that goes on writing, or says so.
        preexec_fn=partial(end_with, os.getpid(), signal.SIGKILL),
    )


def finish_demo(demo: "subprocess.Popen[bytes] | None", data_dir: Path) -> None:
    if demo is None:
        return
    if demo.wait():
        say("The demo resources could not be made; the next start tries again.")
    else:
        write_stamp(data_dir / "run" / "demo", "made")


# --- Static files -------------------------------------------------------------------


def collect_static(stamp: Path) -> None:
    from django.conf import settings
    from django.core.management import call_command

    if came_with_the_image(settings.STATIC_ROOT):
        return
    state = digest_of(static_state())
    if stamp.exists() and stamp.read_text() == state and settings.STATIC_ROOT.is_dir():
        return
    say("Collecting static files…")
    for folder in settings.STATICFILES_DIRS:
        Path(folder).mkdir(exist_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    write_stamp(stamp, state)


def came_with_the_image(folder: Path) -> bool:
    """Return whether static files were collected when an image was built: the folder
    is there, and not this account's to write to."""
    from resource_sync.static_files import BundledStorage

    if not folder.exists() or os.access(folder, os.W_OK):
        return False
    if not (folder / BundledStorage.manifest_name).exists():
        raise refuse(
            f"STATIC_DIR: {str(folder)!r} can't be written by this account and has no "
            "collected files; expected a folder that can be written, or one filled by "
            "manage.py collectstatic."
        )
    return True


def static_state() -> Iterator[str]:
    """Yield what collectstatic's result depends on: version, packages, how files are
    put together, files."""
    from django.contrib.staticfiles.finders import get_finders

    from resource_sync.settings import VERSION

    yield VERSION
    yield (ROOT / "requirements.txt").read_text()
    for module in ("bundles.py", "static_files.py"):
        yield Path(__file__).with_name(module).read_text()
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = Path(storage.path(name)).stat()
            yield f"{name} {found.st_size} {found.st_mtime_ns}"


def digest_of(lines: Iterator[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write_stamp(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
