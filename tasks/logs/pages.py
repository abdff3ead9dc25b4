"""Pages of a log that never change once they are full, by offsets.

An offset is how many lines a reader has, in digits of one width, so that offsets sort
as text does (Durable Streams, section 8:
https://github.com/durable-streams/durable-streams/blob/main/PROTOCOL.md). Pages end at
multiples of PAGE_LINES wherever a reader began, so that readers meet in the same ones,
and a cache in front keeps each once.
"""

import random
import time
from typing import NamedTuple

from django.db import connection
from django.http import QueryDict
from django.utils.translation import gettext as _

from tasks.logs import store as log_store
from tasks.models import Task

PAGE_LINES = 1_000
DIGITS = 16  # 2**53 - 1, the largest exact number of JavaScript, has as many
FIRST, NOW = "-1", "now"  # the protocol's own words
# The protocol's intervals: a reader's next question differs from its last one, so that
# no cache answers it with the same nothing for ever. Shorter than a long poll is held.
CURSOR_EPOCH, CURSOR_SECONDS = 1_728_432_000, 20  # 2024-10-09
MOST_JITTER_SECONDS, MOST_DIGITS = 3_600, 15


class BadOffset(Exception):
    """An offset that this log never gave; says what would be one."""


class LogPage(NamedTuple):
    """Lines of a log from an offset on. ``is_full``: it stays as it is, whatever the
    task still prints; ``is_last``: the log has nothing after it, now."""

    after: int
    upto: int
    rows: list[log_store.Row]
    is_full: bool
    is_last: bool


def offset_of(seq: int) -> str:
    return f"{seq:0{DIGITS}}"


def offset_in(query: QueryDict, default: str | None = None) -> str:
    """Return the offset that a request asks from; where it names none, the default.
    Raises BadOffset, also where there is no default, as for what is live."""
    given = query.getlist("offset")
    if len(given) > 1:
        raise BadOffset(_("Say one."))
    if not given and default is None:
        raise BadOffset(_("Say it, where you want it live."))
    return given[0] if given else str(default)


def seq_of(offset: str, task: Task) -> int:
    """Return how many lines a reader with this offset has. Raises BadOffset."""
    if offset == FIRST:
        return 0
    if offset == NOW:
        return task.last_seq
    if not (offset.isascii() and offset.isdecimal() and len(offset) == DIGITS):
        text = _("Must be -1, now, or the Stream-Next-Offset of an earlier answer.")
        raise BadOffset(text)
    seq = int(offset)
    # A crash of PostgreSQL may take back lines that a reader has, until the runner has
    # stored them again (docs/decisions/0009).
    may_come = connection.vendor == "postgresql" and not task.has_ended
    if seq > task.last_seq and not may_come:
        text = _("This log ends at {offset}.").format(offset=offset_of(task.last_seq))
        raise BadOffset(text)
    return seq


def page_from(task: Task, after: int) -> LogPage:
    """Return the lines after a seq, up to the end of its page; fewer where they are
    long."""
    end = after - after % PAGE_LINES + PAGE_LINES
    limit = min(end, task.last_seq) - after
    if limit <= 0:
        return LogPage(after, after, [], is_full=False, is_last=True)
    rows, is_cut = log_store.rows_within(
        log_store.PAGE_BYTES, task.pk, after, after + limit, limit
    )
    upto = rows[-1][0] if rows else after
    return LogPage(
        after, upto, rows, is_full=is_cut or upto == end, is_last=upto >= task.last_seq
    )


def next_cursor(given: str, upto: int) -> str:
    """Return the cursor of a reader who has the lines up to a seq: a later one than was
    given. It is the interval and that seq, not the interval alone: an answer with lines
    is then later than the one before without any jitter, which would keep apart for an
    hour the readers who have come to the same line by different answers."""
    interval = int(time.time() - CURSOR_EPOCH) // CURSOR_SECONDS
    cursor = interval + upto
    is_number = given.isascii() and given.isdecimal() and len(given) <= MOST_DIGITS
    if is_number and cursor <= int(given):
        most = MOST_JITTER_SECONDS // CURSOR_SECONDS
        cursor = int(given) + random.randint(1, most)  # noqa: S311 (no secret)
    return str(cursor)
