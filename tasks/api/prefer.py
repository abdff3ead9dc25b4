"""``Prefer: wait=SECONDS`` (RFC 7240): the answer is held until the task has ended.

A view never waits: it answers at once, and says by ``held`` on the response that it is
to be sent later. Who sends it waits without a thread (streaming.waiters).
"""

import re
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from tasks.access.credentials import Credential

MAX_WAIT_SECONDS = 600

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 (RFC 9110's word for a word)
QUOTED = r'"(?:[^"\\]|\\.)*"'
PREFERENCE = re.compile(
    rf"\s*({TOKEN})\s*(?:=\s*({TOKEN}|{QUOTED})?)?(?:\s*;(?:[^,\"]|{QUOTED})*)?\s*(?:,|$)"
)


class Held(NamedTuple):
    """What a response waits for: a task's end, for so many seconds, and while what the
    request came in with is good. ``renew`` then brings it up to date; a response that
    was never held stays true, too."""

    task_id: uuid.UUID
    seconds: int
    by: Credential
    renew: Callable[[Any], None]


def seconds_to_hold(header: str) -> int | None:
    """N of ``wait=N``, capped; None without it, or where it is no number.

    Preferences we don't know are ignored, and of one given twice the first counts.
    """
    position = 0
    while position < len(header) and (match := PREFERENCE.match(header, position)):
        position = match.end()
        if match[1].lower() == "wait":
            value = (match[2] or "").strip('"')
            if not (value.isascii() and value.isdecimal()):
                return None
            return min(int(value[:9]), MAX_WAIT_SECONDS)
    return None
