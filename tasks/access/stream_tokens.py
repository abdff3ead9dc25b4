"""Short-lived tokens for the stream, because a browser's EventSource sends no headers
and a key never stands in a URL.

A token names the key that fetched it, and opens nothing that this key would not open:
whoever reads one in a browser's history or a proxy's log has one task's log, until the
key is revoked, expires or comes from an address that it may not come from.
"""

from datetime import timedelta

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.utils import timezone

from tasks.models import Task

MAX_AGE = timedelta(hours=24)
AFTER_END = timedelta(hours=1)  # to read a finished log once more
BOOTSTRAP = 0  # in place of a key's id; the database gives no key this one


def _signer(key_id: int) -> TimestampSigner:
    # Another API_KEY ends the tokens of the one before, as revoking does a key's.
    bootstrap_key = settings.API_KEY if key_id == BOOTSTRAP else ""
    return TimestampSigner(salt=f"tasks.access.stream_tokens{bootstrap_key}")


def issue(task_id: object, key_id: int) -> str:
    """Return a token that opens this one task's stream for whoever has this key."""
    # The URL names the task already, so only key, time and signature go into it.
    return _signer(key_id).sign(f"{task_id}:{key_id}").partition(":")[2]


def key_of(token: str, task: Task) -> int | None:
    """Return the id of the key that fetched a token; None where the token does not open
    this task's stream now. Whether the key still does is for the caller to ask."""
    written = token.partition(":")[0]
    if not (written.isascii() and written.isdecimal()):
        return None
    key_id = int(written[:18])
    try:
        _signer(key_id).unsign(f"{task.pk}:{token}", max_age=MAX_AGE)
    except (BadSignature, ValueError):
        return None
    if task.completed_at and timezone.now() >= task.completed_at + AFTER_END:
        return None
    return key_id
