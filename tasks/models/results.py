"""A task's result as lists and events carry it."""

from typing import Any

from django.db.models import Func, JSONField

MOST_BYTES = 64 * 1024

SQLITE = f"""
    CASE WHEN length(%(expressions)s) > {MOST_BYTES}
        AND json_type(%(expressions)s, '$.outputs') IS NOT NULL
    THEN json_set(
        json_remove(%(expressions)s, '$.outputs'), '$.outputsOmitted', json('true'))
    ELSE %(expressions)s END
"""
POSTGRESQL = f"""
    CASE WHEN octet_length(%(expressions)s::text) > {MOST_BYTES}
        AND jsonb_exists(%(expressions)s, 'outputs')
    THEN (%(expressions)s - 'outputs') || '{{"outputsOmitted": true}}'::jsonb
    ELSE %(expressions)s END
"""


class ShortResult(Func):
    """A column with a result; of a large one what it is without its ``outputs``, and
    with ``outputsOmitted``. The database leaves them out, so that a page of tasks never
    loads what they put out."""

    output_field = JSONField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return super().as_sql(compiler, connection, template=SQLITE, **context)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return super().as_sql(compiler, connection, template=POSTGRESQL, **context)
