"""The arguments of what signs and verifies."""

from __future__ import annotations

import argparse

from resources.arguments.options import add_channel
from resources.arguments.values import count, version


def add_signing(command: argparse.ArgumentParser) -> None:
    """Add the options of whatever moves pointers."""
    command.add_argument(
        "--expires",
        metavar="TIME",
        help="after which players no longer follow the pointer: 30d, 12h or never;"
        " without it RESOURCE_POINTER_EXPIRES",
    )
    command.add_argument(
        "--allow-unsigned",
        action="store_true",
        help="replace a signed pointer by one without a signature",
    )
    command.add_argument(
        "--allow-untrusted",
        action="store_true",
        help="replace a pointer that none of the trusted keys signed, or an old one"
        " that was put back",
    )


def add_verify(command: argparse.ArgumentParser) -> None:
    """Add what ``verify`` takes beside platforms and places."""
    command.add_argument(
        "version",
        metavar="VERSION",
        type=version,
        nargs="?",
        help="what is served has to be this one",
    )
    command.add_argument(
        "--trust",
        metavar="KEY",
        action="append",
        default=[],
        help="a public key: a file, or 64 hex digits; may be given several times;"
        " instead of RESOURCE_TRUSTED_KEYS",
    )
    add_channel(command, "whose pointer is proven")
    command.add_argument(
        "--last-serial",
        metavar="SERIAL",
        type=count,
        default=0,
        help="the highest serial that was seen: an older pointer is refused",
    )


def add_keygen(command: argparse.ArgumentParser) -> None:
    """Add what ``keygen`` takes."""
    command.add_argument(
        "file",
        metavar="FILE",
        help="where the private key is written; the public one is FILE.pub",
    )
