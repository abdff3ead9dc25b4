"""Say which files of a version earlier versions hold already."""

from __future__ import annotations

import json
from collections.abc import Iterator

from resources.manifests.paths import REUSE_NAME
from resources.platforms import all_platforms
from resources.releases.plan import Plan
from resources.releases.source import SourceRelease
from resources.report import Report, size_text
from resources.stores.release_store import ReleaseStore

FORMAT = "release-reuse/1"


def write_reuse(
    plan: Plan, release: SourceRelease, store: ReleaseStore, report: Report
) -> None:
    """Write a version's ``reuse.json`` into the store, and the line about it.

    The version need not be published: without a manifest and a pointer nobody reads
    the file, and a sync makes the same decisions. The same decisions give the same
    bytes. Raises ConflictError when another publisher is at work.
    """
    with store.lock():
        plan.require_unchanged(store)
        lines = reuse_lines(plan, release)
        store.put_document(plan.version, REUSE_NAME, lines)
    report.line(reuse_line(plan))


def reuse_line(plan: Plan) -> str:
    """Sum up for people what is unchanged and what is new."""
    unchanged = f"{plan.reused_files} of {plan.files} files unchanged"
    if plan.reused_files:
        unchanged += f" since {plan.since} ({size_text(plan.reused_bytes)})"
    new = f"{plan.new_files} new ({size_text(plan.new_bytes)})"
    return f"Reuse {all_platforms()[plan.platform]}: {unchanged}, {new}."


def reuse_lines(plan: Plan, release: SourceRelease) -> Iterator[bytes]:
    """Yield ``reuse.json``: totals, then each reused path with its holding version.

    One JSON object, an entry a line, so that a million files need no memory.
    """
    head = {
        "format": FORMAT,
        "platform": plan.platform,
        "version": plan.version,
        "files": plan.files,
        "reused": {"files": plan.reused_files, "bytes": plan.reused_bytes},
        "new": {"files": plan.new_files, "bytes": plan.new_bytes},
    }
    yield json.dumps(head, ensure_ascii=False)[:-1].encode() + b', "in": {'
    separator = b"\n"
    for block, decided in plan.blocks(release.manifest):
        held_in = [decided.choices[code].held_in for code in decided.codes]
        entries = release.manifest.entries_of(block)
        for entry, holder in zip(entries, held_in, strict=True):
            if holder is not None:
                pair = f"{json.dumps(entry.path)}: {json.dumps(holder)}"
                yield separator + pair.encode()
                separator = b",\n"
    yield b"\n}}\n"
