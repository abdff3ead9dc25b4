"""The rows of a table as text, the same from SQLite and PostgreSQL.

The form is that of PostgreSQL's COPY, so that a million lines go through without being
taken apart; what the two write in different ways (ids, times, truth) is brought into
PostgreSQL's. Only values of JSON and numbers with a fraction are read, because one text
can have several forms of them.

https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2
"""

import json
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

BLOCK_BYTES = 1024 * 1024
NULL = b"\\N"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# What stands behind a backslash, and what it means.
ESCAPES = {b"\\": b"\\", b"t": b"\t", b"n": b"\n", b"r": b"\r", b"b": b"\b"}
ESCAPES |= {b"f": b"\f", b"v": b"\v"}
ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
# What PostgreSQL's texts can't have, as JSON may write it.
REFUSED = re.compile("[\0\ud800-\udfff]")
BAD_JSON = re.compile(rb"\\u(?:0000|d[89a-f])", re.IGNORECASE)

UUID, TIME, TRUTH, JSON, FRACTION = "uuid", "timestamptz", "bool", "jsonb", "float8"
BYTES = "bytea"
# Of a column of SQLite: PostgreSQL's text of it.
OF_SQLITE = {
    UUID: "substr({0}, 1, 8) || '-' || substr({0}, 9, 4) || '-' || substr({0}, 13, 4)"
    " || '-' || substr({0}, 17, 4) || '-' || substr({0}, 21)",
    TIME: "CASE WHEN instr({0}, '.') THEN rtrim(rtrim({0}, '0'), '.') ELSE {0} END"
    " || '+00'",
    TRUTH: "CASE {0} WHEN 0 THEN 'f' WHEN 1 THEN 't' END",
    FRACTION: "printf('%!.17g', {0})",
    BYTES: "'\\\\x' || lower(hex({0}))",
}
AS_IT_IS = "CAST({0} AS TEXT)"
ESCAPED = (
    "replace(replace(replace(replace({0}, '\\', '\\\\'), char(9), '\\t'),"
    " char(10), '\\n'), char(13), '\\r')"
)
TEXTS = {"text", "varchar", "bpchar", JSON}


class Table(NamedTuple):
    """``kinds``: PostgreSQL's names of its columns' types; ``key``: what its rows are
    ordered by, which is what they are unique by."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    key: tuple[str, ...]

    @property
    def quoted(self) -> str:
        return ", ".join(f'"{name}"' for name in self.columns)

    def select_of_sqlite(self) -> str:
        """Return the statement that reads each row as one text."""
        parts = []
        for name, kind in zip(self.columns, self.kinds, strict=True):
            text = OF_SQLITE.get(kind, AS_IT_IS).format(f'"{name}"')
            if kind in TEXTS:
                text = ESCAPED.format(text)
            parts.append(f"COALESCE({text}, '\\N')")
        order = ", ".join(f'"{name}"' for name in self.key)
        line = " || char(9) || ".join(parts)
        return f'SELECT {line} FROM "{self.name}" ORDER BY {order}'  # noqa: S608 (names of the schema)

    def copy_of_postgresql(self) -> str:
        """Return the statement that reads the same from PostgreSQL."""
        kinds = dict(zip(self.columns, self.kinds, strict=True))
        order = ", ".join(
            f'"{name}"' + (' COLLATE "C"' if kinds[name] in TEXTS else "")
            for name in self.key
        )
        rows = f'SELECT {self.quoted} FROM "{self.name}" ORDER BY {order}'  # noqa: S608 (names of the schema)
        return f"COPY ({rows}) TO STDOUT"


class Repairs:
    """How many rows had what PostgreSQL can't hold: NUL, and what is no UTF-8."""

    def __init__(self) -> None:
        self.rows = 0


def in_blocks(rows: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield rows in lists of some BLOCK_BYTES."""
    block: list[bytes] = []
    size = 0
    for row in rows:
        block.append(row)
        size += len(row)
        if size >= BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def of_sqlite(connection: Any, table: Table, repairs: Repairs) -> Iterator[list[bytes]]:
    """Yield the rows of a table of SQLite, without their line ends."""
    cursor = connection.cursor()
    connection.text_factory = bytes  # what is no UTF-8 is looked at, not refused
    try:
        rows = (row[0] for row in cursor.execute(table.select_of_sqlite()))
        for block in in_blocks(rows):
            yield _holdable(table, block, repairs)
    finally:
        connection.text_factory = str


def of_postgresql(connection: Any, table: Table) -> Iterator[list[bytes]]:
    """Yield the rows of a table of PostgreSQL; its session has to be in UTC."""
    with connection.cursor() as cursor, cursor.copy(table.copy_of_postgresql()) as copy:
        # Each is one row, with its line end.
        yield from in_blocks(bytes(row)[:-1] for row in copy)


def _holdable(table: Table, block: list[bytes], repairs: Repairs) -> list[bytes]:
    """Return rows that PostgreSQL takes; nearly always these themselves."""
    whole = b"\n".join(block)
    may_be_bad = b"\0" in whole or (JSON in table.kinds and BAD_JSON.search(whole))
    if not may_be_bad:
        try:
            whole.decode()
        except UnicodeDecodeError:
            pass
        else:
            return block
    mended = []
    for row in block:
        text = row.decode(errors="replace").replace("\0", REPLACEMENT)
        fields = text.encode().split(b"\t")
        for place, kind in enumerate(table.kinds):
            if kind == JSON and BAD_JSON.search(fields[place]):
                fields[place] = _good_json(fields[place])
        mended.append(b"\t".join(fields))
        repairs.rows += mended[-1] != row
    return mended


def _good_json(field: bytes) -> bytes:
    """Return the same, without what JSON can say and PostgreSQL can't hold."""
    value = json.loads(unescaped(field))
    if (mended := _mended(value)) == value:
        return field  # two halves of one character, say
    return escaped(json.dumps(mended, ensure_ascii=False).encode())


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return REFUSED.sub(REPLACEMENT, value)
    if isinstance(value, list):
        return [_mended(each) for each in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(each) for key, each in value.items()}
    return value


def in_one_form(table: Table, block: list[bytes]) -> bytes:
    """Return rows as one text in which each value has the form that both databases
    agree on: to be compared, not to be stored."""
    varying = [
        (place, _json_form if kind == JSON else _fraction_form)
        for place, kind in enumerate(table.kinds)
        if kind in {JSON, FRACTION}
    ]
    if not varying:
        return b"\n".join(block) + b"\n"
    found = []
    for row in block:
        fields = row.split(b"\t")
        for place, form in varying:
            if fields[place] != NULL:
                fields[place] = form(fields[place])
        found.append(b"\t".join(fields))
    return b"\n".join(found) + b"\n"


def _json_form(field: bytes) -> bytes:
    value = json.loads(unescaped(field), parse_float=_number)
    return json.dumps(value, sort_keys=True).encode()


def _number(text: str) -> float | int:
    """PostgreSQL writes 1e3 as 1000, with all digits."""
    value = Decimal(text)
    is_whole = value == value.to_integral_value()
    return int(value) if is_whole else float(text)


def _fraction_form(field: bytes) -> bytes:
    return repr(float(field)).encode()


def escaped(value: bytes) -> bytes:
    for character, letter in ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n")):
        value = value.replace(character, letter)
    return value.replace(b"\r", b"\\r")


def unescaped(field: bytes) -> bytes:
    if b"\\" not in field:
        return field
    return ESCAPE.sub(lambda found: ESCAPES.get(found[1], found[1]), field)


def values(table: Table, row: bytes) -> list[Any]:
    """Return a row as Django has it in SQLite."""
    fields = row.split(b"\t")
    return [_value(*pair) for pair in zip(table.kinds, fields, strict=True)]


def _value(kind: str, field: bytes) -> Any:
    if field == NULL:
        return None
    text = unescaped(field).decode()
    if kind == UUID:
        return text.replace("-", "")
    if kind == TRUTH:
        return int(text == "t")
    if kind == TIME:
        moment, _, fraction = text.removesuffix("+00").partition(".")
        return f"{moment}.{fraction:0<6}" if fraction else moment
    if kind == FRACTION:
        return float(text)
    if kind == BYTES:
        return bytes.fromhex(text.removeprefix("\\x"))
    return int(text) if kind.startswith("int") else text
