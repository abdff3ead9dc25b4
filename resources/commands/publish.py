"""``python -m resources publish``: a version that lies in the store, or in the
configured one, from which it is copied first."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from resources.commands.sync import checks_of, count_plan, warn_of
from resources.report import Report
from resources.settings import Settings, read_settings
from resources.stores.bucket.location import ObjectLocation

if TYPE_CHECKING:
    from resources.releases.transfer import Transfer
    from resources.stores.release_store import ReleaseStore


def publish(
    options: argparse.Namespace,
    settings: Settings,
    stores: dict[str, ReleaseStore],
    report: Report,
) -> None:
    """Copy what is to be copied, and serve the version on all platforms or none."""
    from resources.releases.pointers import publish as publishing
    from resources.releases.published import open_all

    checks = checks_of(options)
    transfers = _transfers(options, settings, stores, report) if options.store else []
    if transfers:
        from resources.releases.transfer import require_allowed, transfer

        require_allowed(transfers, checks)
        if options.dry_run:
            _tell_plans(transfers, report)
        else:
            transfer(transfers, report)
    if options.dry_run:
        copied = {each.plan.platform for each in transfers if not each.plan.complete}
        ready = {name: stores[name] for name in stores if name not in copied}
        if ready:
            releases = open_all(options.version, ready)
            publishing.require_servable(releases, ready, report, checks)
        for store in stores.values():
            report.line(publishing.dry_run_line(options.version, store))
        return
    publishing.publish(open_all(options.version, stores), stores, report, checks)


def _transfers(
    options: argparse.Namespace,
    settings: Settings,
    stores: dict[str, ReleaseStore],
    report: Report,
) -> list[Transfer]:
    """Plan for each platform whose configured store is another one, and has the
    version."""
    from resources.releases.transfer import plan_transfer

    configured = read_settings(os.environ, source=None, store=None)
    found = []
    for name, store in stores.items():
        if _are_one(settings.stores[name], configured.stores[name]):
            continue
        origin = configured.open_store(name)
        planned = plan_transfer(options.version, name, origin, store, report)
        if planned is not None:
            found.append(planned)
    report.expect(sum(each.plan.work_files for each in found))
    for each in found:
        count_plan(each.plan, report)
        warn_of(each.plan, report)
        report.count(each.plan.platform, "bytesUploaded", 0)
    return found


def _are_one(place: Path | ObjectLocation, other: Path | ObjectLocation) -> bool:
    if isinstance(place, ObjectLocation):
        return isinstance(other, ObjectLocation) and place.url == other.url
    return isinstance(other, Path) and place.resolve() == other.resolve()


def _tell_plans(transfers: list[Transfer], report: Report) -> None:
    from resources.releases.transfer import copying_line

    for each in transfers:
        if not each.plan.complete:
            report.line(copying_line(each))
            report.line(each.line())
