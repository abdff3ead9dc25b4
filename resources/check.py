"""Check the files of a version against its manifest."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple, Protocol, TypeVar

from resources.errors import MissingFileError, RefusedFileError
from resources.hashing import digests_of, md5_of_text
from resources.pieces import in_pieces
from resources.report import Report
from resources.tree import Tree
from resources.versions import PLATFORMS
from resources.workers import Workers

MAX_PROBLEM_LINES = 100  # a platform; the rest is only counted


class Listed(Protocol):
    """What a manifest says of a file; None for a size or digest it doesn't know."""

    @property
    def path(self) -> str:
        """Where it lies beneath the release's folder."""

    @property
    def size(self) -> int | None:
        """How many bytes it has."""

    @property
    def algorithm(self) -> str:
        """What the digest is made with; see ``hashing.py``."""

    @property
    def digest(self) -> str | None:
        """The digest in lower case hex digits."""


E = TypeVar("E", bound=Listed)
E_contra = TypeVar("E_contra", bound=Listed, contravariant=True)
E_co = TypeVar("E_co", bound=Listed, covariant=True)


class Listing(Protocol[E_co]):
    """A manifest of any format that was read once and is free of harm."""

    @property
    def documents(self) -> Collection[str]:
        """Names of files in the release's folder that are no entries."""

    @property
    def files(self) -> int:
        """How many files it lists."""

    def entries(self) -> Iterator[E_co]:
        """Yield the files in ascending order of their path's UTF-8 bytes."""


class Files(Protocol[E_contra]):
    """The files of entries, in the source or in a store."""

    def open(self, entry: E_contra) -> BinaryIO:
        """Open a file. Raises MissingFileError or RefusedFileError."""

    def size(self, entry: E_contra) -> int:
        """Give a file's size in bytes; raises as ``open`` does."""


class Release(Files[E], Protocol[E]):
    """Files with a manifest."""

    platform: str

    @property
    def manifest(self) -> Listing[E]:
        """What lists the files."""


class Checked(NamedTuple):
    """What came out of a check, in numbers of files."""

    files: int
    failed: int


class Compared(NamedTuple):
    """How a file is: the line that says what is wrong, if so, and what was measured.

    ``digests`` are by algorithm, in hex digits.
    """

    problem: str | None
    size: int = 0
    digests: dict[str, str] = {}


def find_problem(files: Files[E], entry: E, *, quick: bool) -> str | None:
    """Compare one file with its entry, and give the line that says what is wrong.

    Returns None for a file that is as it should be. ``quick`` compares sizes only.
    """
    algorithms = () if quick else (entry.algorithm,)
    return compare(files, entry, algorithms).problem


def compare(files: Files[E], entry: E, algorithms: Sequence[str]) -> Compared:
    """Compare one file with its entry, and make its digests in one read.

    ``algorithms`` are each named once; without any, the file isn't opened and only its
    size is compared.
    """
    digests: dict[str, str] = {}
    try:
        size = files.size(entry)
        if algorithms and entry.size in (None, size):
            with files.open(entry) as stream:
                size, made = digests_of(stream, algorithms)
            digests = dict(zip(algorithms, made, strict=True))
            if entry.digest not in (None, digests.get("md5")) and _is_of_text(
                files, entry
            ):
                return Compared(None, size, digests)
    except MissingFileError:
        return Compared(f"MISSING {entry.path}")
    except RefusedFileError as reason:
        return Compared(f"UNREADABLE {entry.path}: {reason}")
    except OSError as error:
        return Compared(f"UNREADABLE {entry.path}: {error.strerror}")
    if entry.size not in (None, size):
        return Compared(f"SIZE {entry.path}: expected {entry.size}, got {size}")
    got = digests.get(entry.algorithm)
    if entry.digest is not None and got not in (None, entry.digest):
        return Compared(f"MISMATCH {entry.path}: expected {entry.digest}, got {got}")
    return Compared(None, size, digests)


def _is_of_text(files: Files[E], entry: E) -> bool:
    """Say whether an MD5 that differs is that of the file read as text."""
    if entry.algorithm != "md5":
        return False
    with files.open(entry) as stream:
        return md5_of_text(stream) == entry.digest


def find_extra(tree: Tree, manifest: Listing[Listed]) -> Iterator[str]:
    """Yield the paths that lie in the folder and are not in the manifest."""
    listed = (os.fsencode(entry.path) for entry in manifest.entries())
    wanted = next(listed, None)
    for path in tree.walk():
        key = os.fsencode(path)
        while wanted is not None and wanted < key:
            wanted = next(listed, None)
        if key != wanted and path not in manifest.documents:
            yield path
    for _ in listed:  # to the end, where the manifest's digest is compared
        pass


def check_release(
    release: Release[E],
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
    problems = Problems(report)
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


def _in_workers(release: Release[E], *, quick: bool) -> Iterator[tuple[int, list[str]]]:
    def check_piece(piece: list[E]) -> tuple[int, list[str]]:
        found = (find_problem(release, entry, quick=quick) for entry in piece)
        return len(piece), [problem for problem in found if problem]

    pieces = in_pieces(release.manifest.entries(), lambda entry: entry.size or 0)
    with Workers(check_piece) as workers:
        yield from workers.map(pieces)


class Problems:
    """Writes the first problems of a platform, and counts all."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.count = 0

    def add(self, lines: Iterable[str]) -> None:
        """Take problems, each a line."""
        for line in lines:
            self.count += 1
            if self.count <= MAX_PROBLEM_LINES:
                self._report.line(line)

    def close(self) -> None:
        """Say how many were not written."""
        if self.count > MAX_PROBLEM_LINES:
            self._report.line(f"... and {self.count - MAX_PROBLEM_LINES} more")
