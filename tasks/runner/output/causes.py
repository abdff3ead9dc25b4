"""Why a program failed, in its own words: found in the last lines of its output.

The forms are those in which Python, Node, Java, .NET, Ruby, Go and Rust print an error
that nobody caught.
"""

import re
import signal
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

MOST_LINES = 400  # a traceback begins within so many lines of the end
LONGEST = 1_000  # characters of a line that are looked at
LONGEST_SHOWN = 300

COLOURS = re.compile(r"\x1b\[[0-9;:]*[A-Za-z]")
PYTHON = "Traceback (most recent call last):"
GO = ("panic: ", "fatal error: ")
PLACE = re.compile(r":(?:line )?\d+$")
# Among the calls of Java ("... 3 more"), .NET ("--- End of …") and Rust ("4: main"),
# before those of Rust, and behind those of Node.
BETWEEN = re.compile(r"\s*(?:\.\.\.|---|\d+: )|stack backtrace:|Node\.js v\d")
WORDS = re.compile(r"\w")
# Those that a program brings upon itself; others are sent by somebody who need not care
# what it said last.
OWN_SIGNALS = {
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGSEGV,
    signal.SIGSYS,
    signal.SIGTRAP,
}


class Cause(NamedTuple):
    """A line of a log that says why its program failed."""

    seq: int
    message: str


class Output:
    """The last lines that a program printed."""

    def __init__(self) -> None:
        self._lines: deque[tuple[int, str, str]] = deque(maxlen=MOST_LINES)

    def take(self, lines: Sequence[tuple[int, int, str, str]]) -> None:
        """Add lines as the log has them: (seq, milliseconds, level, message)."""
        self._lines.extend(
            [
                (seq, level, message[:LONGEST])
                for seq, _, level, message in lines[-MOST_LINES:]
            ]
        )

    def cause(self) -> Cause | None:
        """Return the line that names the error: that of the last traceback, else the
        last one on stderr that says something."""
        shown = [
            (level, Cause(seq, COLOURS.sub("", message)))
            for seq, level, message in self._lines
        ]
        errors, output = (
            [line for level, line in shown if level == stream]
            for stream in ("stderr", "stdout")
        )
        found = last_error(errors) or last_error(output) or last_words(errors)
        if found is None:
            return None
        return Cause(found.seq, found.message.strip(" \t|")[:LONGEST_SHOWN])


def last_error(lines: Iterable[Cause]) -> Cause | None:
    """Return the line that names the error in the last traceback among these; None
    where there is none."""
    found = panic = before = None
    is_python = is_rust = False
    for line in lines:
        text = line.message
        if text.startswith(PYTHON):
            is_python = True
        elif is_python:
            # The first line that is not within it: "KeyError: 'sprites'".
            if text and not text[0].isspace():
                found, is_python = line, False
        elif is_rust:
            found, is_rust = line, False
        elif text.startswith("thread '") and " panicked at " in text:
            is_rust = text.endswith(":")  # what it says is the next line
        elif text.lstrip().startswith(GO):
            panic = line
        elif panic and text.startswith("goroutine "):
            found, panic = panic, None
        elif is_frame(text) and before and not is_frame(before.message):
            found = before
        if says_something(text):
            before = line
    return found


def is_frame(text: str) -> bool:
    """Return whether a line is one call in a traceback: ``at main (file.js:1:2)``,
    ``at Main.main(Main.java:5)``, ``from a.rb:3:in 'main'``."""
    call = text.strip(" \t{")
    if text[:1] not in {" ", "\t"} or not call.startswith(("at ", "from ")):
        return False
    is_ruby = call.startswith("from ") and ":in " in call
    return is_ruby or call.endswith(")") or PLACE.search(call[-20:]) is not None


def says_something(text: str) -> bool:
    return WORDS.search(text) is not None and BETWEEN.match(text) is None


def last_words(lines: Sequence[Cause]) -> Cause | None:
    return next(
        (line for line in reversed(lines) if says_something(line.message)), None
    )


def was_ended_by_others(status: int) -> bool:
    """Return whether a program ended by a signal that somebody sent it."""
    return status < 0 and -status not in OWN_SIGNALS
