"""What a claimed task runs as: the definition and the values with which it was
accepted, unless it can't run any more.

docs/decisions/0022-a-task-runs-as-it-was-accepted.md
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from tasks.catalog.definitions import UnknownDefinition, stored_type
from tasks.catalog.loader import catalog
from tasks.catalog.task_type import TaskType
from tasks.models import Task
from tasks.reasons import Reason
from tasks.runner.values import ADDED_MASKS
from tasks.secrets.encryption import SecretKeyChanged, opened


class CannotRun(Exception):
    """A task can't run as it was accepted."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(str(reason))


class Accepted(NamedTuple):
    """A task's type, the values of its parameters, secret ones too, and the secrets
    that its steps named before it waited for an approval."""

    kind: TaskType
    values: Mapping[str, str]
    masks: tuple[str, ...] = ()


def accepted(task: Task) -> Accepted:
    """Return what a task runs as. Raises CannotRun.

    Today's file has a say only where it is not older than the one by which the task
    was accepted: while an update is under way, a runner may still have the old one.
    """
    today = catalog().get(task.type)
    accepted_at = task.types_changed_at
    has_a_say = accepted_at is None or catalog().changed_at >= accepted_at
    if today is None and has_a_say:
        there = ", ".join(sorted(catalog()))
        raise CannotRun(Reason("unknown-task-type", name=task.type, names=there))
    kind, secrets = _stored_type(task) or today, _secrets(task)
    masks = tuple(json.loads(secrets.pop(ADDED_MASKS, "[]")))
    if kind is None:
        raise CannotRun(Reason("unknown-task-type", name=task.type))
    values = {**task.params, **secrets}
    if today is not None and has_a_say:
        _check(today, values)
    return Accepted(_with_secrets(kind, secrets), values, masks)


def _stored_type(task: Task) -> TaskType | None:
    try:
        return stored_type(task)
    except UnknownDefinition as error:
        raise CannotRun(Reason("definition-not-understood")) from error


def _secrets(task: Task) -> dict[str, str]:
    try:
        return opened(task.pk, task.secret_values)
    except SecretKeyChanged as error:
        raise CannotRun(Reason("secrets-unreadable")) from error


def _check(today: TaskType, values: Mapping[str, str]) -> None:
    """Refuse a value that today's parameter of the same name refuses: a choice that
    was taken away is not to run any more."""
    for parameter in today.params:
        value = values.get(parameter.name)
        problem = None if value is None else parameter.problem(value)
        if problem:
            name = parameter.name
            reason = Reason("parameter-refused", parameter=name, reason=problem)
            raise CannotRun(reason)


def _with_secrets(kind: TaskType, names: Mapping[str, str]) -> TaskType:
    """Return the type with what was encrypted known as secret, whatever it says: tasks
    from before have today's type, where a parameter may not be secret any more."""
    params = tuple(
        replace(parameter, secret=parameter.secret or parameter.name in names)
        for parameter in kind.params
    )
    return replace(kind, params=params)
