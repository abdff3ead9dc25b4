"""What the values of options are read by; each raises ArgumentTypeError, which says
what would be right."""

from __future__ import annotations

import argparse
import re

from resources.platforms import all_platforms
from resources.stores.pointer import (
    NO_CHANNELS,
    PARTS,
    PARTS_PER_PERCENT,
    is_channel,
)
from resources.versions import is_version

UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def version(text: str) -> str:
    if not is_version(text):
        raise argparse.ArgumentTypeError(
            f'"{text}" is not a version: up to 64 letters, digits, ".", "_" and "-"'
        )
    return text


def platforms(text: str) -> list[str]:
    if text == "all":
        return list(all_platforms())
    names = text.split(",")
    known = all_platforms()
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(
                f"invalid choice: {name!r} (choose from {', '.join(known)}, all)"
            )
    return names


def percent(text: str) -> int:
    if not re.fullmatch("100|[1-9]?[0-9]", text):
        raise argparse.ArgumentTypeError(f'"{text}" is not a percentage from 0 to 100')
    return int(text)


def parts(text: str) -> int:
    """Return a percentage, which may have two places, as parts of 10,000."""
    found = re.fullmatch(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?", text)
    parts = found and int(found[1]) * PARTS_PER_PERCENT + int(f"{found[2] or 0:0<2}")
    if not parts or parts > PARTS:
        raise argparse.ArgumentTypeError(
            f'"{text}" is not a share of the players from 0.01 to 100, such as 5 or 2.5'
        )
    return parts


def channel(text: str) -> str:
    if not is_channel(text):
        raise argparse.ArgumentTypeError(
            f'"{text}" is not a channel: up to 32 of a to z, 0 to 9 and "-" between,'
            f" but not {' or '.join(NO_CHANNELS)}"
        )
    return text


def size(text: str) -> int:
    found = re.fullmatch("([0-9]{1,15})(B|kB|MB|GB|TB)?", text)
    if not found:
        raise argparse.ArgumentTypeError(
            f'"{text}" is not a size, such as 2000000, 500MB or 2GB'
        )
    return int(found[1]) * UNITS[found[2] or "B"]


def at_least_one(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:9]) > 0):
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of at least 1')
    return int(text[:9])


def count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,15}", text):
        raise argparse.ArgumentTypeError(f'"{text}" is not a whole number from 0 on')
    return int(text)


def descriptor(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text):
        raise argparse.ArgumentTypeError(f'"{text}" is not the number of a descriptor')
    return int(text)
