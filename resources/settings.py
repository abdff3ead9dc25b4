"""Where the releases are: settings from the environment and the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from resources.errors import InputError
from resources.platforms import all_platforms
from resources.stores.bucket.location import SCHEMES, ObjectLocation, read_location
from resources.stores.headers import Headers, read_headers
from resources.stores.pointer import LIVE

if TYPE_CHECKING:
    from resources.signing.policy import Signing
    from resources.stores.release_store import ReleaseStore


class Settings(NamedTuple):
    """The source's folder, the place of each platform's store, the headers that objects
    in a bucket are served with, and the addresses at which players find each store."""

    source: Path
    stores: Mapping[str, Path | ObjectLocation]
    headers: Headers
    public_urls: Mapping[str, str | None]
    signing: Signing | None = None  # of pointers; set by what moves them

    def public_url(self, platform: str) -> str:
        """Return the address of what lies under a platform in its store, without a
        slash at its end. Raises InputError where no setting names one."""
        url = self.public_urls[platform]
        if url is None:
            raise InputError(
                "RESOURCE_PUBLIC_URL is not set: the address at which players find the"
                " store, such as https://cdn.example.com/games"
            )
        return f"{url}/{platform}"

    def open_store(
        self, platform: str, channel: str = LIVE, *, durable: bool = True
    ) -> ReleaseStore:
        """Return the store of a platform; nothing is made or opened yet."""
        # Slow to import, and a check of the source needs none of it.
        from resources.signing.policy import UNSIGNED
        from resources.stores.release_store import ReleaseStore

        signing = self.signing or UNSIGNED
        place = self.stores[platform]
        public_url = self.public_urls[platform] and self.public_url(platform)
        if isinstance(place, ObjectLocation):
            from resources.stores.bucket.store import BucketPrefix

            bucket = BucketPrefix(place.beneath(platform), self.headers)
            return ReleaseStore(bucket, channel, public_url, signing)
        from resources.stores.directory import Directory

        folder = Directory(place / platform, durable=durable)
        return ReleaseStore(folder, channel, public_url, signing)


def read_settings(
    environment: Mapping[str, str], *, source: str | None, store: str | None
) -> Settings:
    """Take the command line's places, else the environment's, else ``DATA_DIR``.

    An empty variable counts as not set. Raises InputError for what is no place, naming
    what would be right.
    """
    resources = Path(environment.get("DATA_DIR") or "data") / "resources"
    own = str(resources / "store")
    default = environment.get("RESOURCE_STORE") or own
    stores, public_urls = {}, {}
    for platform in all_platforms(environment):
        public_urls[platform] = _public_url(platform, environment)
        variable = f"RESOURCE_STORE_{platform.upper()}"
        place = store or environment.get(variable) or default
        stores[platform] = _store(place, environment)
        if place != own:
            _require_meant(place, stores[platform])
    chosen = source or environment.get("RESOURCE_SOURCE") or str(resources / "source")
    return Settings(
        source=_folder(chosen, "the source is"),
        stores=stores,
        headers=read_headers(environment.get("RESOURCE_HEADERS")),
        public_urls=public_urls,
    )


def read_name_rule(environment: Mapping[str, str]) -> bool:
    """Return whether names that Windows reserves are taken. Raises InputError."""
    rule = environment.get("RESOURCE_WINDOWS_NAMES") or "refuse"
    if rule not in ("refuse", "allow"):
        raise InputError(f'RESOURCE_WINDOWS_NAMES is "refuse" or "allow", not "{rule}"')
    return rule == "allow"


def _public_url(platform: str, environment: Mapping[str, str]) -> str | None:
    """Return the address of a platform's store, without its last slash.

    >>> _public_url("ios", {"RESOURCE_PUBLIC_URL": "https://cdn.example.com/games/"})
    'https://cdn.example.com/games'
    """
    for name in (f"RESOURCE_PUBLIC_URL_{platform.upper()}", "RESOURCE_PUBLIC_URL"):
        url = environment.get(name)
        if not url:
            continue
        try:
            parts = urlsplit(url)
            is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
            is_bare = not (parts.query or parts.fragment or parts.username)
            _ = parts.port  # raises where it is none
        except ValueError:
            is_address = is_bare = False
        if not (
            is_address
            and is_bare
            and url.isascii()
            and url.isprintable()
            and " " not in url
        ):
            raise InputError(
                f"{name}: {url}: write the address at which players find the store, as"
                " https://cdn.example.com/games"
            )
        return url.rstrip("/")
    return None


def _store(place: str, environment: Mapping[str, str]) -> Path | ObjectLocation:
    scheme, separator, rest = place.partition(":")
    if separator and scheme.lower() in SCHEMES:
        if scheme not in SCHEMES or not rest.startswith("//"):
            raise InputError(f"{place}: write it as {scheme.lower()}://BUCKET/PREFIX")
        return read_location(place, environment)
    return _folder(place, "a store is s3://BUCKET/PREFIX, gs://, az:// or")


def _require_meant(place: str, folder: Path | ObjectLocation) -> None:
    """Refuse a folder that would be made where a bucket was meant: what is neither
    there nor says that it is a folder, as /srv/games and ./games do."""
    if isinstance(folder, ObjectLocation) or folder.is_absolute():
        return
    if place.startswith("~"):
        raise InputError(
            f"{place}: no shell reads ~ here; write the folder out, /home/…"
        )
    is_said = place.split("/")[0] in (".", "..")
    if not is_said and not folder.is_dir():
        raise InputError(
            f"{place}: there is no such folder; write a bucket as s3://{_bucket(place)}"
            f" and a folder as ./{place} or from / on"
        )


def _bucket(place: str) -> str:
    """Take the likeliest bucket and prefix out of what was mistyped.

    >>> _bucket("s3//games/x"), _bucket("games/x")
    ('games/x', 'games/x')
    """
    scheme, _, rest = place.partition("/")
    return (rest if scheme.rstrip(":") in SCHEMES else place).strip("/")


# What people write who know their store by another name.
_OTHER_SCHEMES = {"gcs": "gs", "azure": "az", "abfs": "az", "minio": "s3", "r2": "s3"}
_AMAZON = re.compile(r"https?://([^/.]+)\.s3[.-][^/]*amazonaws\.com/?([^?#]*)")


def _hint(place: str) -> str:
    """Return how the same store may have to be written, empty where that isn't clear.

    >>> _hint("https://games.s3.eu-central-1.amazonaws.com/x")
    '; write it as s3://games/x'
    """
    if found := _AMAZON.match(place):
        return f"; write it as s3://{'/'.join(found.groups()).strip('/')}"
    scheme, _, rest = place.partition("://")
    if other := _OTHER_SCHEMES.get(scheme.lower()):
        return f"; write it as {other}://{rest}"
    if scheme.lower() in ("http", "https"):
        return "; a server's address is AWS_ENDPOINT_URL (docs/how-to/stores.md)"
    return ""


def _folder(place: str, instead: str) -> Path:
    if "\0" in place:
        raise InputError("a folder's name can't have a NUL")
    scheme, separator, _ = place.partition("://")
    if not separator:
        return Path(place)
    if scheme != "file":
        raise InputError(f"{place}: {instead} a folder, not {scheme}://{_hint(place)}")
    parts = urlsplit(place)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise InputError(f"{place}: write it as file:///FOLDER")
    return Path(unquote(parts.path))
