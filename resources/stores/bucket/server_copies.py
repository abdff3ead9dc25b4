"""Copies that a server makes within one bucket, from one location to another.

Across two buckets a server has to be told the other one's name in a header, which
obstore 0.12.1 can't send: it copies within one store only.
"""

from __future__ import annotations

from resources.stores.bucket.etag import md5_of_etag
from resources.stores.bucket.location import ObjectLocation
from resources.stores.bucket.retrying import Requests


class ServerCopies:
    """A location in its bucket; nothing is contacted before the first request."""

    def __init__(self, location: ObjectLocation) -> None:
        scheme, _, bucket, *prefix = location.url.split("/")
        self.bucket_url = f"{scheme}//{bucket}"
        self._prefix = "".join(f"{segment}/" for segment in prefix)
        self._requests = Requests(location._replace(url=self.bucket_url))

    def copy(self, other: ServerCopies, key: str, new_key: str) -> None:
        """Let the server copy ``key`` of another location in the same bucket.

        Raises MissingFileError when there is none.
        """
        requests = self._requests
        source, target = f"{other._prefix}{key}", f"{self._prefix}{new_key}"
        requests.ask(
            lambda: requests.obstore.copy(requests.client, source, target),
            f"copy {source}",
        )

    def md5(self, key: str) -> str:
        """Return the MD5 that an object's ETag seems to be, empty where it can be none.

        Raises MissingFileError.
        """
        requests = self._requests
        meta = requests.ask(
            lambda: requests.obstore.head(requests.client, f"{self._prefix}{key}"),
            f"look at {key}",
        )
        return md5_of_etag(meta["e_tag"])
