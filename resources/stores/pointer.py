"""The pointer of a store, ``current.json``: which version is served."""

from __future__ import annotations

import json
from typing import NamedTuple

from resources.versions import is_version

POINTER_NAME = "current.json"
POINTER_FORMAT = "release-pointer/1"
MAX_POINTER_BYTES = 4096


class Pointer(NamedTuple):
    """The content of ``current.json``: the version served, and the digest that its
    manifest ends with, as 64 hex digits.

    ``previous`` is the version served before, ``published_at`` when that changed (UTC,
    ISO 8601 with milliseconds), ``task_id`` the service's task that changed it. Each
    is None where nobody wrote it down.
    """

    version: str
    manifest_sha256: str
    previous: str | None = None
    published_at: str | None = None
    task_id: str | None = None

    def encode(self) -> bytes:
        """Return the content of ``current.json``."""
        values = {
            "format": POINTER_FORMAT,
            "version": self.version,
            "manifestSha256": self.manifest_sha256,
            "previous": self.previous,
            "publishedAt": self.published_at,
            "taskId": self.task_id,
        }
        return (json.dumps(values, indent=2) + "\n").encode()

    @classmethod
    def decode(cls, content: bytes) -> Pointer:
        """Read the content of ``current.json``. Raises ValueError when it is damaged.

        >>> pointer = Pointer("v885", "0" * 64, previous="v884")
        >>> Pointer.decode(pointer.encode()) == pointer
        True
        """
        try:
            values = json.loads(content)
            if values["format"] != POINTER_FORMAT or not is_version(values["version"]):
                raise ValueError("no pointer")
            pointer = cls(
                values["version"],
                values["manifestSha256"],
                values.get("previous"),
                values.get("publishedAt"),
                values.get("taskId"),
            )
        except (KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError("no pointer") from None
        if not all(isinstance(value, str | None) for value in pointer):
            raise ValueError("no pointer")
        return pointer
