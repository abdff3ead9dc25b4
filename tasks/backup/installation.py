"""What an installation has beside its database: settings, task types, and the stores
that are folders of this machine."""

import hashlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.utils.crypto import salted_hmac
from dotenv import dotenv_values

from resources.errors import EngineError
from resources.settings import read_settings
from resources.stores.snapshot import snapshot
from tasks.backup.errors import BackupError
from tasks.catalog.loader import files_of
from tasks.catalog.toml_tables import CatalogError
from tasks.releases import engine_environment

SETTINGS, TYPES, STORES = "settings.env", "task_types", "stores"
# They let somebody in, or read what is encrypted. What nobody knows may be one, too.
SECRETS = {
    *("SECRET_KEY", "API_KEY", "ADMIN_PASSWORD", "OIDC_CLIENT_SECRET"),
    "RESOURCE_PURGE",  # the address of a webhook
}
PASSWORD = re.compile(r"(://[^/@]*:|[?&]password=)[^@&]+")
LEFT_OUT = "# {} is a secret, and is not in this backup."


def fingerprint() -> str:
    """Return what tells one SECRET_KEY from another, and says nothing of it."""
    return salted_hmac("tasks.backup", "", algorithm="sha256").hexdigest()[:32]


def settings_file(*, with_secrets: bool) -> IO[bytes]:
    """Return the variables that are set, by the environment or ``.env``, as an
    ``.env``."""
    own = dotenv_values(Path(settings.BASE_DIR) / ".env")
    known = set(settings.VARIABLES)
    names = known | set(own) | {name for name in os.environ if _is_engine_s(name)}
    lines = ["# Of the environment and .env, when the backup was made."]
    for name in sorted(names):
        value = os.environ.get(name) or own.get(name)
        if not value:
            continue
        is_secret = name in SECRETS or not (name in known or _is_engine_s(name))
        if not with_secrets and (is_secret or PASSWORD.search(value)):
            lines.append(LEFT_OUT.format(name))
        else:
            lines.append(f"{name}={_quoted(value)}")
    return io.BytesIO(("\n".join(lines) + "\n").encode())


def _is_engine_s(name: str) -> bool:
    return name.startswith("RESOURCE_")


def _quoted(value: str) -> str:
    if re.fullmatch(r"[\w@%+=:,./\[\]*?&-]+", value, re.ASCII):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def types_files() -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the files of task types that are read, each by its name in a backup."""
    try:
        files = files_of(settings.TASK_TYPES_FILE)
    except CatalogError as error:
        raise BackupError(str(error)) from error
    for name, path in _names(files):
        try:
            file = path.open("rb")
        except OSError as error:
            raise BackupError(f"A file of task types can't be read: {error}") from error
        with file:
            yield name, file


def digests_of_types() -> dict[str, str]:
    """Return the SHA-256 of each file of task types that can be read, by its name in
    a backup."""
    found = {}
    with suppress(CatalogError):
        for name, path in _names(files_of(settings.TASK_TYPES_FILE)):
            with suppress(OSError), path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def differing_types(members: dict[str, Any], digests: dict[str, str]) -> list[str]:
    """Return the files of task types of a backup that this installation has not, or
    has otherwise; ``digests``: those of its own, by content."""
    mine = set(digests.values())
    return [
        name.removeprefix(f"{TYPES}/")
        for name, member in members.items()
        if name.startswith(f"{TYPES}/") and member["sha256"] not in mine
    ]


def _names(files: list[Path]) -> Iterator[tuple[str, Path]]:
    """Two of one name are told apart by the number of a folder."""
    used: dict[str, int] = {}
    for path in files:
        count = used[path.name] = used.get(path.name, 0) + 1
        folder = TYPES if count == 1 else f"{TYPES}/{count}"
        yield f"{folder}/{path.name}", path


def store_folders() -> dict[str, Path | None]:
    """Return the folder of each platform's store; None where it is no folder."""
    try:
        found = read_settings(engine_environment(), source=None, store=None)
    except EngineError as error:
        raise BackupError(f"{error}.") from error
    return {
        platform: place / platform if isinstance(place, Path) else None
        for platform, place in found.stores.items()
    }


def store_files(platform: str, folder: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield what belongs in a copy of a platform's store, by its name in a backup."""
    try:
        for path, file in snapshot(folder):
            yield f"{STORES}/{platform}/{path}", file
    except EngineError as error:
        raise BackupError(f"{error}.") from error
