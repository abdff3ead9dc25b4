"""The arguments of ``probe``."""

from __future__ import annotations

import argparse
from typing import TypeVar

Parser = TypeVar("Parser", bound=argparse.ArgumentParser)


def add_probe(commands: argparse._SubParsersAction[Parser]) -> Parser:
    """Return the new command's parser, to which options for its output can be added."""
    command = commands.add_parser(
        "probe",
        help="try what a store does, and which profile fits",
        allow_abbrev=False,
    )
    command.add_argument(
        "place",
        metavar="STORE",
        nargs="?",
        help="a folder or a bucket's URL, instead of the stores of the settings",
    )
    return command
