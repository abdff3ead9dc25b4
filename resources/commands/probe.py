"""``python -m resources probe``: what a store does, and how it has to be written."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from resources.errors import CancelError
from resources.report import Report
from resources.settings import Settings
from resources.stores.bucket.location import ObjectLocation
from resources.workers.waiting import result_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from resources.stores.finding import Finding


def probe(settings: Settings, platforms: Collection[str], report: Report) -> int:
    """Probe each store that the settings have for some platforms, once.

    Returns 0 when all are written as they have to be, 1 when one will not work so.
    Raises StoreError for one that can't be reached or written to.
    """
    of_place: dict[Path | ObjectLocation, list[str]] = {}
    for platform, place in settings.stores.items():
        if platform in platforms:
            of_place.setdefault(place, []).append(platform)
    codes = []
    for place, owners in of_place.items():
        if isinstance(place, ObjectLocation):
            code, tried = _probe_bucket(place, report)
            store = place.written()
        else:
            code, tried = _probe_folder(place, report)
            store = str(place)
        for platform in owners:
            report.count(platform, "tried", tried)
            report.count(platform, "unfit", int(code != 0))
            report.note(platform, store=store)
        codes.append(code)
    return max(codes)


def _probe_folder(folder: Path, report: Report) -> tuple[int, int]:
    """Return the exit code, and how many things were tried."""
    from resources.stores.directory_probe import DirectoryProbe

    probe = DirectoryProbe(folder)
    store = str(folder)
    report.line(f"Probing {folder}...")
    if probe.folder != folder.absolute():
        report.line(f"It isn't there yet; {probe.folder} is tried instead.")
    missing = []
    tried = 0
    for finding in probe.findings():
        tried += 1
        _tell(finding, store, report)
        if finding.needed and not finding.works:
            missing.append(finding.text)
    report.tell("verdict", {"store": store, "works": not missing, "profile": None})
    if missing:
        report.failure(f"{folder} can't be a store.")
        return 1, tried
    report.line(f"{folder} fits.")
    return 0, tried


def _probe_bucket(location: ObjectLocation, report: Report) -> tuple[int, int]:
    """Return the exit code, and how many things were tried."""
    from resources.stores.bucket.probe import BucketProbe
    from resources.stores.bucket.verdict import WITHOUT_CONDITIONS, judge

    written = location.written()
    report.line(f"Probing {written}...")
    probe = BucketProbe(location, os.environ)
    missing: list[str] = []
    tried = 0

    def run() -> None:
        nonlocal tried
        try:
            for finding in probe.findings():
                tried += 1
                _tell(finding, written, report)
                if finding.needed and not finding.works:
                    missing.append(finding.text)
        finally:
            if reason := probe.clear():
                report.warning(f"{probe.scratch} could not be emptied: {reason}")

    # In a thread, because a signal must not interrupt a request: it could still write
    # what was cleared away.
    with ThreadPoolExecutor(1, thread_name_prefix="probe") as executor:
        running = executor.submit(run)
        try:
            result_of(running)
        except CancelError:
            probe.stop()
            raise
    if missing:
        report.tell("verdict", {"store": written, "works": False, "profile": None})
        report.failure(f"{written} can't be a store of files above 8 MiB.")
        return 1, tried
    verdict = judge(location, probe.taken)
    values = {"works": verdict.works, "profile": verdict.profile or None}
    report.tell("verdict", {"store": written, **values, "write": verdict.best})
    say = report.line if verdict.works else report.failure
    say(verdict.text)
    if not verdict.conditions:
        report.line(WITHOUT_CONDITIONS)
    return (0 if verdict.works else 1), tried


def _tell(finding: Finding, store: str, report: Report) -> None:
    report.line(finding.text)
    values = {"name": finding.name, "works": finding.works, "text": finding.text}
    report.tell("finding", {"store": store, **values})
