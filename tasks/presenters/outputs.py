"""What a task put out (``::set-output``), as tables that people read."""

import json
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tasks.presenters.releases import title_of
from tasks.presenters.wording import bytes_text

OF_BYTES = "bytes"  # in the name of a number of bytes: bytesUploaded, say

# What the built-in jobs put out, as people call it.
LABELS = {
    "version": gettext_noop("version"),
    "filesChecked": gettext_noop("files checked"),
    "failed": gettext_noop("failed"),
    "new": gettext_noop("new files"),
    "reused": gettext_noop("reused files"),
    "bytes": gettext_noop("total size"),
    "bytesReused": gettext_noop("reused size"),
    "bytesUploaded": gettext_noop("uploaded"),
    "copied": gettext_noop("copied files"),
    "served": gettext_noop("now live"),
    "previous": gettext_noop("previously live"),
    "objectsRemoved": gettext_noop("removed objects"),
    "bytesRemoved": gettext_noop("space freed"),
}


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
    # Sums of what a table has row by row say nothing more.
    in_table = {name for row in objects.values() for name in row}
    plain = {
        name: value
        for name, value in outputs.items()
        if name not in objects and name not in in_table
    }
    return Outcome(
        [(label(name), text(name, value)) for name, value in plain.items()],
        _table(objects) if objects else None,
    )


def label(name: str) -> str:
    """Return what people call an output."""
    return _(LABELS[name]) if name in LABELS else title_of(name)


def _is_row(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


def _table(objects: dict[str, dict[str, Any]]) -> Table:
    columns = list(dict.fromkeys(name for value in objects.values() for name in value))
    rows = [
        (label(name), [text(column, value.get(column, "–")) for column in columns])
        for name, value in objects.items()
    ]
    return Table([label(column) for column in columns], rows)


def text(name: str, value: Any) -> str:
    """An output's value, as people read it."""
    # What several steps say in sum comes as texts.
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        is_size = OF_BYTES in name.lower()
        return bytes_text(value) if is_size else f"{value:,}"
    return json.dumps(value, ensure_ascii=False)
