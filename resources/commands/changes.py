"""``python -m resources changes``: what a version changes, before or after a sync."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from resources.platforms import all_platforms
from resources.report import Report, counted, size_text
from resources.settings import Settings

if TYPE_CHECKING:
    from resources.releases.comparison.changes import Changes, PlayerDownload
    from resources.releases.comparison.differences import (
        Amount,
        Differences,
        FileChange,
    )

FOLDERS = 12  # that people read of


def changes(
    options: argparse.Namespace,
    settings: Settings,
    platforms: list[str],
    report: Report,
) -> int:
    """Write a paragraph for each platform; for programs, an object."""
    from resources.releases.comparison.changes import (
        Places,
        UnknownVersionError,
        find_changes,
    )

    report.expect(len(platforms))
    for platform in platforms:
        places = Places(
            platform,
            settings.open_store(platform),
            settings.source,
            os.environ.get("RESOURCE_MANIFEST"),
            report,
        )
        try:
            found = find_changes(
                places,
                options.version,
                since=options.since,
                guard_percent=options.guard,
            )
        except UnknownVersionError as error:
            report.tell("unknown-version", error.as_json())
            raise
        _tell(found, report)
        report.advance(1)
    return 0


def _tell(found: Changes, report: Report) -> None:
    for problem in found.damaged:
        report.warning(f"{problem}; it is not compared")
    for line in _lines(found):
        report.line(line)
    report.tell("changes", found.as_json())
    report.note(found.platform, version=found.after.header.version)
    for kind, amount in found.differences.kinds.items():
        report.count(found.platform, kind, amount.files)
    if found.download is not None:
        report.count(found.platform, "playerBytes", found.download.amount.bytes)


def _lines(found: Changes) -> Iterator[str]:
    version = found.after.header.version
    since = f"{found.before.header.version} -> " if found.before else "first version "
    yield f"Changes of {all_platforms()[found.platform]}: {since}{version}"
    for kind, amount in found.differences.kinds.items():
        if amount.files:
            yield f"  {kind}: {_amount(amount)}"
    yield f"  unchanged: {_amount(found.differences.unchanged)}"
    yield from _folder_lines(found.differences)
    yield from map(_file_line, found.differences.largest)
    yield from map(_player_line, found.players)
    if found.plan is not None:
        yield found.plan.line()
    if found.loss is not None:
        lost = found.loss.dropped + found.loss.changed
        share = f"{found.loss.percent:.1f} % of {found.guard_percent} %"
        passes = "passes" if found.loss.passes(found.guard_percent) else "would stop it"
        files = f"{lost} of {found.loss.files} files dropped or changed"
        yield f"Guard: {share}, {files}; {passes}"


def _folder_lines(found: Differences) -> Iterator[str]:
    names = found.by_download()
    for name in names[:FOLDERS]:
        kinds = found.folders[name].items()
        parts = [f"{amount.files} {kind}" for kind, amount in kinds if amount.files]
        size = size_text(found.download_of(name).bytes)
        yield f"  in {name or '.'}: {', '.join(parts)}, {size}"
    if len(names) > FOLDERS:
        yield f"  and {counted(len(names) - FOLDERS, 'more folder')}"


def _file_line(file: FileChange) -> str:
    is_resized = file.before not in (None, file.bytes)
    before = f", was {size_text(file.before or 0)}" if is_resized else ""
    return f"  {file.kind} {file.path}: {size_text(file.bytes)}{before}"


def _player_line(player: PlayerDownload) -> str:
    by_content = ""
    if player.new_bytes != player.amount.bytes:
        by_content = f"; by content {size_text(player.new_bytes)}"
    return (
        f"A player on {player.version} downloads {_amount(player.amount)}{by_content}."
    )


def _amount(amount: Amount) -> str:
    return f"{counted(amount.files, 'file')}, {size_text(amount.bytes)}"
