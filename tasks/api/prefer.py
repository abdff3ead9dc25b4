"""Answers that are held: until a task has ended, for ``Prefer: wait=SECONDS`` (RFC
7240), or has more lines.

A view never waits: it answers at once, and says by ``held`` on the response that it is
to be sent later. Who sends it waits without a thread (streaming.waiters).
"""

import re
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from django.http import HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework.exceptions import AuthenticationFailed

from tasks import problems
from tasks.access.credentials import Credential, ended_among

MAX_WAIT_SECONDS = 600
ABOUT_CONTENT = ("Content-Type", "Location", "Preference-Applied")

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 (RFC 9110's word for a word)
QUOTED = r'"(?:[^"\\]|\\.)*"'
PREFERENCE = re.compile(
    rf"\s*({TOKEN})\s*(?:=\s*({TOKEN}|{QUOTED})?)?(?:\s*;(?:[^,\"]|{QUOTED})*)?\s*(?:,|$)"
)


class Held(NamedTuple):
    """What a response waits for: a task's end, or a line ``after`` a seq, for so many
    seconds, and while what the request came in with is good. ``update`` then brings it
    up to date; a response that was never held stays true, too. ``every``: lines are
    waited for until the clock comes to the next multiple of so many seconds; 0: not."""

    task_id: uuid.UUID
    seconds: int
    by: Credential
    update: Callable[[Any], None]
    after: int | None = None
    every: int = 0

    def renew(self, response: Any) -> None:
        """Bring the response up to date; refuse it where what the request came in with
        is good no more."""
        if ended_among([self.by]):
            refuse(response)
        else:
            self.update(response)


def replace(held: HttpResponseBase, by: HttpResponseBase) -> None:
    """Turn a held response into another. What is the same for all answers (CORS, HSTS)
    it has already."""
    content = getattr(by, "content", b"")
    held.status_code, held.content = by.status_code, content  # type: ignore[attr-defined]
    for name in ABOUT_CONTENT:
        del held[name]
    for name, value in by.items():
        held[name] = value
    held["Content-Length"] = str(len(content))


def refuse(response: HttpResponseBase) -> None:
    """Turn a held response into a 401."""
    text = _("The key was revoked or has expired, or the session is over.")
    replace(response, problems.from_exception(AuthenticationFailed(text)))


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
