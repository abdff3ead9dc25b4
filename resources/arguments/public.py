"""The options of ``verify-public``, and what each may be."""

from __future__ import annotations

import argparse
import re

from resources.arguments.options import add_channel, add_yes_or_no
from resources.arguments.values import at_least_one
from resources.defaults import PUBLIC_WAIT_SECONDS, SAMPLE_FILES

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def add_public_options(command: argparse.ArgumentParser) -> None:
    add_channel(command, "which players get it: those of this channel")
    command.add_argument(
        "--files",
        metavar="WHICH",
        type=files,
        default=SAMPLE_FILES,
        help=f"sample ({SAMPLE_FILES} files of each platform), all, or how many",
    )
    command.add_argument(
        "--wait",
        metavar="TIME",
        type=seconds,
        default=PUBLIC_WAIT_SECONDS,
        help="for how long a cache may go on serving what was served before: 90, 90s or"
        f" 5m ({PUBLIC_WAIT_SECONDS}s)",
    )
    add_yes_or_no(
        command, "--allow-unset", "leave platforms out that have no RESOURCE_PUBLIC_URL"
    )


def files(text: str) -> int | None:
    """Return how many files are fetched, None for all."""
    if text == "all":
        return None
    if text == "sample":
        return SAMPLE_FILES
    try:
        return at_least_one(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f'"{text}" is not sample, all or a number of files'
        ) from None


def seconds(text: str) -> int:
    """Return a time in seconds.

    >>> seconds("90"), seconds("5m")
    (90, 300)
    """
    found = re.fullmatch("([0-9]{1,5})([smh]?)", text)
    if not found:
        raise argparse.ArgumentTypeError(f'"{text}" is not a time, such as 90s or 5m')
    return int(found[1]) * _SECONDS[found[2]]
