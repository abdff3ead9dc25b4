"""Make obstore's client of a location.

Its runtime doesn't survive a fork: a forked process waits for ever (tried), so from the
first request on workers are threads.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from resources.errors import StoreError
from resources.stores.bucket.failures import reason_of
from resources.stores.bucket.location import ObjectLocation
from resources.workers.pool import forbid_forks

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config
    from obstore.store import ObjectStore as Client

MAX_RETRIES = 1000  # so that the time decides


def make_client(location: ObjectLocation, *, retrying: bool) -> Client:
    """Return a client that fails at once, or one that tries again by itself.

    Raises StoreError when the location or its credentials can't be used.
    """
    import obstore.exceptions  # here, because it takes time and a directory needs none

    forbid_forks()
    seconds = location.retry_seconds if retrying else 0
    try:
        return _make(
            location,
            client_options={
                "allow_http": location.endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=5),
                "read_timeout": timedelta(seconds=60),
                # Of a whole request; a part of 8 MB must pass on a slow line.
                "timeout": timedelta(minutes=10),
            },
            retry_config={
                "max_retries": MAX_RETRIES if seconds else 0,
                "retry_timeout": timedelta(seconds=seconds),
                "backoff": {"max_backoff": timedelta(seconds=10)},
            },
        )
    except (obstore.exceptions.BaseError, ValueError) as error:
        raise StoreError(f"cannot use {location.url}: {reason_of(error)}") from None


def _make(
    location: ObjectLocation, client_options: ClientConfig, retry_config: RetryConfig
) -> Client:
    from obstore.store import S3Store, from_url

    if not location.url.startswith("s3://"):
        return from_url(
            location.url, client_options=client_options, retry_config=retry_config
        )
    bucket, _, prefix = location.url.removeprefix("s3://").partition("/")
    abilities = location.abilities
    config: S3Config = {
        "virtual_hosted_style_request": abilities.style == "virtual",
        "disable_bulk_delete": not abilities.bulk_delete,
    }
    if abilities.checksums:
        config["checksum_algorithm"] = "SHA256"
    if location.endpoint:
        # The name that also wins over the environment's.
        config["aws_endpoint_url_s3"] = location.endpoint
    return S3Store(
        bucket,
        prefix=prefix or None,
        config=config,
        client_options=client_options,
        retry_config=retry_config,
    )
