"""Workflow commands: what a step can say to the service in a line of its output.

The forms are those known from CI (GitHub Actions' "Workflow commands"):
``::progress::40``, ``::error::…``, ``::set-output name=K::V`` and so on. A line that
only looks like one stays an ordinary line.
"""

import json
import re
from typing import Any, NamedTuple

from tasks.secrets.masking import unescaped

COMMAND = re.compile(
    r"::(group|endgroup|error|warning|notice|add-mask|progress|set-output|summary)"
    r"(?: ([^:]*))?::(.*)",
    re.DOTALL,
)
OUTPUT_NAME = re.compile(r"(?:.*,\s*)?name=([A-Za-z_][A-Za-z0-9_.-]{0,99})(?:,.*)?")
JSON_LEVELS = 20  # of objects and lists in each other


class Command(NamedTuple):
    """``name`` as in COMMAND; ``key`` only for set-output; ``is_json`` where its value
    was said to be JSON (``::set-output name=K,type=json::V``)."""

    name: str
    value: str
    key: str = ""
    is_json: bool = False


def parse(line: str) -> Command | None:
    """Return the command that a line is, or None.

    A mask is understood with blanks before it, too: as a line it would show the
    secret.
    """
    stripped = line.lstrip()
    if not stripped.startswith("::"):
        return None
    if not (match := COMMAND.fullmatch(stripped)):
        return None
    name, properties, raw = match[1], match[2] or "", match[3]
    value = unescaped(raw)
    if name == "add-mask":
        return Command(name, value)
    if stripped != line:
        return None
    if name == "summary":
        return Command(name, re.sub("\r\n?", "\n", value))
    value = re.sub("[\r\n]", " ", value)  # a message is one line
    if name == "set-output":
        key = OUTPUT_NAME.fullmatch(properties)
        is_json = "type=json" in re.split(r",\s*", properties)
        return Command(name, value, key[1], is_json) if key else None
    if name == "progress":
        number = re.fullmatch(r"\s*([0-9]{1,3})(?:\.[0-9]+)?\s*%?\s*", value)
        return Command(name, number[1]) if number and int(number[1]) <= 100 else None
    return Command(name, value)


class NotJson(ValueError):
    """A text is no JSON value, or none that a database keeps."""


def json_of(text: str) -> Any:
    """The JSON value that a text is. Raises NotJson, also for what a database would
    refuse: infinite numbers, NUL, half a surrogate pair; and where it is nested deeper
    than JSON_LEVELS."""
    try:
        value = json.loads(text)
        kept = json.dumps(value, ensure_ascii=False, allow_nan=False)
        kept.encode()
    except (ValueError, RecursionError) as error:
        raise NotJson from error
    if "\\u0000" in kept or not _is_flat(value, JSON_LEVELS):
        raise NotJson
    return value


def _is_flat(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    within = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_flat(item, levels - 1) for item in within)
