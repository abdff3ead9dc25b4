"""Check the files of a version against its manifest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple, Protocol

from resources.errors import MissingFileError, RefusedFileError
from resources.hashing import sha256_of
from resources.manifest import Entry
from resources.manifest_reader import Manifest
from resources.paths import MANIFEST_NAME
from resources.pieces import in_pieces
from resources.report import Report
from resources.tree import Tree
from resources.versions import PLATFORMS
from resources.workers import Workers

MAX_PROBLEM_LINES = 100  # a platform; the rest is only counted


class Release(Protocol):
    """Files with a manifest, in the source or in a store."""

    platform: str
    manifest: Manifest

    def open(self, entry: Entry) -> BinaryIO:
        """Open a file. Raises MissingFileError or RefusedFileError."""

    def size(self, entry: Entry) -> int:
        """Give a file's size in bytes; raises as ``open`` does."""


class Checked(NamedTuple):
    """What came out of a check, in numbers of files."""

    files: int
    failed: int


def find_problem(release: Release, entry: Entry, *, quick: bool) -> str | None:
    """Compare one file with its entry, and give the line that says what is wrong.

    Returns None for a file that is as it should be. ``quick`` compares sizes only.
    """
    try:
        size = release.size(entry)
        if size == entry.size and not quick:
            with release.open(entry) as stream:
                size, digest = sha256_of(stream)
        else:
            digest = entry.sha256
    except MissingFileError:
        return f"MISSING {entry.path}"
    except RefusedFileError as reason:
        return f"UNREADABLE {entry.path}: {reason}"
    except OSError as error:
        return f"UNREADABLE {entry.path}: {error.strerror}"
    if size != entry.size:
        return f"SIZE {entry.path}: expected {entry.size}, got {size}"
    if digest != entry.sha256:
        return f"MISMATCH {entry.path}: expected {entry.sha256}, got {digest}"
    return None


def find_extra(tree: Tree, manifest: Manifest) -> Iterator[str]:
    """Yield the paths that lie in the folder and are not in the manifest."""
    listed = (os.fsencode(entry.path) for entry in manifest.entries())
    wanted = next(listed, None)
    for path in tree.walk():
        key = os.fsencode(path)
        while wanted is not None and wanted < key:
            wanted = next(listed, None)
        if key != wanted and path != MANIFEST_NAME:
            yield path
    for _ in listed:  # to the end, where the manifest's digest is compared
        pass


def check_release(
    release: Release,
    report: Report,
    *,
    quick: bool = False,
    extra_in: Tree | None = None,
    strict_extra: bool = False,
) -> Checked:
    """Check one platform and write its lines; the counts are also returned.

    Parameters: ``quick`` compares sizes only; ``extra_in`` is the folder to look for
    files without an entry, None for no look; ``strict_extra`` counts those as failed
    (and as checked), else they are warnings.
    Raises ManifestError when the manifest changes meanwhile.
    """
    report.line(f"Checking {PLATFORMS[release.platform]} manifest...")
    problems = _Problems(report)
    files = 0
    for piece_files, found in _in_workers(release, quick=quick):
        files += piece_files
        problems.add(found)
        report.advance(piece_files)
    failed = problems.count
    if extra_in is not None:
        for path in find_extra(extra_in, release.manifest):
            problems.add([f"EXTRA {path}"])
        if strict_extra:
            files += problems.count - failed
            failed = problems.count
    problems.close()
    if failed:
        report.failure(f"{failed} of {files} files failed.")
    else:
        report.line("All files matched successfully.")
    report.line(f"Total files checked: {files}")
    return Checked(files, failed)


def _in_workers(release: Release, *, quick: bool) -> Iterator[tuple[int, list[str]]]:
    def check_piece(piece: list[Entry]) -> tuple[int, list[str]]:
        found = (find_problem(release, entry, quick=quick) for entry in piece)
        return len(piece), [problem for problem in found if problem]

    pieces = in_pieces(release.manifest.entries(), lambda entry: entry.size)
    with Workers(check_piece) as workers:
        yield from workers.map(pieces)


class _Problems:
    """Writes the first problems of a platform, and counts all."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.count = 0

    def add(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.count += 1
            if self.count <= MAX_PROBLEM_LINES:
                self._report.line(line)

    def close(self) -> None:
        if self.count > MAX_PROBLEM_LINES:
            self._report.line(f"... and {self.count - MAX_PROBLEM_LINES} more")
