"""Restores a backup: reads all of it first, refuses what can't be right, and changes
nothing before that."""

from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection

from tasks.access.actor import Actor
from tasks.backup import restore_postgresql, restore_sqlite
from tasks.backup.archive import Archive
from tasks.backup.errors import BackupError, said_of
from tasks.backup.installation import (
    STORES,
    differing_types,
    digests_of_types,
    fingerprint,
    store_folders,
)
from tasks.backup.restored import statements
from tasks.backup.snapshot import sync
from tasks.backup.tables import unknown, what_is_in
from tasks.databases.sqlite3.space import sync_folder


class Restored(NamedTuple):
    """What came of it. ``kept``: platforms whose store had something, and was left as
    it is."""

    rows: dict[str, int]
    replaced: str
    stores: list[str]
    kept: list[str]
    types: list[str]  # files of task types that differ here
    has_same_key: bool


def restore(archive: Archive, actor: Actor, *, may_replace: bool) -> Restored:
    """Put a backup that was checked in the place of what this installation has. Raises
    BackupError."""
    refuse_unfit(archive)
    with _target() as database:
        lost = what_is_in(restore_sqlite.rows(database))
        if lost and not may_replace:
            raise BackupError(
                f"The database has data already, which would be lost ({lost}). "
                "--replace restores all the same; make a backup of it first."
            )
        stores, kept = _restore_stores(archive)
        told = statements(archive.manifest, actor, lost)
        if connection.vendor == "postgresql":
            restore_postgresql.replace(database, archive, told)
        else:
            restore_sqlite.replace(_path(), database, archive, told)
    return Restored(
        archive.database["rows"], lost, stores, kept, *_differences(archive)
    )


def _target() -> AbstractContextManager[Any]:
    if connection.vendor == "postgresql":
        return restore_postgresql.target()
    return restore_sqlite.target(_path())


def _path() -> Path:
    return Path(connection.settings_dict["NAME"])


def refuse_unfit(archive: Archive) -> None:
    """Raises BackupError for a backup that does not fit this installation."""
    vendor = archive.database["vendor"]
    if vendor != connection.vendor:
        names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
        raise BackupError(
            f"The backup is of {names.get(vendor, vendor)}, and DATABASE_URL names "
            f"{names[connection.vendor]}. Restore it into {names.get(vendor, vendor)}, "
            "then `manage.py move_database` brings it where it shall be."
        )
    if newer := unknown(archive.migrations):
        raise BackupError(
            f"The backup was made by a newer version of the product "
            f"({archive.manifest['version']}; this is {settings.VERSION}), whose "
            f"tables this one does not know: {', '.join(newer[:3])}. Update first."
        )


def _differences(archive: Archive) -> tuple[list[str], bool]:
    """Return which files of task types are other ones here, and whether SECRET_KEY is
    the same."""
    has_same_key = archive.manifest["secretKey"] == fingerprint()
    return differing_types(dict(archive.members), digests_of_types()), has_same_key


# --- Files --------------------------------------------------------------------------


def _restore_stores(archive: Archive) -> tuple[list[str], list[str]]:
    """Give back each store whose folder is empty or not there: made beside its place,
    then renamed. What serves players is never replaced."""
    restored, kept = [], []
    folders = store_folders()
    for platform in archive.manifest["stores"]:
        place = folders.get(platform)
        if place is None or (place.is_dir() and any(place.iterdir())):
            kept.append(platform)
            continue
        _unpack_aside(archive, f"{STORES}/{platform}/", place)
        restored.append(platform)
    return restored, kept


def _unpack_aside(archive: Archive, prefix: str, place: Path) -> None:
    import shutil

    half = place.with_name(f".{place.name}.restoring")
    with said_of(place.parent):
        try:
            shutil.rmtree(half, ignore_errors=True)
            # A web server of another account reads what is published.
            half.mkdir(parents=True, mode=0o755)
            _unpack(archive, prefix, half, mode=0o644)
            half.replace(place)
            sync_folder(place.parent)
        finally:
            shutil.rmtree(half, ignore_errors=True)


def extract(archive: Archive, folder: Path) -> None:
    """Write all but the database to a new folder. Raises BackupError."""
    with said_of(folder):
        try:
            folder.mkdir(parents=True, mode=0o700)
        except FileExistsError:
            raise BackupError(f"{folder} is there already; say a new folder.") from None
        _unpack(archive, "", folder, mode=0o600)


def _unpack(archive: Archive, prefix: str, folder: Path, mode: int) -> None:
    folders_mode = 0o755 if mode & 0o044 else 0o700
    for name in archive.members:
        if not name.startswith(prefix) or name == archive.database["member"]:
            continue
        path = PurePosixPath(name[len(prefix) :])
        if path.is_absolute() or ".." in path.parts:
            raise BackupError(f"{archive.path}: {name} is no name of a file in it.")
        target = folder / path
        for above in reversed(target.relative_to(folder).parents):
            (folder / above).mkdir(exist_ok=True)
            (folder / above).chmod(folders_mode)
        with target.open("xb") as file:
            archive.unpack(name, file)
            target.chmod(mode)
            sync(file)
