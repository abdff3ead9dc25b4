"""System checks: what contradicts itself stops the start, with an id and a hint; what
is only doubtful is said by it."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register

from tasks.catalog import CatalogError, catalog


@register
def task_types_can_be_read(**_: Any) -> list[Error]:
    try:
        catalog()
    except CatalogError as error:
        return [Error(str(error), hint="See TASK_TYPES_FILE.", id="tasks.E001")]
    return []


# A deployment check, so that the start and `check --deploy` tell it, and not every
# command.
@register("web_processes", deploy=True)
def several_web_processes_count_together(**_: Any) -> list[CheckMessage]:
    limits = settings.RATE_LIMIT_CREATE or settings.RATE_LIMIT_READ
    if settings.WEB_PROCESSES == 1 or settings.REDIS_URL or not limits:
        return []
    return [
        checks.Warning(
            f"Each of the {settings.WEB_PROCESSES} web processes (WEB_PROCESSES) "
            "counts rate limits for itself.",
            hint="Set REDIS_URL, and they count together.",
            id="tasks.W001",
        )
    ]
