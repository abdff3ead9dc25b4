"""Move the pointers of several platforms together, when all are complete."""

from __future__ import annotations

from contextlib import ExitStack

from resources.check import MAX_PROBLEM_LINES, find_problem
from resources.errors import DifferenceError
from resources.published import PublishedRelease, open_published
from resources.report import Report
from resources.store import Store
from resources.sync import point_to, published_line
from resources.versions import PLATFORMS


def publish(version: str, stores: dict[str, Store], report: Report) -> None:
    """Serve ``version`` on every platform of ``stores``, or change nothing.

    First every file of every platform is looked for, by its size; then all stores are
    locked; then the pointers move, one after the other.
    Raises InputError when a store doesn't have the version, DifferenceError when files
    are missing, ConflictError when another publisher is at work.
    """
    releases = [open_published(stores[name], name, version) for name in stores]
    report.expect(sum(release.manifest.header.files for release in releases))
    for release in releases:
        _require_complete(release, stores[release.platform], report)
    with ExitStack() as locks:
        for store in stores.values():
            locks.enter_context(store.lock())
        before = {name: store.pointer() for name, store in stores.items()}
        for name, store in stores.items():
            if len(stores) > 1:
                report.line(f"Publishing {PLATFORMS[name]}...")
            served = before[name]
            if served is not None and served.version == version:
                report.line(f"Nothing to do: {version} is already published.")
                continue
            point_to(name, version, store, served)
            report.line(published_line(version, served))


def _require_complete(release: PublishedRelease, store: Store, report: Report) -> None:
    failed = files = 0
    for entry in release.manifest.entries():
        files += 1
        problem = find_problem(release, entry, quick=True)
        report.advance(1)
        if problem is not None:
            failed += 1
            if failed <= MAX_PROBLEM_LINES:
                report.line(problem)
    if failed:
        raise DifferenceError(
            f"{release.version} of {release.platform} is not complete in"
            f" {store.name}: {failed} of {files} files failed"
        )
