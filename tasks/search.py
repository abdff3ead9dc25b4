"""Finding tasks by a text, with a look at indexes instead of every row."""

from typing import Any

from django.db.models import Model, Q, QuerySet

from tasks.models import Task, ids_beginning_with

MAX_TEXT_LENGTH = 200  # characters to search for
MOST_LOOKED_UP = 100


def holds(text: str) -> Q:
    """Tasks in which people would find this text: in a name, at the beginning of
    their id, or in what failed."""
    found = Q()
    for column in ("version", "type", "created_by"):
        found |= holding(Task, column, text)
    # Nothing else has an error.
    for status in (Task.Status.FAILED, Task.Status.CANCELLED):
        found |= _failing(status, text)
    ids = ids_beginning_with(text)
    return found | Q(pk__range=ids) if ids else found


def holding(model: type[Model], column: str, text: str) -> Q:
    """Rows whose column holds this text, whatever its case.

    The names come from the column's index, which is small beside the table. Where
    there are very many of them the text is a common one, and walking through the rows
    meets the next soon.
    """
    common = Q(**{f"{column}__icontains": text})
    rows = model._default_manager.filter(common).order_by()
    return _looked_up(common, column, rows.values_list(column, flat=True).distinct())


def _failing(status: str, text: str) -> Q:
    """Tasks of this end whose error holds the text: looked up as names are, in the
    small index that each end has."""
    common = Q(status=status, error__icontains=text)
    tasks = Task.objects.filter(common).newest_first()
    return _looked_up(common, "pk", tasks.values_list("pk", flat=True))


def _looked_up(common: Q, column: str, values: "QuerySet[Any, Any]") -> Q:
    """These values of a column; what they were found by, where they are very many."""
    found = list(values[: MOST_LOOKED_UP + 1])
    return common if len(found) > MOST_LOOKED_UP else Q(**{f"{column}__in": found})
