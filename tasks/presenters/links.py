"""Links to the console that open a launch form filled in, and to a schedule."""

import uuid
from collections.abc import Mapping
from urllib.parse import urlencode

from django.urls import reverse

from tasks.catalog.definitions import secret_names
from tasks.catalog.loader import catalog
from tasks.models import Task

RERUN_OF = "rerun-of"  # no parameter's name has a hyphen


def deep_link(
    type_name: str, params: Mapping[str, str], rerun_of: uuid.UUID | None = None
) -> str:
    """The console with this type's form, filled in but for what is secret."""
    shown = params.keys() - catalog()[type_name].secrets(params).keys()
    query = {"type": type_name, **{k: v for k, v in params.items() if k in shown}}
    if rerun_of:
        query[RERUN_OF] = str(rerun_of)
    return f"{reverse('console')}?{urlencode(query)}"


def change_link(task: Task) -> str:
    """Return where a task is run again with other parameters; "" where there is no form
    for its type."""
    kind = catalog().get(task.type)
    if kind is None or kind.hidden:
        return ""
    secret = secret_names(task)
    params = {k: v for k, v in task.params.items() if k not in secret}
    return deep_link(task.type, params, task.pk)


def schedule_anchor(schedule_id: uuid.UUID) -> str:
    return f"schedule-{schedule_id}"


def schedule_link(schedule_id: uuid.UUID) -> str:
    """Return where a schedule is on the page of schedules."""
    return f"{reverse('schedules')}#{schedule_anchor(schedule_id)}"
