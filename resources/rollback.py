"""Serve an earlier version again: the pointers move, and nothing else does."""

from __future__ import annotations

from resources.errors import InputError
from resources.publish import all_locked, require_complete
from resources.published import open_published
from resources.report import Report
from resources.store import Store
from resources.sync import note_served, point_to


def roll_back(version: str, stores: dict[str, Store], report: Report) -> None:
    """Serve ``version`` again on every platform of ``stores``, or change nothing.

    Every file of every platform is looked for first, by its size.
    Raises InputError when a store doesn't have the version or serves none yet,
    DifferenceError when files are missing, ConflictError when another publisher is at
    work.
    """
    require_complete(version, stores, report)
    with all_locked(stores) as served:
        for name, before in served.items():
            if before is None:
                raise InputError(
                    f"nothing is published for {name} yet, so there is nothing to roll"
                    f" back; publish {version} instead"
                )
        for name, store in stores.items():
            before = served[name]
            if before is None or before.version == version:
                report.note(name, served=version)
                report.line(f"Nothing to do: {name} serves {version} already.")
                continue
            digest = open_published(store, name, version).manifest.sha256
            point_to(version, digest, store, before)
            note_served(name, version, before, report)
            report.line(f"Rolled back {name}: {before.version} -> {version}")
