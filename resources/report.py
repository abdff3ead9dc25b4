"""What a command says: lines on stdout, progress, counts and one line of error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import TextIO

PROGRESS_INTERVAL = 1.0  # seconds between two progress lines


def size_text(size: int) -> str:
    """Write a size in bytes for people, in powers of 1,000.

    >>> size_text(0), size_text(999), size_text(4_100_000)
    ('0 B', '999 B', '4.1 MB')
    """
    if size < 1000:
        return f"{size} B"
    units = ("kB", "MB", "GB", "TB")
    value = size / 1000
    unit = 0
    while value >= 999.95 and unit < len(units) - 1:
        value /= 1000
        unit += 1
    return f"{value:.1f} {units[unit]}"


def counted(number: int, noun: str) -> str:
    """Write a number with its noun.

    >>> counted(1, "upload"), counted(12, "upload")
    ('1 upload', '12 uploads')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Report:
    """Writes a command's output, every line at once.

    Parameters: ``progress`` writes ``::progress::PERCENT`` lines; ``outputs`` writes
    ``::set-output name=KEY::VALUE`` lines. Both are workflow commands for a program
    that started the engine, and are not meant for people. ``lines`` off silences the
    command's own lines. ``objects`` is where everything is written as JSON as well,
    one object a line; docs/reference/releases.md has their keys.
    """

    def __init__(
        self,
        *,
        progress: bool,
        outputs: bool,
        lines: bool = True,
        objects: TextIO | None = None,
    ) -> None:
        self._lines = lines
        self._progress = progress
        self._outputs = outputs
        self._total = 0
        self._done = 0
        self._percent = 0
        self._next_at = time.monotonic() + PROGRESS_INTERVAL
        self._objects = objects
        self._counts: dict[str, int] = {}
        self._platforms: dict[str, dict[str, str | float | None]] = {}

    def line(self, text: str) -> None:
        """Write one line; what could end a line or hide text is escaped."""
        if self._lines:
            print(printable(text), flush=True)
        self._write("line", text=text)

    def failure(self, text: str) -> None:
        """Write a line that says that something is wrong; a program that started the
        engine is told so, in the form of a workflow command."""
        self.line(f"::error::{text}" if self._outputs else text)

    def warning(self, text: str) -> None:
        """Write a line about what is wrong and stops nothing; see ``failure``."""
        self.warn(text, f"warning: {text}")

    def warn(self, text: str, plain: str) -> None:
        """Write a line as a warning for a program, and as ``plain`` for people."""
        marked = text.replace("%", "%25")  # or "%0A" in a name would be a line end
        self.line(f"::warning::{marked}" if self._outputs else plain)

    def error(self, text: str) -> None:
        """Write the one line that says why the command failed, on stderr."""
        shown = printable(text)
        marked = f"::error::{shown}" if self._outputs else f"error: {shown}"
        print(marked, file=sys.stderr, flush=True)
        self._write("error", text=text)

    def expect(self, units: int) -> None:
        """Say how much work there is; ``advance`` counts the same units."""
        self._total += units

    def advance(self, units: int) -> None:
        """Count work as done; at most one progress line a second, never lower, and
        none for the end, which the exit code says."""
        self._done += units
        if not self._total or not (self._progress or self._objects):
            return
        now = time.monotonic()
        percent = 100 * self._done // self._total
        if self._percent < percent < 100 and now >= self._next_at:
            self._percent = percent
            self._next_at = now + PROGRESS_INTERVAL
            if self._progress:
                print(f"::progress::{percent}", flush=True)
            self._write("progress", percent=percent)

    def count(self, platform: str, name: str, number: int) -> None:
        """Add to one of a platform's counts (e.g. ``filesChecked``), and to the
        command's."""
        self._counts[name] = self._counts.get(name, 0) + number
        details = self._platforms.setdefault(platform, {})
        before = details.get(name)
        details[name] = number + (before if isinstance(before, int) else 0)

    def note(self, platform: str, **details: str | float | None) -> None:
        """Say something about a platform that is no count (e.g. ``version``), or that
        has no sum over all of them (e.g. ``serial``)."""
        self._platforms.setdefault(platform, {}).update(details)

    def tell(self, kind: str, values: Mapping[str, object]) -> None:
        """Write an object that only programs read."""
        self._write(kind, **values)

    def finish(self, exit_code: int) -> None:
        """Write counts and details, when a program asked for them."""
        if self._outputs:
            for name, number in self._counts.items():
                print(f"::set-output name={name}::{number}", flush=True)
            for platform, details in self._platforms.items():
                text = json.dumps(details)
                print(f"::set-output name={platform},type=json::{text}", flush=True)
        self._write(
            "result",
            exitCode=exit_code,
            counts=self._counts,
            platforms=self._platforms,
        )

    def _write(self, kind: str, **values: object) -> None:
        if self._objects is not None:
            print(json.dumps({"type": kind, **values}), file=self._objects, flush=True)


def printable(text: str) -> str:
    r"""Escape what could end a line, hide text or speak to a terminal.

    A backslash is doubled, so that no two texts look the same.

    >>> print(printable("a\nb\x1b[2J"))
    a\nb\x1b[2J
    """
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(
        char if char.isprintable() and char != "\\" else _escape(char) for char in text
    )


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
