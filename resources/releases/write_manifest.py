"""Make manifests of the own format: for a folder, or from a foreign manifest.

Every file is read once; what a foreign manifest says of it is compared with the same
bytes that the new digests are made of.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from heapq import merge
from pathlib import Path
from typing import NamedTuple

from resources.errors import (
    DifferenceError,
    InputError,
    MissingFileError,
    RefusedFileError,
    store_failure,
)
from resources.files.ignored import Ignored
from resources.files.rooted import Tree
from resources.manifests.detect import LOOKED_AT_BYTES, candidate_of, manifest_names
from resources.manifests.format import Entry, Header, manifest_lines
from resources.manifests.paths import MANIFEST_NAME, reason_against
from resources.manifests.reader import Manifest
from resources.manifests.records import Records
from resources.manifests.third_party import ForeignEntry, ForeignManifest, TreeFiles
from resources.manifests.unknown_lists import unknown_list
from resources.platforms import all_platforms
from resources.releases.batches import in_pieces
from resources.releases.check import Problems, compare, found_in
from resources.report import Report, size_text
from resources.versions import is_version
from resources.workers.pool import Workers

UNFINISHED_PREFIX = f".{MANIFEST_NAME}."


class Owner(NamedTuple):
    """Whose manifest it is."""

    platform: str
    version: str


def owner_of(folder: Path, platform: str | None, version: str | None) -> Owner:
    """Take what is given, and the rest from the folder's name, PLATFORM/VERSION.

    Raises InputError when that names no platform or no version.
    """
    resolved = folder.resolve()
    platform = platform or resolved.parent.name
    version = version or resolved.name
    if platform not in all_platforms():
        raise InputError(
            f'the folder above {resolved} is "{platform}" and no platform'
            f" ({', '.join(all_platforms())}); say which by --platform"
        )
    if not is_version(version):
        raise InputError(f'"{version}" is not a version; say which by --version')
    return Owner(platform, version)


def write_manifest(
    folder: Path,
    owner: Owner,
    report: Report,
    *,
    md5: bool,
    source: Path | None,
    allow_empty: bool = False,
) -> None:
    """Write ``manifest.jsonl`` into a folder, all or nothing, and the line about it.

    It is for all files there, or with ``source`` for those that this foreign manifest
    lists. The same files give the same bytes. ``md5`` adds that digest to each entry.
    One without any file is written only where that is allowed (``allow_empty``).
    Raises InputError, ManifestError, DifferenceError when files aren't what ``source``
    says, StoreError and FullError.
    """
    tree = _open_folder(folder)
    ignored = None
    if source is None:
        name = str(folder)
        ignored = Ignored(tree)
        entries = _entries_of(tree, ignored)
    else:
        foreign = _read_foreign(source, tree)
        report.expect(foreign.files)
        name = foreign.name
        if not allow_empty:
            _require_files(foreign.files, f"{name} lists")
        entries = entries_to_send(foreign, tree)
        md5 = md5 or foreign.algorithm == "md5"
    made = measure(tree, entries, report, md5=md5)
    if made.failed and source is None:
        raise InputError(f"{made.failed} of {made.files} files of {name} can't be read")
    made.require_right(name)
    if not allow_empty:
        _require_files(made.files, f"{name} has")
    text = _text(made, owner)
    manifest = _read_back(str(folder / MANIFEST_NAME), text, owner)
    manifest.verify()
    _place(text, folder)
    report.line(
        f"Wrote {folder / MANIFEST_NAME}:"
        f" {made.files} files, {size_text(made.total_bytes)}."
    )
    for line in ignored.lines() if ignored else ():
        report.line(line)
    names = manifest_names(tree)
    if len(names) > 1:
        report.line(
            f"There are several manifests now: {', '.join(names)};"
            " name one of them by RESOURCE_MANIFEST."
        )


def converted(
    foreign: ForeignManifest, tree: Tree, owner: Owner, report: Report
) -> Manifest:
    """Return the manifest of the own format for a foreign one, in a temporary file.

    Raises DifferenceError when files aren't what the foreign manifest says, and writes
    a line for each.
    """
    report.expect(foreign.files)
    entries = entries_to_send(foreign, tree)
    made = measure(tree, entries, report, md5=foreign.algorithm == "md5")
    made.require_right(foreign.name)
    manifest = _read_back(foreign.name, _text(made, owner), owner, foreign.documents)
    manifest.verify()
    return manifest


class Measured(NamedTuple):
    """Files as they are, in records; how many, and how many of them are wrong."""

    records: Records
    files: int
    total_bytes: int
    failed: int

    def require_right(self, name: str) -> None:
        """Raise DifferenceError when files aren't what the manifest ``name`` says."""
        if self.failed:
            raise DifferenceError(
                f"{self.failed} of {self.files} files are not what {name} says"
            )


def measure(
    tree: Tree, entries: Iterable[ForeignEntry], report: Report, *, md5: bool
) -> Measured:
    """Read every file once, compare it with its entry and make its digests.

    Parameters: ``entries`` come in ascending order; ``md5`` makes that digest, too.
    Writes a line for each problem, as a check does.
    """
    files = TreeFiles(tree)
    always = ("sha256", "md5") if md5 else ("sha256",)

    def measure_piece(piece: list[ForeignEntry]) -> list[tuple[str | None, Entry]]:
        results = []
        for entry in piece:
            known = () if entry.digest is None else (entry.algorithm,)
            wanted = tuple(dict.fromkeys((*always, *known)))
            found = compare(files, entry, wanted)
            sha256, md5_digest = (found.digests.get(name) for name in ("sha256", "md5"))
            kept_md5 = md5_digest if md5 else None
            made = Entry(entry.path, found.size, sha256 or "", kept_md5)
            results.append((found.problem, made))
        return results

    problems = Problems(report)
    count = total_bytes = 0

    def records() -> Iterator[bytes]:
        nonlocal count, total_bytes
        pieces = in_pieces(entries, lambda entry: entry.size or 0)
        with Workers(measure_piece) as workers:
            for results in workers.map(pieces):
                wrong = (problem for problem, _ in results if problem)
                problems.add(found_in(len(results), wrong))
                for _, made in results:
                    count += 1
                    total_bytes += made.size
                    yield _record(made)
                report.advance(len(results))

    filled = Records()
    filled.fill(records())
    problems.close()
    return Measured(filled, count, total_bytes, problems.count)


def entries_to_send(manifest: ForeignManifest, tree: Tree) -> Iterator[ForeignEntry]:
    """Yield the files, and of the manifests themselves those that clients read."""
    shipped = [
        ForeignEntry(name, None, "sha256", None)
        for name in sorted(manifest.shipped, key=str.encode)
        if _is_there(tree, name)
    ]
    return merge(manifest.entries(), shipped, key=lambda entry: entry.path.encode())


def _is_there(tree: Tree, name: str) -> bool:
    try:
        tree.size(name)
    except (MissingFileError, RefusedFileError):
        return False
    return True


def _entries_of(tree: Tree, ignored: Ignored) -> Iterator[ForeignEntry]:
    """Yield the files of a folder but its manifest and what is ignored, and refuse
    names no one may use."""
    for path in tree.walk():
        if path == MANIFEST_NAME or path.startswith(UNFINISHED_PREFIX):
            continue
        if ignored.leaves_out(path):
            continue
        if path.endswith("/"):
            raise InputError(f"{tree.root}: the folder {path} can't be read")
        if reason := reason_against(path):
            raise InputError(f'{tree.root}: the path {reason}: "{path}"')
        yield ForeignEntry(path, None, "sha256", None)


def _require_files(files: int, what_has: str) -> None:
    if not files:
        raise InputError(
            f"{what_has} no file. If that is meant, run it with --allow-empty"
        )


def _open_folder(folder: Path) -> Tree:
    try:
        return Tree(folder)
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror}") from None


def _read_foreign(source: Path, tree: Tree) -> ForeignManifest:
    try:
        beside = Tree(source.parent)
        with beside.open_buffered(source.name) as stream:
            beginning = stream.read(LOOKED_AT_BYTES)
        found = candidate_of(source.name, beginning)
        if found is None:
            unknown = unknown_list(beginning) or "no manifest of a known format"
            raise InputError(f"{source} is {unknown}")
        if found.read is None:
            raise InputError(f"{source} is a manifest of the own format already")
        documents = {*found.documents, *_as_seen_from(tree, source, found.documents)}
        with beside.open_buffered(source.name) as stream:
            return found.read(stream, str(source), documents, tree)
    except MissingFileError:
        raise InputError(f"{source} is not there") from None
    except RefusedFileError as reason:
        raise InputError(f"{source} {reason}") from None
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror}") from None


def _as_seen_from(tree: Tree, source: Path, names: Iterable[str]) -> Iterator[str]:
    """Yield the names beside ``source`` as paths of the tree, when it lies in there."""
    folder, root = source.parent.resolve(), tree.root.resolve()
    if folder != root and folder.is_relative_to(root):
        for name in names:
            yield (folder.relative_to(root) / name).as_posix()


def _record(entry: Entry) -> bytes:
    return f"{entry.path}\0{entry.size}\0{entry.sha256}\0{entry.md5 or ''}\n".encode()


def _entries(records: Records) -> Iterator[Entry]:
    for record in records:
        path, size, sha256, md5 = record[:-1].decode().split("\0")
        yield Entry(path, int(size), sha256, md5 or None)


def _text(made: Measured, owner: Owner) -> Records:
    text = Records()
    header = Header(*owner, made.files, made.total_bytes)
    text.fill(manifest_lines(header, _entries(made.records)))
    return text


def _read_back(
    name: str, text: Records, owner: Owner, documents: Collection[str] = ()
) -> Manifest:
    return Manifest(
        name,
        text.lines,
        platform=owner.platform,
        version=owner.version,
        published=False,
        documents=documents,
    )


def _place(text: Records, folder: Path) -> None:
    """Write the manifest under another name and rename it."""
    unfinished = folder / f"{UNFINISHED_PREFIX}{os.getpid()}"
    try:
        try:
            with unfinished.open("wb") as stream:
                stream.writelines(text)
                stream.flush()
                os.fsync(stream.fileno())
            unfinished.replace(folder / MANIFEST_NAME)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise
    except OSError as error:
        raise store_failure(error, f"write {folder / MANIFEST_NAME}") from None
