"""System checks: what contradicts itself stops the start, with an id and a hint."""

from typing import Any

from django.core.checks import Error, register

from tasks.catalog import CatalogError, catalog


@register
def task_types_can_be_read(**_: Any) -> list[Error]:
    try:
        catalog()
    except CatalogError as error:
        return [Error(str(error), hint="See TASK_TYPES_FILE.", id="tasks.E001")]
    return []
