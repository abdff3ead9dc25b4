"""The command line: ``python -m resources COMMAND VERSION [options]``.

check    compare the files of a version with its manifest; with ``--published``, of
         what lies in the store, whether it is served already or not
sync     bring a version into the store and serve it; for several platforms a line
         ``Syncing iOS...`` comes before each
reuse    write down which files earlier versions hold already
publish  serve a version that lies in the store, all platforms or none; for several
         platforms a line ``Publishing iOS...`` comes before each
manifest write manifest.jsonl for a folder, or from another program's manifest
rollback serve an earlier version again: only the pointers move, all or none
prune    remove old versions from the store, of all platforms when none is named; the
         one command that takes no VERSION
demo     make the demo releases v884 and v885, and serve v884

Exit codes: 0 all is well; 1 files differ; 2 wrong manifest, argument or setting, and
nothing was written; 3 the store failed; 4 conflict; 5 disk full; 130 and 143 cancelled.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from resources.check import Release, check_release
from resources.demo import make_demo
from resources.errors import CancelError, EngineError, InputError
from resources.guard import DEFAULT_PERCENT, OFF, require_similar
from resources.make_manifest import owner_of, write_manifest
from resources.plan import Plan, make_plan
from resources.prune import DEFAULT_KEEP, prune
from resources.publish import publish
from resources.published import open_published
from resources.report import Report
from resources.reuse import write_reuse
from resources.rollback import roll_back
from resources.settings import Settings, read_settings
from resources.source import (
    ForeignRelease,
    SourceRelease,
    open_release,
    open_to_check,
)
from resources.sync import run_plan
from resources.versions import PLATFORMS, is_version

BROKEN_PIPE = 141  # what a program killed by SIGPIPE ends with


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _cancel)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    by_program = bool(os.environ.get("TASK_ID"))
    report = Report(progress=by_program, outputs=by_program)
    try:
        try:
            options = _parser().parse_args(arguments)
            report = _report(options, by_program=by_program)
            code = _run(options, report)
        except BrokenPipeError:
            raise
        except EngineError as error:
            code = error.exit_code
            report.error(str(error))
        except CancelError as error:
            code = error.exit_code
            report.error("cancelled")
        except OSError as error:
            code = EngineError.exit_code
            report.error(f"{error.filename or 'a file'}: {error.strerror or error}")
        report.finish(code)
    except BrokenPipeError:
        # Python would try to flush once more when it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return code


def _report(options: argparse.Namespace, *, by_program: bool) -> Report:
    if options.json:  # and nothing else on stdout
        return Report(progress=False, outputs=False, lines=False, objects=sys.stdout)
    objects = None
    if options.json_fd is not None:
        try:
            objects = os.fdopen(options.json_fd, "w", encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"--json-fd {options.json_fd}: it can't be written to"
                f" ({error.strerror}); open it, as in --json-fd 3 3>FILE"
            ) from None
    return Report(
        progress=by_program or options.progress, outputs=by_program, objects=objects
    )


def _run(options: argparse.Namespace, report: Report) -> int:
    if options.command == "manifest":
        folder = Path(options.folder)
        owner = owner_of(folder, options.platform, options.version)
        source = Path(options.source) if options.source else None
        write_manifest(folder, owner, report, md5=options.md5, source=source)
        return 0
    settings = read_settings(os.environ, source=options.source, store=options.store)
    if options.command == "demo":
        make_demo(settings, report)
        return 0
    named = options.platform or list(PLATFORMS)
    platforms = [platform for platform in PLATFORMS if platform in named]
    if options.command == "check":
        return _check(options, settings, platforms, report)
    if options.command == "publish":
        stores = {name: settings.open_store(name) for name in platforms}
        publish(options.version, stores, report, guard_percent=options.guard)
        return 0
    if options.command == "rollback":
        stores = {name: settings.open_store(name) for name in platforms}
        roll_back(options.version, stores, report)
        return 0
    if options.command == "prune":
        prune(
            {name: settings.open_store(name) for name in platforms},
            report,
            keep=options.keep,
            pins=tuple(options.pin),
            force=options.force == "yes",
            dry_run=options.dry_run,
        )
        return 0
    releases = [
        open_release(
            settings.source,
            platform,
            options.version,
            manifest_name=os.environ.get("RESOURCE_MANIFEST"),
            report=report,
        )
        for platform in platforms
    ]
    if options.command == "reuse":
        return _reuse(options, settings, releases, report)
    return _sync(options, settings, releases, report)


def _check(
    options: argparse.Namespace,
    settings: Settings,
    platforms: list[str],
    report: Report,
) -> int:
    # Each release is checked with its own kind of entries.
    releases: list[Release[Any]] = []
    for platform in platforms:
        if options.published:
            store = settings.open_store(platform)
            releases.append(open_published(store, platform, options.version))
        else:
            releases.append(
                open_to_check(
                    settings.source,
                    platform,
                    options.version,
                    manifest_name=os.environ.get("RESOURCE_MANIFEST"),
                    quick=options.quick,
                )
            )
    report.expect(sum(release.manifest.files for release in releases))
    failed = 0
    for release in releases:
        checked = check_release(
            release,
            report,
            quick=options.quick,
            extra_in=release.tree
            if isinstance(release, SourceRelease | ForeignRelease)
            else None,
            strict_extra=options.strict_extra,
        )
        failed += checked.failed
        report.note(release.platform, version=options.version)
        report.count(release.platform, "filesChecked", checked.files)
        report.count(release.platform, "failed", checked.failed)
    return 1 if failed else 0


def _sync(
    options: argparse.Namespace,
    settings: Settings,
    releases: list[SourceRelease],
    report: Report,
) -> int:
    stores = [settings.open_store(release.platform) for release in releases]
    plans = [
        make_plan(release.manifest, store)
        for release, store in zip(releases, stores, strict=True)
    ]
    for release, store in zip(releases, stores, strict=True):
        require_similar(release.manifest, store, options.guard)
    report.expect(sum(plan.work_files for plan in plans))
    for plan, release, store in zip(plans, releases, stores, strict=True):
        if len(releases) > 1:
            report.line(f"Syncing {PLATFORMS[release.platform]}...")
        _count_plan(plan, report)
        if options.dry_run:
            report.line(plan.line())
            continue
        report.count(plan.platform, "bytesUploaded", 0)
        run_plan(plan, release, store, report, move_pointer=not options.no_pointer)
    return 0


def _reuse(
    options: argparse.Namespace,
    settings: Settings,
    releases: list[SourceRelease],
    report: Report,
) -> int:
    report.expect(len(releases))
    for release in releases:
        store = settings.open_store(release.platform)
        plan = make_plan(release.manifest, store)
        write_reuse(plan, release, store, report)
        _count_plan(plan, report)
        report.advance(1)
    report.line(f"Reuse version updated: {options.version}")
    return 0


def _count_plan(plan: Plan, report: Report) -> None:
    report.note(plan.platform, version=plan.version)
    report.count(plan.platform, "new", plan.new_files)
    report.count(plan.platform, "reused", plan.reused_files)
    report.count(plan.platform, "bytes", plan.new_bytes + plan.reused_bytes)
    report.count(plan.platform, "bytesReused", plan.reused_bytes)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def _version(text: str) -> str:
    if not is_version(text):
        raise argparse.ArgumentTypeError(
            f'"{text}" is not a version: up to 64 letters, digits, ".", "_" and "-"'
        )
    return text


def _platforms(text: str) -> list[str]:
    if text == "all":
        return list(PLATFORMS)
    names = text.split(",")
    for name in names:
        if name not in PLATFORMS:
            raise argparse.ArgumentTypeError(
                f"invalid choice: {name!r} (choose from {', '.join(PLATFORMS)}, all)"
            )
    return names


def _percent(text: str) -> int:
    if not re.fullmatch("100|[1-9]?[0-9]", text):
        raise argparse.ArgumentTypeError(f'"{text}" is not a percentage from 0 to 100')
    return int(text)


def _at_least_one(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:9]) > 0):
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of at least 1')
    return int(text[:9])


def _descriptor(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text):
        raise argparse.ArgumentTypeError(f'"{text}" is not the number of a descriptor')
    return int(text)


def _parser() -> _Parser:
    parser = _Parser(prog="python -m resources", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = _command(commands, "check", "compare files with their manifest")
    check.add_argument("--quick", action="store_true", help="compare sizes only")
    check.add_argument(
        "--published", action="store_true", help="check what lies in the store"
    )
    check.add_argument(
        "--strict-extra",
        action="store_true",
        help="files without an entry are failures, not warnings",
    )
    sync = _command(commands, "sync", "bring a version into the store and serve it")
    sync.add_argument(
        "--dry-run", action="store_true", help="write the plan and change nothing"
    )
    sync.add_argument(
        "--no-pointer", action="store_true", help="don't serve it yet; see publish"
    )
    _command(commands, "reuse", "write down what earlier versions hold already")
    publishing = _command(commands, "publish", "serve a version that is in the store")
    for command in (sync, publishing):
        command.add_argument(
            "--guard",
            metavar="PERCENT",
            type=_percent,
            default=DEFAULT_PERCENT,
            help="stop when more of a platform's files that are served would be dropped"
            f" or changed ({DEFAULT_PERCENT}; {OFF}: no guard)",
        )
    _command(commands, "rollback", "serve an earlier version again")
    _add_prune(commands)
    _add_manifest(commands)
    _add_places(commands.add_parser("demo", help="make the demo releases"))
    return parser


def _add_prune(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = commands.add_parser(
        "prune", help="remove old versions from the store", allow_abbrev=False
    )
    _add_platform(command)
    _add_places(command)
    command.add_argument(
        "--keep",
        metavar="N",
        type=_at_least_one,
        default=DEFAULT_KEEP,
        help=f"how many of the newest versions stay ({DEFAULT_KEEP}); what is served,"
        " what was before, and what is pinned stay in any case",
    )
    command.add_argument(
        "--pin",
        metavar="VERSION",
        type=_version,
        action="append",
        default=[],
        help="stays as well; may be given several times",
    )
    command.add_argument(
        "--force",
        nargs="?",
        choices=["yes", "no"],
        const="yes",
        default="no",
        help="remove more than half of a store, too",
    )
    command.add_argument(
        "--dry-run", action="store_true", help="write the plan and change nothing"
    )


def _command(
    commands: argparse._SubParsersAction[_Parser], name: str, text: str
) -> _Parser:
    command = commands.add_parser(name, help=text, allow_abbrev=False)
    command.add_argument("version", metavar="VERSION", type=_version)
    _add_platform(command)
    _add_places(command)
    return command


def _add_manifest(commands: argparse._SubParsersAction[_Parser]) -> None:
    manifest = commands.add_parser(
        "manifest", help="write manifest.jsonl for a folder", allow_abbrev=False
    )
    manifest.add_argument("folder", metavar="DIR")
    manifest.add_argument(
        "--platform", choices=list(PLATFORMS), help="without it, DIR's parent's name"
    )
    manifest.add_argument(
        "--version", metavar="VERSION", type=_version, help="without it, DIR's name"
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
    _add_output(manifest)


def _add_platform(command: _Parser) -> None:
    command.add_argument(
        "--platform",
        action="extend",
        type=_platforms,
        metavar="PLATFORM",
        help=f"{', '.join(PLATFORMS)} or all; several with commas between, or by giving"
        " it several times; without it, all platforms",
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
        type=_descriptor,
        help="write the same objects to descriptor N, beside the lines",
    )


def _cancel(number: int, frame: FrameType | None) -> None:
    # A second signal must not interrupt the cleaning up; a KILL still can.
    for other in (signal.SIGINT, signal.SIGTERM):
        signal.signal(other, signal.SIG_IGN)
    raise CancelError(number)
