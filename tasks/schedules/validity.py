"""Whether a schedule could start its task today, as the task types are now."""

from tasks.catalog.loader import catalog
from tasks.catalog.task_type import ParameterErrors, TaskType
from tasks.localized import localized
from tasks.models import Schedule
from tasks.reasons import Reason


class Unstartable(Exception):
    """A schedule can't start its task; ``reason`` says why."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(reason.code)

    def __str__(self) -> str:
        return localized(self.reason)


def startable_now(schedule: Schedule) -> tuple[TaskType, dict[str, str]]:
    """Return the type and all parameters of a schedule's next task. Raises
    Unstartable."""
    kind = catalog().get(schedule.type)
    if kind is None:
        raise Unstartable(Reason("unknown-task-type", name=schedule.type))
    try:
        return kind, kind.validated(schedule.params)
    except ParameterErrors as error:
        name, texts = next(iter(error.errors.items()))
        reason = Reason("parameter-refused", parameter=name, reason=texts[0])
        raise Unstartable(reason) from error


def problem_of(schedule: Schedule) -> Reason | None:
    """Return why a schedule could not start its task now, or None."""
    if schedule.retired_at:
        return None
    try:
        startable_now(schedule)
    except Unstartable as error:
        return error.reason
    if schedule.next_run_at is None and schedule.paused_at is None:
        return Reason("schedule-not-understood")
    return None
