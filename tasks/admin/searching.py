"""Finding rows by a part of a name, with a look at an index instead of every row."""

from django.db.models import Model, Q

MOST_NAMES = 100


def holding(model: type[Model], column: str, text: str) -> Q:
    """Rows whose column holds this text, whatever its case.

    The names come from the column's index, which is small beside the table. Where
    there are very many of them the text is a common one, and walking through the rows
    meets the next soon.
    """
    common = Q(**{f"{column}__icontains": text})
    names = model._default_manager.filter(common).order_by().values_list(column)
    found = [name for (name,) in names.distinct()[: MOST_NAMES + 1]]
    return common if len(found) > MOST_NAMES else Q(**{f"{column}__in": found})
