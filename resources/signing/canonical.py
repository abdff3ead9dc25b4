"""Canonical JSON (RFC 8785): one text for one value, which is what is signed.

The same value may be written with other spaces, escapes or order of keys; a signature
of its canonical form holds for all of them, and every language can make that form.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

MAX_WHOLE = 2**53 - 1  # the largest number that every reader of JSON keeps as it is
MIN_PLAIN, MAX_PLAIN = -6, 21  # powers of ten between which no exponent is written


def canonical_json(value: object) -> bytes:
    """Return the canonical form of a value as it comes out of ``json.loads``.

    Raises ValueError for what has none: NaN, infinity, whole numbers above 2**53 - 1,
    lone surrogates, and nesting that is too deep.

    >>> canonical_json({"b": [1.0, 0.5, None], "a": "é"}).decode()
    '{"a":"é","b":[1,0.5,null]}'
    """
    try:
        return _text(value).encode()
    except RecursionError:
        raise ValueError("is nested too deep") from None
    except UnicodeEncodeError:
        raise ValueError("has half a character") from None


def _text(value: object) -> str:
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        if abs(value) > MAX_WHOLE:
            raise ValueError(f"has a whole number above {MAX_WHOLE}")
        return str(value)
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, Mapping):
        keys = sorted(value, key=_utf16)
        return "{" + ",".join(f"{_text(key)}:{_text(value[key])}" for key in keys) + "}"
    raise ValueError(f"has a {type(value).__name__}, which JSON does not know")


def number_text(number: float) -> str:
    """Return a number as ECMAScript writes it (ECMA-262, Number::toString), as RFC 8785
    asks for. Raises ValueError for NaN and infinity.

    >>> number_text(1e21), number_text(0.000001), number_text(-0.0), number_text(29.0)
    ('1e+21', '0.000001', '0', '29')
    """
    if not math.isfinite(number):
        raise ValueError(f"has {number}")
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    # Python, too, writes the fewest digits that lead back to the number.
    mantissa, _, exponent = f"{abs(number)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole + fraction) - len(digits)
    point = len(whole) - leading + int(exponent or 0)  # how many digits are before it
    digits = digits.rstrip("0")
    if len(digits) <= point <= MAX_PLAIN:
        return sign + digits.ljust(point, "0")
    if 0 < point <= MAX_PLAIN:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if MIN_PLAIN < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    first, others = digits[0], digits[1:]
    return f"{sign}{first}{'.' + others if others else ''}e{point - 1:+d}"


def _utf16(key: str) -> bytes:
    """Return what RFC 8785 orders keys by; above U+FFFF that is another order than that
    of the characters."""
    return key.encode("utf-16-be")
