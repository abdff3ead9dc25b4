"""Bring a version into the stores of several platforms, and serve it on all or none.

Everything that can fail for a reason of its own comes first: the content and manifest
of every platform. Only then do the pointers move, one after the other.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from resources.platforms import all_platforms
from resources.releases.materialize import lacking_files, make_whole
from resources.releases.plan import Plan
from resources.releases.pointers.fixed_addresses import (
    ready_addresses,
    write_addresses,
)
from resources.releases.pointers.moves import (
    all_locked,
    moved_note,
    point_to,
    published_line,
    served_note,
)
from resources.releases.published import PublishedRelease, open_published
from resources.releases.source import SourceRelease
from resources.releases.sync import bring_in
from resources.report import Report, counted
from resources.stores.release_store import ReleaseStore


class PlatformSync(NamedTuple):
    """What is to be done for one platform: the plan for a release and its store."""

    plan: Plan
    release: SourceRelease
    store: ReleaseStore


def sync_platforms(
    syncs: list[PlatformSync],
    report: Report,
    *,
    move_pointers: bool = True,
    whole: Collection[str] = (),
    manifest_name: str | None = None,
) -> None:
    """Do what the plans say and write their lines.

    All stores are locked from the beginning to the end; those that serve the version
    already are left alone, unless they are among the platforms that are made ``whole``
    (see ``materialize.py``). ``manifest_name`` is RESOURCE_MANIFEST. The caller has
    told the report to expect every plan's ``work_files``.
    Raises ConflictError when another publisher is at work or was first,
    DifferenceError when a source isn't what its manifest says.
    """
    ours = [
        sync for sync in syncs if sync.plan.platform in whole or not sync.plan.published
    ]
    stores = {sync.plan.platform: sync.store for sync in ours}
    with all_locked(stores):
        for sync in ours:
            sync.plan.require_unchanged(sync.store)
        sealed: dict[str, str | None] = {}
        for sync in syncs:
            if len(syncs) > 1:
                report.line(f"Syncing {all_platforms()[sync.plan.platform]}...")
            is_whole = sync.plan.platform in whole
            sealed[sync.plan.platform] = _sync_content(sync, report, whole=is_whole)
            if not (move_pointers or sync.plan.published):
                report.line(f"Stored {sync.plan.version}; it is not published yet.")
        if move_pointers and stores:
            version = ours[0].plan.version

            def open_release(name: str) -> PublishedRelease:
                return open_published(stores[name], name, version)

            addresses = ready_addresses(open_release, stores, report, manifest_name)
            for sync in ours:
                name = sync.plan.platform
                if sync.plan.published:
                    write_addresses(name, addresses.get(name), sync.store, report)
                    continue
                if len(syncs) > 1:
                    report.line(f"Publishing {all_platforms()[name]}...")
                write_addresses(name, addresses.get(name), sync.store, report)
                _move_pointer(sync.plan, sealed[sync.plan.platform], sync.store, report)


def dry_run(
    syncs: list[PlatformSync], report: Report, *, whole: Collection[str]
) -> None:
    """Write what ``sync_platforms`` would do, and change nothing."""
    for sync in syncs:
        plan = sync.plan
        if len(syncs) > 1:
            report.line(f"Syncing {all_platforms()[plan.platform]}...")
        is_whole = plan.platform in whole
        lacking = lacking_files(*sync) if is_whole else 0
        report.line(
            _published_already(plan, lacking) if plan.published else plan.line()
        )
        if is_whole:
            report.line(f"{counted(lacking, 'file')} to copy within the store.")


def _sync_content(sync: PlatformSync, report: Report, *, whole: bool) -> str | None:
    """Bring in what is missing; give the digest of the manifest if it is new."""
    plan = sync.plan
    digest = None
    if not plan.published:
        report.line(plan.line())
        digest = bring_in(plan, sync.release, sync.store, report)
    copied = make_whole(*sync) if whole else 0
    if plan.published:
        report.note(plan.platform, **served_note(plan.version, sync.store))
        report.line(_published_already(plan, copied))
    if whole:
        report.count(plan.platform, "copied", copied)
        report.line(f"Copied {counted(copied, 'file')} within the store.")
    return digest


def _published_already(plan: Plan, copied: int) -> str:
    return f"{'' if copied else 'Nothing to do: '}{plan.version} is already published."


def _move_pointer(
    plan: Plan, sealed: str | None, store: ReleaseStore, report: Report
) -> None:
    digest = (
        sealed or open_published(store, plan.platform, plan.version).manifest.sha256
    )
    moved = point_to(plan.platform, plan.version, digest, store, plan.pointer)
    served = moved_note(plan.version, plan.pointer, store)
    report.note(plan.platform, **served, serial=moved.serial)
    report.line(published_line(plan.version, plan.pointer, store))
