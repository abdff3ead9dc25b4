"""What a kind of task is: its parameters, its steps, its command lines.

A parameter becomes part of an argument, never a second one: commands are lists and
no shell is ever involved.
"""

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

MAX_PARAMETER_LENGTH = 1000  # characters
PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Without a pattern a value is any one line of text that can't pass for an option.
PLAIN_TEXT = r"(?!-)[^\x00-\x1f\x7f\ud800-\udfff]+"
NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")  # no database and no program takes these
MASK = "***"
STOP_GRACE_SECONDS = 10.0


class ParameterErrors(Exception):
    """What is wrong with a request's parameters: field to messages."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        self.errors = dict(errors)
        super().__init__("; ".join(f"{k}: {v[0]}" for k, v in self.errors.items()))


@dataclass(frozen=True)
class Parameter:
    name: str
    title: str
    pattern: str | None = None
    required: bool = True
    default: str | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    description: str = ""

    def problem(self, value: object) -> str | None:
        """One sentence on what is wrong with a value, or None."""
        if not isinstance(value, str):
            return _("It must be a text (a JSON string).")
        if len(value) > MAX_PARAMETER_LENGTH:
            return _("It is too long: at most %(limit)s characters.") % {
                "limit": MAX_PARAMETER_LENGTH
            }
        if self.choices:
            if value not in self.choices:
                return _("It must be one of: %(choices)s.") % {
                    "choices": ", ".join(self.choices)
                }
        elif not re.fullmatch(self.pattern or PLAIN_TEXT, value) or NO_TEXT.search(
            value
        ):
            if self.pattern is None:
                return _("It must be one line of text that does not start with “-”.")
            return _("It must match the pattern %(pattern)s.") % {
                "pattern": self.pattern
            }
        return None

    def schema(self) -> dict[str, Any]:
        """The parameter as JSON Schema (draft 2020-12)."""
        schema: dict[str, Any] = {
            "type": "string",
            "title": self.title,
            "maxLength": MAX_PARAMETER_LENGTH,
        }
        if self.description:
            schema["description"] = self.description
        if self.choices:
            schema["enum"] = list(self.choices)
        elif self.pattern:
            schema["pattern"] = f"^(?:{self.pattern})$"
        if self.default is not None:
            schema["default"] = self.default
        if self.secret:
            schema["writeOnly"] = True
        return schema


@dataclass(frozen=True)
class Step:
    name: str
    command: tuple[str, ...]
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    weight: float = 1.0
    timeout_seconds: float | None = None
    stall_seconds: float | None = None
    progress_pattern: re.Pattern[str] | None = None
    pty: bool = False
    user: str | None = None
    retries: int = 0
    continue_on_error: bool = False

    def argv(self, values: Mapping[str, str]) -> list[str]:
        """The program and its arguments for these parameter values."""
        return [fill(part, values) for part in self.command]

    def shown(self, values: Mapping[str, str]) -> str:
        """The command as people read it, quoted as a shell would want it."""
        return shlex.join(self.argv({**values, "python": "python"}))


@dataclass(frozen=True)
class TaskType:
    name: str
    title: str
    description: str
    params: tuple[Parameter, ...]
    steps: tuple[Step, ...]
    timeout_seconds: float | None = None
    lock: str | None = None
    max_running: int | None = None  # tasks of this type at a time
    idempotent: bool = False
    hidden: bool = False
    confirm: bool = False
    stop_grace_seconds: float = STOP_GRACE_SECONDS
    stall_seconds: float | None = None
    max_log_lines: int | None = None
    max_log_bytes: int | None = None
    on_log_limit: str = "fail"
    env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None

    @property
    def limits_log(self) -> bool:
        return self.max_log_lines is not None or self.max_log_bytes is not None

    def validated(self, given: Mapping[str, object]) -> dict[str, str]:
        """The parameters with defaults filled in.

        Raises ParameterErrors naming every field that is wrong, missing or unknown.
        """
        known = {parameter.name: parameter for parameter in self.params}
        errors: dict[str, list[str]] = {}
        values: dict[str, str] = {}
        for name in given:
            if name not in known:
                there = ", ".join(known) or _("none")
                errors[name] = [
                    _("There is no such parameter; there are: %(names)s.")
                    % {"names": there}
                ]
        for name, parameter in known.items():
            value = given.get(name, parameter.default)
            if value is None and name not in given:
                if parameter.required:
                    errors[name] = [_("It is required.")]
                continue
            if problem := parameter.problem(value):
                errors[name] = [problem]
            else:
                values[name] = str(value)
        if errors:
            raise ParameterErrors(errors)
        return values

    def schema(self) -> dict[str, Any]:
        """The parameters as one JSON Schema object."""
        return {
            "type": "object",
            "properties": {p.name: p.schema() for p in self.params},
            "required": [
                p.name for p in self.params if p.required and p.default is None
            ],
            "additionalProperties": False,
        }

    def placeholders(
        self, task_id: object, params: Mapping[str, str]
    ) -> dict[str, str]:
        """What ``{name}`` stands for in this type's commands."""
        return {
            **{parameter.name: "" for parameter in self.params},
            **params,
            "python": sys.executable,
            "project": str(settings.BASE_DIR),
            "task_id": str(task_id),
        }

    def lock_for(self, params: Mapping[str, str]) -> str | None:
        """The lock that a task with these parameters holds while it runs."""
        if self.lock is None:
            return None
        return fill(self.lock, {**{p.name: "" for p in self.params}, **params})

    def without_secrets(self, params: Mapping[str, str]) -> dict[str, str]:
        """The parameters as anybody may see them."""
        secret = {p.name for p in self.params if p.secret}
        return {k: MASK if k in secret else v for k, v in params.items()}


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values into ``{name}``; ``{{`` and ``}}`` are plain braces."""

    def one(match: re.Match[str]) -> str:
        return match[0][0] if match[1] is None else values[match[1]]

    return PLACEHOLDER.sub(one, template)
