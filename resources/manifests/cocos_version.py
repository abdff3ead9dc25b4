"""The order of versions by which Cocos' clients decide whether there is an update.

Source: https://github.com/cocos/cocos-engine, native/extensions/assets-manager/
Manifest.cpp, ``cmpVersion`` (the same in cocos2d-x-lite and in Cocos Creator 2). A
client updates only when its own version comes before the one that it finds.
"""

from __future__ import annotations

import re

NUMBERS = 4  # that are compared; what follows is never looked at
MAX_NUMBER = 2**31 - 1  # of C's int; beyond it, each system reads another number

_SPACE = re.compile(r"[ \t\n\v\f\r]*")  # what C skips before a number
_NUMBER = re.compile(r"[+-]?[0-9]+")


def compare_versions(one: str, other: str) -> int | None:
    """Return a negative number, zero or a positive one as ``one`` comes before
    ``other``.

    Returns None where a number that decides is too large for C's ``int``.

    >>> compare_versions("1.9.0", "1.10.0")
    -1
    >>> compare_versions("1.10", "1.10.0-rc1")
    0
    >>> compare_versions("v9", "v10")
    1
    """
    one, other = _as_c_string(one), _as_c_string(other)
    ours, theirs = _scanned(one), _scanned(other)
    if ours is None or theirs is None:
        first, second = one.encode(), other.encode()
        return (first > second) - (first < second)
    for our, their in zip(ours, theirs, strict=True):
        if our != their:
            is_readable = max(abs(our), abs(their)) <= MAX_NUMBER
            return (our > their) - (our < their) if is_readable else None
    return 0


def _scanned(text: str) -> list[int] | None:
    """Read as ``sscanf(text, "%d.%d.%d.%d")`` does; None where it finds no number.

    At the end of the text it finds none either, but says so in another way, which Cocos
    takes for numbers that are all zero.
    """
    numbers: list[int] = []
    at = 0
    while len(numbers) < NUMBERS:
        spaces = _SPACE.match(text, at)
        found = _NUMBER.match(text, spaces.end() if spaces else at)
        if found is None:
            break
        numbers.append(int(found[0]))
        at = found.end()
        if text[at : at + 1] != ".":
            break
        at += 1
    if not numbers and text.strip(" \t\n\v\f\r"):
        return None
    return numbers + [0] * (NUMBERS - len(numbers))


def _as_c_string(text: str) -> str:
    return text.partition("\0")[0]
