"""Where the releases are: settings from the environment and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from resources.errors import InputError
from resources.object_location import SCHEMES, ObjectLocation, read_location
from resources.versions import PLATFORMS

if TYPE_CHECKING:
    from resources.store import Store


class Settings(NamedTuple):
    """The source's folder, and the place of each platform's store."""

    source: Path
    stores: Mapping[str, Path | ObjectLocation]

    def open_store(self, platform: str, *, durable: bool = True) -> Store:
        """Give the store of a platform; nothing is made or opened yet."""
        # Slow to import, and a check of the source needs neither.
        place = self.stores[platform]
        if isinstance(place, ObjectLocation):
            from resources.object_store import ObjectStore

            return ObjectStore(place.beneath(platform))
        from resources.directory_store import DirectoryStore

        return DirectoryStore(place / platform, durable=durable)


def read_settings(
    environment: Mapping[str, str], *, source: str | None, store: str | None
) -> Settings:
    """Take the command line's places, else the environment's, else ``DATA_DIR``.

    An empty variable counts as not set. Raises InputError for what is no place, naming
    what would be right.
    """
    resources = Path(environment.get("DATA_DIR") or "data") / "resources"
    default = environment.get("RESOURCE_STORE") or str(resources / "store")
    stores = {}
    for platform in PLATFORMS:
        variable = f"RESOURCE_STORE_{platform.upper()}"
        place = store or environment.get(variable) or default
        stores[platform] = _store(place, environment)
    chosen = source or environment.get("RESOURCE_SOURCE") or str(resources / "source")
    return Settings(source=_folder(chosen, "the source is"), stores=stores)


def _store(place: str, environment: Mapping[str, str]) -> Path | ObjectLocation:
    scheme, separator, rest = place.partition(":")
    if separator and scheme.lower() in SCHEMES:
        if scheme not in SCHEMES or not rest.startswith("//"):
            raise InputError(f"{place}: write it as {scheme.lower()}://BUCKET/PREFIX")
        return read_location(place, environment)
    return _folder(place, "a store is s3://BUCKET/PREFIX, gs://, az:// or")


def _folder(place: str, instead: str) -> Path:
    if "\0" in place:
        raise InputError("a folder's name can't have a NUL")
    scheme, separator, _ = place.partition("://")
    if not separator:
        return Path(place)
    if scheme != "file":
        raise InputError(f"{place}: {instead} a folder, not {scheme}://")
    parts = urlsplit(place)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise InputError(f"{place}: write it as file:///FOLDER")
    return Path(unquote(parts.path))
