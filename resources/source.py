"""The source: what a build left in ``<source>/<platform>/<version>/``."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from resources.errors import InputError, MissingFileError, RefusedFileError
from resources.manifest import Entry
from resources.manifest_reader import Manifest
from resources.paths import MANIFEST_NAME
from resources.tree import Tree
from resources.versions import is_version, listed


class SourceRelease:
    """One version of one platform as it was built: its files and its manifest."""

    def __init__(self, folder: Path, platform: str, version: str) -> None:
        self.platform = platform
        self.version = version
        self.tree = Tree(folder)
        self.manifest = Manifest(
            str(folder / MANIFEST_NAME),
            lambda: self.tree.open_buffered(MANIFEST_NAME),
            platform=platform,
            version=version,
            published=False,
        )

    def open(self, entry: Entry) -> BinaryIO:
        """Open a file. Raises MissingFileError or RefusedFileError."""
        return self.tree.open_file(entry.path)

    def size(self, entry: Entry) -> int:
        """Give a file's size in bytes; raises as ``open`` does."""
        return self.tree.size(entry.path)


def open_release(source: Path, platform: str, version: str) -> SourceRelease:
    """Open a version in the source and read its manifest once, checking all of it.

    Raises InputError when it isn't there, naming the versions there are, and
    ManifestError. No file but the manifest was opened then.
    """
    folder = source / platform / version
    try:
        if not folder.is_dir():
            raise InputError(_absent(source, platform, version))
        release = SourceRelease(folder, platform, version)
        release.manifest.verify()
    except MissingFileError:
        raise InputError(
            f"version {version} of {platform} has no {MANIFEST_NAME} in {folder}"
        ) from None
    except RefusedFileError as reason:
        raise InputError(f"{folder / MANIFEST_NAME} {reason}") from None
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror}") from None
    return release


def _absent(source: Path, platform: str, version: str) -> str:
    folder = source / platform
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    there = listed([name for name in names if is_version(name)])
    return f"version {version} of {platform} is not in the source {source}; {there}"
