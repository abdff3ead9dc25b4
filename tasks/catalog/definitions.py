"""Task types as they were when a task was accepted: stored with it, and what it runs
as, whatever the file says today."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from functools import lru_cache
from typing import Any

from tasks.catalog.loader import catalog
from tasks.catalog.patterns import compiled
from tasks.catalog.task_type import (
    ApprovalWanted,
    Parameter,
    Retention,
    Step,
    TaskType,
)
from tasks.models import Task, TaskDefinition

# Of the types in the file: making them takes 0.4 ms, and each start of a task asks.
_made: dict[str, tuple[TaskType, str, dict[str, Any]]] = {}


class UnknownDefinition(Exception):
    """A stored definition says what this version of the service does not know."""


def keep(kind: TaskType) -> str:
    """Store a type, where it is not stored yet. Return its digest."""
    known = _made.get(kind.name)
    if known is None or known[0] is not kind:
        content = content_of(kind)
        known = _made[kind.name] = (kind, digest_of(content), content)
    _, sha256, content = known
    TaskDefinition.objects.keep(sha256, content)
    return sha256


def digest_of(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a content's canonical JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def stored_type(task: Task) -> TaskType | None:
    """Return the type as a task was accepted with it; None where that was not stored,
    as of tasks from before. Raises UnknownDefinition."""
    return _stored(task.definition_id) if task.definition_id else None


def type_of(task: Task) -> TaskType | None:
    """Return the type as a task was accepted with it, or else as the file has it
    today; None where neither is known."""
    today = catalog().get(task.type)
    try:
        stored = stored_type(task)
    except UnknownDefinition:
        return today
    if stored and today and today.translations:
        return replace(stored, translations=today.translations)
    return stored or today


def secret_names(task: Task) -> set[str]:
    """Return the names of a task's parameters that are secret: those that were when it
    was accepted, and those that are today."""
    kinds = (type_of(task), catalog().get(task.type))
    return {p.name for kind in kinds if kind for p in kind.params if p.secret}


@lru_cache(maxsize=512)
def _stored(sha256: str) -> TaskType:
    # A content has one digest for ever, so this is never out of date.
    return type_from(TaskDefinition.objects.get(pk=sha256).content)


# --- JSON ---------------------------------------------------------------------------


def content_of(kind: TaskType) -> dict[str, Any]:
    """Return a type as JSON: what differs from the defaults, but no default of a
    secret, which is kept with the values of each task instead; and nothing that only
    its form, its schedules, its starters, the choice of a runner, its retention or a
    reader of another language need, who see today's."""
    params = tuple(map(_kept, kind.params))
    unneeded: dict[str, Any] = {"group": "", "allow": (), "approvers": ()}
    unneeded |= {"schedules": (), "labels": (), "retention": Retention()}
    kept = replace(kind, params=params, translations={}, **unneeded)
    content: dict[str, Any] = _json_of(kept)
    return content


def _kept(param: Parameter) -> Parameter:
    default = None if param.secret else param.default
    return replace(param, labels={}, example="", suggestion=None, default=default)


def type_from(content: Mapping[str, Any]) -> TaskType:
    """Return the type of a stored content. Raises UnknownDefinition."""
    try:
        values = _values(content)
        values["params"] = tuple(Parameter(**_values(p)) for p in content["params"])
        values["steps"] = tuple(_step(step) for step in content["steps"])
        return TaskType(**values)
    except (TypeError, KeyError, ValueError) as error:
        raise UnknownDefinition(str(error)) from error


def _step(content: Mapping[str, Any]) -> Step:
    values = _values(content)
    if pattern := values.get("progress_pattern"):
        values["progress_pattern"] = compiled(pattern)
    if approval := values.get("approval"):
        values["approval"] = ApprovalWanted(**_values(approval))
    return Step(**values)


def _values(content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in content.items()
    }


def _json_of(value: Any) -> Any:
    if is_dataclass(value):
        found = {field.name: getattr(value, field.name) for field in fields(value)}
        usual = {field.name: _default(field) for field in fields(value)}
        return {k: _json_of(v) for k, v in found.items() if v != usual[k]}
    if isinstance(value, Mapping):
        return {key: _json_of(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_json_of(item) for item in value]
    return getattr(value, "pattern", value)  # of a regular expression


def _default(field: "Field[Any]") -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return field.default
