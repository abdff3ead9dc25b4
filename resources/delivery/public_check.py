"""Check what players get of a version, through the address at which they find it."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from resources.delivery.public_cocos import find_fixed, stated_version
from resources.delivery.public_release import PublicRelease
from resources.delivery.samples import sample_of
from resources.platforms import all_platforms
from resources.report import Report, counted
from resources.workers.pool import Workers, may_fork

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from resources.delivery.public_release import Place
    from resources.delivery.verdicts import Finding
    from resources.manifests.format import Entry
    from resources.manifests.line_file import Block

FORK_FILES = 400  # beyond that, several processes ask
PIECE_FILES = 100  # after which one that asks alone says how far it is
PATIENT_THREADS = 8  # for what did not come at once
MAX_PROBLEM_LINES = 100  # a platform; the rest is only counted
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0  # seconds between two looks at a pointer

PASSING = ("STALE", "MISSING")  # what a cache gets over by itself, or by a purge
OF_MANY = ("TYPE", "CACHE", "ENCODING", "REDIRECT")  # what a setting does to many files


class Checked(NamedTuple):
    """What came out for one platform: numbers of addresses. ``age`` is that of the
    pointer in a cache, in seconds, None where no cache said one."""

    platform: str
    files: int
    failed: int
    age: int | None


def check_public(
    places: Sequence[Place],
    report: Report,
    *,
    sample: int | None,
    wait_seconds: float,
    manifest_name: str | None,
) -> list[Checked]:
    """Check a version on several platforms, and write a line for each problem.

    Parameters: ``sample`` is how many files are fetched of each platform, None for
    all; ``wait_seconds`` for how long a pointer is asked for again that isn't the right
    one yet; ``manifest_name`` is RESOURCE_MANIFEST. Raises InputError where the store
    doesn't serve the version.
    """
    checks = [_Check(place, manifest_name) for place in places]
    try:
        end = time.monotonic() + wait_seconds
        _wait_for_pointers(checks, report, end)
        for check in checks:
            check.open(sample, end)
        report.expect(sum(check.count for check in checks))
        return [check.run(report) for check in checks]
    finally:
        for check in checks:
            check.release.fetcher.close()


class _Check:
    """The check of one platform."""

    def __init__(self, place: Place, manifest_name: str | None) -> None:
        self.release = PublicRelease(place)
        self.count = 0  # of the files to fetch
        self.pointer_findings: list[Finding] = []
        self._manifest_name = manifest_name
        self._documents: list[list[Finding]] = []
        self._sample: list[Entry] = []

    def open(self, sample: int | None, end: float) -> None:
        """Ask for what comes before the files, until ``end`` where a cache may still
        get over what is wrong."""
        release, version = self.release, self.release.place.version
        self._documents = [self.pointer_findings]
        if any(finding.kind == "UNREADABLE" for finding in self.pointer_findings):
            return
        self._documents.append(release.find_manifest())
        manifest = release.manifest
        if manifest is None:
            return
        stated = stated_version(release, self._manifest_name)
        if stated is not None:
            release.is_whole = True
            # While some players get it, the fixed addresses are the others'.
            if release.pointer is None or release.pointer.version == version:
                self._documents += self._fixed(stated, end)
        if sample is None or sample >= manifest.files:
            self.count = manifest.files
        else:
            self._sample = sample_of(manifest, sample)
            self.count = sample

    def run(self, report: Report) -> Checked:
        """Fetch the files, and write what is wrong."""
        place, manifest = self.release.place, self.release.manifest
        title = all_platforms()[place.platform]
        report.line(f"Checking {title} at {place.url}...")
        problems = _Problems(report)
        for findings in self._documents:
            problems.add(findings)
        files = 0
        self.release.fetcher.close()  # a process must not share its connections
        for found in self._look():
            files += len(found)
            for findings in found:
                problems.add(findings)
            report.advance(len(found))
        problems.close()
        total = manifest.files if manifest is not None else 0
        seen = "all" if files == total else f"{files} of"
        looked_at = f"pointer, manifest and {seen} {counted(total, 'file')}"
        if problems.failed:
            report.failure(
                f"Players on {title} don't get {place.version} as it was published:"
                f" {problems.failed} of {files + len(self._documents)} answers are"
                " wrong."
            )
        else:
            rollout = self.release.pointer.rollout if self.release.pointer else None
            who = "Players"
            if rollout is not None and rollout.version == place.version:
                who = f"{rollout.percent} % of the players"
            report.line(f"{who} get {place.version} on {title}: {looked_at} are right.")
        return Checked(place.platform, files, problems.failed, self.release.age)

    def _fixed(self, stated: object, end: float) -> list[list[Finding]]:
        for pause in _pauses(end):
            found = find_fixed(self.release, stated)
            if not any(map(_is_passing, found)) or pause is None:
                return found
            time.sleep(pause)
        return []

    def _look(self) -> Iterator[list[list[Finding]]]:
        """Yield what is wrong with each file, for some files at a time.

        In several processes, where the engine may fork, because what is done with an
        answer takes as long as the answer over a fast network.
        """
        manifest = self.release.manifest
        if manifest is None:
            return
        is_all = not self._sample
        if not may_fork() or self.count <= FORK_FILES:
            entries = manifest.entries() if is_all else iter(self._sample)
            yield from map(self._look_at, _pieces(entries, PIECE_FILES))
        elif is_all:
            read = manifest.entries_of
            looked_at: Workers[Block, list[list[Finding]]] = Workers(
                lambda block: self._look_at(read(block))
            )
            with looked_at as workers:
                yield from workers.map(manifest.blocks())
        else:
            with Workers(self._look_at) as workers:
                yield from workers.map(_pieces(iter(self._sample), FORK_FILES))

    def _look_at(self, entries: list[Entry]) -> list[list[Finding]]:
        found = self.release.look_at_many(entries)
        left = [entry for entry, one in zip(entries, found, strict=True) if one is None]
        with Workers(self.release.look_at, threads=PATIENT_THREADS) as workers:
            again = workers.map(left)
            return [next(again) if one is None else one for one in found]


def _wait_for_pointers(checks: list[_Check], report: Report, end: float) -> None:
    """Ask for each pointer until it is right, or the time is over."""
    waiting = checks
    told = False
    for pause in _pauses(end):
        for check in waiting:
            check.pointer_findings = check.release.find_pointer()
        waiting = [check for check in waiting if _is_passing(check.pointer_findings)]
        if not waiting or pause is None:
            return
        for check in () if told else waiting:
            line = check.pointer_findings[0].line
            report.line(f"Waiting for {check.release.place.platform}: {line}")
        told = True
        time.sleep(pause)


def _pauses(end: float) -> Iterator[float | None]:
    """Yield how many seconds to wait before the next look, for as long as there is
    time, and None then. The last look comes at the end."""
    pause = FIRST_PAUSE
    while (left := end - time.monotonic()) > 0:
        yield min(pause, left)
        pause = min(2 * pause, LONGEST_PAUSE)
    yield None


def _is_passing(findings: list[Finding]) -> bool:
    return any(finding.kind in PASSING for finding in findings)


def _pieces(entries: Iterator[Entry], count: int) -> Iterator[list[Entry]]:
    return iter(lambda: list(islice(entries, count)), [])


class _Problems:
    """Writes the problems of a platform, and counts the addresses that have any.

    What one setting does to many files is one line in the end.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._of_many: dict[tuple[str, str, bool], tuple[Finding, int]] = {}
        self._lines = 0
        self.failed = 0

    def add(self, findings: Sequence[Finding]) -> None:
        """Take what was found at one address."""
        self.failed += any(not finding.is_warning for finding in findings)
        for finding in findings:
            # Where a redirect leads to differs from file to file.
            reason = "" if finding.kind == "REDIRECT" else finding.reason
            key = (finding.kind, reason, finding.is_warning)
            is_known = key in self._of_many or len(self._of_many) < MAX_PROBLEM_LINES
            if finding.kind in OF_MANY and is_known:
                first, count = self._of_many.get(key, (finding, 0))
                self._of_many[key] = first, count + 1
            else:
                self._write(finding.line, is_warning=finding.is_warning)

    def close(self) -> None:
        """Write what was found at many addresses, and how many lines were left out."""
        for first, count in self._of_many.values():
            more = f" (and {counted(count - 1, 'more answer')})" if count > 1 else ""
            self._write(f"{first.line}{more}", is_warning=first.is_warning)
        if self._lines > MAX_PROBLEM_LINES:
            self._report.line(f"... and {self._lines - MAX_PROBLEM_LINES} more")

    def _write(self, line: str, *, is_warning: bool) -> None:
        self._lines += 1
        if self._lines > MAX_PROBLEM_LINES:
            return
        if is_warning:
            self._report.warn(line, line)
        else:
            self._report.line(line)
