"""What a kind of task is: its parameters, its steps, its command lines.

A parameter becomes part of an argument, never a second one: commands are lists and
no shell is ever involved.
"""

import hashlib
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from tasks.catalog.patterns import VALUE_SECONDS, Pattern, TooSlow, matches_whole
from tasks.localized import localized
from tasks.reasons import Reason
from tasks.secrets.encryption import digest_of
from tasks.secrets.masking import LEAST_CHARACTERS, MASK, is_long_enough

MAX_LOCK_LENGTH = 500  # characters, as its column has
MAX_PARAMETER_LENGTH = 1000  # characters
PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")
# Without a pattern a value is any one line of text that can't pass for an option.
PLAIN_TEXT = r"(?!-)[^\x00-\x1f\x7f\ud800-\udfff]+"
NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")  # no database and no program takes these
STOP_GRACE_SECONDS = 10.0
PTY_COLUMNS, PTY_ROWS = 120, 30  # a terminal's size, where nothing else is asked for
# What a shell takes as it is, and what stands for a secret.
UNQUOTED = re.compile(r"(?:[\w@%+=:,./-]|\*\*\*)+", re.ASCII)
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class NoValue(Exception):
    """A placeholder stands for a parameter that has no value."""

    def __init__(self, name: str) -> None:
        self.reason = Reason("parameter-without-value", parameter=name)
        super().__init__(str(self.reason))


class ParameterErrors(Exception):
    """What is wrong with a request's parameters: field to messages."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        self.errors = dict(errors)
        super().__init__("; ".join(f"{k}: {v[0]}" for k, v in self.errors.items()))


@dataclass(frozen=True)
class Suggestion:
    """Versions that people are offered for a parameter; any other may be given too.

    ``place``: where they have to lie, in the source, in the store, or in any of both;
    ``platforms``: of which, none for all.
    """

    place: str = "any"
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parameter:
    name: str
    title: str
    pattern: str | None = None
    required: bool = True
    default: str | None = None
    choices: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)  # of choices
    secret: bool = False
    description: str = ""
    example: str = ""
    suggestion: Suggestion | None = None

    def problem(self, value: object) -> Reason | None:
        """Return what is wrong with a value, or None."""
        if not isinstance(value, str):
            return Reason("not-a-string")
        if len(value) > MAX_PARAMETER_LENGTH:
            return Reason("too-long", limit=MAX_PARAMETER_LENGTH)
        if self.choices:
            if value not in self.choices:
                return Reason("not-a-choice", choices=", ".join(self.choices))
            return None
        pattern = self.pattern or PLAIN_TEXT
        try:
            fits = matches_whole(pattern, value)
        except TooSlow:
            return Reason("pattern-too-slow", pattern=pattern, seconds=VALUE_SECONDS)
        if not fits or NO_TEXT.search(value):
            if self.pattern is None:
                return Reason("not-plain-text")
            return Reason("pattern-mismatch", pattern=pattern)
        return None

    def is_too_short(self, value: str) -> bool:
        """Return whether it is secret, and a value could not be hidden."""
        return self.secret and not is_long_enough(value)

    def schema(self, local: Callable[[str], str] = str) -> dict[str, Any]:
        """The parameter as JSON Schema (draft 2020-12); of a secret without the
        default, which nobody is to see. ``local``: texts in the reader's language."""
        schema: dict[str, Any] = {
            "type": "string",
            "title": local(self.title),
            "maxLength": MAX_PARAMETER_LENGTH,
        }
        if self.description:
            schema["description"] = local(self.description)
        if self.choices:
            schema["enum"] = list(self.choices)
        elif self.pattern:
            schema["pattern"] = f"^(?:{self.pattern})$"
        if self.example:
            schema["examples"] = [self.example]
        if self.suggestion:
            schema["x-suggest"] = {
                "versions": self.suggestion.place,
                "platforms": list(self.suggestion.platforms),
            }
        if self.secret:
            schema |= {"writeOnly": True, "minLength": LEAST_CHARACTERS}
        elif self.default is not None:
            schema["default"] = self.default
        return schema


@dataclass(frozen=True)
class ApprovalWanted:
    """What a step has instead of a command: that somebody agrees.

    ``by``: the groups whose people decide; ``not_self``: never who started the task.
    """

    by: tuple[str, ...]
    not_self: bool = False
    timeout_seconds: float | None = None
    message: str = ""
    release_lock: bool = False


@dataclass(frozen=True)
class Step:
    name: str
    command: tuple[str, ...]  # nothing of a step that waits for an approval
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    weight: float = 1.0
    timeout_seconds: float | None = None
    stall_seconds: float | None = None
    progress_pattern: Pattern | None = None
    pty: bool = False
    columns: int = PTY_COLUMNS
    rows: int = PTY_ROWS
    user: str | None = None
    retries: int = 0
    continue_on_error: bool = False
    approval: ApprovalWanted | None = None

    def argv(self, values: Mapping[str, str]) -> list[str]:
        """The program and its arguments for these parameter values."""
        return [fill(part, values) for part in self.command]

    def shown(self, values: Mapping[str, str], hide: Callable[[str], str] = str) -> str:
        """Return the command as people read it, quoted as a shell would want it.

        ``hide``: takes secrets out of an argument, while they stand there as they are.
        """
        argv = self.argv({**values, "python": "python"})
        return " ".join(_quoted(hide(argument)) for argument in argv)


@dataclass(frozen=True)
class PlannedRuns:
    """One ``[[TYPE.schedules]]``: when a type starts by itself, and with what."""

    name: str
    cron: str
    timezone: str = "UTC"
    params: Mapping[str, str] = field(default_factory=dict)
    overlap: str = "skip"
    catch_up: str = "none"


@dataclass(frozen=True)
class Retention:
    """How long tasks are kept that have ended, by each of three limits: a number, 0 for
    no limit, or None where the settings' one holds."""

    count: int | None = None
    age_seconds: int | None = None
    size_bytes: int | None = None  # of their logs


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
    labels: tuple[str, ...] = ()  # that a runner has to have, each of them
    idempotent: bool = False
    hidden: bool = False
    confirm: bool = False
    allow: tuple[str, ...] = ()  # groups whose people start it, and besides admin none
    approvers: tuple[str, ...] = ()  # who decides, where a step does not say
    stop_grace_seconds: float = STOP_GRACE_SECONDS
    stall_seconds: float | None = None
    max_log_lines: int | None = None
    max_log_bytes: int | None = None
    on_log_limit: str = "fail"
    env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    lock_order: str = "fifo"
    group: str = ""  # the heading that the console lists it under
    # Language code to English text to the text in that language.
    translations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    schedules: tuple[PlannedRuns, ...] = ()
    retention: Retention = Retention()

    def local(self, text: str) -> str:
        """Return a title, a description or a step's name in the reader's language."""
        return self.translations.get(get_language() or "", {}).get(text, text)

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
                    errors[name] = [_("Required.")]
                continue
            if problem := parameter.problem(value):
                errors[name] = [localized(problem)]
            elif parameter.is_too_short(str(value)):
                text = _("It is secret, so it must have at least %(least)s characters.")
                errors[name] = [text % {"least": LEAST_CHARACTERS}]
            else:
                values[name] = str(value)
        if errors:
            raise ParameterErrors(errors)
        return values

    def confirmation(self, params: Mapping[str, str]) -> str:
        """Return what people type once more before it starts with these parameters:
        the version, or its name where there is none; "" where it does not ask."""
        if not self.confirm:
            return ""
        version = params.get("version", "")
        is_shown = "version" not in self.secrets(params)
        return version if version and is_shown else self.name

    def schema(self) -> dict[str, Any]:
        """The parameters as one JSON Schema object, in the reader's language."""
        return {
            "type": "object",
            "properties": {p.name: p.schema(self.local) for p in self.params},
            "required": [
                p.name for p in self.params if p.required and p.default is None
            ],
            "additionalProperties": False,
        }

    def placeholders(
        self, task_id: object, params: Mapping[str, str]
    ) -> dict[str, str]:
        """Return what ``{name}`` stands for in this type's commands: nothing, where
        the parameter may be left out, and has been."""
        return {
            **{p.name: "" for p in self.params if not p.required},
            **params,
            "python": sys.executable,
            "project": str(settings.BASE_DIR),
            "task_id": str(task_id),
        }

    def lock_for(self, params: Mapping[str, str]) -> str | None:
        """Return the lock that a task with these parameters holds while it runs. Of
        what is secret, and of what is longer than the column, it has a digest."""
        if self.lock is None:
            return None
        optional = {p.name: "" for p in self.params if not p.required}
        secrets = self.secrets(params)
        secret = {name: digest_of(value) for name, value in secrets.items()}
        lock = fill(self.lock, {**optional, **params, **secret})
        if len(lock) <= MAX_LOCK_LENGTH:
            return lock
        return hashlib.sha256(lock.encode()).hexdigest()

    def secrets(self, params: Mapping[str, str]) -> dict[str, str]:
        """Return those of the parameters that are secret."""
        names = {p.name for p in self.params if p.secret}
        return {name: value for name, value in params.items() if name in names}

    def without_secrets(self, params: Mapping[str, str]) -> dict[str, str]:
        """The parameters as anybody may see them."""
        return {**params, **dict.fromkeys(self.secrets(params), MASK)}


def _quoted(argument: str) -> str:
    """Return an argument as a shell reads it; always on one line, which bash and zsh
    take as ``$'…'``."""
    if CONTROLS.search(argument):
        text = re.sub(r"(['\\])", r"\\\1", argument)
        return f"$'{CONTROLS.sub(_escaped, text)}'"
    return argument if UNQUOTED.fullmatch(argument) else shlex.quote(argument)


def _escaped(control: re.Match[str]) -> str:
    return control[0].encode("unicode_escape").decode()


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return the template with values for each ``{name}``; ``{{`` and ``}}`` are plain
    braces. Raises NoValue: with nothing in its place, ``rm -rf /srv/{dir}/`` would be
    another command."""

    def one(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        if match[1] not in values:
            raise NoValue(match[1])
        return values[match[1]]

    return PLACEHOLDER.sub(one, template)
