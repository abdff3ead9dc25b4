"""``[[TYPE.schedules]]``: what starts by itself, as task_types.toml says it."""

import re
from collections.abc import Iterable

from tasks.catalog.cron import NotCron, UnknownZone, cron_of
from tasks.catalog.task_type import ParameterErrors, PlannedRuns, TaskType
from tasks.catalog.toml_tables import CatalogError, Table

SCHEDULE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
OVERLAP = ("skip", "queue")
CATCH_UP = ("none", "latest")
TAKES_CRON = (
    'expected five fields that come true some day, such as "0 3 * * *": minute, hour, '
    "day of the month, month, day of the week"
)
TAKES_ZONE = "there is no time zone of that name; expected one such as Europe/Berlin"


def schedules_of(table: Table, kind: TaskType) -> tuple[PlannedRuns, ...]:
    """Return the schedules of a type's table. Raises CatalogError."""
    given = table.data.get("schedules", [])
    if not isinstance(given, list):
        raise table.wrong("schedules", "expected [[…schedules]]")
    return tuple(
        _schedule(Table(table.source, (*table.path, "schedules", index), one), kind)
        for index, one in enumerate(given)
    )


def _schedule(table: Table, kind: TaskType) -> PlannedRuns:
    table.only("name", "cron", "timezone", "params", "overlap", "catch_up")
    index = int(table.path[-1])
    name = table.text("name", f"{kind.name}-{index + 1}" if index else kind.name)
    if not SCHEDULE_NAME.fullmatch(name):
        raise table.wrong("name", "a name is small letters, digits and dashes")
    cron, zone = table.text("cron", ""), table.text("timezone", "UTC")
    try:
        cron_of(cron, zone)
    except UnknownZone as error:
        raise table.wrong("timezone", TAKES_ZONE) from error
    except NotCron as error:
        raise table.wrong("cron", TAKES_CRON) from error
    return PlannedRuns(
        name=name,
        cron=cron,
        timezone=zone,
        params=_params(table, kind),
        overlap=table.choice("overlap", OVERLAP),
        catch_up=table.choice("catch_up", CATCH_UP),
    )


def _params(table: Table, kind: TaskType) -> dict[str, str]:
    params = Table(table.source, (*table.path, "params"), table.data.get("params", {}))
    for name in kind.secrets(params.data):
        raise params.wrong(name, "it is secret, and a schedule keeps no secrets")
    try:
        kind.validated(params.data)
    except ParameterErrors as error:
        name, texts = next(iter(error.errors.items()))
        raise params.wrong(name, texts[0].rstrip(".")) from error
    return {name: str(value) for name, value in params.data.items()}


def check_names(kinds: Iterable[TaskType]) -> None:
    """Raise CatalogError where two schedules have one name, which tells them apart."""
    owners: dict[str, str] = {}
    for kind in kinds:
        for schedule in kind.schedules:
            if owner := owners.get(schedule.name):
                raise CatalogError(
                    f"Two schedules, of {owner} and of {kind.name}, are called "
                    f"{schedule.name}; give one of them another name (name = …)."
                )
            owners[schedule.name] = kind.name
