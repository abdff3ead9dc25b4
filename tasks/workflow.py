"""Workflow commands: what a step can say to the service in a line of its output.

The forms are those known from CI (GitHub Actions' "Workflow commands"):
``::progress::40``, ``::error::…``, ``::set-output name=K::V`` and so on. A line that
only looks like one stays an ordinary line.
"""

import re
from typing import NamedTuple

COMMAND = re.compile(
    r"::(group|endgroup|error|warning|notice|add-mask|progress|set-output)"
    r"(?: ([^:]*))?::(.*)",
    re.DOTALL,
)
OUTPUT_NAME = re.compile(r"(?:.*,\s*)?name=([A-Za-z_][A-Za-z0-9_.-]{0,99})(?:,.*)?")
ESCAPES = {"%25": "%", "%0D": "\r", "%0A": " "}  # a message is one line


class Command(NamedTuple):
    """``name`` as in COMMAND; ``key`` only for set-output."""

    name: str
    value: str
    key: str = ""


def parse(line: str) -> Command | None:
    """The command that a line is, or None."""
    if not line.startswith("::"):
        return None
    if not (match := COMMAND.fullmatch(line)):
        return None
    name, properties, raw = match[1], match[2] or "", match[3]
    value = re.sub("%25|%0D|%0A", lambda escape: ESCAPES[escape[0]], raw)
    if name == "set-output":
        key = OUTPUT_NAME.fullmatch(properties)
        return Command(name, value, key[1]) if key else None
    if name == "progress":
        number = re.fullmatch(r"\s*([0-9]{1,3})(?:\.[0-9]+)?\s*%?\s*", value)
        return Command(name, number[1]) if number and int(number[1]) <= 100 else None
    return Command(name, value)
