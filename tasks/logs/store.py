"""The lines of tasks in the database: written in batches, read in pages.

Written by INSERTs of many rows on SQLite and by COPY on PostgreSQL: many times
``bulk_create``'s speed, and the log is what the product writes most.
"""

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypedDict

from django.db import connection
from django.db.models import QuerySet

from tasks.models import LogLine, Task
from tasks.timestamps import iso_of_ms

TABLE = LogLine._meta.db_table
TASKS = Task._meta.db_table
READ_CHUNK = 2_000  # lines read at a time where a whole log is walked
# A line has up to 64 KiB, so a number of lines alone bounds nothing.
PAGE_BYTES = 2 * 1024 * 1024  # of a page's messages
NEWEST_BYTES = 256 * 1024
MOST_SAMPLES = 512  # of a summary
WALK_BYTES = 128 * 1024  # read at a time where a whole log is walked
ROWS_AT_ONCE = 32  # taken from SQLite; of at most 192 KiB each
# On PostgreSQL, whose driver would take all rows into memory: those up to the first
# that is one too many (the second, where the first is). A text's length is found
# without reading it.
BOUNDED = """
    SELECT seq, at_ms, level, message
    FROM (
        SELECT *, sum(octet_length(message)) OVER (ORDER BY place) AS total
        FROM (SELECT *, row_number() OVER () AS place FROM ({}) AS page) AS numbered
    ) AS measured
    WHERE total - octet_length(message) <= %s OR place = 2 ORDER BY place
"""
# SQLite gives Python's lock back at each step of a statement, so one of 50 rows takes
# 0.6 times as long as 50 of one; 999 values are the least limit that is around.
ROWS_PER_INSERT = 50
# What COPY's text format writes in another way.
ESCAPED_IN_COPY = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
# A message of one line would be several in a file.
LINE_ENDS = str.maketrans({"\n": "\\n", "\r": "\\r"})
# Not waiting for the disk: docs/decisions/0009-lines-alone-do-not-wait-for-the-disk.md
DO_NOT_WAIT = """
    set_config('synchronous_commit', 'off', true),
    (pg_current_wal_flush_lsn() - '0/0')::bigint,
    (pg_current_wal_insert_lsn() - '0/0')::bigint
"""
APPEND_AT_ONCE = f"""
    WITH moved AS (
        UPDATE {TASKS} AS task SET last_seq = batch.upto
        FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[]) AS batch (id, after, upto)
        WHERE task.id = batch.id AND task.last_seq = batch.after
            AND task.runner_id = %s AND task.status = 'running'
        RETURNING task.id
    ), written AS (
        INSERT INTO {TABLE} (task_id, seq, at_ms, level, message)
        SELECT line.* FROM unnest(
            %s::uuid[], %s::bigint[], %s::bigint[], %s::text[], %s::text[]
        ) AS line (task_id, seq, at_ms, level, message)
        JOIN moved ON moved.id = line.task_id
    ), told AS (
        SELECT pg_notify(%s, message) FROM unnest(%s::text[]) AS message
    )
    SELECT
        ARRAY(SELECT id FROM moved),
        (SELECT count(*) FROM told),
        {DO_NOT_WAIT}
"""  # noqa: S608 (constants only)


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


Row = tuple[int, int, str, str]  # what a Line is, without its names


def append(batches: Iterable[tuple[uuid.UUID, Sequence[Row]]]) -> None:
    """Write lines of any number of tasks. Call it inside a transaction that also
    moves each task's ``last_seq``, so that no reader sees a number without its line."""
    if connection.get_autocommit():
        raise RuntimeError("Lines are only written inside a transaction.")
    if connection.vendor == "postgresql":
        _copy(batches)
        return
    # The driver's own connection, because Django's would look for "%s" in each of the
    # long statements again.
    with connection.wrap_database_errors:
        for task_id, lines in batches:
            whole = len(lines) - len(lines) % ROWS_PER_INSERT
            for start in range(0, whole, ROWS_PER_INSERT):
                rows = lines[start : start + ROWS_PER_INSERT]
                values = [value for row in rows for value in row]
                connection.connection.execute(_insert(task_id, ROWS_PER_INSERT), values)
            connection.connection.executemany(_insert(task_id, 1), lines[whole:])


def append_at_once(
    steps: Sequence[tuple[uuid.UUID, int, int]],
    rows: Sequence[tuple[uuid.UUID, int, int, str, str]],
    runner_id: uuid.UUID,
    channel: str,
    messages: Sequence[str],
) -> tuple[set[uuid.UUID], tuple[int, int]]:
    """Write lines on PostgreSQL in one statement without a transaction around it, whose
    commit does not wait for the disk; move the tasks' ``last_seq``, and notify.

    ``steps``: each task, where it has to stand and belong to the runner, and where it
    stands then. Returns the tasks that did, and the log's positions up to which it was
    on the disk before, and is written now.
    """
    import psycopg  # not loaded where the database is SQLite

    connection.ensure_connection()
    # The driver's own cursor, because Django's has the server plan it anew each time.
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(connection.connection) as cursor,
    ):
        cursor.execute(
            APPEND_AT_ONCE,
            [
                *map(list, zip(*steps, strict=True)),
                runner_id,
                *map(list, zip(*rows, strict=True)),
                channel,
                list(messages),
            ],
            prepare=True,
        )
        ((moved, _, _, *positions),) = cursor.fetchall()
        return set(moved), (positions[0], positions[1])


def _insert(task_id: uuid.UUID, count: int) -> str:
    # The id's 32 hexadecimal digits stand in the statement, so that the rows go in as
    # they are.
    rows = ", ".join([f"('{task_id.hex}', ?, ?, ?, ?)"] * count)
    return f"INSERT INTO {TABLE} (task_id, seq, at_ms, level, message) VALUES {rows}"  # noqa: S608


def _copy(batches: Iterable[tuple[uuid.UUID, Sequence[Row]]]) -> None:
    """In blocks of COPY's text format made here: half the time of a call a row.

    https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2
    """
    copy = f"COPY {TABLE} (task_id, seq, at_ms, level, message) FROM STDIN"
    # Django wraps the errors of execute(), but not those of copy().
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(copy) as block,
    ):
        for task_id, lines in batches:
            row = f"{task_id.hex}\t%d\t%d\t%s\t%s\n"
            block.write("".join([row % escaped for escaped in _escaped(lines)]))


def _escaped(lines: Sequence[Row]) -> Iterable[Row]:
    messages = "".join([line[3] for line in lines])
    if not any(special in messages for special in "\\\t\n\r"):
        return lines
    return [(*line[:3], line[3].translate(ESCAPED_IN_COPY)) for line in lines]


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
        cursor.execute(*_select(task_id, after, upto, limit))
        found: list[Row] = cursor.fetchall()
        return found


def rows_within(
    most_bytes: int,
    task_id: uuid.UUID,
    after: int,
    upto: int | None = None,
    limit: int = READ_CHUNK,
) -> tuple[list[Row], bool]:
    """Return the same, as long as the messages have so many bytes (but one line at
    least), and whether some were left out for that."""
    return _bounded(*_select(task_id, after, upto, limit), most_bytes)


def _bounded(sql: str, values: Sequence[Any], most: int) -> tuple[list[Row], bool]:
    if connection.vendor == "postgresql":
        sql, values = BOUNDED.format(sql), [*values, most]
    found: list[Row] = []
    size = 0
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        is_last = False
        while not is_last:
            rows = cursor.fetchmany(ROWS_AT_ONCE)  # which SQLite reads now, not before
            is_last = len(rows) < ROWS_AT_ONCE
            total = size + len("".join([row[3] for row in rows]).encode())
            if total > most:
                some = _within(rows, most - size, needs_one=not found)
                if len(some) < len(rows):
                    return found + some, True
            size = total
            found += rows
    return found, False


def _within(rows: list[Row], most: int, *, needs_one: bool) -> list[Row]:
    """Return the first rows whose messages have at most so many bytes; the first row
    whatever it has, where one is needed."""
    for place, row in enumerate(rows):
        most -= len(row[3].encode())
        if most < 0 and (place or not needs_one):
            return rows[:place]
    return rows


def _select(
    task_id: uuid.UUID, after: int, upto: int | None, limit: int
) -> tuple[str, list[Any]]:
    where = "task_id = %s AND seq > %s"
    values: list[uuid.UUID | str | int] = [key(task_id), after]
    if upto is not None:
        where += " AND seq <= %s"
        values.append(upto)
    sql = (
        f"SELECT seq, at_ms, level, message FROM {TABLE} "  # noqa: S608 (constants only)
        f"WHERE {where} ORDER BY seq LIMIT %s"
    )
    return sql, [*values, limit]


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
        lines = filtered(task_id, after, upto, levels, q).order_by("seq")
        found, is_cut = _bounded_lines(lines[: limit + 1], PAGE_BYTES)
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
    lines = filtered(task_id, 0, before - 1, levels, q).order_by("-seq")
    found, is_cut = _bounded_lines(lines[: limit + 1], PAGE_BYTES)
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
    lines = filtered(task_id, after, last_seq, (), "").order_by("-seq")
    return _bounded_lines(lines, most_bytes)[0][::-1]


def _bounded_lines(lines: QuerySet[LogLine], most_bytes: int) -> tuple[list[Row], bool]:
    sql, values = lines.values_list(*Line._fields).query.sql_with_params()
    return _bounded(sql, values, most_bytes)


def filtered(
    task_id: uuid.UUID, after: int, upto: int | None, levels: Sequence[str], q: str
) -> QuerySet[LogLine]:
    """Lines with ``after < seq <= upto``, of these levels (or any, where there are
    none), whose message holds a text."""
    lines = LogLine.objects.filter(task_id=task_id, seq__gt=after)
    if upto is not None:
        lines = lines.filter(seq__lte=upto)
    if levels:
        lines = lines.filter(level__in=levels)
    if q:
        lines = lines.filter(message__icontains=q)
    return lines


class SampleJson(TypedDict):
    seq: int
    timestamp: str


def samples(task_id: uuid.UUID, last_seq: int) -> list[SampleJson]:
    """Return when some lines were written: MOST_SAMPLES at most, spread evenly over the
    log, among them the first and the last. Each is found by its key, so a log of a
    million lines takes no longer than a short one."""
    parts = min(last_seq, MOST_SAMPLES) - 1
    seqs = {1 + (last_seq - 1) * part // max(parts, 1) for part in range(parts + 1)}
    lines = LogLine.objects.filter(task_id=task_id, seq__in=seqs).order_by("seq")
    return [
        {"seq": seq, "timestamp": iso_of_ms(at_ms)}
        for seq, at_ms in lines.values_list("seq", "at_ms")
    ]


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


def key(task_id: uuid.UUID) -> uuid.UUID | str:
    """An id as the database's driver takes it."""
    return task_id if connection.vendor == "postgresql" else task_id.hex
