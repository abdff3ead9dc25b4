"""Places in a long list, and the rows that follow them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet


@dataclass(frozen=True)
class Place:
    """Between two rows of a list: before the one with this key and time, or behind.
    The time is None where the keys themselves are in the order of the list."""

    is_newer: bool
    pk: Any
    at: datetime | None

    def __str__(self) -> str:
        side = "newer" if self.is_newer else "older"
        parts = [side, str(self.pk), *([self.at.isoformat()] if self.at else [])]
        return "_".join(parts)

    @classmethod
    def beside(cls, row: Any, moment: str | None, *, is_newer: bool) -> "Place":
        return cls(is_newer, row.pk, getattr(row, moment) if moment else None)

    @classmethod
    def parse(cls, text: str, model: type[Model], moment: str | None) -> "Place":
        """Raises ValueError."""
        side, pk, *at = text.split("_")
        if side not in {"newer", "older"} or len(at) != bool(moment):
            raise ValueError(text)
        try:
            key = model._meta.pk.to_python(pk)
        except ValidationError as error:
            raise ValueError(text) from error
        time = datetime.fromisoformat(at[0]) if at else None
        if time and time.tzinfo is None:
            raise ValueError(text)
        return cls(side == "newer", key, time)


def rows_from(
    rows: QuerySet[Any], moment: str | None, place: Place | None, count: int
) -> list[Any]:
    """So many rows from a place on, the newest first: by their ``moment``, or where
    that is None by their keys."""
    order = [f"-{moment}", "-pk"] if moment else ["-pk"]
    if place is None:
        return list(rows.order_by(*order)[:count])
    side = "gt" if place.is_newer else "lt"
    beyond = Q(**{f"pk__{side}": place.pk})
    if moment:
        # This is implied by what follows, which is what the index can use.
        beyond |= Q(**{f"{moment}__{side}": place.at})
        beyond &= Q(**{f"{moment}__{side}e": place.at})
    found = rows.filter(beyond).order_by(*order)
    if place.is_newer:
        return list(found.reverse()[:count])[::-1]
    return list(found[:count])
