"""What a terminal shows: harmless text, colours, and a bar below the lines."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
import unicodedata
from typing import Any, TextIO

COLOURS = re.compile(r"\x1b\[[0-9;:]*m")
CONCEAL = "8"  # the one colour that hides what follows
# A terminal obeys what is written to it. Controls (C0 but the tab, DEL, C1), line
# separators, and what turns the direction of a text are shown as what they are.
UNSAFE = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)
CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
REDRAW_SECONDS = 0.1
BAR_WIDTH = 20


def printable(text: str, *, colours: bool) -> str:
    """Return a text of one line that a terminal only shows."""
    parts, end = [], 0
    for found in COLOURS.finditer(text):
        parts.append(escaped(text[end : found.start()]))
        if colours and CONCEAL not in re.split("[;:]", found[0][2:-1]):
            parts.append(found[0])
        end = found.end()
    parts.append(escaped(text[end:]))
    is_coloured = any(part.startswith("\x1b") for part in parts)
    return "".join(parts) + ("\x1b[0m" if is_coloured else "")


def escaped(text: str) -> str:
    return UNSAFE.sub(lambda found: repr(found[0])[1:-1], text)


def width(text: str) -> int:
    """Return how many columns a text takes; Chinese characters take two."""
    return sum(1 + (unicodedata.east_asian_width(one) in "WF") for one in text)


def cut(text: str, columns: int) -> str:
    """Return as much of a text as fits."""
    while width(text) > columns:
        text = text[:-1]
    return text


def is_coloured(stream: TextIO) -> bool:
    """Return whether to colour: a terminal, and nobody said no (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


class Screen:
    """Standard output for what was asked for, standard error for all else."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.colours = is_coloured(sys.stdout) and not as_json
        self._has_bar = sys.stderr.isatty() and not as_json
        self._bar = ""
        self._drawn_at = 0.0

    def paint(self, text: str, *names: str) -> str:
        """Return a harmless text in these colours, where there are any."""
        codes = ";".join(CODES[name] for name in names)
        text = printable(text, colours=False)
        return f"\x1b[{codes}m{text}\x1b[0m" if self.colours and codes else text

    def say(self, text: str) -> None:
        """Write a line to standard output; its parts are harmless already."""
        self._clear()
        print(text, flush=True)
        self._draw(force=False)

    def say_foreign(self, text: str) -> None:
        """Write a line that may hold anything."""
        self.say(printable(text, colours=self.colours))

    def say_json(self, value: Any) -> None:
        text = json.dumps(value, ensure_ascii=False)
        print(UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text), flush=True)

    def note(self, text: str) -> None:
        """Write a line to standard error, for people."""
        self._clear()
        print(printable(text, colours=False), file=sys.stderr, flush=True)
        self._draw(force=True)

    def table(self, heads: list[str], rows: list[list[str]]) -> None:
        """Write rows in columns; a status has its colour."""
        shown = [[escaped(cell) for cell in row] for row in [heads, *rows]]
        widths = [max(map(width, column)) for column in zip(*shown)]
        for number, row in enumerate(shown):
            cells = []
            for cell, columns in zip(row, widths):
                names = ("bold",) if not number else STATUS_COLOURS.get(cell, ())
                cells.append(self.paint(cell, *names) + " " * (columns - width(cell)))
            self.say("  ".join(cells).rstrip())

    # --- The bar ----------------------------------------------------------------------

    def progress(self, percent: int, words: str) -> None:
        """Show how far a task is, below the lines."""
        done = round(BAR_WIDTH * percent / 100)
        bar = "█" * done + "░" * (BAR_WIDTH - done)
        self._bar = f"{bar} {percent:3} %  {escaped(words)}"
        self._draw(force=True)

    def end_progress(self) -> None:
        self._clear()
        self._bar = ""

    def _draw(self, *, force: bool) -> None:
        now = time.monotonic()
        is_due = force or now - self._drawn_at > REDRAW_SECONDS
        if self._has_bar and self._bar and is_due:
            columns = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{cut(self._bar, columns)}")
            sys.stderr.flush()
            self._drawn_at = now

    def _clear(self) -> None:
        if self._has_bar and self._bar:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn_at = 0.0


STATUS_COLOURS: dict[str, tuple[str, ...]] = {
    "completed": ("green",),
    "failed": ("red",),
    "cancelled": ("yellow",),
    "running": ("bold",),
    "blocked": ("yellow",),
}
LEVEL_COLOURS: dict[str, tuple[str, ...]] = {
    "info": ("dim",),
    "success": ("green",),
    "warning": ("yellow",),
    "error": ("red", "bold"),
}
