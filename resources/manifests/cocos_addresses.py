"""Give a manifest of Cocos other addresses, and leave every other byte as it is.

A client takes the addresses of its next look from the manifest that it has, and those
of the files from the one that it found. What else a build writes in there is read by
the game's own code, so it is passed on untouched: order, spaces and escapes included.
Source: https://github.com/cocos/cocos-engine, native/extensions/assets-manager/
Manifest.cpp (``loadVersion``, ``loadManifest``) and AssetsManagerEx.cpp.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

PACKAGE_URL = "packageUrl"  # of the files; a client puts a "/" between and their path
MANIFEST_URL = "remoteManifestUrl"
VERSION_URL = "remoteVersionUrl"
# What version.manifest lacks, as Cocos Creator's version_generator.js writes it.
ONLY_IN_PROJECT = ("assets", "searchPaths")

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


class _Member(NamedTuple):
    """A name of a JSON object with its value, and where both stand in its text."""

    name: str
    value: object
    start: int
    value_start: int
    end: int


def readdressed(text: str, urls: Mapping[str, str]) -> str:
    """Return the text of a manifest with other values under the names of ``urls``;
    names that it lacks come first.

    ``text`` is a JSON object without duplicate keys, as ``parse_document`` proves.

    >>> readdressed('{"version": "1", "packageUrl": "a"}', {"packageUrl": "b"})
    '{"version": "1", "packageUrl": "b"}'
    >>> readdressed("{}", {"packageUrl": "b"})
    '{"packageUrl":"b"}'
    """
    missing = dict(urls)
    parts: list[str] = []
    begun = at = _skip(text, 0) + 1
    is_empty = True
    for member in _members(text):
        is_empty = False
        if (url := missing.pop(member.name, None)) is not None:
            parts += text[at : member.value_start], json.dumps(url)
            at = member.end
    added = [f"{json.dumps(name)}:{json.dumps(url)}" for name, url in missing.items()]
    comma = "," if added and not is_empty else ""
    return "".join((text[:begun], ",".join(added), comma, *parts, text[at:]))


def without_files(text: str) -> str:
    """Return the text of a ``project.manifest`` as that of its ``version.manifest``.

    >>> without_files('{"version": "1", "assets": {"a": {}}, "searchPaths": []}')
    '{"version": "1"}'
    """
    kept = [
        text[member.start : member.end]
        for member in _members(text)
        if member.name not in ONLY_IN_PROJECT
    ]
    return f"{{{','.join(kept)}}}"


def text_at(text: str, name: str) -> str | None:
    """Return the text that a manifest has under a name; None where it has none.

    >>> text_at('{"version": "1.0.0"}', "version")
    '1.0.0'
    """
    for member in _members(text):
        if member.name == name:
            return member.value if isinstance(member.value, str) else None
    return None


def _members(text: str) -> Iterator[_Member]:
    at = _skip(text, _skip(text, 0) + 1)
    while text[at] != "}":
        name, after_name = _DECODER.raw_decode(text, at)
        value_start = _skip(text, _skip(text, after_name) + 1)
        value, end = _DECODER.raw_decode(text, value_start)
        yield _Member(name, value, at, value_start, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    """Return where the next character stands that is no space."""
    found = _SPACE.match(text, at)
    return found.end() if found else at
