"""The lines of tasks in the database: written in batches, read in pages.

Written with ``executemany`` on SQLite and ``COPY`` on PostgreSQL: 8 and 4 times
``bulk_create``'s speed, and the log is what the product writes most.
"""

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from django.db import connection

from tasks.description import LineJson, iso_of_ms
from tasks.models import LogLine

TABLE = LogLine._meta.db_table
READ_CHUNK = 2_000  # lines read at a time where a whole log is walked


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
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            if connection.get_autocommit():
                raise RuntimeError("Lines are only written inside a transaction.")
            copy = f"COPY {TABLE} (task_id, seq, at_ms, level, message) FROM STDIN"
            # Django wraps the errors of execute(), but not those of copy().
            with connection.wrap_database_errors, cursor.copy(copy) as rows:
                for task_id, lines in batches:
                    for line in lines:
                        rows.write_row((task_id, *line))
        return
    with connection.cursor() as cursor:
        for task_id, lines in batches:
            # The id's 32 hexadecimal digits stand in the statement, so that the rows
            # go in as they are.
            cursor.executemany(
                f"INSERT INTO {TABLE} (task_id, seq, at_ms, level, message) "  # noqa: S608
                f"VALUES ('{task_id.hex}', %s, %s, %s, %s)",
                lines,
            )


def read(
    task_id: uuid.UUID, after: int, upto: int | None = None, limit: int = READ_CHUNK
) -> list[Line]:
    """At most ``limit`` lines with ``after < seq <= upto``, ascending."""
    where = "task_id = %s AND seq > %s"
    values: list[uuid.UUID | str | int] = [_key(task_id), after]
    if upto is not None:
        where += " AND seq <= %s"
        values.append(upto)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT seq, at_ms, level, message FROM {TABLE} "  # noqa: S608 (constants only)
            f"WHERE {where} ORDER BY seq LIMIT %s",
            [*values, limit],
        )
        return [Line(*row) for row in cursor.fetchall()]


def page(
    task_id: uuid.UUID, after: int, limit: int, level: str | None = None, q: str = ""
) -> list[LineJson]:
    """Lines as the API shows them, after a seq; filtered by level and by a text
    that the message holds (case doesn't matter)."""
    if level is None and not q:
        return [as_json(line) for line in read(task_id, after, limit=limit)]
    lines = LogLine.objects.filter(task_id=task_id, seq__gt=after)
    if level is not None:
        lines = lines.filter(level=level)
    if q:
        lines = lines.filter(message__icontains=q)
    fields = lines.order_by("seq").values_list("seq", "at_ms", "level", "message")
    return [as_json(Line(*row)) for row in fields[:limit]]


def newest(task_id: uuid.UUID, last_seq: int, count: int) -> list[LineJson]:
    """The last ``count`` lines up to ``last_seq``, ascending."""
    lines = read(task_id, max(0, last_seq - count), last_seq, count)
    return [as_json(line) for line in lines]


def as_text(task_id: uuid.UUID) -> Iterator[str]:
    """The whole log as plain text, in chunks of many lines."""
    after = 0
    while lines := read(task_id, after):
        yield "".join(f"{line.message}\n" for line in lines)
        after = lines[-1].seq


def sha256(task_id: uuid.UUID) -> str:
    """The digest of a stored log as a client has it: each message and ``\\n``."""
    digest = hashlib.sha256()
    for chunk in as_text(task_id):
        digest.update(chunk.encode())
    return digest.hexdigest()


def as_json(line: Line) -> LineJson:
    return {
        "seq": line.seq,
        "timestamp": iso_of_ms(line.at_ms),
        "level": line.level,
        "message": line.message,
    }


def _key(task_id: uuid.UUID) -> uuid.UUID | str:
    return task_id if connection.vendor == "postgresql" else task_id.hex
