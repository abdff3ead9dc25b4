"""Keyset pagination of lists, newest first: pages that stay stable while rows arrive,
each of which is one look into an index, however long the list."""

import base64
import binascii
import re
import uuid
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _

NUMBER = re.compile("[0-9]{1,18}")  # what both databases can compare with theirs


@dataclass(frozen=True)
class Position:
    """Between two rows of a list: before the one with this key and number, or behind.
    The number is None where the keys themselves are in the order of the list."""

    is_newer: bool  # the page is of newer rows, before this one
    pk: Any
    number: int | None

    @classmethod
    def beside(cls, row: Any, column: str | None, *, is_newer: bool) -> "Position":
        return cls(is_newer, row.pk, getattr(row, column) if column else None)

    # As the admin's addresses have it.

    def __str__(self) -> str:
        side = "newer" if self.is_newer else "older"
        numbers = [] if self.number is None else [str(self.number)]
        return "_".join([side, str(self.pk), *numbers])

    @classmethod
    def parse(cls, text: str, model: type[Model], column: str | None) -> "Position":
        """Raises ValueError."""
        side, pk, *numbers = text.split("_")
        if side not in {"newer", "older"} or len(numbers) != bool(column):
            raise ValueError(text)
        try:
            key = model._meta.pk.to_python(pk)
        except ValidationError as error:
            raise ValueError(text) from error
        if not all(NUMBER.fullmatch(number) for number in numbers):
            raise ValueError(text)
        return cls(side == "newer", key, int(numbers[0]) if numbers else None)

    # As the API's list of tasks has it: opaque to clients.

    def as_cursor(self) -> str:
        word = "b" if self.is_newer else "f"
        text = f"{word} {self.number} {self.pk.hex}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def of_cursor(cls, raw: str) -> "Position":
        """Raises ValueError, which says so to people."""
        try:
            padded = raw.encode("ascii") + b"=" * (-len(raw) % 4)
            word, number, task_id = base64.urlsafe_b64decode(padded).decode().split(" ")
            is_newer = {"b": True, "f": False}[word]
            if not NUMBER.fullmatch(number):
                raise ValueError(number)
            return cls(is_newer, uuid.UUID(task_id), int(number))
        except (ValueError, KeyError, binascii.Error) as error:
            raise ValueError(
                _("Must come from “next” or “previous” of a response.")
            ) from error


class Page(NamedTuple):
    """Some rows of a list, and the positions of the pages before and after them, where
    there are any."""

    rows: list[Any]
    newer: Position | None
    older: Position | None


def page_of(
    rows: QuerySet[Any], column: str | None, position: Position | None, limit: int
) -> Page:
    """Return up to so many rows from a position on, in the order of ``rows_from``."""
    is_newer = position is not None and position.is_newer
    found = rows_from(rows, column, position, limit + 1)
    has_more = len(found) > limit
    found = found[-limit:] if is_newer else found[:limit]
    if not found:
        return Page([], None, None)
    has_newer = has_more if is_newer else position is not None
    has_older = is_newer or has_more
    return Page(
        found,
        Position.beside(found[0], column, is_newer=True) if has_newer else None,
        Position.beside(found[-1], column, is_newer=False) if has_older else None,
    )


def rows_from(
    rows: QuerySet[Any], column: str | None, position: Position | None, count: int
) -> list[Any]:
    """Return so many rows from a position on, the newest first: by their ``column``,
    or where that is None by their keys."""
    order = [f"-{column}", "-pk"] if column else ["-pk"]
    if position is None:
        return list(rows.order_by(*order)[:count])
    side = "gt" if position.is_newer else "lt"
    beyond = Q(**{f"pk__{side}": position.pk})
    if column:
        # This is implied by what follows, which is what the index can use.
        beyond |= Q(**{f"{column}__{side}": position.number})
        beyond &= Q(**{f"{column}__{side}e": position.number})
    found = rows.filter(beyond).order_by(*order)
    if position.is_newer:
        return list(found.reverse()[:count])[::-1]
    return list(found[:count])
