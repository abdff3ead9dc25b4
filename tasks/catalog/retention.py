"""How long the tasks of a type are kept: its ``retention``, read and checked."""

from collections.abc import Callable

from tasks.catalog.quantities import (
    MOST_TASKS,
    TAKES_AGE,
    TAKES_SIZE,
    age_limit,
    size_limit,
)
from tasks.catalog.task_type import Retention
from tasks.catalog.toml_tables import Table

TAKES_COUNT = f"a whole number from 0 (all are kept) to {MOST_TASKS}"


def retention_of(table: Table) -> Retention:
    """Return what a type says of it; what it leaves out, the settings say. Raises
    CatalogError, naming the key."""
    limits = Table(
        table.source, (*table.path, "retention"), table.data.get("retention", {})
    )
    limits.only("count", "age", "size")
    if "retention" in table.data and not limits.data:
        raise table.wrong("retention", "expected some of: count, age, size")
    count: int | None = limits.take("count", int, None, TAKES_COUNT)
    if count is not None and not 0 <= count <= MOST_TASKS:
        raise limits.wrong("count", f"expected {TAKES_COUNT}")
    return Retention(
        count=count,
        age_seconds=_limit(limits, "age", age_limit, TAKES_AGE),
        size_bytes=_limit(limits, "size", size_limit, TAKES_SIZE),
    )


def _limit(
    table: Table, key: str, parse: Callable[[str], int], takes: str
) -> int | None:
    value = table.data.get(key)
    if value is None:
        return None
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if is_number or isinstance(value, str):
        try:
            return parse(str(value))
        except ValueError:
            pass
    raise table.wrong(key, f"expected {takes}")
