"""Which commands and options there are, and what each may be."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import NoReturn

from resources.argument_values import (
    at_least_one,
    channel,
    descriptor,
    parts,
    percent,
    platforms,
    size,
    version,
)
from resources.defaults import GUARD_OFF, GUARD_PERCENT, KEPT_VERSIONS
from resources.errors import InputError
from resources.platforms import all_platforms
from resources.probe_arguments import add_probe
from resources.public_arguments import add_public_options
from resources.signing_arguments import add_keygen, add_signing, add_verify
from resources.stores.pointer import LIVE

YES_OR_NO = ("yes", "no")
THE_STORE = object()  # what a bare --store names: the one of the settings


class _Parser(argparse.ArgumentParser):
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


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; what it refuses is an InputError, one line."""
    parser = _Parser(prog="python -m resources", allow_abbrev=False)
    commands = parser.add_subparsers(
        dest="command",
        required=True,
        metavar="COMMAND",
        prog=parser.prog,  # else argparse writes a usage to find it out
    )
    _add_check(commands)
    sync = _command(commands, "sync", "bring a version into the store and serve it")
    _add_yes_or_no(
        sync, "--allow-extra", "leave files without an entry in the manifest behind"
    )
    sync.add_argument(
        "--dry-run", action="store_true", help="write the plan and change nothing"
    )
    sync.add_argument(
        "--no-pointer", action="store_true", help="don't serve it yet; see publish"
    )
    sync.add_argument(
        "--reuse",
        choices=["refer", "copy"],
        default="refer",
        help="what becomes of files that earlier versions hold: the manifest refers to"
        " them, or they are also linked or copied within the store, for clients that"
        " know only the version's own folder",
    )
    reuse = _command(commands, "reuse", "write down what earlier versions hold already")
    publishing = _command(commands, "publish", "serve a version that is in the store")
    publishing.add_argument(
        "--dry-run", action="store_true", help="write the plan and change nothing"
    )
    promoting = _add_promote(commands)
    rolling_out = _add_rollout(commands)
    serving = (sync, publishing, promoting, rolling_out)
    for command in serving:
        _add_guard(
            command,
            "stop when more of a platform's files that are served would be dropped or"
            f" changed ({GUARD_PERCENT}; {GUARD_OFF}: no guard)",
        )
        command.add_argument(
            "--max-bytes",
            metavar="SIZE",
            type=size,
            help="stop when a platform's files have more bytes together: 2000000, 500MB"
            " or 2GB",
        )
        command.add_argument(
            "--max-player-bytes",
            metavar="SIZE",
            type=size,
            help="stop when a player who has the version that is served would download"
            " more bytes of a platform",
        )
        _add_yes_or_no(
            command,
            "--allow-older",
            "serve a version that is older than what is served, or that Cocos clients"
            " would not take for newer",
        )
    sync.set_defaults(allow_older=None)  # see cli
    for command in (*serving, reuse):
        _add_allow_empty(command)
    _add_changes(commands)
    verifying = _command(commands, "verify-public", "check what players get")
    add_public_options(verifying)
    _add_yes_or_no(
        verifying,
        "--allow-unset",
        "leave platforms out that have no RESOURCE_PUBLIC_URL",
    )
    _add_allow_empty(verifying)
    repairing = _command(commands, "repair", "send again what is damaged in the store")
    repairing.add_argument(
        "--from",
        dest="origin",
        metavar="URL",
        help="another store that has the version, instead of the source",
    )
    repairing.add_argument(
        "--dry-run",
        action="store_true",
        help="say what can be mended",
    )
    rolling_back = _command(commands, "rollback", "serve an earlier version again")
    for command in (sync, publishing, rolling_out, rolling_back):
        command.add_argument(
            "--channel",
            metavar="NAME",
            type=channel,
            default=LIVE,
            help=f"which players get it: those of this channel ({LIVE})",
        )
    for command in (*serving, rolling_back):
        add_signing(command)
    verifying = commands.add_parser(
        "verify", help="prove what is served by its signature", allow_abbrev=False
    )
    add_verify(verifying)
    _add_allow_empty(verifying)
    _add_platform(verifying)
    _add_places(verifying)
    making = commands.add_parser(
        "keygen", help="make a pair of keys for signatures", allow_abbrev=False
    )
    add_keygen(making)
    _add_output(making)
    _add_prune(commands)
    _add_manifest(commands)
    _add_places(commands.add_parser("demo", help="make the demo releases"))
    _add_output(add_probe(commands))
    headers = commands.add_parser(
        "headers", help="print the headers of what is published", allow_abbrev=False
    )
    headers.add_argument(
        "--nginx",
        action="store_true",
        required=True,
        help="as nginx's configuration, for a store in a folder",
    )
    headers.set_defaults(json=False, json_fd=None, progress=False)
    return parser


def _add_check(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = commands.add_parser(
        "check", help="compare files with their manifest", allow_abbrev=False
    )
    _add_version(command)
    _add_platform(command)
    command.add_argument("--source", metavar="DIR", help="instead of RESOURCE_SOURCE")
    command.add_argument(
        "--store",
        metavar="URL",
        nargs="?",
        const=THE_STORE,
        help="check what lies in the store, by its sizes: in RESOURCE_STORE or at URL;"
        " with --source as well, URL says nothing",
    )
    depth = command.add_mutually_exclusive_group()
    depth.add_argument("--quick", action="store_true", help="compare sizes only")
    _add_yes_or_no(depth, "--deep", "read every byte of what lies in the store")
    command.add_argument("--published", action="store_true", help=argparse.SUPPRESS)
    command.add_argument(
        "--strict-extra",
        dest="allow_extra",
        action="store_const",
        const="no",
        help="the same as --allow-extra=no",
    )
    _add_yes_or_no(
        command,
        "--allow-extra",
        "whether files without an entry are warnings (yes) or failures",
        default="yes",
    )
    _add_allow_empty(command)
    _add_output(command)


def _add_changes(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = _command(commands, "changes", "say what a version changes; write nothing")
    command.add_argument(
        "--from",
        dest="since",
        metavar="VERSION",
        type=version,
        help="compare with this version, instead of with what is live",
    )
    _add_guard(command, f"the share that the guard would let pass ({GUARD_PERCENT})")


def _add_promote(commands: argparse._SubParsersAction[_Parser]) -> _Parser:
    command = commands.add_parser(
        "promote", help="serve on a channel what another serves", allow_abbrev=False
    )
    command.add_argument(
        "version",
        metavar="VERSION",
        type=version,
        nargs="?",
        help="what is promoted has to be this one",
    )
    _add_platform(command)
    _add_places(command)
    command.add_argument(
        "--from",
        dest="origin",
        metavar="CHANNEL",
        type=channel,
        required=True,
        help="the channel that serves it",
    )
    command.add_argument(
        "--to",
        dest="channel",
        metavar="CHANNEL",
        type=channel,
        default=LIVE,
        help=f"the channel that shall serve it, too ({LIVE})",
    )
    return command


def _add_rollout(commands: argparse._SubParsersAction[_Parser]) -> _Parser:
    command = _command(
        commands, "rollout", "serve a version to a share of the players first"
    )
    step = command.add_mutually_exclusive_group()
    step.add_argument(
        "--percent",
        metavar="SHARE",
        type=parts,
        help="how many of the players get it, from 0.01 to 100; 100 is all, and makes"
        " it the version that is served",
    )
    _add_yes_or_no(
        step, "--halt", "end the rollout: all players get what the others have"
    )
    return command


def _add_guard(command: _Parser, text: str) -> None:
    command.add_argument(
        "--guard", metavar="PERCENT", type=percent, default=GUARD_PERCENT, help=text
    )


def _add_prune(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = commands.add_parser(
        "prune", help="remove old versions from the store", allow_abbrev=False
    )
    _add_platform(command)
    _add_places(command)
    command.add_argument(
        "--keep",
        metavar="N",
        type=at_least_one,
        default=KEPT_VERSIONS,
        help=f"how many of the newest versions stay ({KEPT_VERSIONS}); what is served,"
        " what was before, and what is pinned stay in any case",
    )
    command.add_argument(
        "--pin",
        metavar="VERSION",
        type=version,
        action="append",
        default=[],
        help="stays as well; may be given several times",
    )
    command.add_argument(
        "--uploads",
        action="store_true",
        help="remove uploads to a bucket that were never ended, and nothing else",
    )
    _add_yes_or_no(command, "--force", "remove more than half of a store, too")
    _add_allow_empty(command)
    command.add_argument(
        "--dry-run", action="store_true", help="write the plan and change nothing"
    )


def _command(
    commands: argparse._SubParsersAction[_Parser], name: str, text: str
) -> _Parser:
    command = commands.add_parser(name, help=text, allow_abbrev=False)
    _add_version(command)
    _add_platform(command)
    _add_places(command)
    return command


def _add_version(command: _Parser) -> None:
    command.add_argument("version", metavar="VERSION", type=version)


def _add_manifest(commands: argparse._SubParsersAction[_Parser]) -> None:
    manifest = commands.add_parser(
        "manifest", help="write manifest.jsonl for a folder", allow_abbrev=False
    )
    manifest.add_argument("folder", metavar="DIR")
    manifest.add_argument(
        "--platform",
        choices=list(all_platforms()),
        help="without it, DIR's parent's name",
    )
    manifest.add_argument(
        "--version", metavar="VERSION", type=version, help="without it, DIR's name"
    )
    manifest.add_argument(
        "--md5", action="store_true", help="add MD5 digests, for Cocos clients"
    )
    manifest.add_argument(
        "--from",
        dest="source",
        metavar="FILE",
        help="only what this project.manifest or checksum file lists, and verify it",
    )
    _add_allow_empty(manifest)
    _add_output(manifest)


def _add_platform(command: _Parser) -> None:
    command.add_argument(
        "--platform",
        action="extend",
        type=platforms,
        metavar="PLATFORM",
        help=f"{', '.join(all_platforms())} or all; several with commas between, or by"
        " giving it several times; without it, all platforms",
    )


def _add_allow_empty(command: _Parser) -> None:
    _add_yes_or_no(
        command, "--allow-empty", "take it for success that there is no file"
    )


def _add_yes_or_no(
    command: argparse._ActionsContainer, name: str, text: str, default: str = "no"
) -> None:
    """A switch that a task type's parameter can turn, too: ``--force=no``."""
    command.add_argument(
        name, nargs="?", choices=YES_OR_NO, const="yes", default=default, help=text
    )


def _add_places(command: _Parser) -> None:
    command.add_argument("--source", metavar="DIR", help="instead of RESOURCE_SOURCE")
    command.add_argument("--store", metavar="URL", help="instead of RESOURCE_STORE")
    _add_output(command)


def _add_output(command: _Parser) -> None:
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
