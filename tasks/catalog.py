"""The kinds of tasks there are, read and checked from ``task_types.toml``.

What the file may say is in docs/reference/task-types.md.
"""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from tasks.task_types import (
    PLACEHOLDER,
    STOP_GRACE_SECONDS,
    Parameter,
    Step,
    TaskType,
)

TYPE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
PARAMETER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,49}")
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|m|h)")
SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
SIZE = re.compile(r"([1-9][0-9]*)(KiB|MiB|GiB)")
BYTES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
ON_LOG_LIMIT = ("fail", "cut")
MOST_RUNNING = 10_000  # a place has to fit into its column
OWN_PLACEHOLDERS = ("python", "task_id", "project")


class CatalogError(Exception):
    """The file can't be used; the message names file, line and key."""


class _Table:
    """One table of the file, with a cursor that knows where it stands."""

    def __init__(self, source: "_Source", path: tuple[str | int, ...], data: Any):
        self.source, self.path = source, path
        if not isinstance(data, dict):
            raise source.error(path, "it must be a table")
        self.data: dict[str, Any] = data

    def wrong(self, key: str | None, problem: str) -> CatalogError:
        return self.source.error((*self.path, *([key] if key else [])), problem)

    def only(self, *keys: str) -> None:
        for key in self.data:
            if key not in keys:
                raise self.wrong(key, f"unknown key; there are: {', '.join(keys)}")

    def take(self, key: str, kind: type, default: Any, takes: str) -> Any:
        value = self.data.get(key, default)
        is_wrong_bool = isinstance(value, bool) and kind is not bool
        if value is not default and (not isinstance(value, kind) or is_wrong_bool):
            raise self.wrong(key, f"it takes {takes}")
        return value

    def text(self, key: str, default: str | None = None) -> Any:
        return self.take(key, str, default, "a text")

    def flag(self, key: str, *, default: bool = False) -> bool:
        return bool(self.take(key, bool, default, "true or false"))

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.wrong(key, "it takes a list of texts")
        return tuple(value)

    def seconds(self, key: str) -> float | None:
        raw = self.data.get(key)
        if raw is None:
            return None
        match = DURATION.fullmatch(raw) if isinstance(raw, str) else None
        if not match or float(match[1]) <= 0:
            raise self.wrong(key, 'it takes a duration in s, m or h, e.g. "30m"')
        return float(match[1]) * SECONDS[match[2]]

    def count(self, key: str) -> int | None:
        number = self.take(key, int, None, "a whole number from 1")
        if number is not None and number < 1:
            raise self.wrong(key, "it takes a whole number from 1")
        return number if number is None else int(number)

    def size_bytes(self, key: str) -> int | None:
        raw = self.data.get(key)
        if isinstance(raw, str):
            if match := SIZE.fullmatch(raw):
                return int(match[1]) * BYTES[match[2]]
            raise self.wrong(key, 'it takes bytes, or a size such as "64MiB"')
        return self.count(key)

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = self.text(key, choices[0])
        if value not in choices:
            raise self.wrong(key, f"it takes one of: {', '.join(choices)}")
        return str(value)

    def env(self, known: set[str]) -> dict[str, str]:
        table = _Table(self.source, (*self.path, "env"), self.data.get("env", {}))
        values: dict[str, str] = {key: table.text(key) for key in table.data}
        for key, value in values.items():
            if not ENV_NAME.fullmatch(key):
                raise table.wrong(key, "a variable's name is letters, digits and _")
            _check_placeholders(table, key, value, known)
        return values


class _Source:
    """The file's text, to find the line of a key."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.lines = path, text.splitlines()

    def error(self, path: tuple[str | int, ...], problem: str) -> CatalogError:
        where = ".".join(str(part) for part in path if not isinstance(part, int))
        return CatalogError(
            f"{self.path.name}, line {self.line_of(path)}: {where}: {problem}."
        )

    def line_of(self, path: tuple[str | int, ...]) -> int:
        """The line of a key, or of the nearest table around it."""
        header: tuple[str, ...] = ()
        counts: dict[tuple[str, ...], int] = {}
        index = 0
        best, best_depth = 1, 0
        wanted = tuple(part for part in path if not isinstance(part, int))
        indices = [part for part in path if isinstance(part, int)]
        for number, line in enumerate(self.lines, 1):
            if found := re.match(r"\s*(\[{1,2})\s*([^\[\]]+?)\s*\]{1,2}", line):
                header = _keys(found[2])
                if found[1] == "[[":
                    counts[header] = index = counts.get(header, -1) + 1
                here = header
            elif found := re.match(r"\s*([^\s=#\[{][^=]*?)\s*=", line):
                here = (*header, *_keys(found[1]))
            else:
                continue
            in_array = header in counts and wanted[: len(header)] == header
            if in_array and indices and indices[0] != index:
                continue
            if wanted[: len(here)] == here and len(here) > best_depth:
                best, best_depth = number, len(here)
        return best


def _keys(dotted: str) -> tuple[str, ...]:
    return tuple(
        part.strip().strip("\"'")
        for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.]+", dotted)
    )


def load(path: Path) -> dict[str, TaskType]:
    """Read and check a file of task types.

    Raises CatalogError, naming line and key, at the first thing that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise CatalogError(f"{path.name}: it can't be read: {reason}.") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        end = f"at line {len(text.splitlines()) or 1}, the end of the file"
        problem = str(error).replace("at end of document", end)
        raise CatalogError(f"{path.name}: {problem}.") from error
    source = _Source(path, text)
    if not data:
        raise source.error((), "there is no task type in it")
    return {name: _task_type(_Table(source, (name,), data[name])) for name in data}


def _task_type(table: _Table) -> TaskType:
    name = str(table.path[0])
    if not TYPE_NAME.fullmatch(name):
        raise table.wrong(None, "a name is small letters, digits and dashes")
    table.only(
        "title", "description", "timeout", "lock", "max_running", "params", "steps",
        "idempotent", "hidden", "confirm", "stop_grace", "stall_after",
        "max_log_lines", "max_log_bytes", "on_log_limit", "env", "user",
    )  # fmt: skip
    params_table = _Table(table.source, (name, "params"), table.data.get("params", {}))
    params = tuple(
        _parameter(_Table(table.source, (name, "params", key), value))
        for key, value in params_table.data.items()
    )
    known = {*(p.name for p in params), *OWN_PLACEHOLDERS}
    steps = table.data.get("steps", [])
    if not isinstance(steps, list) or not steps:
        raise table.wrong("steps", "there must be at least one [[…steps]]")
    lock = table.text("lock")
    _check_placeholders(table, "lock", lock or "", known - set(OWN_PLACEHOLDERS))
    return TaskType(
        name=name,
        title=table.text("title", name),
        description=table.text("description", ""),
        params=params,
        steps=tuple(
            _step(_Table(table.source, (name, "steps", index), step), known)
            for index, step in enumerate(steps)
        ),
        timeout_seconds=table.seconds("timeout"),
        lock=lock,
        max_running=_max_running(table),
        idempotent=table.flag("idempotent"),
        hidden=table.flag("hidden"),
        confirm=table.flag("confirm"),
        stop_grace_seconds=table.seconds("stop_grace") or STOP_GRACE_SECONDS,
        stall_seconds=table.seconds("stall_after"),
        max_log_lines=table.count("max_log_lines"),
        max_log_bytes=table.size_bytes("max_log_bytes"),
        on_log_limit=table.choice("on_log_limit", ON_LOG_LIMIT),
        env=table.env(known),
        user=table.text("user"),
    )


def _max_running(table: _Table) -> int | None:
    takes = f"a whole number from 1 to {MOST_RUNNING}"
    number: int | None = table.take("max_running", int, None, takes)
    if number is not None and not 1 <= number <= MOST_RUNNING:
        raise table.wrong("max_running", f"it takes {takes}")
    return number


def _parameter(table: _Table) -> Parameter:
    name = str(table.path[-1])
    if not PARAMETER_NAME.fullmatch(name) or name in OWN_PLACEHOLDERS:
        raise table.wrong(None, "a parameter's name is letters, digits and _")
    table.only(
        "title", "description", "pattern", "choices", "required", "default", "secret",
    )  # fmt: skip
    pattern = table.text("pattern")
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise table.wrong("pattern", f"not a regular expression: {error}") from error
    parameter = Parameter(
        name=name,
        title=table.text("title", name),
        pattern=pattern,
        required=table.flag("required", default=True),
        default=table.text("default"),
        choices=table.texts("choices"),
        secret=table.flag("secret"),
        description=table.text("description", ""),
    )
    if parameter.default is not None and parameter.problem(parameter.default):
        raise table.wrong("default", "it is not a value that the parameter takes")
    return parameter


def _step(table: _Table, known: set[str]) -> Step:
    table.only(
        "name", "command", "cwd", "env", "weight", "timeout", "retries",
        "continue_on_error", "stall_after", "progress_pattern", "pty", "user",
    )  # fmt: skip
    command = table.texts("command")
    if not command or not command[0]:
        raise table.wrong("command", "it takes a list: the program and its arguments")
    cwd = table.text("cwd")
    for key, part in [*(("command", part) for part in command), ("cwd", cwd or "")]:
        _check_placeholders(table, key, part, known)
    weight = table.take("weight", int | float, 1, "a number above 0")  # type: ignore[arg-type]
    if weight <= 0:
        raise table.wrong("weight", "it takes a number above 0")
    retries = table.take("retries", int, 0, "a whole number from 0 to 10")
    if not 0 <= retries <= 10:
        raise table.wrong("retries", "it takes a whole number from 0 to 10")
    return Step(
        name=table.text("name", command[0])[:200],
        command=command,
        cwd=cwd,
        env=table.env(known),
        weight=float(weight),
        timeout_seconds=table.seconds("timeout"),
        retries=retries,
        continue_on_error=table.flag("continue_on_error"),
        stall_seconds=table.seconds("stall_after"),
        progress_pattern=_progress_pattern(table),
        pty=table.flag("pty"),
        user=table.text("user"),
    )


def _progress_pattern(table: _Table) -> re.Pattern[str] | None:
    text = table.text("progress_pattern")
    if text is None:
        return None
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise table.wrong(
            "progress_pattern", f"not a regular expression: {error}"
        ) from error
    if not ({"percent"} <= set(pattern.groupindex)) and not (
        {"done", "total"} <= set(pattern.groupindex)
    ):
        raise table.wrong(
            "progress_pattern",
            "it takes a group (?P<percent>…), or two: (?P<done>…) and (?P<total>…)",
        )
    return pattern


def _check_placeholders(table: _Table, key: str, text: str, known: set[str]) -> None:
    for match in PLACEHOLDER.finditer(text):
        if match[1] is not None and match[1] not in known:
            there = ", ".join(sorted(known))
            raise table.wrong(
                key, f"{match[0]} is no parameter of this type; there are: {there}"
            )


@cache
def catalog() -> dict[str, TaskType]:
    """The task types of this process, read once from TASK_TYPES_FILE."""
    return load(settings.TASK_TYPES_FILE)
