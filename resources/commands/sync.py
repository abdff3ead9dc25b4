"""``python -m resources sync`` and ``reuse``: a version into the store."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from resources.report import Report
from resources.settings import Settings

if TYPE_CHECKING:
    from resources.releases.check import Found
    from resources.releases.plan import Plan
    from resources.releases.pointers.publish import Checks
    from resources.releases.safeguards.acceptance import Rules
    from resources.releases.safeguards.budget import Budget
    from resources.releases.source import SourceRelease
    from resources.workers.pool import Beside


def sync(
    options: argparse.Namespace,
    settings: Settings,
    releases: list[SourceRelease],
    report: Report,
) -> int:
    """Sync releases as the options say, and return the exit code."""
    from resources.releases.safeguards.left_behind import find_left
    from resources.workers.pool import Beside

    # Nothing of it needs the store, and it can't be divided.
    with Beside(lambda: list(map(find_left, releases))) as look:
        return _sync(options, settings, releases, look, report)


def _sync(
    options: argparse.Namespace,
    settings: Settings,
    releases: list[SourceRelease],
    look: Beside[list[Found]],
    report: Report,
) -> int:
    from resources.delivery.purge import purge_served, required_purge
    from resources.releases.materialize import require_copyable
    from resources.releases.plan import make_plan
    from resources.releases.pointers.fixed_addresses import (
        are_asked,
        require_none_asks,
    )
    from resources.releases.safeguards.acceptance import (
        require_acceptable,
        require_content,
        require_no_other_rollout,
    )
    from resources.releases.safeguards.budget import require_affordable
    from resources.releases.safeguards.guard import require_similar
    from resources.releases.safeguards.left_behind import require_nothing_left
    from resources.releases.safeguards.trust import require_replaceable
    from resources.releases.sync_platforms import PlatformSync, dry_run, sync_platforms

    stores = [
        settings.open_store(release.platform, options.channel) for release in releases
    ]
    serves = not (options.no_pointer or options.dry_run)
    purge = required_purge(os.environ, stores) if serves else None
    plans = [
        make_plan(release.manifest, store)
        for release, store in zip(releases, stores, strict=True)
    ]
    rules = rules_of(options)
    whole = {
        release.platform
        for release, store in zip(releases, stores, strict=True)
        if options.reuse == "copy" or are_asked(release, store, rules.manifest_name)
    }
    for plan, release, store in zip(plans, releases, stores, strict=True):
        if not options.no_pointer:
            require_no_other_rollout(plan.platform, plan.version, plan.pointer)
            require_none_asks(release, store, rules.manifest_name)
            require_replaceable(plan.platform, plan.pointer, store)
        require_acceptable(release, store, plan.pointer, rules)
        require_similar(
            release.manifest, store, options.guard, plan, rules.manifest_name
        )
        require_affordable(release.manifest, store, budget_of(options), plan)
        require_content(release, rules)
        if plan.platform in whole:
            require_copyable(plan, release, store)
    allow_extra = options.allow_extra == "yes"
    for release, left in zip(releases, look.result(), strict=True):
        require_nothing_left(release, left, report, allow_extra=allow_extra)
    report.expect(sum(plan.work_files for plan in plans))
    for plan in plans:
        count_plan(plan, report)
        warn_of(plan, report)
    syncs = [
        PlatformSync(*parts) for parts in zip(plans, releases, stores, strict=True)
    ]
    if options.dry_run:
        dry_run(syncs, report, whole=whole)
        return 0
    for plan in plans:
        report.count(plan.platform, "bytesUploaded", 0)
    sync_platforms(
        syncs,
        report,
        move_pointers=not options.no_pointer,
        whole=whole,
        manifest_name=rules.manifest_name,
    )
    purge_served(purge, stores, report)
    return 0


def reuse(
    options: argparse.Namespace,
    settings: Settings,
    releases: list[SourceRelease],
    report: Report,
) -> int:
    from resources.releases.plan import make_plan
    from resources.releases.reuse import write_reuse
    from resources.releases.safeguards.acceptance import require_content

    for release in releases:
        require_content(release, rules_of(options))
    report.expect(len(releases))
    for release in releases:
        store = settings.open_store(release.platform)
        plan = make_plan(release.manifest, store)
        warn_of(plan, report)
        write_reuse(plan, release, store, report)
        count_plan(plan, report)
        report.advance(1)
    report.line(f"Reuse version updated: {options.version}")
    return 0


def warn_of(plan: Plan, report: Report) -> None:
    for problem in plan.damaged:
        report.warning(f"{problem}; it is not compared")


def rules_of(options: argparse.Namespace) -> Rules:
    """Take what is allowed. Before a version is served nobody asks whether it is newer,
    unless that is said: full-sync does, which would find it out last."""
    from resources.releases.safeguards.acceptance import Rules

    allowed = vars(options).get("allow_older")
    if allowed is None:
        allowed = "yes" if vars(options).get("no_pointer") else "no"
    return Rules(
        allow_empty=options.allow_empty == "yes",
        allow_older=allowed == "yes",
        manifest_name=os.environ.get("RESOURCE_MANIFEST"),
    )


def checks_of(options: argparse.Namespace) -> Checks:
    """Take what a version has to pass before anybody gets it."""
    from resources.releases.pointers.publish import Checks

    return Checks(options.guard, budget_of(options), rules_of(options))


def budget_of(options: argparse.Namespace) -> Budget:
    from resources.releases.safeguards.budget import Budget

    return Budget(options.max_bytes, options.max_player_bytes)


def count_plan(plan: Plan, report: Report) -> None:
    report.note(plan.platform, version=plan.version)
    report.count(plan.platform, "new", plan.new_files)
    report.count(plan.platform, "reused", plan.reused_files)
    if plan.moved_files:
        report.count(plan.platform, "moved", plan.moved_files)
    if plan.doubled_files:
        report.count(plan.platform, "doubled", plan.doubled_files)
    all_bytes = plan.new_bytes + plan.reused_bytes + plan.doubled_bytes
    report.count(plan.platform, "bytes", all_bytes)
    report.count(plan.platform, "bytesReused", plan.reused_bytes)
