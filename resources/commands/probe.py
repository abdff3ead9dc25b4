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
    from resources.stores.finding import Finding


def probe(settings: Settings, report: Report) -> int:
    """Probe each store of the settings once.

    Returns 0 when all are written as they have to be, 1 when one will not work so.
    Raises StoreError for one that can't be reached or written to.
    """
    places = dict.fromkeys(settings.stores.values())
    codes = [
        _probe_bucket(place, report)
        if isinstance(place, ObjectLocation)
        else _probe_folder(place, report)
        for place in places
    ]
    return max(codes)


def _probe_folder(folder: Path, report: Report) -> int:
    from resources.stores.directory_probe import DirectoryProbe

    probe = DirectoryProbe(folder)
    store = str(folder)
    report.line(f"Probing {folder}...")
    if probe.folder != folder.absolute():
        report.line(f"It isn't there yet; {probe.folder} is tried instead.")
    missing = []
    for finding in probe.findings():
        _tell(finding, store, report)
        if finding.needed and not finding.works:
            missing.append(finding.text)
    report.tell("verdict", {"store": store, "works": not missing, "profile": None})
    if missing:
        report.failure(f"{folder} can't be a store.")
        return 1
    report.line(f"{folder} fits.")
    return 0


def _probe_bucket(location: ObjectLocation, report: Report) -> int:
    from resources.stores.bucket.probe import BucketProbe
    from resources.stores.bucket.verdict import WITHOUT_CONDITIONS, judge

    written = location.written()
    report.line(f"Probing {written}...")
    probe = BucketProbe(location, os.environ)
    missing: list[str] = []

    def run() -> None:
        try:
            for finding in probe.findings():
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
        return 1
    verdict = judge(location, probe.taken)
    values = {"works": verdict.works, "profile": verdict.profile or None}
    report.tell("verdict", {"store": written, **values, "write": verdict.best})
    say = report.line if verdict.works else report.failure
    say(verdict.text)
    if not verdict.conditions:
        report.line(WITHOUT_CONDITIONS)
    return 0 if verdict.works else 1


def _tell(finding: Finding, store: str, report: Report) -> None:
    report.line(finding.text)
    values = {"name": finding.name, "works": finding.works, "text": finding.text}
    report.tell("finding", {"store": store, **values})
