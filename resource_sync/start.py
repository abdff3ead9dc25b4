"""Prepares everything and starts the product: what ``make run`` does.

In one process up to the banner, because each Python start costs a second start's
patience; then this process becomes the supervisor (resource_sync.supervise). Nothing
of Django is imported before ``.env`` exists and the settings are known to be good.
"""

import argparse
import gc
import hashlib
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from resource_sync.addresses import LOCAL_NAMES, refuse_taken_port

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ROOT = Path(__file__).resolve().parent.parent
ENV_FILE = ROOT / ".env"
DATABASE_PATIENCE_SECONDS = 5

T = TypeVar("T")


def main(arguments: list[str] | None = None) -> int:
    os.chdir(ROOT)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "resource_sync.settings")
    parser = argparse.ArgumentParser(prog="python -m resource_sync.start")
    commands: dict[str, Callable[[], int]] = {
        "run": run, "start": start, "stop": stop, "status": status, "logs": logs,
        "prepare": prepare_only,
    }  # fmt: skip
    parser.add_argument("command", nargs="?", choices=commands, default="run")
    try:
        return commands[parser.parse_args(arguments).command]()
    except KeyboardInterrupt:
        return 130


def run() -> int:
    """Prepare, then turn into the supervisor, in the foreground."""
    say(banner(*prepare(), how_to_stop="Ctrl-C"))
    from resource_sync import supervise

    supervise.become_foreground()


def start() -> int:
    """Prepare, then leave web and runner running in the background."""
    say(banner(*prepare(), how_to_stop="make stop (make status, make logs)"))
    from resource_sync import supervise

    return supervise.start_daemon()


def stop() -> int:
    from resource_sync import supervise

    return supervise.stop_daemon()


def status() -> int:
    from resource_sync import supervise

    return supervise.show_status()


def logs() -> int:
    from resource_sync import supervise

    return supervise.follow_logs()


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def refuse(message: object) -> SystemExit:
    """One line on the error output, and exit code 1."""
    return SystemExit(" ".join(str(message).split()))


def prepare_only() -> int:
    """Database, administrator and static files, for who starts the rest otherwise."""
    prepare(port_is_needed=False)
    return 0


def prepare(*, port_is_needed: bool = True) -> "tuple[User, str]":
    """Returns the administrator and what to show as the password."""
    gc.disable()  # importing makes no garbage; looking for it took a third of the time
    write_env_file(ENV_FILE)
    from django.conf import settings

    settings.DATA_DIR  # noqa: B018 (a wrong value stops here, with one line)
    if port_is_needed:
        from resource_sync.supervise import refuse_second_start

        refuse_taken_port(settings.HOST, settings.PORT)
        refuse_second_start()

    import django
    from django.db import DatabaseError

    django.setup()
    check()
    demo = start_demo(os.environ, settings.DATA_DIR)
    try:
        migrate()
        user, password = admin_user(os.environ.get("ADMIN_PASSWORD", "").strip())
    except DatabaseError as error:
        raise refuse(f"DATABASE_URL: the database can't be used: {error}") from error
    collect_static(settings.DATA_DIR / "run" / "static-files")
    finish_demo(demo, settings.DATA_DIR)
    return user, password


# --- Secrets ------------------------------------------------------------------------


def write_env_file(path: Path) -> None:
    """Make ``.env`` with secrets of its own; give an old one its missing SECRET_KEY."""
    try:
        if path.exists():
            _add_secret_key(path)
        else:
            _create(path)
    except OSError as error:
        if not os.environ.get("SECRET_KEY"):
            raise refuse(f"{path} can't be written: {error.strerror}.") from error


def _create(path: Path) -> None:
    content = (
        "# Made by the first start. The environment wins over this file;\n"
        "# .env.example has every variable.\n"
        f"SECRET_KEY={secrets.token_urlsafe(48)}\n"
        f"API_KEY=rs_{secrets.token_urlsafe(32)}\n"
        f"ADMIN_PASSWORD={secrets.token_urlsafe(12)}\n"
    )
    # mkstemp makes it 0600; link() fails where somebody was faster, so that nothing
    # is ever overwritten and nobody sees half a file.
    handle, name = tempfile.mkstemp(prefix=".env.", dir=path.parent)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()


def _add_secret_key(path: Path) -> None:
    from dotenv import dotenv_values

    if os.environ.get("SECRET_KEY") or dotenv_values(path).get("SECRET_KEY"):
        return
    text = path.read_text()
    with path.open("a") as file:
        file.write("" if text.endswith("\n") or not text else "\n")
        file.write(f"SECRET_KEY={secrets.token_urlsafe(48)}\n")


# --- Checks -------------------------------------------------------------------------


def check() -> None:
    """Django's system checks; the first error stops the start with one line, and a
    warning about several web processes is a line."""
    from django.core import checks

    errors = [found for found in checks.run_checks() if found.is_serious()]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        hint = f" {errors[0].hint}" if errors[0].hint else ""
        raise refuse(f"{errors[0].msg}{hint}{more}")
    for warning in checks.run_checks(
        tags=["web_processes"], include_deployment_checks=True
    ):
        say(f"Warning: {warning.msg} {warning.hint}")


# --- Database -----------------------------------------------------------------------


def migrate() -> None:
    from django.core.management import call_command
    from django.db import connection

    if connection.vendor == "postgresql":
        reach_postgresql(connection.settings_dict)
    call_command("migrate", interactive=False, verbosity=0)


def reach_postgresql(database: dict[str, Any]) -> None:
    """Connect once without the pool, which would try for half a minute."""
    import psycopg
    from django.db import OperationalError

    try:
        psycopg.connect(
            host=database["HOST"] or None,
            port=database["PORT"] or None,
            user=database["USER"] or None,
            password=database["PASSWORD"] or None,
            dbname=database["NAME"] or None,
            connect_timeout=DATABASE_PATIENCE_SECONDS,
        ).close()
    except psycopg.Error as error:
        raise OperationalError(str(error)) from error


def admin_user(password: str) -> "tuple[User, str]":
    """The administrator and what to show as the password.

    Made on the first start, that is where there is no administrator yet.
    """
    from django.contrib.auth.models import User

    admins = User.objects.filter(is_superuser=True, is_active=True).order_by("pk")
    user = admins.filter(username="admin").first() or admins.first()
    if user is None:
        shown = password or secrets.token_urlsafe(12)
        return User.objects.create_superuser("admin", password=shown), shown
    return user, password if is_password_of(user, password) else "(as you set it)"


def is_password_of(user: "User", password: str) -> bool:
    """As check_password; remembers a yes, because the hasher takes a quarter second."""
    from django.conf import settings
    from django.utils.crypto import salted_hmac

    stamp = settings.DATA_DIR / "run" / "admin"
    yes = salted_hmac("resource_sync.start", f"{user.password} {password}").hexdigest()
    if not password or (stamp.exists() and stamp.read_text() == yes):
        return bool(password)
    is_it = user.check_password(password)
    if is_it:
        write_stamp(stamp, yes)
    return is_it


# --- Demo resources -----------------------------------------------------------------


def start_demo(
    environ: "os._Environ[str]", data_dir: Path
) -> "subprocess.Popen[bytes] | None":
    """Begin to make the demo resources, once, where the folders are the defaults."""
    own = [name for name in environ if re.match(r"RESOURCE_(SOURCE|STORE)", name)]
    if (data_dir / "run" / "demo").exists() or any(environ[name] for name in own):
        return None
    say("Making the demo resources (v884 and v885)…")
    return subprocess.Popen(
        [sys.executable, "-m", "resources", "demo"],
        env={**environ, "DATA_DIR": str(data_dir)},
        stdout=subprocess.DEVNULL,
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

    state = digest_of(static_state())
    if stamp.exists() and stamp.read_text() == state and settings.STATIC_ROOT.is_dir():
        return
    say("Collecting static files…")
    for folder in settings.STATICFILES_DIRS:
        Path(folder).mkdir(exist_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    write_stamp(stamp, state)


def static_state() -> Iterator[str]:
    """What collectstatic's result depends on: version, packages, files."""
    from django.contrib.staticfiles.finders import get_finders

    from resource_sync.settings import VERSION

    yield VERSION
    yield (ROOT / "requirements.txt").read_text()
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = Path(storage.path(name)).stat()
            yield f"{name} {found.st_size} {found.st_mtime_ns}"


def digest_of(lines: Iterator[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write_stamp(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(text)


# --- What the person sees -------------------------------------------------------------


def base_url() -> str:
    """Where people open the page, as far as the settings say it (without ``/``)."""
    from django.conf import settings

    host = settings.HOST
    local = LOCAL_NAMES.get(host, f"[{host}]" if ":" in host else host)
    names = [name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"]
    public = [name for name in names if name not in {"localhost", "127.0.0.1", "[::1]"}]
    if settings.HTTPS and public:
        return f"https://{public[0]}"
    if local not in names and "*" not in settings.ALLOWED_HOSTS and names:
        local = names[0]
    return f"http://{local}:{settings.PORT}"


def banner(user: "User", password: str, how_to_stop: str) -> str:
    from django.conf import settings

    from resource_sync.settings import VERSION
    from tasks.sign_in import sign_in_link

    url = base_url()
    lines = [
        ("Page", f"{url}/"),
        ("Sign in", f"{sign_in_link(user, url)}   (works once)"),
        ("API key", settings.API_KEY or "none; see manage.py create_api_key"),
        ("Admin", f"{url}/admin/   {user.get_username()}   {password}"),
        ("Stop", how_to_stop),
    ]
    rows = "\n".join(f"  {name:<9}{text}" for name, text in lines)
    return f"\nResource Sync {VERSION}\n\n{rows}\n"


if __name__ == "__main__":
    sys.exit(main())
