"""``python -m resources check``: files against their manifest, in source or store."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from resources.arguments.options import THE_STORE
from resources.errors import DamagedManifestError
from resources.report import Report
from resources.settings import Settings

if TYPE_CHECKING:
    from resources.releases.check import Release
    from resources.releases.published import PublishedRelease
    from resources.stores.release_store import ReleaseStore


def check(
    options: argparse.Namespace,
    settings: Settings,
    platforms: list[str],
    report: Report,
) -> int:
    from resources.releases.check import check_release, require_compared
    from resources.releases.published import (
        PublishedRelease,
        damaged_manifests,
        open_published,
    )
    from resources.releases.source import ForeignRelease, SourceRelease, open_to_check
    from resources.releases.strays import find_strays

    in_store = asks_for_the_store(options)
    deep = options.deep == "yes" or options.published
    quick = options.quick or (in_store and not deep)
    # Each release is checked with its own kind of entries.
    releases: list[Release[Any]] = []
    stores: dict[str, ReleaseStore] = {}
    damaged = False
    for platform in platforms:
        if in_store:
            stores[platform] = store = settings.open_store(platform)
            try:
                releases.append(open_published(store, platform, options.version))
            except DamagedManifestError as error:
                damaged = True
                report.error(str(error))
        else:
            releases.append(
                open_to_check(
                    settings.source,
                    platform,
                    options.version,
                    manifest_name=os.environ.get("RESOURCE_MANIFEST"),
                    quick=quick,
                )
            )
    report.expect(sum(release.manifest.files for release in releases))
    failed = 0
    empty: dict[str, int] = {}
    for release in releases:
        checked = check_release(
            release,
            report,
            quick=quick,
            extra_in=release.tree
            if isinstance(release, SourceRelease | ForeignRelease)
            else None,
            strict_extra=options.allow_extra == "no",
            strays=find_strays(release, stores[release.platform])
            if isinstance(release, PublishedRelease) and options.allow_extra == "no"
            else (),
        )
        failed += checked.failed
        if not checked.files and options.allow_empty == "no":
            empty[release.platform] = checked.extra
        if isinstance(release, PublishedRelease):
            wrong = _tell_wrong_addresses(release, stores[release.platform], report)
            failed += wrong
        report.note(release.platform, version=options.version)
        report.count(release.platform, "filesChecked", checked.files)
        report.count(release.platform, "failed", checked.failed)
        if deep and in_store:
            for problem in damaged_manifests(
                stores[release.platform], release.platform, options.version
            ):
                report.warning(problem)
    if damaged:
        return DamagedManifestError.exit_code
    if failed:
        return 1
    require_compared(empty)
    return 0


def _tell_wrong_addresses(
    release: PublishedRelease, store: ReleaseStore, report: Report
) -> int:
    """Write a line for all that is wrong where Cocos' clients ask, and count them."""
    from resources.releases.pointers.fixed_addresses import wrong_addresses

    own_name = os.environ.get("RESOURCE_MANIFEST")
    lines = list(wrong_addresses(release, store, own_name))
    for line in lines:
        report.failure(line)
    if lines:
        report.line(f"publish {release.version} mends the fixed addresses.")
    return len(lines)


def asks_for_the_store(options: argparse.Namespace) -> bool:
    """Return what a check is of. Programs that give every command both places mean the
    source, so a URL beside ``--source`` asks for nothing."""
    if options.store is THE_STORE or options.deep == "yes" or options.published:
        return True
    return bool(options.store) and not options.source
