"""Check the files of a version against its manifest."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import BinaryIO, NamedTuple, Protocol, Self, TypeVar

from resources.errors import InputError, MissingFileError, RefusedFileError
from resources.files.hashing import digest_of, digests_of, md5_of_text
from resources.files.ignored import Ignored
from resources.files.rooted import Tree
from resources.manifests.line_file import Block
from resources.platforms import all_platforms
from resources.releases.batches import pieces_of, read_piece
from resources.releases.diagnosis import (
    other_forms,
    reason_all_are_missing,
    reason_of_difference,
)
from resources.report import Report, counted
from resources.workers.pool import Workers, check_alive

MAX_PROBLEM_LINES = 100  # a platform; the rest is only counted


class Listed(Protocol):
    """What a manifest says of a file; None for a size or digest it doesn't know."""

    @property
    def path(self) -> str:
        """Return where it lies beneath the release's folder."""

    @property
    def size(self) -> int | None:
        """Return how many bytes it has."""

    @property
    def algorithm(self) -> str:
        """Return what the digest is made with; see ``hashing.py``."""

    @property
    def digest(self) -> str | None:
        """The digest in lower case hex digits."""

    def _replace(self, *, path: str) -> Self:
        """Return the same with another path, as named tuples do."""


E = TypeVar("E", bound=Listed)
E_contra = TypeVar("E_contra", bound=Listed, contravariant=True)


class Listing(Protocol[E]):
    """A manifest of any format that was read once and is free of harm."""

    @property
    def documents(self) -> Collection[str]:
        """Names of files in the release's folder that are no entries."""

    @property
    def files(self) -> int:
        """Return how many files it lists."""

    def blocks(self) -> Iterable[Block]:
        """Return the files in blocks, in ascending order of their path's UTF-8
        bytes."""

    def entries_of(self, block: Block) -> list[E]:
        """Read the files of a block."""

    def paths(self) -> Iterator[bytes]:
        """Yield the paths of all files."""


class Files(Protocol[E_contra]):
    """The files of entries, in the source or in a store."""

    def open(self, entry: E_contra) -> BinaryIO:
        """Open a file. Raises MissingFileError or RefusedFileError."""

    def size(self, entry: E_contra) -> int:
        """Return a file's size in bytes; raises as ``open`` does."""

    def sizes(self, entries: Sequence[E_contra]) -> list[int | None]:
        """Return the sizes of many files in bytes; None for what is missing or can't be
        one."""

    def read_small(self, entries: Sequence[E_contra]) -> Iterator[memoryview | None]:
        """Read files whole, where that can be done at once and they have the sizes that
        their entries say; None where they can't or haven't, for whatever reason. What
        is yielded holds until the next file is read."""


class Release(Files[E], Protocol[E]):
    """Files with a manifest."""

    platform: str

    @property
    def manifest(self) -> Listing[E]:
        """Return what lists the files."""

    def are_sized(self, block: Block) -> bool:
        """Return whether all files of a block are seen at once to have their sizes;
        where they aren't, each is asked for."""


class Checked(NamedTuple):
    """What came out of a check, in numbers of files; ``extra`` are those without an
    entry, where these were looked for."""

    files: int
    failed: int
    extra: int = 0


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
        return Compared(f"MISSING {entry.path}{_other_form(files, entry)}")
    except RefusedFileError as reason:
        return Compared(f"UNREADABLE {entry.path}: {reason}")
    except OSError as error:
        return Compared(f"UNREADABLE {entry.path}: {error.strerror}")
    if entry.size not in (None, size):
        why = _difference(files, entry) or f"expected {entry.size}, got {size}"
        return Compared(f"SIZE {entry.path}: {why}")
    got = digests.get(entry.algorithm)
    if entry.digest is not None and got not in (None, entry.digest):
        why = _difference(files, entry) or f"expected {entry.digest}, got {got}"
        return Compared(f"MISMATCH {entry.path}: {why}")
    return Compared(None, size, digests)


def _difference(files: Files[E], entry: E) -> str | None:
    """Return what alone makes a file differ, if that is one of the common faults."""
    if entry.digest is None:
        return None
    try:
        with files.open(entry) as stream:
            return reason_of_difference(
                stream, entry.algorithm, entry.digest, entry.size
            )
    except (MissingFileError, RefusedFileError, OSError):
        return None


def _other_form(files: Files[E], entry: E) -> str:
    """Say that a missing file is there by a name of another Unicode form."""
    for form, path in other_forms(entry.path):
        with suppress(MissingFileError, RefusedFileError, OSError):
            files.size(entry._replace(path=path))
            return f": Unicode form: there is one in {form}"
    return ""


def _is_of_text(files: Files[E], entry: E) -> bool:
    """Return whether an MD5 that differs is that of the file read as text."""
    if entry.algorithm != "md5":
        return False
    with files.open(entry) as stream:
        return md5_of_text(stream) == entry.digest


def suspects_by_size(files: Files[E], entries: list[E]) -> Iterator[E]:
    """Yield the files that don't have their sizes, all of which are asked for at once.

    Takes 0.14 s for 25,000 files, and ``find_problem`` for each of them 0.25.
    """
    for entry, size in zip(entries, files.sizes(entries), strict=True):
        if size is None or entry.size not in (None, size):
            yield entry


def suspects(files: Files[E], entries: list[E]) -> Iterator[E]:
    """Yield the files that a quick read doesn't show to be as they should be.

    Several times faster than ``find_problem``, which tells what is wrong with these, if
    anything is.
    """
    contents = files.read_small(entries)
    for entry, content in zip(entries, contents, strict=True):
        if content is None or digest_of(content, entry.algorithm) != entry.digest:
            yield entry


def find_extra(
    tree: Tree, release: Release[E], leaves_out: Callable[[str], bool]
) -> Iterator[str]:
    """Yield the paths that lie in the folder, are not in the manifest, and are not left
    out."""
    manifest = release.manifest
    listed = manifest.paths()
    wanted: deque[bytes] = deque()  # what the manifest lists next
    for paths in tree.walk_in_runs():
        check_alive()
        # Many at once, because a sync looks at all files in this way.
        wanted.extend(islice(listed, max(0, len(paths) - len(wanted))))
        joined = os.fsencode("\0".join(paths))  # no name has a NUL
        if b"\0".join(islice(wanted, len(paths))) == joined:  # as nearly always
            for _ in paths:
                wanted.popleft()
            continue
        keys = joined.split(b"\0")
        for path, key in zip(paths, keys, strict=True):
            while wanted and wanted[0] < key:
                wanted.popleft()
                wanted.extend(islice(listed, 1))
            is_listed = bool(wanted) and wanted[0] == key
            if is_listed or path in manifest.documents or leaves_out(path):
                continue
            yield path


def check_release(
    release: Release[E],
    report: Report,
    *,
    quick: bool = False,
    extra_in: Tree | None = None,
    strict_extra: bool = False,
    strays: Iterable[str] = (),
) -> Checked:
    """Check one platform and write its lines; the counts are also returned.

    Parameters: ``quick`` compares sizes only; ``extra_in`` is the folder to look for
    files without an entry, None for no look; ``strict_extra`` counts those as failed
    (and as checked), else they are warnings; ``strays`` are such files, too.
    Raises ManifestError when the manifest changes meanwhile.
    """
    report.line(f"Checking {all_platforms()[release.platform]} manifest...")
    problems = Problems(report)
    files = on_disk = extra_files = 0
    for found in find_problems(release, quick=quick, counted_in=extra_in):
        files += found.files
        on_disk += found.on_disk
        problems.add(found)
        report.advance(found.files)
    failed = problems.count
    if extra_in is not None and (failed or quick or on_disk != files):
        paths = find_extra(extra_in, release, Ignored(extra_in).excludes)
        extra = found_in(0, (f"EXTRA {path}" for path in paths))
        problems.add(extra, is_warning=not strict_extra)
        extra_files = extra.problems
        if strict_extra:
            files += extra.problems
            failed = problems.count
    more = found_in(0, (f"EXTRA {path}" for path in strays))
    problems.add(more)
    if strict_extra:
        files += more.problems
        failed = problems.count
    problems.close()
    if extra_in is not None and failed >= files > 0:
        paths = map(bytes.decode, release.manifest.paths())
        if reason := reason_all_are_missing(extra_in, paths):
            report.line(reason)
    if failed:
        report.failure(f"{failed} of {files} files failed.")
    elif files:
        report.line("All files matched successfully.")
    report.line(f"Total files checked: {files}")
    return Checked(files, failed, extra_files)


def require_compared(empty: Mapping[str, int]) -> None:
    """Raise InputError for platforms of which no file was compared; the numbers are how
    many files without an entry each has."""
    if not empty:
        return
    found = " and ".join(
        f"the manifest of {platform} lists no file"
        + (f" ({counted(extra, 'file')} beside it)" if extra else "")
        for platform, extra in empty.items()
    )
    raise InputError(
        f"nothing was compared: {found}. If that is meant, run it with --allow-empty"
    )


class Found(NamedTuple):
    """What a helper found: numbers of files and problems, and the first problems.

    ``on_disk`` is how many files there are that may be entries, where that was counted.
    """

    files: int
    problems: int
    lines: list[str]
    on_disk: int = 0


def found_in(files: int, problems: Iterable[str]) -> Found:
    """Count problems, and keep as many as anybody will read."""
    remaining = iter(problems)
    lines = list(islice(remaining, MAX_PROBLEM_LINES))
    return Found(files, len(lines) + sum(1 for _ in remaining), lines)


def find_problems(
    release: Release[E], *, quick: bool, counted_in: Tree | None = None
) -> Iterator[Found]:
    """Yield what is found in each piece of a release.

    With ``counted_in``, the files in that folder which may be entries are counted, too:
    where all entries are right and there are as many files, there is no other file.
    """

    def check_piece(piece: Block | list[E] | None) -> Found:
        if piece is None:
            return Found(0, 0, [], _count_files(counted_in, release))
        if quick and isinstance(piece, Block) and release.are_sized(piece):
            return Found(piece.files, 0, [])
        entries = read_piece(release.manifest, piece)
        find = suspects_by_size if quick else suspects
        problems = (
            find_problem(release, entry, quick=quick)
            for entry in find(release, entries)
        )
        return found_in(len(entries), (problem for problem in problems if problem))

    # The count goes first because it can't be divided.
    count = () if counted_in is None else (None,)
    # By size, a block is one look, also where threads look: at a list of the bucket.
    pieces: Iterable[Block | list[E]] = (
        release.manifest.blocks()
        if quick
        else pieces_of(release.manifest, lambda entry: entry.size or 0)
    )
    with Workers(check_piece) as workers:
        yield from workers.map(chain(count, pieces))


def _count_files(tree: Tree | None, release: Release[E]) -> int:
    if tree is None:
        return 0
    names = release.manifest.documents
    documents = sum(size is not None for size in tree.sizes("", list(names)))
    return tree.count_files() - documents


class Problems:
    """Writes the first problems of a platform, and counts all."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.count = 0

    def add(self, found: Found, *, is_warning: bool = False) -> None:
        """Take what was found in a piece."""
        for line in found.lines[: max(0, MAX_PROBLEM_LINES - self.count)]:
            if is_warning:
                self._report.warn(line, line)
            else:
                self._report.line(line)
        self.count += found.problems

    def close(self) -> None:
        """Say how many were not written."""
        if self.count > MAX_PROBLEM_LINES:
            self._report.line(f"... and {self.count - MAX_PROBLEM_LINES} more")
