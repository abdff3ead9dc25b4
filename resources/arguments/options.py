"""Options that several commands have, and how they are read."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import NoReturn

from resources.arguments.values import channel, descriptor, percent, platforms, version
from resources.defaults import GUARD_PERCENT
from resources.errors import InputError
from resources.platforms import all_platforms
from resources.stores.pointer import LIVE

YES_OR_NO = ("yes", "no")
THE_STORE = object()  # what a bare --store names: the one of the settings


@cache
def _width() -> int:
    return shutil.get_terminal_size().columns - 2  # as argparse has it


class Parser(argparse.ArgumentParser):
    def _get_formatter(self) -> argparse.HelpFormatter:
        # argparse makes one for each option, and each would ask the terminal.
        return argparse.HelpFormatter(prog=self.prog, width=_width())

    def error(self, message: str) -> NoReturn:
        raise InputError(message)

    def parse_known_args(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        namespace: argparse.Namespace | None = None,
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, taking what follows a switch for its value only where it is one:
        ``check --deep v885``."""
        words = list(sys.argv[1:] if args is None else args)
        for place, (word, after) in enumerate(pairwise([*words, ""])):
            if word in self._switches and after not in YES_OR_NO:
                words[place] = f"{word}=yes"
        return super().parse_known_args(words, namespace)

    @property
    def _switches(self) -> set[str]:
        switches = [action for action in self._actions if action.choices is YES_OR_NO]
        return {name for switch in switches for name in switch.option_strings}


def add_command(
    commands: argparse._SubParsersAction[Parser], name: str, text: str
) -> Parser:
    command = commands.add_parser(name, help=text, allow_abbrev=False)
    add_version(command)
    add_platform(command)
    add_places(command)
    return command


def add_version(command: Parser) -> None:
    command.add_argument("version", metavar="VERSION", type=version)


def add_platform(command: Parser) -> None:
    command.add_argument(
        "--platform",
        action="extend",
        type=platforms,
        metavar="PLATFORM",
        help=f"{', '.join(all_platforms())} or all; several with commas between, or by"
        " giving it several times; without it, all platforms",
    )


def add_allow_empty(command: Parser) -> None:
    add_yes_or_no(command, "--allow-empty", "take it for success that there is no file")


def add_yes_or_no(
    command: argparse._ActionsContainer, name: str, text: str, default: str = "no"
) -> None:
    """A switch that a task type's parameter can turn, too: ``--force=no``."""
    command.add_argument(
        name, nargs="?", choices=YES_OR_NO, const="yes", default=default, help=text
    )


def add_places(command: Parser) -> None:
    command.add_argument("--source", metavar="DIR", help="instead of RESOURCE_SOURCE")
    command.add_argument("--store", metavar="URL", help="instead of RESOURCE_STORE")
    add_output(command)


def add_output(command: Parser) -> None:
    command.add_argument(
        "--progress", action="store_true", help="write ::progress::PERCENT lines"
    )
    machine = command.add_mutually_exclusive_group()
    machine.add_argument(
        "--json",
        action="store_true",
        help="write one JSON object a line instead of the lines",
    )
    machine.add_argument(
        "--json-fd",
        metavar="N",
        type=descriptor,
        help="write the same objects to descriptor N, beside the lines",
    )


def add_guard(command: Parser, text: str) -> None:
    command.add_argument(
        "--guard", metavar="PERCENT", type=percent, default=GUARD_PERCENT, help=text
    )


def add_channel(command: argparse.ArgumentParser, text: str) -> None:
    """Add the option for one channel of the platforms; ``text`` says what it is for."""
    command.add_argument(
        "--channel", metavar="NAME", type=channel, default=LIVE, help=f"{text} ({LIVE})"
    )
