"""The headers of a store in a folder, as nginx's configuration.

A bucket keeps each object's headers; a folder has none, so its web server gives them.
The rules are maps by the address, because a map takes the first pattern that matches,
whatever locations there are. Types are found by the name's ending, cut off once: a
pattern for each of them cost a server more than half of its time for a small file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from resources.errors import InputError
from resources.manifests.paths import REUSE_NAME
from resources.stores.headers import (
    CHANGING_HEADERS,
    DEFAULT_TYPE,
    IMMUTABLE,
    NAMES,
    TYPES,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from resources.stores.headers import Headers

_IN_VERSION = r"^/(?:.+/)?versions/[^/]+/"
_REUSE = rf"~{_IN_VERSION}{re.escape(REUSE_NAME)}$"
_ENDING = "resource_ending"  # the variable of a name's ending, with its dot
_CHANGING = "changing"  # in place of an ending, for what isn't kept
_HOW = """\
# Headers of a store of releases in a folder. Include this file beside the servers, and
# put these lines into the location that serves the store:
#
#     types { }
#     default_type "";
"""


def nginx_rules(headers: Headers) -> str:
    """Return the text of a file for nginx's ``http`` block: a ``map`` for each header,
    and the lines of a location that use them. Raises InputError for a value that nginx
    can't send.

    https://nginx.org/en/docs/http/ngx_http_map_module.html
    """
    uses = "".join(f"#     add_header {name} ${_variable(name)};\n" for name in NAMES)
    maps = "".join(
        _map(_variable(name), "$uri", _rules_of(name, headers)) for name in NAMES
    )
    return f"{_HOW}{uses}\n{_by_ending()}{maps}"


def _by_ending() -> str:
    """Return the maps to what a header is where no rule names it."""
    endings = [
        ("default", _CHANGING),
        (_REUSE, _CHANGING),
        (rf"~{_IN_VERSION}(?:.*/)?[^/]*(\.[^./]*)$", "$1"),
        (f"~{_IN_VERSION}", ""),
    ]
    types = [
        ("default", DEFAULT_TYPE),
        (_CHANGING, CHANGING_HEADERS["Content-Type"]),
        # nginx compares such keys without regard to case.
        *((f".{ending}", value) for ending, value in TYPES.items()),
    ]
    kept = [("default", IMMUTABLE), (_CHANGING, CHANGING_HEADERS["Cache-Control"])]
    return (
        _map(_ENDING, "$uri", endings)
        + _map(f"{_ENDING}_type", f"${_ENDING}", types)
        + _map(f"{_ENDING}_cache", f"${_ENDING}", kept)
    )


def _rules_of(name: str, headers: Headers) -> Iterator[tuple[str, str]]:
    """Return the patterns of addresses with the values that a header has there: those
    that count first come first."""
    usual = {
        "Content-Type": f"${_ENDING}_type",
        "Cache-Control": f"${_ENDING}_cache",
    }.get(name, "")
    yield "default", usual
    named = [(spec, added[name]) for spec, added in headers.rules if name in added]
    if named:
        yield _REUSE, usual
    for spec, value in reversed(named):
        if "$" in value:
            raise InputError(f'{name}: nginx knows no way to send a "$"')
        for pattern in spec.patterns:
            path = pattern.regex.pattern if pattern.regex else ""
            yield f"~{_IN_VERSION}{_beneath_version(path)}", value


def _beneath_version(path: str) -> str:
    """Return the expression for a path beneath the version's folder as one for what
    follows that folder."""
    return path.removeprefix("^") if path.startswith("^") else f".*{path}"


def _map(name: str, by: str, rules: Iterable[tuple[str, str]]) -> str:
    lines = "".join(
        f"    {_quoted(pattern)} {_quoted(value)};\n" for pattern, value in rules
    )
    return f"map {by} ${name} {{\n{lines}}}\n"


def _variable(name: str) -> str:
    return f"resource_{name.lower().replace('-', '_')}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
