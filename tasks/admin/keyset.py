"""Positions in a long list, and the rows that follow them."""

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet

from tasks.keyset import NUMBER


@dataclass(frozen=True)
class Position:
    """Between two rows of a list: before the one with this key and number, or behind.
    The number is None where the keys themselves are in the order of the list."""

    is_newer: bool
    pk: Any
    number: int | None

    def __str__(self) -> str:
        side = "newer" if self.is_newer else "older"
        numbers = [] if self.number is None else [str(self.number)]
        return "_".join([side, str(self.pk), *numbers])

    @classmethod
    def beside(cls, row: Any, column: str | None, *, is_newer: bool) -> "Position":
        return cls(is_newer, row.pk, getattr(row, column) if column else None)

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


def rows_from(
    rows: QuerySet[Any], column: str | None, place: Position | None, count: int
) -> list[Any]:
    """So many rows from a place on, the newest first: by their ``column``, or where
    that is None by their keys."""
    order = [f"-{column}", "-pk"] if column else ["-pk"]
    if place is None:
        return list(rows.order_by(*order)[:count])
    side = "gt" if place.is_newer else "lt"
    beyond = Q(**{f"pk__{side}": place.pk})
    if column:
        # This is implied by what follows, which is what the index can use.
        beyond |= Q(**{f"{column}__{side}": place.number})
        beyond &= Q(**{f"{column}__{side}e": place.number})
    found = rows.filter(beyond).order_by(*order)
    if place.is_newer:
        return list(found.reverse()[:count])[::-1]
    return list(found[:count])
