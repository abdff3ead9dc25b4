"""Where an object store is: the URL of a bucket and a prefix, and who may use it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from resources.errors import InputError

SCHEMES = ("s3", "gs", "az")
RETRY_SECONDS = 120.0  # how long a request that fails is tried again

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")
_SEGMENT = re.compile(r"[A-Za-z0-9._=-]+")


class ObjectLocation(NamedTuple):
    """A prefix in a bucket.

    ``url`` is scheme, bucket and prefix. ``conditions`` says that the server honours
    conditional writes; ``retry_seconds`` how long a failing request is tried again.
    """

    url: str
    conditions: bool = True
    retry_seconds: float = RETRY_SECONDS
    allow_http: bool = False

    def beneath(self, name: str) -> ObjectLocation:
        """Return the location of a folder beneath this one."""
        return self._replace(url=f"{self.url}/{name}")


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
    conditions = _conditions(url, options.pop("conditions", "on"))
    retry_seconds = _retry_seconds(url, options.pop("retry", str(RETRY_SECONDS)))
    if options:
        raise InputError(
            f'{url}: "{next(iter(options))}" is not an option;'
            " there are: conditions, retry"
        )
    missing = _missing_credentials(parts.scheme, environment)
    if missing:
        raise InputError(f"no credentials for {url}: {missing}")
    return ObjectLocation(
        url=f"{parts.scheme}://{parts.netloc}" + (f"/{prefix}" if prefix else ""),
        conditions=conditions,
        retry_seconds=retry_seconds,
        allow_http=endpoint_of(url, environment).startswith("http://"),
    )


def _conditions(url: str, text: str) -> bool:
    if text not in ("on", "off"):
        raise InputError(f'{url}: conditions is "on" or "off", not "{text}"')
    return text == "on"


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
