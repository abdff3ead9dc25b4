"""The lines of tasks in the database, as everybody reads them: from the table of lines,
and from blocks, where the lines of a task that ended a while ago were packed.

Lines only move from the table into blocks, the first ones first. So the table is asked
first, and then the blocks for what is before the first row that it had: a line that
moves in between is found in either, and no line is found twice.
"""

import hashlib
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypedDict

from django.db import connection
from django.db.models import QuerySet

from tasks.logs import blocks, table
from tasks.logs.filters import LineFilter
from tasks.models import LogLine
from tasks.timestamps import iso_of_ms

READ_CHUNK = 2_000  # lines read at a time where a whole log is walked
# A line has up to 64 KiB, so a number of lines alone bounds nothing.
PAGE_BYTES = 2 * 1024 * 1024  # of a page's messages
NEWEST_BYTES = 256 * 1024
MOST_SAMPLES = 512  # of a summary
WALK_BYTES = 128 * 1024  # read at a time where a whole log is walked
# A message of one line would be several in a file.
LINE_ENDS = str.maketrans({"\n": "\\n", "\r": "\\r"})


class LineJson(TypedDict):
    seq: int
    timestamp: str
    level: str
    message: str


class Line(NamedTuple):
    """One line as it is stored. ``at_ms``: milliseconds since 1970, UTC."""

    seq: int
    at_ms: int
    level: str
    message: str


Row = table.Row  # what a Line is, without its names


def read(
    task_id: uuid.UUID, after: int, upto: int | None = None, limit: int = READ_CHUNK
) -> list[Line]:
    """At most ``limit`` lines with ``after < seq <= upto``, ascending."""
    return [Line._make(row) for row in rows(task_id, after, upto, limit)]


def rows(
    task_id: uuid.UUID, after: int, upto: int | None = None, limit: int = READ_CHUNK
) -> list[Row]:
    """Return what ``read`` gives, without names: for those who read by the million."""
    with connection.cursor() as cursor:
        cursor.execute(*table.select(task_id, after, upto, limit))
        found: list[Row] = cursor.fetchall()
    if _is_next(found, after):
        return found
    packed = blocks.ascending(task_id, after, _before(found, upto))
    return list(chain.from_iterable(_first(chain(packed, [found]), limit)))


def rows_within(
    most_bytes: int,
    task_id: uuid.UUID,
    after: int,
    upto: int | None = None,
    limit: int = READ_CHUNK,
) -> tuple[list[Row], bool]:
    """Return the same, as long as the messages have so many bytes (but one line at
    least), and whether some were left out for that."""
    sql, values = table.select(task_id, after, upto, limit)
    found, is_cut = table.bounded(sql, values, most_bytes)
    if _is_next(found, after):
        return found, is_cut
    packed = blocks.ascending(task_id, after, _before(found, upto))
    return _joined(packed, found, limit, most_bytes, is_cut=is_cut)


def _is_next(found: list[Row], after: int) -> bool:
    """Return whether rows of the table follow a seq, so that no line in between is
    packed: of a task that runs no block is looked for."""
    return bool(found) and found[0][0] == after + 1


def _before(found: list[Row], upto: int | None) -> int | None:
    """Return up to which line blocks are read, where the table had these rows."""
    return found[0][0] - 1 if found else upto


def _joined(
    packed: Iterable[list[Row]],
    found: list[Row],
    limit: int,
    most_bytes: int,
    *,
    is_cut: bool,
) -> tuple[list[Row], bool]:
    """Return packed lines with the rows that follow them. ``is_cut``: of these some
    were left out already."""
    parts = _first(chain(packed, [found]), limit)
    joined, was_cut = table.fitting(parts, most_bytes)
    return joined, was_cut or (is_cut and len(joined) < limit)


def _first(batches: Iterable[list[Row]], count: int) -> Iterator[list[Row]]:
    """Yield the first rows of some batches, and read no batch behind them."""
    for some in batches:
        yield some[:count]
        count -= len(some)
        if count <= 0:
            return


class LogPage(NamedTuple):
    """Lines as the API shows them, ascending, and whether there are more."""

    lines: list[LineJson]
    has_more: bool


def page(
    task_id: uuid.UUID,
    after: int,
    limit: int,
    levels: Sequence[str] = (),
    q: str = "",
    upto: int | None = None,
) -> LogPage:
    """Return at most ``limit`` lines after a seq, as many as PAGE_BYTES hold; filtered
    by levels, if there are any, and by a text that the message holds (case doesn't
    matter)."""
    if levels or q:
        lines = table.filtered(task_id, after, upto, levels, q).order_by("seq")
        found, is_cut = _bounded_lines(lines[: limit + 1], PAGE_BYTES)
        wanted = LineFilter(levels, q)
        packed = blocks.ascending(task_id, after, _before(found, upto), wanted)
        found, is_cut = _joined(packed, found, limit + 1, PAGE_BYTES, is_cut=is_cut)
    else:
        found, is_cut = rows_within(PAGE_BYTES, task_id, after, upto, limit + 1)
    return LogPage(
        [as_json(Line._make(row)) for row in found[:limit]],
        is_cut or len(found) > limit,
    )


def page_before(
    task_id: uuid.UUID,
    before: int,
    limit: int,
    levels: Sequence[str] = (),
    q: str = "",
) -> LogPage:
    """Return the same of the nearest lines before a seq; ascending, too."""
    lines = table.filtered(task_id, 0, before - 1, levels, q).order_by("-seq")
    found, is_cut = _bounded_lines(lines[: limit + 1], PAGE_BYTES)
    if not is_cut and len(found) <= limit:
        upto = (found[-1][0] if found else before) - 1
        packed = blocks.descending(task_id, 0, upto, LineFilter(levels, q))
        parts = _first(chain([found], packed), limit + 1)
        found, is_cut = table.fitting(parts, PAGE_BYTES)
    return LogPage(
        [as_json(Line._make(row)) for row in reversed(found[:limit])],
        is_cut or len(found) > limit,
    )


def newest_rows(
    task_id: uuid.UUID, last_seq: int, count: int, most_bytes: int
) -> list[Row]:
    """Return the last ``count`` lines up to ``last_seq``, ascending, as many as have so
    many bytes."""
    after = max(0, last_seq - count)
    lines = table.filtered(task_id, after, last_seq, (), "").order_by("-seq")
    found, is_cut = _bounded_lines(lines, most_bytes)
    if not is_cut and not _is_next(found[-1:], after):
        upto = found[-1][0] - 1 if found else last_seq
        packed = blocks.descending(task_id, after, upto)
        found, _ = table.fitting(chain([found], packed), most_bytes)
    return found[::-1]


def _bounded_lines(lines: QuerySet[LogLine], most_bytes: int) -> tuple[list[Row], bool]:
    sql, values = lines.values_list(*table.COLUMNS).query.sql_with_params()
    return table.bounded(sql, values, most_bytes)


class SampleJson(TypedDict):
    seq: int
    timestamp: str


def samples(task_id: uuid.UUID, last_seq: int) -> list[SampleJson]:
    """Return when some lines were written: MOST_SAMPLES at most, spread evenly over the
    log, among them the first and the last. Each is found by its key, so a log of a
    million lines takes no longer than a short one."""
    parts = min(last_seq, MOST_SAMPLES) - 1
    seqs = {1 + (last_seq - 1) * part // max(parts, 1) for part in range(parts + 1)}
    return [
        {"seq": seq, "timestamp": iso_of_ms(at_ms)}
        for seq, at_ms in sorted(times(task_id, seqs).items())
    ]


def times(task_id: uuid.UUID, seqs: Collection[int]) -> dict[int, int]:
    """Return when some lines were written, in milliseconds since 1970, by number."""
    lines = LogLine.objects.filter(task_id=task_id, seq__in=seqs)
    found = dict(lines.values_list("seq", "at_ms"))
    return found | blocks.times(task_id, set(seqs) - found.keys())


def newest(task_id: uuid.UUID, last_seq: int, count: int) -> list[LineJson]:
    """The last ``count`` lines up to ``last_seq``, ascending; fewer where they are
    very long."""
    found = newest_rows(task_id, last_seq, count, NEWEST_BYTES)
    return [as_json(Line._make(row)) for row in found]


def as_text(task_id: uuid.UUID) -> Iterator[str]:
    """The whole log as plain text, in chunks of many lines, one line each: what an old
    log has of line ends within a message is written as ``\\n`` and ``\\r``."""
    for messages in _messages(task_id):
        lines = "\n".join(message.translate(LINE_ENDS) for message in messages)
        yield f"{lines}\n"


def _messages(task_id: uuid.UUID) -> Iterator[list[str]]:
    after = 0
    while found := rows_within(WALK_BYTES, task_id, after)[0]:
        yield [row[3] for row in found]
        after = found[-1][0]


def sha256(task_id: uuid.UUID) -> str:
    """The digest of a stored log as a client has it: each message and ``\\n``."""
    return str(digest(task_id).hexdigest())


def digest(task_id: uuid.UUID) -> Any:
    """The same as a hash of hashlib's, which can take the lines that follow."""
    found = hashlib.sha256()
    for messages in _messages(task_id):
        found.update("".join(f"{message}\n" for message in messages).encode())
    return found


def as_json(line: Line) -> LineJson:
    return {
        "seq": line.seq,
        "timestamp": iso_of_ms(line.at_ms),
        "level": line.level,
        "message": line.message,
    }
