"""Say which files of a version earlier versions hold already."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

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
    if plan.moved_files:
        unchanged += f", {plan.moved_files} of them moved"
    new = f"{plan.new_files} new ({size_text(plan.new_bytes)})"
    if plan.doubled_files:
        doubled = f"{plan.doubled_files} doubled ({size_text(plan.doubled_bytes)})"
        new = f"{doubled}, {new}"
    return f"Reuse {all_platforms()[plan.platform]}: {unchanged}, {new}."


def reuse_lines(plan: Plan, release: SourceRelease) -> Iterator[bytes]:
    """Yield ``reuse.json``: totals, then each reused path with its holding version,
    then the paths that objects have there, where these are others.

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
    if plan.doubled_files:
        head["doubled"] = {"files": plan.doubled_files, "bytes": plan.doubled_bytes}
    yield json.dumps(head, ensure_ascii=False)[:-1].encode() + b', "in": {'
    yield from _pairs(_held_in(plan, release))
    if any(decided.paths for decided in plan.decided):
        yield b'\n}, "at": {'
        yield from _pairs(_held_at(plan, release))
    yield b"\n}}\n"


def _held_in(plan: Plan, release: SourceRelease) -> Iterator[tuple[str, str]]:
    for block, decided in plan.blocks(release.manifest):
        held_in = [decided.choices[code].held_in for code in decided.codes]
        entries = release.manifest.entries_of(block)
        for entry, holder in zip(entries, held_in, strict=True):
            if holder is not None:
                yield entry.path, holder


def _held_at(plan: Plan, release: SourceRelease) -> Iterator[tuple[str, str]]:
    for block, decided in plan.blocks(release.manifest):
        if held_at := decided.held_at():
            paths, _ = release.manifest.paths_and_sizes(block)
            for place, path in held_at.items():
                yield paths[place], path


def _pairs(pairs: Iterable[tuple[str, str]]) -> Iterator[bytes]:
    separator = "\n"
    for name, value in pairs:
        yield f"{separator}{json.dumps(name)}: {json.dumps(value)}".encode()
        separator = ",\n"
