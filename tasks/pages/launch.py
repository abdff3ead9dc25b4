"""The forms that start a task, made from the types' parameter schemas."""

from dataclasses import dataclass
from typing import Any

from tasks.catalog import catalog
from tasks.task_types import TaskType


@dataclass(frozen=True)
class Field:
    """One input of a launch form."""

    name: str
    schema: dict[str, Any]
    required: bool
    value: str
    errors: list[str]

    pattern: str | None = None  # as people read it; the schema's is anchored

    @property
    def is_secret(self) -> bool:
        return bool(self.schema.get("writeOnly"))


@dataclass(frozen=True)
class LaunchForm:
    """One task type's form, made from its parameter schema."""

    kind: TaskType
    fields: list[Field]
    is_chosen: bool


def launch_forms(
    chosen: str, given: dict[str, str], errors: dict[str, list[str]]
) -> list[LaunchForm]:
    """A form for each type that is not hidden; the chosen one's carries values."""
    kinds = [kind for kind in catalog().values() if not kind.hidden]
    if chosen not in {kind.name for kind in kinds} and kinds:
        chosen = kinds[0].name
    return [
        LaunchForm(kind, _fields(kind, given, errors), kind.name == chosen)
        if kind.name == chosen
        else LaunchForm(kind, _fields(kind, given, {}), is_chosen=False)
        for kind in kinds
    ]


def _fields(
    kind: TaskType, given: dict[str, str], errors: dict[str, list[str]]
) -> list[Field]:
    required = kind.schema()["required"]
    return [
        Field(
            name=parameter.name,
            schema=parameter.schema(),
            required=parameter.name in required,
            # A secret never comes back into a page.
            value=""
            if parameter.secret
            else given.get(parameter.name, parameter.default or ""),
            errors=errors.get(parameter.name, []),
            pattern=None if parameter.choices else parameter.pattern,
        )
        for parameter in kind.params
    ]
