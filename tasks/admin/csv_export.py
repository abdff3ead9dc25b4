"""A list as CSV, however long: streamed, and harmless in a spreadsheet."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from tasks.keyset import Position, rows_from
from tasks.logs.download import download

ROWS_AT_ONCE = 1_000
# What a spreadsheet takes for a formula; a leading apostrophe makes it text.
FORMULA = tuple("=+-@\t\r\n＝＋－＠")
BOM = "\ufeff"  # without it Excel reads Chinese as Latin letters

# A column: its name, and what of a row goes into it.
Columns = Sequence[tuple[str, Callable[[Any], object]]]


def csv_download(
    name: str,
    columns: Columns,
    rows: QuerySet[Any],
    column: str | None,
) -> StreamingHttpResponse:
    """The rows as a file, the newest first, as rows_from has them."""
    day = timezone.now().date().isoformat()
    text = _text(columns, rows, column)
    return download(text, "text/csv; charset=utf-8", f"{name}-{day}.csv")


def _text(columns: Columns, rows: QuerySet[Any], column: str | None) -> Iterator[str]:
    yield BOM + _lines([[name for name, _ in columns]])
    position: Position | None = None
    while page := rows_from(rows, column, position, ROWS_AT_ONCE):
        yield _lines([cell(take(row)) for _, take in columns] for row in page)
        position = Position.beside(page[-1], column, is_newer=False)


def _lines(rows: Any) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def cell(value: object) -> object:
    """A value as it may stand in a cell."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value
