"""Numbers that the database gives, one after the other: an order that no clock decides.

PostgreSQL has sequences. SQLite lets in one writer at a time, so the greatest number
there is, and one more, is read and written by the same statement.
"""

from typing import Any

from django.db import connection, models
from django.db.models.expressions import DatabaseDefault, Expression


class NextNumber(Expression):
    """The next number of a column, in a statement that writes it."""

    output_field: Any

    def __init__(self, table: str, column: str, where: str = "TRUE") -> None:
        super().__init__(output_field=models.BigIntegerField())
        self.table, self.column, self.where = table, column, where

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        greatest = f"SELECT MAX({self.column}) FROM {self.table} WHERE {self.where}"  # noqa: S608 (constants only)
        return f"(COALESCE(({greatest}), 0) + 1)", ()

    def as_postgresql(self, *_: Any, **__: Any) -> tuple[str, tuple[Any, ...]]:
        return f"nextval('{self.table}_{self.column}_seq')", ()


def next_number() -> NextNumber:
    """Return the number of a new task, for the statement that writes it."""
    return NextNumber("tasks_task", "number")


def next_numbers(count: int) -> list[Any]:
    """Return the numbers of several new tasks, for one statement that writes them all;
    within the transaction that does."""
    if connection.vendor == "postgresql":
        return [next_number()] * count
    # Asked in the statement itself, they would all be the same.
    with connection.cursor() as cursor:
        cursor.execute("SELECT COALESCE(MAX(number), 0) FROM tasks_task")
        (greatest,) = cursor.fetchone()
    return list(range(greatest + 1, greatest + 1 + count))


def next_ended() -> NextNumber:
    """Return the number of a task that ends, for the statement that ends it."""
    # As the index has them; what is pinned has numbers that need not be one's own.
    return NextNumber("tasks_task", "ended", "completed_at IS NOT NULL AND NOT pinned")


class NumberField(models.BigIntegerField):  # type: ignore[type-arg] # not at run time
    """A number that a row gets when it is inserted.

    Its default in the database is for programs that don't know the column: a sequence's
    next number in PostgreSQL, 0 in SQLite.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"db_default": 0, "editable": False, **options})

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = super().pre_save(model_instance, add)
        if isinstance(value, DatabaseDefault):
            return NextNumber(self.model._meta.db_table, str(self.column))
        return value
