"""What a request for an act on several tasks says: a filter, and what was confirmed."""

import uuid
from dataclasses import replace
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from tasks.api.listing import filter_of
from tasks.api.queries import Query
from tasks.bulk.acting import Confirmed
from tasks.bulk.selection import MOST_AT_ONCE, SEEN
from tasks.catalog.task_type import ParameterErrors
from tasks.task_filter import TaskFilter

COUNT, IDS = "count", "ids"
TEXTS = ("type", "version", "createdAfter", "createdBefore", "q")
FILTERS = (*TEXTS, "status", IDS)


def filters_in(body: dict[str, Any]) -> dict[str, Any]:
    """Return the filters of a body that have a value, as the audit trail keeps them."""
    return {name: body[name] for name in FILTERS if body.get(name)}


def task_filter_in(body: dict[str, Any]) -> TaskFilter:
    """Return the filter that a body names: by the names, and with the meaning, that
    ``GET /api/tasks`` has for them. Raises ParameterErrors."""
    given, errors = QueryDict(mutable=True), {}
    for name in TEXTS:
        if not isinstance(text := body.get(name, ""), str):
            errors[name] = [_("Must be a string.")]
        else:
            given[name] = text
    status = body.get("status", [])
    words = [status] if isinstance(status, str) else status
    if not _are_texts(words):
        errors["status"] = [_("Must be a status, or a list of them.")]
    else:
        given.setlist("status", words)
    query = Query(given)
    wanted = filter_of(query)
    ids = _ids(body.get(IDS, []), errors)
    if errors := {**query.errors, **errors}:
        raise ParameterErrors(errors)
    return replace(wanted, ids=ids)


def _ids(given: object, errors: dict[str, list[str]]) -> tuple[uuid.UUID, ...]:
    try:
        if not _are_texts(given) or len(given) > MOST_AT_ONCE:  # type: ignore[arg-type]
            raise ValueError
        return tuple(uuid.UUID(text) for text in given)  # type: ignore[attr-defined]
    except ValueError:
        text = _("Must be a list of at most {most} ids of tasks.")
        errors[IDS] = [text.format(most=f"{MOST_AT_ONCE:,}")]
        return ()


def _are_texts(given: object) -> bool:
    return isinstance(given, list) and all(isinstance(one, str) for one in given)


def confirmed_in(body: dict[str, Any], key: str | None) -> Confirmed | None:
    """Return what a body confirms; None where it only asks. Raises ParameterErrors."""
    if COUNT not in body:
        if SEEN not in body and key is None:
            return None
        raise ParameterErrors({COUNT: [_("Required.")]})
    count, seen = body[COUNT], body.get(SEEN)
    errors = {}
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        text = _("Must be the number of tasks that the filter was seen to find.")
        errors[COUNT] = [text]
    if seen is not None and not isinstance(seen, str):
        errors[SEEN] = [_("Must be a string.")]
    if errors:
        raise ParameterErrors(errors)
    return Confirmed(count, seen, key)
