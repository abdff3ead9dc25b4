"""What jobs print, made harmless for a terminal.

A terminal obeys what is written to it: it moves the cursor, sets the window's title,
turns text around, answers questions as if somebody had typed. Of all that only colours
are passed on, and only to a terminal; the rest is shown as what it is (``\\x1b``).
"""

import re

COLOURS = re.compile(r"\x1b\[[0-9;:]*m")  # "Select Graphic Rendition"
CONCEAL = "8"  # the one of them that hides what follows
RESET = "\x1b[0m"
# Controls (C0 but the tab, DEL, C1), line separators, and what turns the direction:
# https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
UNSAFE = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)


def printable(text: str, *, colours: bool) -> str:
    """Return a text of one line that a terminal only shows."""
    parts, end = [], 0
    for found in COLOURS.finditer(text):
        parts.append(_escaped(text[end : found.start()]))
        if colours and CONCEAL not in re.split("[;:]", found[0][2:-1]):
            parts.append(found[0])
        end = found.end()
    parts.append(_escaped(text[end:]))
    is_coloured = any(part.startswith("\x1b") for part in parts)
    return "".join(parts) + (RESET if is_coloured else "")


def printable_json(text: str) -> str:
    """Return JSON that means the same, with JSON's own escapes."""
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escaped(text: str) -> str:
    return UNSAFE.sub(lambda found: _code(ord(found[0])), text)


def _code(number: int) -> str:
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
