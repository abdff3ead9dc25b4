"""A file of TOML, read table by table; what is wrong is named by file, line and key."""

import re
import tomllib
from pathlib import Path
from typing import Any

from django.conf import settings

from tasks.catalog.quantities import bytes_of, seconds_of
from tasks.catalog.task_type import PLACEHOLDER

ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


# Language code to English text to the text in that language.
Translations = dict[str, dict[str, str]]


class CatalogError(Exception):
    """The file can't be used; the message names file, line and key."""


class Table:
    """One table of the file, with a cursor that knows where it stands."""

    def __init__(self, source: "Source", path: tuple[str | int, ...], data: Any):
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
            raise self.wrong(key, f"expected {takes}")
        return value

    def text(self, key: str, default: str | None = None) -> Any:
        return self.take(key, str, default, "a string")

    def local_text(self, key: str, default: str, texts: "Translations") -> str:
        """Return a text for people in English, and add it in other languages to
        ``texts``: ``"Sync"``, or ``{en = "Sync", zh-hans = "同步"}``."""
        value = self.data.get(key, default)
        if not isinstance(value, dict):
            return str(self.text(key, default))
        table = Table(self.source, (*self.path, key), value)
        languages = [code for code, _ in settings.LANGUAGES]
        table.only(*languages)
        english = table.text("en")
        if english is None:
            raise table.wrong("en", "it is missing; expected a string")
        for language in value.keys() - {"en"}:
            texts.setdefault(language, {})[english] = table.text(language)
        return str(english)

    def flag(self, key: str, *, default: bool = False) -> bool:
        return bool(self.take(key, bool, default, "true or false"))

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.wrong(key, "expected a list of strings")
        return tuple(value)

    def seconds(self, key: str) -> float | None:
        raw = self.data.get(key)
        if raw is None:
            return None
        try:
            seconds = seconds_of(raw, units="smh") if isinstance(raw, str) else 0.0
        except ValueError:
            seconds = 0.0
        if seconds <= 0:
            raise self.wrong(key, 'expected a duration in s, m or h, e.g. "30m"')
        return seconds

    def count(self, key: str) -> int | None:
        number = self.take(key, int, None, "a whole number from 1")
        if number is not None and number < 1:
            raise self.wrong(key, "expected a whole number from 1")
        return number if number is None else int(number)

    def size_bytes(self, key: str) -> int | None:
        raw = self.data.get(key)
        if isinstance(raw, str):
            try:
                return bytes_of(raw)
            except ValueError as error:
                problem = 'expected bytes, or a size such as "64MiB"'
                raise self.wrong(key, problem) from error
        return self.count(key)

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = self.text(key, choices[0])
        if value not in choices:
            raise self.wrong(key, f"expected one of: {', '.join(choices)}")
        return str(value)

    def check_placeholders(self, key: str, text: str, known: set[str]) -> None:
        for match in PLACEHOLDER.finditer(text):
            if match[1] is not None and match[1] not in known:
                there = ", ".join(sorted(known))
                raise self.wrong(
                    key, f"{match[0]} is no parameter of this type; there are: {there}"
                )

    def env(self, known: set[str]) -> dict[str, str]:
        table = Table(self.source, (*self.path, "env"), self.data.get("env", {}))
        values: dict[str, str] = {key: table.text(key) for key in table.data}
        for key, value in values.items():
            if not ENV_NAME.fullmatch(key):
                raise table.wrong(key, "a variable's name is letters, digits and _")
            table.check_placeholders(key, value, known)
        return values


class Source:
    """A file's content, and where in it a key stands."""

    def __init__(self, path: Path) -> None:
        """Raises CatalogError where it can't be read."""
        self.path = path
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise CatalogError(f"{self.name}: it can't be read: {reason}.") from error
        self.lines = text.splitlines()
        try:
            self.data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            end = f"at line {len(self.lines) or 1}, the end of the file"
            problem = str(error).replace("at end of document", end)
            raise CatalogError(f"{self.name}: {problem}.") from error

    @property
    def name(self) -> str:
        """Return what people call it: its path in the project, or its file name."""
        if self.path.is_relative_to(settings.BASE_DIR):
            return str(self.path.relative_to(settings.BASE_DIR))
        return self.path.name

    def error(self, path: tuple[str | int, ...], problem: str) -> CatalogError:
        where = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in path
        )
        place = f"{self.name}, line {self.line_of(path)}"
        return CatalogError(": ".join(filter(None, [place, where[1:], problem])) + ".")

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
                header = keys_of(found[2])
                if found[1] == "[[":
                    counts[header] = index = counts.get(header, -1) + 1
                here = header
            elif found := re.match(r"\s*([^\s=#\[{][^=]*?)\s*=", line):
                here = (*header, *keys_of(found[1]))
            else:
                continue
            in_array = header in counts and wanted[: len(header)] == header
            if in_array and indices and indices[0] != index:
                continue
            if wanted[: len(here)] == here and len(here) > best_depth:
                best, best_depth = number, len(here)
        return best


def keys_of(dotted: str) -> tuple[str, ...]:
    return tuple(
        part.strip().strip("\"'")
        for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.]+", dotted)
    )
