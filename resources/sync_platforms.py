"""Bring a version into the stores of several platforms, and serve it on all or none.

Everything that can fail for a reason of its own comes first: the content and manifest
of every platform. Only then do the pointers move, one after the other.
"""

from __future__ import annotations

from typing import NamedTuple

from resources.plan import Plan
from resources.publish import all_locked
from resources.published import open_published
from resources.report import Report
from resources.source import SourceRelease
from resources.store import Store
from resources.sync import (
    bring_in,
    counted,
    note_served,
    point_to,
    published_line,
)
from resources.versions import PLATFORMS
from resources.whole import make_whole


class PlatformSync(NamedTuple):
    """What is to be done for one platform: the plan for a release and its store."""

    plan: Plan
    release: SourceRelease
    store: Store


def sync_platforms(
    syncs: list[PlatformSync],
    report: Report,
    *,
    move_pointers: bool = True,
    whole: bool = False,
) -> None:
    """Do what the plans say and write their lines.

    All stores are locked from the beginning to the end; those that serve the version
    already are left alone, if they need not be made ``whole`` (see ``whole.py``). The
    caller has told the report to expect every plan's ``work_files``.
    Raises ConflictError when another publisher is at work or was first,
    DifferenceError when a source isn't what its manifest says.
    """
    ours = [sync for sync in syncs if whole or not sync.plan.published]
    with all_locked({sync.plan.platform: sync.store for sync in ours}):
        for sync in ours:
            sync.plan.require_unchanged(sync.store)
        sealed: dict[str, str | None] = {}
        for sync in syncs:
            if len(syncs) > 1:
                report.line(f"Syncing {PLATFORMS[sync.plan.platform]}...")
            sealed[sync.plan.platform] = _sync_content(sync, report)
            if whole:
                _make_whole(sync, report)
            if not (move_pointers or sync.plan.published):
                report.line(f"Stored {sync.plan.version}; it is not published yet.")
        if move_pointers:
            for sync in syncs:
                if sync.plan.published:
                    continue
                if len(syncs) > 1:
                    report.line(f"Publishing {PLATFORMS[sync.plan.platform]}...")
                _move_pointer(sync.plan, sealed[sync.plan.platform], sync.store, report)


def _sync_content(sync: PlatformSync, report: Report) -> str | None:
    """Bring in what is missing; give the digest of the manifest if it is new."""
    plan = sync.plan
    if plan.published:
        report.note(plan.platform, served=plan.version)
        report.line(f"Nothing to do: {plan.version} is already published.")
        return None
    report.line(plan.line())
    return bring_in(plan, sync.release, sync.store, report)


def _make_whole(sync: PlatformSync, report: Report) -> None:
    copied = make_whole(*sync)
    report.count(sync.plan.platform, "copied", copied)
    report.line(f"Copied {counted(copied, 'file')} within the store.")


def _move_pointer(plan: Plan, sealed: str | None, store: Store, report: Report) -> None:
    digest = (
        sealed or open_published(store, plan.platform, plan.version).manifest.sha256
    )
    point_to(plan.version, digest, store, plan.pointer)
    note_served(plan.platform, plan.version, plan.pointer, report)
    report.line(published_line(plan.version, plan.pointer))
