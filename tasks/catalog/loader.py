"""The kinds of tasks there are, read and checked from ``task_types.toml`` and what an
installation has beside it.

What such a file may say is in docs/reference/task-types.md.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

from tasks.catalog.approvals import approval_step, groups_of
from tasks.catalog.freezes import FREEZE, RepeatingFreeze, freezes_of
from tasks.catalog.labels import labels_of
from tasks.catalog.patterns import Pattern, PatternError, compiled
from tasks.catalog.retention import retention_of
from tasks.catalog.schedules import check_names, schedules_of
from tasks.catalog.task_type import (
    STOP_GRACE_SECONDS,
    Parameter,
    Step,
    Suggestion,
    TaskType,
)
from tasks.catalog.toml_tables import CatalogError, Source, Table, Translations
from tasks.secrets.masking import LEAST_CHARACTERS

TYPE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
# What is done to several tasks has a type's place in the address.
TAKEN_NAMES = ("cancel", "rerun")
PARAMETER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,49}")
PLATFORM_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
PLACES = ("any", "source", "store")
TAKES_SUGGEST = '"versions", or a table: {versions = "store", platforms = ["ios"]}'
LOCK_ORDERS = ("fifo", "newest", "latest-only")
ON_LOG_LIMIT = ("fail", "cut")
MOST_RUNNING = 10_000  # a place has to fit into its column
MOST_COLUMNS = 10_000
TAKES_PTY = "true, false, or a size: {columns = 120, rows = 30}"
INTERPRETER = re.compile(
    r"(?:python|pypy|bash|sh|dash|zsh|ksh|fish|node|nodejs|deno|bun|ruby|perl|php|lua|"
    r"tclsh|Rscript|pwsh|powershell)[0-9.]*"
)
OPTIONS_WITH_A_VALUE = {"-X", "-W", "-o", "+o", "-O", "-r", "-I", "--require"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OWN_PLACEHOLDERS = ("python", "task_id", "project")
# What a request to start a task may say beside its parameters.
OVERRIDE_FREEZE = "overrideFreeze"
OWN_PARAMETERS = (*OWN_PLACEHOLDERS, OVERRIDE_FREEZE)


class Catalog(dict[str, TaskType]):
    """The task types of some files by their names.

    ``freezes``: those of their types that repeat. ``changed_at``: since when the files
    have been as they were read. By the inode's time, because copying a file may keep
    that of its content.
    """

    changed_at = datetime.min.replace(tzinfo=UTC)
    freezes: tuple[RepeatingFreeze, ...] = ()


def load(places: Path | Iterable[Path]) -> Catalog:
    """Read and check files of task types, and all ``*.toml`` of folders.

    Raises CatalogError, naming file, line and key, at the first thing that is wrong.
    """
    files = files_of(places)
    found, origins = Catalog(), dict[str, Source]()
    found.changed_at = changed_at([*listed(places), *files])
    sources = [Source(file) for file in files]
    for source in sources:
        found.freezes += freezes_of(source)
        for name in source.data:
            if name == FREEZE:
                continue
            if name in origins:
                raise defined_twice(name, origins[name], source)
            origins[name] = source
            found[name] = _task_type(Table(source, (name,), source.data[name]))
    if not found and not found.freezes:
        where = ", ".join(source.name for source in sources) or "TASK_TYPES_FILE"
        raise CatalogError(f"{where}: there is no task type in it.")
    check_names(found.values())
    return found


def listed(places: Path | Iterable[Path]) -> list[Path]:
    return [places] if isinstance(places, Path) else list(places)


def files_of(places: Path | Iterable[Path]) -> list[Path]:
    """Return the files that are named or lie in a folder that is, each once."""
    files: list[Path] = []
    for place in listed(places):
        if place == own_folder() and not place.exists():
            continue
        try:
            files += _in_folder(place) if place.is_dir() else [place]
        except OSError as error:
            raise CatalogError(
                f"{place}: it can't be read: {error.strerror}."
            ) from error
    return list(dict.fromkeys(files))


def _in_folder(folder: Path) -> list[Path]:
    # Not glob(), which finds nothing where it may not look.
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix == ".toml" and not path.name.startswith(".")
    )


def own_folder() -> Path:
    """Return the folder of an installation's own types, which it need not have."""
    return Path(settings.BASE_DIR) / "task_types.d"


def changed_at(paths: Iterable[Path]) -> datetime:
    """Return when the last of these was changed, a folder by what came or went."""
    times = (path.stat().st_ctime_ns for path in paths if path.exists())
    changed_ns = max(times, default=0)
    return EPOCH + timedelta(microseconds=changed_ns // 1000)


def defined_twice(name: str, first: Source, second: Source) -> CatalogError:
    return CatalogError(
        f"{name} is defined twice: in {first.path}, line {first.line_of((name,))}, and "
        f"in {second.path}, line {second.line_of((name,))}; give one another name."
    )


def _task_type(table: Table) -> TaskType:
    name = str(table.path[0])
    if not TYPE_NAME.fullmatch(name):
        raise table.wrong(None, "a name is small letters, digits and dashes")
    if name in TAKEN_NAMES:
        taken = f"a type can't be called so: POST /api/tasks/{name} is something else"
        raise table.wrong(None, taken)
    table.only(
        "title", "description", "timeout", "lock", "max_running", "params", "steps",
        "idempotent", "hidden", "confirm", "stop_grace", "stall_after",
        "max_log_lines", "max_log_bytes", "on_log_limit", "env", "user", "group",
        "allow", "approvers", "lock_order", "schedules", "labels",
        "retention",
    )  # fmt: skip
    texts: Translations = {}
    params_table = Table(table.source, (name, "params"), table.data.get("params", {}))
    params = tuple(
        _parameter(Table(table.source, (name, "params", key), value), texts)
        for key, value in params_table.data.items()
    )
    known = {*(p.name for p in params), *OWN_PLACEHOLDERS}
    who = groups_of(table, "approvers")
    steps = table.data.get("steps", [])
    if not isinstance(steps, list) or not steps:
        raise table.wrong("steps", "there must be at least one [[…steps]]")
    if steps[-1:] and isinstance(steps[-1], dict) and "approval" in steps[-1]:
        last = Table(table.source, (name, "steps", len(steps) - 1), steps[-1])
        raise last.wrong("approval", "it needs a step after it, which it lets run")
    lock = table.text("lock")
    table.check_placeholders("lock", lock or "", known - set(OWN_PLACEHOLDERS))
    kind = TaskType(
        name=name,
        title=table.local_text("title", name, texts),
        description=table.local_text("description", "", texts),
        params=params,
        steps=tuple(
            _step(Table(table.source, (name, "steps", index), step), known, texts, who)
            for index, step in enumerate(steps)
        ),
        timeout_seconds=table.seconds("timeout"),
        lock=lock,
        max_running=_max_running(table),
        labels=labels_of(table),
        idempotent=table.flag("idempotent"),
        hidden=table.flag("hidden"),
        confirm=table.flag("confirm"),
        allow=groups_of(table, "allow"),
        approvers=who,
        stop_grace_seconds=table.seconds("stop_grace") or STOP_GRACE_SECONDS,
        stall_seconds=table.seconds("stall_after"),
        max_log_lines=table.count("max_log_lines"),
        max_log_bytes=table.size_bytes("max_log_bytes"),
        on_log_limit=table.choice("on_log_limit", ON_LOG_LIMIT),
        env=table.env(known),
        user=table.text("user"),
        lock_order=_lock_order(table),
        group=table.local_text("group", "", texts),
        translations=texts,
        retention=retention_of(table),
    )
    return replace(kind, schedules=schedules_of(table, kind))


def _lock_order(table: Table) -> str:
    if "lock_order" in table.data and "lock" not in table.data:
        raise table.wrong("lock_order", "it needs a lock, in which it is the order")
    return table.choice("lock_order", LOCK_ORDERS)


def _max_running(table: Table) -> int | None:
    takes = f"a whole number from 1 to {MOST_RUNNING}"
    number: int | None = table.take("max_running", int, None, takes)
    if number is not None and not 1 <= number <= MOST_RUNNING:
        raise table.wrong("max_running", f"expected {takes}")
    return number


def _parameter(table: Table, texts: Translations) -> Parameter:
    name = str(table.path[-1])
    if not PARAMETER_NAME.fullmatch(name) or name in OWN_PARAMETERS:
        raise table.wrong(None, "a parameter's name is letters, digits and _")
    table.only(
        "title", "description", "pattern", "choices", "labels", "required", "default",
        "secret", "example", "suggest",
    )  # fmt: skip
    pattern = table.text("pattern")
    try:
        compiled(pattern or "")
    except PatternError as error:
        raise table.wrong("pattern", f"not a regular expression: {error}") from error
    parameter = Parameter(
        name=name,
        title=table.local_text("title", name, texts),
        pattern=pattern,
        required=table.flag("required", default=True),
        default=table.text("default"),
        choices=table.texts("choices"),
        labels=_labels(table, texts),
        secret=table.flag("secret"),
        description=table.local_text("description", "", texts),
        example=table.text("example", ""),
        suggestion=_suggestion(table),
    )
    for key in ("default", "example"):
        if key in table.data and parameter.problem(table.data[key]):
            raise table.wrong(key, "it is not a value that the parameter takes")
    if parameter.default is not None and parameter.is_too_short(parameter.default):
        least = f"a secret has at least {LEAST_CHARACTERS} characters"
        raise table.wrong("default", least)
    return parameter


def _labels(table: Table, texts: Translations) -> dict[str, str]:
    """Return what people read in place of some of the choices."""
    labels = Table(table.source, (*table.path, "labels"), table.data.get("labels", {}))
    choices = table.texts("choices")
    labels.only(*choices)
    return {choice: labels.local_text(choice, choice, texts) for choice in labels.data}


def _suggestion(table: Table) -> Suggestion | None:
    """Return what ``suggest`` says: what people are offered for the parameter."""
    given = table.data.get("suggest")
    if given is None:
        return None
    if table.data.get("choices"):
        raise table.wrong("suggest", "a parameter with choices offers those")
    if given == "versions":
        return Suggestion()
    if not isinstance(given, dict) or "versions" not in given:
        raise table.wrong("suggest", f"expected {TAKES_SUGGEST}")
    suggest = Table(table.source, (*table.path, "suggest"), given)
    suggest.only("versions", "platforms")
    platforms = suggest.texts("platforms")
    for name in platforms:
        if not PLATFORM_NAME.fullmatch(name):
            raise suggest.wrong("platforms", f'"{name}" can\'t name a platform')
    return Suggestion(suggest.choice("versions", PLACES), platforms)


def _step(
    table: Table, known: set[str], texts: Translations, approvers: tuple[str, ...]
) -> Step:
    if "approval" in table.data:
        return approval_step(table, known, texts, approvers)
    table.only(
        "name", "command", "cwd", "env", "weight", "timeout", "retries",
        "continue_on_error", "stall_after", "progress_pattern", "pty", "user",
        "approval",
    )  # fmt: skip
    command = table.texts("command")
    if not command or not command[0]:
        raise table.wrong("command", "expected a list: the program and its arguments")
    cwd = table.text("cwd")
    for key, part in [*(("command", part) for part in command), ("cwd", cwd or "")]:
        table.check_placeholders(key, part, known)
    weight = table.take("weight", int | float, 1, "a number above 0")  # type: ignore[arg-type]
    if weight <= 0:
        raise table.wrong("weight", "expected a number above 0")
    retries = table.take("retries", int, 0, "a whole number from 0 to 10")
    if not 0 <= retries <= 10:
        raise table.wrong("retries", "expected a whole number from 0 to 10")
    return Step(
        name=table.local_text("name", name_of(command), texts)[:200],
        command=command,
        cwd=cwd,
        env=table.env(known),
        weight=float(weight),
        timeout_seconds=table.seconds("timeout"),
        retries=retries,
        continue_on_error=table.flag("continue_on_error"),
        stall_seconds=table.seconds("stall_after"),
        progress_pattern=_progress_pattern(table),
        **_terminal(table),
        user=table.text("user"),
    )


def _terminal(table: Table) -> dict[str, Any]:
    """Return what ``pty`` says: true, false, or a terminal's size."""
    if not isinstance(table.data.get("pty", False), dict):
        return {"pty": table.take("pty", bool, False, TAKES_PTY)}
    size = Table(table.source, (*table.path, "pty"), table.data["pty"])
    size.only("columns", "rows")
    found = {key: size.count(key) for key in size.data}
    for key, number in found.items():
        if number and number > MOST_COLUMNS:
            raise size.wrong(key, f"expected a whole number from 1 to {MOST_COLUMNS}")
    return {"pty": True, **found}


def name_of(command: Sequence[str]) -> str:
    """Return the name of a step that has none: the file name of its program, or of the
    script or module that an interpreter is to run."""
    program, *arguments = (file_name(part) for part in command)
    program = "python" if program == "{python}" else program
    if program == "env":
        named = [part for part in arguments if part[:1] != "-" and "=" not in part]
        return name_of(command[1 + arguments.index(named[0]) :]) if named else program
    if not INTERPRETER.fullmatch(program):
        return program
    rest = iter(arguments)
    for argument in rest:
        if argument in {"-c", "-e", "-"}:  # the script stands in the command line
            break
        if argument == "-m":
            return next(rest, program)
        if argument in OPTIONS_WITH_A_VALUE:
            next(rest, None)
        elif argument[:1] not in {"-", "+", ""}:
            return argument
    return program


def file_name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2] or path


def _progress_pattern(table: Table) -> Pattern | None:
    text = table.text("progress_pattern")
    if text is None:
        return None
    try:
        pattern = compiled(text)
    except PatternError as error:
        raise table.wrong(
            "progress_pattern", f"not a regular expression: {error}"
        ) from error
    if not ({"percent"} <= set(pattern.groupindex)) and not (
        {"done", "total"} <= set(pattern.groupindex)
    ):
        raise table.wrong(
            "progress_pattern",
            "expected a group (?P<percent>…), or two: (?P<done>…) and (?P<total>…)",
        )
    return pattern


@cache
def catalog() -> Catalog:
    """The task types of this process, read once from what TASK_TYPES_FILE names."""
    return load(settings.TASK_TYPES_FILE)
