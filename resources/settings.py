"""Where the releases are: settings from the environment and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from resources.directory_store import DirectoryStore
from resources.errors import InputError
from resources.store import Store
from resources.versions import PLATFORMS


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The source's folder, and the store's folder of each platform."""

    source: Path
    stores: Mapping[str, Path]

    def open_store(self, platform: str, *, durable: bool = True) -> Store:
        """Give the store of a platform; nothing is made or opened yet."""
        return DirectoryStore(self.stores[platform] / platform, durable=durable)


def read_settings(
    environment: Mapping[str, str], *, source: str | None, store: str | None
) -> Settings:
    """Take the command line's folders, else the environment's, else ``DATA_DIR``.

    An empty variable counts as not set. Raises InputError for stores of other kinds
    than directories.
    """
    resources = Path(environment.get("DATA_DIR") or "data") / "resources"
    default = environment.get("RESOURCE_STORE") or str(resources / "store")
    stores = {}
    for platform in PLATFORMS:
        variable = f"RESOURCE_STORE_{platform.upper()}"
        stores[platform] = _folder(store or environment.get(variable) or default)
    chosen = source or environment.get("RESOURCE_SOURCE") or str(resources / "source")
    return Settings(source=_folder(chosen), stores=stores)


def _folder(location: str) -> Path:
    if "\0" in location:
        raise InputError("a folder's name can't have a NUL")
    scheme, separator, _ = location.partition("://")
    if not separator:
        return Path(location)
    if scheme != "file":
        raise InputError(
            f"{location}: this release supports directories only, not {scheme}://"
        )
    parts = urlsplit(location)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise InputError(f"{location}: write it as file:///FOLDER")
    return Path(unquote(parts.path))
