"""Make obstore's client of a location.

Its runtime doesn't survive a fork: a forked process waits for ever (tried), so from the
first request on workers are threads.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

from resources.errors import StoreError
from resources.stores.bucket.failures import reason_of
from resources.stores.bucket.location import ObjectLocation
from resources.workers.pool import forbid_forks

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client

MAX_RETRIES = 1000  # so that the time decides


def make_client(location: ObjectLocation, *, retrying: bool) -> Client:
    """Return a client that fails at once, or one that tries again by itself.

    Raises StoreError when the location or its credentials can't be used.
    """
    import obstore.exceptions  # here, because it takes time and a directory needs none
    from obstore.store import from_url

    forbid_forks()
    seconds = location.retry_seconds if retrying else 0
    config = {}
    if location.url.startswith("s3:"):
        config["checksum_algorithm"] = "SHA256"
    try:
        made = from_url(
            location.url,
            config=config,  # type: ignore[call-overload]
            client_options={
                "allow_http": location.allow_http,
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
    return cast("Client", made)
