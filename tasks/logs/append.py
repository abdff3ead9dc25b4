"""Writes lines of tasks into the database, in batches.

By INSERTs of many rows on SQLite and by COPY on PostgreSQL: many times
``bulk_create``'s speed, and the log is what the product writes most.
"""

import uuid
from collections.abc import Iterable, Sequence

from django.db import connection

from tasks.logs.table import TABLE, Row
from tasks.models import Task

TASKS = Task._meta.db_table
# SQLite gives Python's lock back at each step of a statement, so one of 50 rows takes
# 0.6 times as long as 50 of one; 999 values are the least limit that is around.
ROWS_PER_INSERT = 50
# What COPY's text format writes in another way.
ESCAPED_IN_COPY = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
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
