"""This machine: settings, disks, who may read what, and systemd's units."""

import filecmp
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core import checks
from django.db import connection
from django.utils.translation import gettext as _

from tasks.databases.sqlite3.space import space
from tasks.disk import FULL_BYTES, database_bytes, own_folders
from tasks.doctor.findings import Finding, ok, problem, skipped, warning

LOW_BYTES = 1024**3  # a release's log may take as much in an hour
FREE_BYTES = 64 * 1024**2  # of a file that does not shrink: worth a stop
UNITS_FOLDER = Path("/etc/systemd/system")


def own_settings() -> Iterator[Finding]:
    """What the start would say of the settings."""
    found = checks.run_checks(
        tags=["tasks", "web_processes"], include_deployment_checks=True
    )
    for message in found:
        is_error = message.level >= checks.ERROR
        yield (problem if is_error else warning)(message.msg, str(message.hint or ""))
    if not found:
        yield ok(_("The settings contradict nothing."))


def disks() -> Iterator[Finding]:
    """There is room, and it can be written to."""
    folders = own_folders()
    if connection.vendor == "sqlite":
        folders["DATABASE_URL"] = Path(connection.settings_dict["NAME"]).parent
    is_fine = True
    for name, folder in folders.items():
        for finding in _disk(name, folder):
            is_fine = False
            yield finding
    free = min(_free(folder) for folder in folders.values() if folder.is_dir())
    if is_fine:
        text = _("The disks have room: at least %(size)s.")
        yield ok(text % {"size": _size(free)})


def database_size() -> Iterator[Finding]:
    yield ok(_("The database takes %(size)s.") % {"size": _size(database_bytes())})
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            found = space(cursor)
        if not found.shrinks and found.free_bytes > FREE_BYTES:
            text = _(
                "%(size)s of the database's file are free, and it does not shrink: it "
                "was made by an older version."
            )
            yield warning(
                text % {"size": _size(found.free_bytes)},
                _("Stop the service, and run `manage.py vacuum_database` once."),
            )


def _free(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def _disk(name: str, folder: Path) -> Iterator[Finding]:
    values = {"name": name, "folder": folder}
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        text = _("%(name)s (%(folder)s) can't be looked at: %(why)s.")
        yield problem(
            text % {**values, "why": error.strerror},
            _("Make the folder, or give this account the right to enter it."),
        )
        return
    free = disk.f_bavail * disk.f_frsize
    room = _(
        "Make room, or give the disk more; TASK_RETENTION says how many tasks are kept."
    )
    values["size"] = _size(free)
    if free < FULL_BYTES:
        yield problem(_("The disk of %(name)s (%(folder)s) is full.") % values, room)
    elif free < LOW_BYTES:
        text = _("The disk of %(name)s (%(folder)s) has only %(size)s left.")
        yield warning(text % values, room)
    if disk.f_files and not disk.f_favail:
        text = _("The disk of %(name)s (%(folder)s) takes no more files: its "
                 "inodes are used up.")  # fmt: skip
        yield problem(text % values, _("Delete files there that nobody needs."))
    elif free >= FULL_BYTES and (why := _why_not_writable(folder)):
        text = _("Nothing can be written to %(name)s (%(folder)s): %(why)s.")
        yield problem(
            text % {**values, "why": why},
            _("Mount it writable, and give it to the account of the service; under "
              "systemd, name it by ReadWritePaths= (`systemctl edit`)."),
        )  # fmt: skip


def _why_not_writable(folder: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


# --- Who may read what ----------------------------------------------------------------


def files() -> Iterator[Finding]:
    """Secrets can be read by the account of the service alone, and what the service
    writes is its own."""
    found = [*_open_secrets(), *_of_others()]
    yield from found
    if not found:
        yield ok(
            _("Only this account can read the secrets, the database and the logs.")
        )


def _open_secrets() -> Iterator[Finding]:
    name = str(connection.settings_dict["NAME"])
    private = [settings.BASE_DIR / ".env", settings.LOG_DIR / "combined.log"]
    if connection.vendor == "sqlite":
        private += [Path(name), Path(f"{name}-wal")]
    if key := os.environ.get("RESOURCE_SIGNING_KEY"):
        private.append(Path(key))
    for path in private:
        if _others_may_read(path):
            yield problem(
                _("Other accounts can read %(path)s.") % {"path": path},
                _("Run %(command)s") % {"command": f"chmod 600 {path}"},
            )
    for name, folder in own_folders().items():
        if folder.is_dir() and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            yield problem(
                _("Other accounts can write to %(name)s (%(path)s).")
                % {"name": name, "path": folder},
                _("Run %(command)s") % {"command": f"chmod 700 {folder}"},
            )


def _others_may_read(path: Path) -> bool:
    """Return whether they may, and can come so far. One of root's that is shared with
    the service's group is meant so."""
    try:
        found = path.stat()
    except OSError:
        return False
    is_own = found.st_uid == os.geteuid()
    bits = stat.S_IRWXG | stat.S_IRWXO if is_own else stat.S_IRWXO
    if not found.st_mode & bits & (stat.S_IRGRP | stat.S_IROTH):
        return False
    # A folder that nobody else may enter closes what is in it.
    return all(
        above.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH)
        for above in path.resolve().parents
    )


def _of_others() -> Iterator[Finding]:
    me = os.geteuid()
    for folder in {*own_folders().values()}:
        if not folder.is_dir():
            continue
        with os.scandir(folder) as entries:
            theirs = sorted(
                entry.path
                for entry in entries
                if ".sqlite3" in entry.name or ".log" in entry.name
                if entry.stat(follow_symlinks=False).st_uid != me
            )
        if theirs:
            text = _("%(paths)s belong to another account, so the service can't write "
                     "them.")  # fmt: skip
            yield problem(
                text % {"paths": ", ".join(theirs[:5])},
                _("`chown` them to the account of the service."),
            )


# --- systemd --------------------------------------------------------------------------


def units() -> Iterator[Finding]:
    """The installed units run, and are those of this version."""
    installed = sorted(UNITS_FOLDER.glob("resource-sync*.*"))
    if not installed or not shutil.which("systemctl"):
        yield skipped(_("No systemd units of the product are installed here."))
        return
    for path in installed:
        shipped = settings.BASE_DIR / "deploy" / "systemd" / path.name
        if shipped.exists() and not filecmp.cmp(path, shipped, shallow=False):
            command = f"cp {shipped} {UNITS_FOLDER} && systemctl daemon-reload"
            yield warning(
                _("%(path)s is not the unit of this version.") % {"path": path},
                _("Run %(command)s; your own changes belong in `systemctl edit`.")
                % {"command": command},
            )
    yield from _loaded_units()


def _loaded_units() -> Iterator[Finding]:
    shown = "Id,ActiveState,SubState,NRestarts,NeedDaemonReload,UnitFileState"
    command = ["systemctl", "show", "resource-sync*", f"--property={shown}", "--all"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=10, check=False
    )
    found = [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in done.stdout.split("\n\n")
        if block.strip()
    ]
    if done.returncode or not found:
        why = " ".join(done.stderr.split()) or _("systemd knows none of them")
        yield skipped(
            _("systemd can't be asked for the units: %(why)s.") % {"why": why}
        )
        return
    for unit in found:
        name, state = unit.get("Id", "?"), unit.get("ActiveState", "?")
        values = {"name": name, "state": state, "times": unit.get("NRestarts") or 0}
        if state == "failed" or unit.get("SubState") == "auto-restart":
            yield problem(
                _("%(name)s does not run: %(state)s, started again %(times)s times.")
                % values,
                _("`journalctl -u %(name)s -e` says why.") % values,
            )
        elif unit.get("NeedDaemonReload") == "yes":
            yield warning(
                _("%(name)s was changed after systemd had read it.") % values,
                _("Run %(command)s") % {"command": "systemctl daemon-reload"},
            )
        elif state == "inactive" and unit.get("UnitFileState") == "enabled":
            yield warning(
                _("%(name)s is enabled, but stopped.") % values,
                _("Run %(command)s") % {"command": f"systemctl start {name}"},
            )
        elif state == "active":
            yield ok(_("%(name)s is active.") % values)
