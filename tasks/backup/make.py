"""Makes a backup: one file, whole or not there."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from django.conf import settings
from django.utils import timezone

from tasks.backup.archive import Writer
from tasks.backup.errors import BackupError, said_of
from tasks.backup.installation import (
    SETTINGS,
    fingerprint,
    settings_file,
    store_files,
    store_folders,
    types_files,
)
from tasks.backup.snapshot import sync, taken
from tasks.databases.sqlite3.space import sync_folder
from tasks.timestamps import iso


class Made(NamedTuple):
    """What came of it. ``elsewhere``: platforms whose store is not in it."""

    bytes: int
    rows: dict[str, int]
    running: int
    waiting: int
    stores: list[str]
    elsewhere: list[str]


def make_backup(
    target: Path | None, *, with_store: bool, with_secrets: bool, replace: bool
) -> Made:
    """Write a backup to a file, or to the standard output (None). Raises BackupError,
    and then leaves nothing."""
    if target is None:
        folder, stream = settings.DATA_DIR, sys.stdout.buffer
        with said_of("the standard output"):
            return _write(stream, folder, with_store, with_secrets)
    target = target.absolute()
    if target.exists() and not replace:
        raise BackupError(f"{target} is there already; --force replaces it.")
    if target.is_dir() or not target.parent.is_dir():
        raise BackupError(f"{target} can't be a file: {target.parent} is the folder.")
    with said_of(target.parent), _whole_or_not_there(target) as file:
        return _write(file, target.parent, with_store, with_secrets)


def _write(
    stream: IO[bytes], folder: Path, with_store: bool, with_secrets: bool
) -> Made:
    # The database first: a store that is newer than what is known of it serves its
    # players all the same, and the other way round a version would be missing.
    writer = Writer(stream)
    stores: list[str] = []
    with taken(folder) as snapshot:
        began = timezone.now()
        writer.add(snapshot.name, snapshot.content, is_packed=snapshot.server > 0)
    writer.add(SETTINGS, settings_file(with_secrets=with_secrets))
    for name, file in types_files():
        writer.add(name, file)
    found = store_folders()
    for platform, place in found.items() if with_store else ():
        if place is not None and place.is_dir():
            stores.append(platform)
            for name, file in store_files(platform, place):
                writer.add(name, file)
    writer.finish(
        {
            "product": "Resource Sync",
            "version": settings.VERSION,
            "madeAt": iso(began),
            "database": snapshot.facts,
            "hasSecrets": with_secrets,
            "secretKey": fingerprint(),
            "stores": stores,
        }
    )
    stream.flush()
    elsewhere = [
        platform
        for platform, place in found.items()
        if platform not in stores and (place is None or place.is_dir())
    ]
    size = 0
    with suppress(OSError):  # a pipe
        size = stream.tell()
    tasks = snapshot.running, snapshot.waiting
    return Made(size, snapshot.rows, *tasks, stores, elsewhere)


@contextmanager
def _whole_or_not_there(target: Path) -> Iterator[IO[bytes]]:
    """Open a file that gets its name when it is whole and on the disk."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            sync(file)
        Path(name).replace(target)
        sync_folder(target.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
