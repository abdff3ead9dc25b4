"""Names and order of versions, names of platforms."""

from __future__ import annotations

import re

PLATFORMS = {"ios": "iOS", "android": "Android", "facebook": "Facebook"}

_VERSION = re.compile(r"[A-Za-z0-9._-]{1,64}")


def is_version(text: str) -> bool:
    """Say whether ``text`` can name a version (and so a folder).

    >>> is_version("v885"), is_version(".."), is_version("v1/../v2")
    (True, False, False)
    """
    return _VERSION.fullmatch(text) is not None and text.strip(".") != ""


def natural_key(version: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Give a sort key that takes runs of digits as numbers.

    >>> sorted(["v10", "v9", "v1.10", "v1.9"], key=natural_key)
    ['v1.9', 'v1.10', 'v9', 'v10']
    """
    parts = re.split(r"([0-9]+)", version)
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in parts
        if part
    ), version


def listed(versions: list[str]) -> str:
    """Name the versions there are, in natural order, for an error message.

    >>> listed(["v885", "v884"])
    'there are: v884, v885'
    """
    if not versions:
        return "there are none"
    ordered = sorted(versions, key=natural_key)
    newest = ordered[-10:]
    older = len(ordered) - len(newest)
    return f"there are: {', '.join(newest)}" + (f" and {older} older" if older else "")
