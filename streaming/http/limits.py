"""How much of a request is read, how fast it has to come, and who is asked first."""

import re
from concurrent.futures import Future
from typing import Any, Protocol

from django.conf import settings

# A head has so long to arrive; a body too, and longer by its length at this rate.
GRACE_SECONDS = 20.0
BYTES_PER_SECOND = 4096
# What is left of an unread body is thrown away for so long, or the client, which is
# still sending, would be told "connection reset" in place of the answer.
LINGER_SECONDS, SILENT_SECONDS = 30.0, 5.0
# So little costs nothing to read (a head may be twice as long): nobody is asked before.
SMALL_BYTES = 8 * 1024
# A chunk costs 14 µs, so four bodies of one-byte chunks held up all else for 3.6 s.
MOST_CHUNKS = 4096
# All bodies that a process holds; the rest is kept for those of the API's size.
BUDGET_BYTES, BUDGET_LARGE_BYTES = 24 * 1024 * 1024, 16 * 1024 * 1024
RETRY_SECONDS = 5

Scope = dict[str, Any]
# Of a request whose head can't be read.
NO_SCOPE: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}


class Policy(Protocol):
    """What is asked about a request before its body is read."""

    def believed(self, scope: Scope) -> Scope:
        """Return the scope as it is behind the trusted proxies."""

    def may_enter(self, scope: Scope) -> bool:
        """Return whether the address may come in."""

    def is_known(self, scope: Scope) -> "Future[bool]":
        """Return, later, whether the request's credentials are anybody's."""


def body_limit(path: str, length: int | None) -> int:
    """Return how long a body may be: forms have more, if they announce their length,
    as browsers do."""
    if length is not None and is_form(path):
        return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    return int(settings.BODY_LIMIT_BYTES)


def is_form(path: str) -> bool:
    """Return whether people send forms to this path."""
    return re.match(settings.FORM_URLS_REGEX, path) is not None


class Budget:
    """The memory of all bodies that arrive and are worked on at one time."""

    def __init__(self) -> None:
        self.held = 0

    def take(self, size: int, held_by_one: int) -> bool:
        """Return whether there was room for more of a body."""
        is_large = held_by_one + size > settings.BODY_LIMIT_BYTES
        if self.held + size > (BUDGET_LARGE_BYTES if is_large else BUDGET_BYTES):
            return False
        self.held += size
        return True

    def give_back(self, size: int) -> None:
        self.held -= size
