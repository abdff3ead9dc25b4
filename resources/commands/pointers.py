"""``python -m resources publish``, ``promote``, ``rollout`` and ``rollback``: what
moves pointers and sends no file."""

from __future__ import annotations

import argparse
import os

from resources.commands.sync import checks_of
from resources.delivery.purge import AFTER_HALT, AGAIN, purge_served, required_purge
from resources.errors import InputError
from resources.report import Report
from resources.settings import Settings

DONE = {
    "publish": "published",
    "promote": "promoted",
    "rollout": "rolled out",
    "rollback": "rolled back",
}


def move_pointers(
    options: argparse.Namespace,
    settings: Settings,
    platforms: list[str],
    report: Report,
) -> int:
    """Run one of these commands, and return its exit code."""
    stores = {name: settings.open_store(name, options.channel) for name in platforms}
    purge = required_purge(os.environ, stores.values())
    if options.command == "publish":
        from resources.commands.publish import publish

        publish(options, settings, stores, report)
        if options.dry_run:
            return 0
    elif options.command == "promote":
        from resources.releases.pointers.promote import promote

        if options.origin == options.channel:
            raise InputError(
                f"--from and --to are both {options.origin}: name two channels"
            )
        origins = {name: store.on(options.origin) for name, store in stores.items()}
        promote(options.version, origins, stores, report, checks_of(options))
    elif options.command == "rollout":
        from resources.releases.pointers.rollout import halt, roll_out

        if options.halt == "yes":
            halt(options.version, stores, report)
        elif options.percent is None:
            raise InputError("rollout needs --percent SHARE or --halt")
        else:
            checks = checks_of(options)
            roll_out(options.version, stores, report, checks, parts=options.percent)
    else:
        from resources.releases.pointers.rollback import roll_back

        manifest_name = os.environ.get("RESOURCE_MANIFEST")
        roll_back(options.version, stores, report, manifest_name=manifest_name)
    done, way_out = DONE[options.command], AGAIN
    if vars(options).get("halt") == "yes":
        done, way_out = "halted", AFTER_HALT
    purge_served(purge, stores.values(), report, done=done, way_out=way_out)
    return 0
