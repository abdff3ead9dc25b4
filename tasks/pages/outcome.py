"""What a task put out (``::set-output``), as tables that people read."""

import json
from dataclasses import dataclass
from typing import Any

from django.template.defaultfilters import filesizeformat

OF_BYTES = "bytes"  # in the name of a number of bytes: bytesUploaded, say


@dataclass(frozen=True)
class Table:
    """Objects with the same kind of values, one in each row: platforms, say."""

    columns: list[str]
    rows: list[tuple[str, list[str]]]


@dataclass(frozen=True)
class Outcome:
    values: list[tuple[str, str]]
    table: Table | None

    def __bool__(self) -> bool:
        return bool(self.values or self.table)


def outcome_of(result: dict[str, Any] | None) -> Outcome:
    outputs = (result or {}).get("outputs", {})
    objects = {name: value for name, value in outputs.items() if _is_row(value)}
    plain = {name: value for name, value in outputs.items() if name not in objects}
    return Outcome(
        [(name, _text(name, value)) for name, value in plain.items()],
        _table(objects) if objects else None,
    )


def _is_row(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


def _table(objects: dict[str, dict[str, Any]]) -> Table:
    columns = list(dict.fromkeys(name for value in objects.values() for name in value))
    rows = [
        (name, [_text(column, value.get(column, "–")) for column in columns])
        for name, value in objects.items()
    ]
    return Table(columns, rows)


def _text(name: str, value: Any) -> str:
    # What several steps say in sum comes as texts.
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        is_size = OF_BYTES in name.lower()
        return str(filesizeformat(value)) if is_size else f"{value:,}"
    return json.dumps(value, ensure_ascii=False)
