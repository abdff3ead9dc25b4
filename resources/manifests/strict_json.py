"""JSON, read so that only one meaning is possible."""

from __future__ import annotations

import json
import re

Value = str | int | bool | None

MAX_NUMBER_DIGITS = 16  # sizes beyond 2**53 don't survive other JSON readers
MAX_FRACTION_DIGITS = 32
MAX_DEPTH = 32  # levels; a real document has three or four
_INTEGER = re.compile(r"0|[1-9][0-9]*")


def parse_object(line: bytes) -> dict[str, Value]:
    """Read a flat JSON object: strings, whole numbers, true, false, null.

    Raises ValueError, whose message is the reason, for everything else: other
    encodings than UTF-8, NaN, fractions, long numbers, duplicate keys, nesting, bytes
    before or after the object.

    >>> parse_object(b'{"size": 10}')
    {'size': 10}
    >>> parse_object(b'{"size": 10, "size": 11}')
    Traceback (most recent call last):
    ValueError: has the key "size" twice
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    if not (text.startswith("{") and text.endswith("}")):
        raise ValueError("is not one JSON object from its first byte to its last")
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("is nested too deep") from None
    return _flat(value)


def parse_document(data: bytes) -> object:
    """Read one JSON value of any kind, nested to ``MAX_DEPTH`` at most.

    Raises ValueError as ``parse_object`` does. A value can be many times as large as
    ``data``, so whoever asks bounds its size.

    >>> parse_document(b'[{"a": 1.5}, null]')
    [{'a': 1.5}, None]
    """
    if data.startswith(b"\xef\xbb\xbf"):
        raise ValueError("starts with a byte order mark")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 at byte {error.start + 1}") from None
    try:
        value: object = _DOCUMENT_DECODER.decode(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        if error.msg == "Extra data":
            raise ValueError(f"has bytes after its end, at {place}") from None
        raise ValueError(f"is not JSON: {error.msg} at {place}") from None
    except RecursionError:
        raise ValueError("is nested too deep") from None
    _check_depth(value)
    return value


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else _items(item))
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise ValueError("is nested too deep")


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _flat(value: object) -> dict[str, Value]:
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    for key, item in value.items():
        if isinstance(item, dict | list):
            raise ValueError(f'has nested values under "{key}"')
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f'has the key "{key}" twice')
            seen.add(key)
    return result


def _whole_number(text: str) -> int:
    if len(text) > MAX_NUMBER_DIGITS:
        raise ValueError(f"has a number of more than {MAX_NUMBER_DIGITS} digits")
    if not _INTEGER.fullmatch(text):
        raise ValueError("has a negative number")
    return int(text)


def _number(text: str) -> int:
    if len(text) > MAX_NUMBER_DIGITS:
        raise ValueError(f"has a number of more than {MAX_NUMBER_DIGITS} digits")
    return int(text)


def _fraction(text: str) -> float:
    if len(text) > MAX_FRACTION_DIGITS:
        raise ValueError(f"has a number of more than {MAX_FRACTION_DIGITS} digits")
    return float(text)


def _no_fraction(text: str) -> float:
    raise ValueError("has a number that is not whole")


def _no_constant(text: str) -> float:
    raise ValueError(f"has {text}")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_int=_whole_number,
    parse_float=_no_fraction,
    parse_constant=_no_constant,
)

_DOCUMENT_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_int=_number,
    parse_float=_fraction,
    parse_constant=_no_constant,
)
