"""System checks: what contradicts itself stops the start, with an id and a hint; what
is only doubtful is said by it."""

import os
import stat
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register

from resources.releases.current import problem_of_platforms, problem_of_trusted_keys
from tasks.catalog.loader import catalog
from tasks.catalog.toml_tables import CatalogError

OURS = "tasks"  # the tag by which commands ask for these alone


@register(OURS)
def task_types_can_be_read(**_: Any) -> list[Error]:
    try:
        catalog()
    except CatalogError as error:
        return [Error(str(error), hint="See TASK_TYPES_FILE.", id="tasks.E001")]
    return []


@register(OURS)
def platforms_can_be_read(**_: Any) -> list[Error]:
    problem = problem_of_platforms()
    return [Error(problem, id="tasks.E002")] if problem else []


@register(OURS)
def trusted_keys_can_be_read(**_: Any) -> list[CheckMessage]:
    """Return a warning where nothing that is signed could be shown as signed."""
    problem = problem_of_trusted_keys(os.environ)
    return [checks.Warning(problem, id="tasks.W003")] if problem else []


@register(OURS)
def secrets_are_private(**_: Any) -> list[CheckMessage]:
    """Return a warning where other accounts can read ``.env``. One of root's that is
    shared with the service's group is meant so."""
    path = settings.BASE_DIR / ".env"
    try:
        found = path.stat()
    except OSError:
        return []
    is_own = found.st_uid == os.geteuid()
    if not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO if is_own else stat.S_IRWXO):
        return []
    return [
        checks.Warning(
            f"Other accounts can read {path}, which has secrets.",
            hint=f"Close it: chmod 600 {path}",
            id="tasks.W002",
        )
    ]


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
