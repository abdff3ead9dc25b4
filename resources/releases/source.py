"""The source: what a build left in ``<source>/<platform>/<version>/``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from resources.errors import InputError, MissingFileError, RefusedFileError
from resources.files.hashing import CHUNK_BYTES
from resources.files.rooted import Tree
from resources.manifests.detect import find_manifest
from resources.manifests.format import Entry
from resources.manifests.line_file import Block, LineFile
from resources.manifests.reader import Manifest
from resources.manifests.third_party import ForeignManifest, TreeFiles
from resources.report import Report
from resources.stores.release_store import ReleaseStore
from resources.versions import is_version, listed


class SourceRelease:
    """One version of one platform as it was built: its files and its manifest."""

    def __init__(self, tree: Tree, manifest: Manifest) -> None:
        self.platform = manifest.header.platform
        self.version = manifest.header.version
        self.place = f"the source of {self.platform}"
        self.tree = tree
        self.manifest = manifest

    def open(self, entry: Entry) -> BinaryIO:
        """Open a file. Raises MissingFileError or RefusedFileError."""
        return self.tree.open_file(entry.path)

    def read_small(self, entries: Sequence[Entry]) -> Iterator[memoryview | None]:
        """Read files whole where that can be done at once; see ``rooted.Tree``."""
        wanted = ((entry.path, entry.size) for entry in entries)
        return self.tree.read_small(wanted, CHUNK_BYTES)

    def size(self, entry: Entry) -> int:
        """Return a file's size in bytes; raises as ``open`` does."""
        return self.tree.size(entry.path)

    def copy_to(
        self, store: ReleaseStore, files: Sequence[tuple[Entry, str]]
    ) -> list[bool]:
        """No store copies from a build: all is sent; see ``sync.Incoming``."""
        return [False] * len(files)

    def sizes(self, entries: Sequence[Entry]) -> list[int | None]:
        """Return the sizes of many files in bytes; see ``rooted.Tree``."""
        return self.tree.sizes("", [entry.path for entry in entries])

    def are_sized(self, block: Block) -> bool:
        """Return whether all files of a block have their sizes."""
        paths, sizes = self.manifest.paths_and_sizes(block)
        return self.tree.sizes("", paths) == sizes


class ForeignRelease(TreeFiles):
    """The same with another program's manifest, which knows less of the files."""

    def __init__(
        self, platform: str, version: str, tree: Tree, manifest: ForeignManifest
    ) -> None:
        super().__init__(tree)
        self.platform = platform
        self.version = version
        self.manifest = manifest

    def are_sized(self, block: Block) -> bool:
        """Nothing is known of a whole block, so each file is asked for."""
        return False


def open_to_check(
    source: Path,
    platform: str,
    version: str,
    *,
    manifest_name: str | None = None,
    quick: bool = False,
) -> SourceRelease | ForeignRelease:
    """Open a version in the source and read its manifest once, checking all of it.

    Parameters: ``manifest_name`` names the manifest where there are several (the
    setting ``RESOURCE_MANIFEST``); ``quick`` refuses a manifest that doesn't know the
    files' sizes. Raises InputError when the version or its manifest isn't there,
    naming those there are, and ManifestError.
    """
    folder = source / platform / version
    try:
        if not folder.is_dir():
            raise InputError(_absent(source, platform, version))
        release = _open(Tree(folder), platform, version, manifest_name)
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror}") from None
    if quick and isinstance(release, ForeignRelease):
        _require_sizes(release.manifest)
    return release


def open_release(
    source: Path,
    platform: str,
    version: str,
    *,
    manifest_name: str | None = None,
    report: Report | None = None,
) -> SourceRelease:
    """Open a version as ``open_to_check`` does, to be sent.

    With a foreign manifest, all files are read: their SHA-256 is made, and the foreign
    digest compared. Raises DifferenceError when they differ, after a line for each.
    """
    release = open_to_check(source, platform, version, manifest_name=manifest_name)
    if isinstance(release, SourceRelease):
        return release
    from resources.releases.write_manifest import Owner, converted  # slow to import

    report = report or Report(progress=False, outputs=False)
    owner = Owner(platform, version)
    own = converted(release.manifest, release.tree, owner, report)
    return SourceRelease(release.tree, own)


def _open(
    tree: Tree, platform: str, version: str, manifest_name: str | None
) -> SourceRelease | ForeignRelease:
    found = find_manifest(tree, f"version {version} of {platform}", manifest_name)
    shown_name = str(tree.root / found.name)
    try:
        if found.read is not None:
            with tree.open_buffered(found.name) as stream:
                manifest = found.read(stream, shown_name, found.documents, tree)
            return ForeignRelease(platform, version, tree, manifest)
        own = Manifest(
            shown_name,
            LineFile(tree.open_buffered(found.name)),
            platform=platform,
            version=version,
            published=False,
            documents=found.documents,
        )
        own.verify()
        return SourceRelease(tree, own)
    except MissingFileError:
        raise InputError(f"{shown_name} is not there") from None
    except RefusedFileError as reason:
        raise InputError(f"{shown_name} {reason}") from None


def _require_sizes(manifest: ForeignManifest) -> None:
    if manifest.files_without_size:
        raise InputError(
            f"{manifest.name} has no size for {manifest.files_without_size} of"
            f" {manifest.files} files, and a quick check compares nothing else;"
            " check without --quick"
        )


def _absent(source: Path, platform: str, version: str) -> str:
    folder = source / platform
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    there = listed([name for name in names if is_version(name)])
    return f"version {version} of {platform} is not in the source {source}; {there}"
