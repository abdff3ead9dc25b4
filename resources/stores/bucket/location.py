"""Where an object store is: the URL of a bucket and a prefix, and who may use it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from resources.errors import InputError
from resources.stores.bucket.profiles import PROFILES, Abilities, Style

SCHEMES = ("s3", "gs", "az")
RETRY_SECONDS = 120.0  # how long a request that fails is tried again

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")
_SEGMENT = re.compile(r"[A-Za-z0-9._=-]+")
_OPTIONS = ("conditions", "retry")
_OPTIONS_OF_S3 = ("profile", "style", "checksums", "deletes")
_VIRTUAL_STYLE = "AWS_VIRTUAL_HOSTED_STYLE_REQUEST"
_TRUE = ("1", "true", "on", "yes", "y")
_ADDRESS = re.compile(r"https?://(?:[0-9.]+|\[.*\])(?::\d+)?/?")


class ObjectLocation(NamedTuple):
    """A prefix in a bucket.

    ``url`` is scheme, bucket and prefix. ``endpoint`` is the address of its server,
    with the bucket in it for virtual-hosted style, and empty for the provider's own.
    ``abilities`` are what requests rely on; ``retry_seconds`` is how long a failing one
    is tried again. ``store`` is the URL of the whole store, without the ``options``
    that were written behind it.
    """

    url: str
    store: str
    options: tuple[tuple[str, str], ...]
    endpoint: str = ""
    abilities: Abilities = Abilities()
    retry_seconds: float = RETRY_SECONDS

    def beneath(self, name: str) -> ObjectLocation:
        """Return the location of a folder beneath this one."""
        return self._replace(url=f"{self.url}/{name}")

    def in_style(self, style: Style) -> ObjectLocation | None:
        """Return the location as requests in another style see it, None where the
        server has no name that the bucket could stand before."""
        if style == self.abilities.style:
            return self
        endpoint = self.endpoint
        bucket = urlsplit(self.url).netloc
        if endpoint and style == "path":
            endpoint = endpoint.replace(f"://{bucket}.", "://", 1)
        elif endpoint:
            endpoint = endpoint_with(bucket, endpoint)
            if not endpoint:
                return None
        abilities = self.abilities._replace(style=style)
        return self._replace(endpoint=endpoint, abilities=abilities)

    def written(self, **options: str) -> str:
        """Return the store's URL with these options beside those that it has."""
        return self._with(dict(self.options) | options)

    def rewritten(self, **options: str) -> str:
        """Return the store's URL with these options for what it relies on."""
        kept = {name: word for name, word in self.options if name == "retry"}
        return self._with(options | kept)

    def _with(self, options: Mapping[str, str]) -> str:
        return self.store + (f"?{urlencode(options)}" if options else "")


def read_location(url: str, environment: Mapping[str, str]) -> ObjectLocation:
    """Read ``s3://BUCKET/PREFIX`` (or gs://, az://) with its options.

    Nothing is contacted. Raises InputError when the URL is wrong, naming what would be
    right, or when the environment has no credentials for it.
    """
    parts = urlsplit(url)
    right = f"write it as {parts.scheme}://BUCKET/PREFIX"
    if not _BUCKET.fullmatch(parts.netloc):
        raise InputError(f'{url}: "{parts.netloc}" is not a bucket; {right}')
    prefix = parts.path.strip("/")
    for segment in prefix.split("/") if prefix else ():
        if not _SEGMENT.fullmatch(segment) or segment.strip(".") == "":
            raise InputError(
                f'{url}: "{segment}" can\'t be part of a prefix, which has letters,'
                f' digits, ".", "_", "=" and "-"; {right}'
            )
    if parts.fragment:
        raise InputError(f"{url}: a store has no #{parts.fragment}; {right}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = _OPTIONS + (_OPTIONS_OF_S3 if parts.scheme == "s3" else ())
    for name in options:
        if name not in known:
            raise InputError(
                f'{url}: "{name}" is not an option; there are: {", ".join(known)}'
            )
    retry_seconds = _retry_seconds(url, options.get("retry", str(RETRY_SECONDS)))
    abilities = _abilities(url, parts.netloc, options, environment)
    missing = _missing_credentials(parts.scheme, environment)
    if missing:
        raise InputError(f"no credentials for {url}: {missing}")
    endpoint = endpoint_of(url, environment).rstrip("/")
    if abilities.style == "virtual" and endpoint:
        endpoint = endpoint_with(parts.netloc, endpoint)
        if not endpoint:
            raise InputError(
                f"{url}: style=virtual needs an endpoint with a name, as the bucket"
                " stands before it; write ?style=path for a server that has none"
            )
    store = f"{parts.scheme}://{parts.netloc}" + (f"/{prefix}" if prefix else "")
    return ObjectLocation(
        store, store, tuple(options.items()), endpoint, abilities, retry_seconds
    )


def endpoint_with(bucket: str, endpoint: str) -> str:
    """Return the address of a bucket in virtual-hosted style, empty where the server
    has no name that the bucket could stand before.

    >>> endpoint_with("games", "https://oss-cn-hangzhou.aliyuncs.com")
    'https://games.oss-cn-hangzhou.aliyuncs.com'
    """
    if _ADDRESS.fullmatch(endpoint):
        return ""
    scheme, _, host = endpoint.partition("://")
    if host.startswith(f"{bucket}."):
        return endpoint
    return f"{scheme}://{bucket}.{host}"


def _abilities(
    url: str, bucket: str, options: Mapping[str, str], environment: Mapping[str, str]
) -> Abilities:
    """Return what requests rely on: what an option says, else the profile, else what
    Amazon's servers take in path style."""
    name = options.get("profile", "")
    if "profile" in options and name not in PROFILES:
        raise InputError(
            f'{url}: "{name}" is not a profile; there are: {", ".join(PROFILES)}'
        )
    abilities = PROFILES[name].abilities if name else Abilities()
    style = abilities.style
    if name == "aws" and "." in bucket:
        style = "path"  # Amazon's certificate is for one label before its own name
    # The library's own variable, from before there were profiles.
    elif not name and environment.get(_VIRTUAL_STYLE, "").lower() in _TRUE:
        style = "virtual"
    if "style" in options:
        style = "virtual" if _says(url, options, "style", "virtual", "path") else "path"
    conditions = _says(url, options, "conditions", "on", "off")
    checksums = _says(url, options, "checksums", "on", "off")
    bulk_delete = _says(url, options, "deletes", "many", "each")
    return Abilities(
        style,
        abilities.conditions if conditions is None else conditions,
        abilities.checksums if checksums is None else checksums,
        abilities.bulk_delete if bulk_delete is None else bulk_delete,
    )


def _says(
    url: str, options: Mapping[str, str], name: str, yes: str, no: str
) -> bool | None:
    """Return whether an option is ``yes`` or ``no``, None where it isn't there."""
    word = options.get(name)
    if word not in (yes, no, None):
        raise InputError(f'{url}: {name} is "{yes}" or "{no}", not "{word}"')
    return None if word is None else word == yes


def _retry_seconds(url: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 3600:
        raise InputError(f'{url}: retry is a number of seconds to 3600, not "{text}"')
    return seconds


_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
}


def endpoint_of(url: str, environment: Mapping[str, str]) -> str:
    """Return the address of the server of a bucket's URL, empty for the provider's own.

    Raises InputError.
    """
    scheme = url.partition(":")[0]
    for name in _ENDPOINTS.get(scheme, ()):
        endpoint = environment.get(name, "")
        if endpoint:
            if not re.match(r"https?://[^/]", endpoint):
                raise InputError(
                    f'{name} is "{endpoint}"; for {url} write it as https://HOST'
                )
            return endpoint
    return ""


# A role of the machine is asked for by name, because looking for one on a machine that
# has none costs half a minute and ends in an error about an address nobody knows.
_AWS_ROLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_METADATA_ENDPOINT",
    "AWS_SKIP_SIGNATURE",
)


def _missing_credentials(scheme: str, environment: Mapping[str, str]) -> str:
    """Return which variables are missing; empty when there are enough."""
    if scheme == "s3":
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        absent = [name for name in keys if not environment.get(name)]
        if len(absent) == 1:
            return f"set {absent[0]} too"
        if absent and not any(environment.get(name) for name in _AWS_ROLES):
            return f"set {keys[0]} and {keys[1]}, or a role (docs/how-to/stores.md)"
    if scheme == "az" and not any(
        environment.get(name)
        for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_CONNECTION_STRING")
    ):
        return "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"
    if scheme == "gs" and not any(
        environment.get(name)
        for name in (
            "GOOGLE_APPLICATION_CREDENTIALS",
            "GOOGLE_SERVICE_ACCOUNT",
            "GOOGLE_SERVICE_ACCOUNT_PATH",
            "GOOGLE_SERVICE_ACCOUNT_KEY",
        )
    ):
        return "set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account"
    return ""
