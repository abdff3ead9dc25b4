"""Which lines are wanted, for lines that no database can look into: the same ones that
it would find in its table."""

import json
from collections.abc import Collection

from django.db import connection

from tasks.logs.table import Row

# Asked of PostgreSQL itself, whose upper case depends on its locale.
HOLDING = """
    SELECT place - 1 FROM unnest(%s::text[]) WITH ORDINALITY AS line (message, place)
    WHERE UPPER(message) LIKE UPPER(%s) ORDER BY place
"""


class LineFilter:
    """Lines of some levels (any, where there are none) that hold a text; as
    ``tasks.logs.table.filtered`` finds them."""

    def __init__(self, levels: Collection[str], q: str) -> None:
        self.levels, self._q = frozenset(levels), q

    def may_be_in(self, messages: bytes) -> bool:
        if not self._q or connection.vendor == "postgresql":
            return True
        # As JSON each character is written by itself, so a text is still in it.
        text = json.dumps(self._q, ensure_ascii=False)[1:-1]
        return text.encode().lower() in messages.lower()

    def of(self, rows: list[Row]) -> list[Row]:
        if self.levels:
            rows = [row for row in rows if row[2] in self.levels]
        if not self._q or not rows:
            return rows
        if connection.vendor == "postgresql":
            return self._as_postgresql_finds(rows)
        # SQLite's LIKE knows the two cases of ASCII alone, and so do bytes.
        text = self._q.encode().lower()
        return [row for row in rows if text in row[3].encode().lower()]

    def _as_postgresql_finds(self, rows: list[Row]) -> list[Row]:
        # NUL, which SQLite may have had, is none of its characters.
        messages = [row[3].replace("\0", "\N{REPLACEMENT CHARACTER}") for row in rows]
        pattern = f"%{connection.ops.prep_for_like_query(self._q)}%"
        with connection.cursor() as cursor:
            cursor.execute(HOLDING, [messages, pattern])
            return [rows[place] for (place,) in cursor.fetchall()]
