"""The table of lines: what has not been packed. Read by ``tasks.logs.store`` alone,
which knows the packed ones, too.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from tasks.models import LogLine

Row = tuple[int, int, str, str]  # seq, at_ms, level, message

TABLE = LogLine._meta.db_table
COLUMNS = ("seq", "at_ms", "level", "message")
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


def select(
    task_id: uuid.UUID, after: int, upto: int | None, limit: int
) -> tuple[str, list[Any]]:
    """Return the statement for rows with ``after < seq <= upto``, ascending."""
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


def bounded(sql: str, values: Sequence[Any], most: int) -> tuple[list[Row], bool]:
    """Return a statement's rows as long as their messages have so many bytes, but one
    at least, and whether some were left out for that."""
    if connection.vendor == "postgresql":
        sql, values = BOUNDED.format(sql), [*values, most]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return fitting(_fetched(cursor), most)


def _fetched(cursor: Any) -> Iterator[list[Row]]:
    while rows := cursor.fetchmany(ROWS_AT_ONCE):  # which SQLite reads now, not before
        yield rows
        if len(rows) < ROWS_AT_ONCE:
            return


def fitting(batches: Iterable[list[Row]], most: int) -> tuple[list[Row], bool]:
    """Return the first rows of some batches as ``bounded`` does."""
    found: list[Row] = []
    size = 0
    for rows in batches:
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


def key(task_id: uuid.UUID) -> uuid.UUID | str:
    """An id as the database's driver takes it."""
    return task_id if connection.vendor == "postgresql" else task_id.hex
