"""Which commands and options there are, and what each may be."""

from __future__ import annotations

import argparse

from resources.arguments.options import (
    THE_STORE,
    Parser,
    add_allow_empty,
    add_channel,
    add_command,
    add_guard,
    add_output,
    add_places,
    add_platform,
    add_version,
    add_yes_or_no,
)
from resources.arguments.probe import add_probe
from resources.arguments.public import add_public_options
from resources.arguments.signing import add_keygen, add_signing, add_verify
from resources.arguments.values import (
    at_least_one,
    channel,
    parts,
    size,
    version,
)
from resources.defaults import GUARD_OFF, GUARD_PERCENT, KEPT_VERSIONS
from resources.platforms import all_platforms
from resources.stores.pointer import LIVE


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; what it refuses is an InputError, one line."""
    parser = Parser(prog="python -m resources", allow_abbrev=False)
    commands = parser.add_subparsers(
        dest="command",
        required=True,
        metavar="COMMAND",
        prog=parser.prog,  # else argparse writes a usage to find it out
    )
    _add_check(commands)
    sync = add_command(commands, "sync", "bring a version into the store and serve it")
    add_yes_or_no(
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
    reuse = add_command(
        commands, "reuse", "write down what earlier versions hold already"
    )
    publishing = add_command(
        commands, "publish", "serve a version that is in the store"
    )
    publishing.add_argument(
        "--dry-run", action="store_true", help="write the plan and change nothing"
    )
    promoting = _add_promote(commands)
    rolling_out = _add_rollout(commands)
    serving = (sync, publishing, promoting, rolling_out)
    for command in serving:
        add_guard(
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
        add_yes_or_no(
            command,
            "--allow-older",
            "serve a version that is older than what is served, or that Cocos clients"
            " would not take for newer",
        )
    sync.set_defaults(allow_older=None)  # see cli
    for command in (*serving, reuse):
        add_allow_empty(command)
    _add_changes(commands)
    verifying = add_command(commands, "verify-public", "check what players get")
    add_public_options(verifying)
    add_allow_empty(verifying)
    repairing = add_command(
        commands, "repair", "send again what is damaged in the store"
    )
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
    rolling_back = add_command(commands, "rollback", "serve an earlier version again")
    for command in (sync, publishing, rolling_out, rolling_back):
        add_channel(command, "which players get it: those of this channel")
    for command in (*serving, rolling_back):
        add_signing(command)
    verifying = commands.add_parser(
        "verify", help="prove what is served by its signature", allow_abbrev=False
    )
    add_verify(verifying)
    add_allow_empty(verifying)
    add_platform(verifying)
    add_places(verifying)
    making = commands.add_parser(
        "keygen", help="make a pair of keys for signatures", allow_abbrev=False
    )
    add_keygen(making)
    add_output(making)
    _add_prune(commands)
    _add_manifest(commands)
    add_places(commands.add_parser("demo", help="make the demo releases"))
    probing = add_probe(commands)
    add_platform(probing)
    add_output(probing)
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


def _add_check(commands: argparse._SubParsersAction[Parser]) -> None:
    command = commands.add_parser(
        "check", help="compare files with their manifest", allow_abbrev=False
    )
    add_version(command)
    add_platform(command)
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
    add_yes_or_no(depth, "--deep", "read every byte of what lies in the store")
    command.add_argument("--published", action="store_true", help=argparse.SUPPRESS)
    command.add_argument(
        "--strict-extra",
        dest="allow_extra",
        action="store_const",
        const="no",
        help="the same as --allow-extra=no",
    )
    add_yes_or_no(
        command,
        "--allow-extra",
        "whether files without an entry are warnings (yes) or failures",
        default="yes",
    )
    add_allow_empty(command)
    add_output(command)


def _add_changes(commands: argparse._SubParsersAction[Parser]) -> None:
    command = add_command(
        commands, "changes", "say what a version changes; write nothing"
    )
    command.add_argument(
        "--from",
        dest="since",
        metavar="VERSION",
        type=version,
        help="compare with this version, instead of with what is live",
    )
    add_guard(command, f"the share that the guard would let pass ({GUARD_PERCENT})")


def _add_promote(commands: argparse._SubParsersAction[Parser]) -> Parser:
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
    add_platform(command)
    add_places(command)
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


def _add_rollout(commands: argparse._SubParsersAction[Parser]) -> Parser:
    command = add_command(
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
    add_yes_or_no(
        step, "--halt", "end the rollout: all players get what the others have"
    )
    return command


def _add_prune(commands: argparse._SubParsersAction[Parser]) -> None:
    command = commands.add_parser(
        "prune", help="remove old versions from the store", allow_abbrev=False
    )
    add_platform(command)
    add_places(command)
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
    add_yes_or_no(command, "--force", "remove more than half of a store, too")
    add_allow_empty(command)
    command.add_argument(
        "--dry-run", action="store_true", help="write the plan and change nothing"
    )


def _add_manifest(commands: argparse._SubParsersAction[Parser]) -> None:
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
    add_allow_empty(manifest)
    add_output(manifest)
