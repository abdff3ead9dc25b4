"""The command line: ``python -m resources COMMAND VERSION [options]``.

check    compare the files of a version with its manifest; with ``--store``, the sizes
         of what lies in the store, whether it is served already or not; with
         ``--deep``, every byte of it
sync     bring a version into the store and serve it; for several platforms a line
         ``Syncing iOS...`` comes before each
reuse    write down which files earlier versions hold already
changes  say what a version changes, and what a player downloads for it; nothing is
         written
publish  serve a version that lies in the store, all platforms or none; for several
         platforms a line ``Publishing iOS...`` comes before each; with ``--store``, a
         version that only the configured store has is copied from there first
promote  serve on one channel what another serves; VERSION may be left out
rollout  serve a version to a share of the players first, to more of them, and to all
verify-public
         fetch a version through RESOURCE_PUBLIC_URL as a player would, and say what is
         wrong with what came
manifest write manifest.jsonl for a folder, or from another program's manifest
repair   send again what is damaged of a version that lies in the store
verify   prove what is served by keys that are trusted: signature, manifest, and every
         byte; VERSION may be left out
keygen   make a pair of keys for signatures, in the file that is named
rollback serve again what was served before: no file is sent, and the pointers move,
         all or none
prune    remove old versions from the store, of all platforms when none is named; it
         takes no VERSION
probe    try what a store does, and say how it has to be written; it takes a STORE
         instead of a VERSION
demo     make the demo releases v884 and v885, and serve v884

Exit codes: 0 all is well; 1 files differ, or would be left behind; 2 wrong manifest,
argument or setting, or a version that is refused, and nothing was written; 3 the store
failed; 4 conflict; 5 disk full; 6 published, but what follows failed; 130 and 143
cancelled.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

# Each command imports what it needs: all of it takes as long as a small check.
from resources.arguments.parser import make_parser
from resources.errors import (
    AfterwardsError,
    CancelError,
    EngineError,
    InputError,
)
from resources.manifests.paths import allow_windows_names
from resources.platforms import all_platforms
from resources.report import Report
from resources.settings import Settings, read_name_rule, read_settings
from resources.stores.bucket.location import ObjectLocation

if TYPE_CHECKING:
    from resources.signing.policy import Signing

MOVES_POINTERS = ("sync", "publish", "promote", "rollout", "rollback", "demo")
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
            options = make_parser().parse_args(arguments)
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
    if read_name_rule(os.environ):
        allow_windows_names()
    if options.command == "manifest":
        return _manifest(options, report)
    if options.command == "headers":
        from resources.delivery.nginx import nginx_rules
        from resources.stores.headers import read_headers

        rules = read_headers(os.environ.get("RESOURCE_HEADERS"))
        print(nginx_rules(rules), end="", flush=True)
        return 0
    if options.command == "keygen":
        from resources.commands.keygen import keygen

        return keygen(options, report)
    if options.command == "probe":
        from resources.commands.probe import probe

        settings = read_settings(os.environ, source=None, store=options.place)
        return probe(settings, options.platform or list(all_platforms()), report)
    store = options.store if isinstance(options.store, str) else None
    settings = read_settings(os.environ, source=options.source, store=store)
    if options.command in MOVES_POINTERS and not vars(options).get("no_pointer"):
        settings = settings._replace(signing=_signing(options))
    if options.command == "demo":
        from resources.demo import make_demo

        make_demo(settings, report)
        return 0
    named = options.platform or list(all_platforms())
    platforms = [platform for platform in all_platforms() if platform in named]
    if options.command == "check":
        from resources.commands.check import check

        return check(options, settings, platforms, report)
    if options.command == "verify":
        from resources.commands.verify import verify

        return verify(options, settings, platforms, report)
    if options.command == "changes":
        from resources.commands.changes import changes

        return changes(options, settings, platforms, report)
    if options.command == "verify-public":
        from resources.commands.verify_public import verify_public

        return verify_public(options, settings, platforms, report)
    if options.command == "repair":
        return _repair(options, settings, platforms, report)
    if options.command == "prune":
        return _prune(options, settings, platforms, report)
    if options.command in ("publish", "promote", "rollout", "rollback"):
        from resources.commands.pointers import move_pointers

        return move_pointers(options, settings, platforms, report)
    from resources.releases.source import open_release

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
    from resources.commands.sync import reuse, sync

    run = reuse if options.command == "reuse" else sync
    return run(options, settings, releases, report)


def _signing(options: argparse.Namespace) -> Signing:
    """Read how pointers are signed, the key included, before anything else is done."""
    from resources.signing.policy import read_signing

    given = vars(options)
    return read_signing(
        os.environ,
        expires=given.get("expires"),
        allow_unsigned=bool(given.get("allow_unsigned")),
        allow_untrusted=bool(given.get("allow_untrusted")),
    )


def _manifest(options: argparse.Namespace, report: Report) -> int:
    from resources.releases.write_manifest import owner_of, write_manifest

    folder = Path(options.folder)
    owner = owner_of(folder, options.platform, options.version)
    source = Path(options.source) if options.source else None
    allow_empty = options.allow_empty == "yes"
    write_manifest(
        folder, owner, report, md5=options.md5, source=source, allow_empty=allow_empty
    )
    return 0


def _prune(
    options: argparse.Namespace,
    settings: Settings,
    platforms: list[str],
    report: Report,
) -> int:
    stores = {name: settings.open_store(name) for name in platforms}
    if options.uploads:
        from resources.releases.uploads import Uploads, prune_uploads

        for name, store in stores.items():
            place = settings.stores[name]
            uploads = None
            if isinstance(place, ObjectLocation):
                uploads = Uploads(place.beneath(name), os.environ)
            prune_uploads(name, store, uploads, report, dry_run=options.dry_run)
    else:
        from resources.releases.prune import prune

        prune(
            stores,
            report,
            keep=options.keep,
            pins=tuple(options.pin),
            force=options.force == "yes",
            allow_empty=options.allow_empty == "yes",
            dry_run=options.dry_run,
        )
    return 0


def _repair(
    options: argparse.Namespace,
    settings: Settings,
    platforms: list[str],
    report: Report,
) -> int:
    from resources.delivery.purge import purge_repaired, required_purge
    from resources.releases.origins import SourceOrigin, StoreOrigin
    from resources.releases.repair import Origin, repair

    stores = {name: settings.open_store(name) for name in platforms}
    purge = required_purge(os.environ, stores.values())
    mended: dict[str, list[str]] = {name: [] for name in stores}
    failed = 0
    try:
        for platform, store in stores.items():
            origin: Origin = SourceOrigin(
                settings.source,
                platform,
                options.version,
                manifest_name=os.environ.get("RESOURCE_MANIFEST"),
                report=report,
            )
            if options.origin:
                other = read_settings(os.environ, source=None, store=options.origin)
                place = other.open_store(platform)
                origin = StoreOrigin(place, platform, options.version)
            failed += repair(
                options.version,
                platform,
                store,
                origin,
                report,
                dry_run=options.dry_run,
                mended=mended[platform],
            )
            report.note(platform, version=options.version)
    except EngineError:
        with suppress(AfterwardsError):  # what failed first counts
            purge_repaired(purge, stores, mended, report)
        raise
    try:
        purge_repaired(purge, stores, mended, report)
    except AfterwardsError as error:
        if not failed:
            raise
        report.failure(str(error))
    return 1 if failed else 0


def _cancel(number: int, frame: FrameType | None) -> None:
    # A second signal must not interrupt the cleaning up; a KILL still can.
    for other in (signal.SIGINT, signal.SIGTERM):
        signal.signal(other, signal.SIG_IGN)
    raise CancelError(number)
