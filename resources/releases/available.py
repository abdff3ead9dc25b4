"""Which versions there are, for a program that offers them to people.

With ``current`` and ``past`` all of the engine that the web service imports: it raises
nothing of the engine's where ``problem_of_platforms`` finds none, and writes nothing.
It takes as long as the disk or the store takes to answer.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from resources.errors import EngineError, MissingFileError, RefusedFileError
from resources.files.rooted import Tree
from resources.manifests.cocos import PROJECT_NAME
from resources.manifests.header import HEADER_BYTES
from resources.manifests.paths import MANIFEST_NAME
from resources.manifests.totals import Totals, totals_of, totals_of_own
from resources.platforms import VARIABLE, all_platforms
from resources.releases.current import own_store
from resources.releases.pointers.history import read_history
from resources.releases.pruned import FOLDER
from resources.settings import read_settings
from resources.stores.release_store import ReleaseStore
from resources.versions import is_version, natural_key

__all__ = [
    "Built",
    "Found",
    "Sealed",
    "all_platforms",
    "natural_key",
    "read_source",
    "read_store",
]

MOST_VERSIONS = 50  # the newest: of older ones not even the manifest is looked at

V = TypeVar("V")


class Built(NamedTuple):
    """A version in the source; ``at``: when its manifest was written, or else when its
    folder was changed."""

    version: str
    at: datetime | None
    totals: Totals


class Sealed(NamedTuple):
    """A whole version in the store; ``at``: when it went live the last time, None
    where it never did or nobody wrote that down."""

    version: str
    at: str | None
    totals: Totals
    is_live: bool


class Found(NamedTuple, Generic[V]):
    """What lies in one place: the newest versions, newest first, and the folders of
    older ones, which were not looked at. ``problem`` says why it can't be told; it is
    for a log and may name folders."""

    versions: list[V]
    older: list[str]
    problem: str | None = None


def read_source(platform: str, environment: Mapping[str, str]) -> Found[Built]:
    """List what a platform has in the source, which the environment names."""
    names = ("DATA_DIR", "RESOURCE_SOURCE", VARIABLE)
    own = {name: environment[name] for name in names if name in environment}
    manifest_name = environment.get("RESOURCE_MANIFEST")
    try:
        source = read_settings(own, source=None, store=None).source
        versions = _versions_beneath(source, platform)
    except (EngineError, OSError) as error:
        return Found([], [], str(error))
    newest, older = versions[:MOST_VERSIONS], versions[MOST_VERSIONS:]
    folder = source / platform
    return Found([_built(folder / each, manifest_name) for each in newest], older)


def read_store(platform: str, environment: Mapping[str, str]) -> Found[Sealed]:
    """List what a platform has in its store, which the environment names."""
    try:
        return _sealed_in(own_store(platform, environment))
    except EngineError as error:
        return Found([], [], str(error))


def _versions_beneath(source: Path, platform: str) -> list[str]:
    """Return the folders that are versions, newest first. Raises OSError for a source
    that is not there, which may be a disk that is missing."""
    with os.scandir(source):
        pass
    try:
        with os.scandir(source / platform) as entries:
            names = [e.name for e in entries if is_version(e.name) and e.is_dir()]
    except FileNotFoundError:
        return []
    return sorted(names, key=natural_key, reverse=True)


def _built(folder: Path, manifest_name: str | None) -> Built:
    """Look at a version, however broken it is."""
    names = [manifest_name] if manifest_name else [MANIFEST_NAME, PROJECT_NAME]
    with suppress(OSError), closing(Tree(folder)) as tree:
        for name in names:
            with (
                suppress(MissingFileError, RefusedFileError),
                tree.open_file(name) as stream,
            ):
                at = _moment(os.fstat(stream.fileno()))
                return Built(folder.name, at, totals_of(name, stream))
        return Built(folder.name, _moment(folder.stat()), Totals())
    return Built(folder.name, None, Totals())


def _moment(status: os.stat_result) -> datetime | None:
    try:
        return datetime.fromtimestamp(status.st_mtime, UTC)
    except (ValueError, OverflowError, OSError):  # beyond the year 9999
        return None


def _sealed_in(store: ReleaseStore) -> Found[Sealed]:
    pointer = store.pointer()
    live = pointer.version if pointer else None
    begun = [version for version in store.begun_versions()[::-1] if version != FOLDER]
    newest, older = begun[:MOST_VERSIONS], begun[MOST_VERSIONS:]
    asked = newest + [version for version in older if version == live]
    pointers = [*(read_history(store) or []), *([pointer] if pointer else [])]
    at = {each.version: each.published_at for each in pointers}
    beginnings = store.manifest_beginnings(asked, HEADER_BYTES)
    return Found(
        [
            Sealed(version, at.get(version), totals_of_own(found), version == live)
            for version, found in zip(asked, beginnings, strict=True)
            if found is not None
        ],
        [version for version in older if version != live],
    )
