"""What a version changes for those who have another: counted, and nothing written.

Also before it is in the store: then the plan says what a sync would do, and the guard
what it would judge.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resources.defaults import GUARD_PERCENT
from resources.errors import DamagedManifestError, InputError, MissingFileError
from resources.manifests.reader import Manifest
from resources.releases.comparison.differences import (
    Amount,
    Differences,
    find_differences,
)
from resources.releases.comparison.downloads import Download, find_downloads
from resources.releases.plan import Plan, make_plan
from resources.releases.pointers.history import served_before
from resources.releases.published import PublishedRelease
from resources.releases.safeguards.guard import Loss, count_loss
from resources.releases.source import open_release
from resources.report import Report
from resources.stores.release_store import ReleaseStore
from resources.versions import is_version, listed, natural_key

LIVE_VERSIONS = 8  # the newest that were live, of which is said what a player gets
FOLDERS = 50  # that are named, of those with most bytes to get


class UnknownVersionError(InputError):
    """A version lies neither in the store nor in the source; ``there`` do."""

    def __init__(self, platform: str, version: str, there: list[str]) -> None:
        super().__init__(
            f"version {version} of {platform} is neither in the store nor in the"
            f" source; {listed(there)}"
        )
        self.platform, self.version, self.there = platform, version, there

    def as_json(self) -> dict[str, object]:
        """Return which version it is, and all there are."""
        return vars(self)


@dataclass(frozen=True)
class Places:
    """Where the versions of a platform are: its store, and the source's folder.

    ``manifest_name`` is RESOURCE_MANIFEST; ``report`` hears of files of a build that
    are not what another program's list says.
    """

    platform: str
    store: ReleaseStore
    source: Path
    manifest_name: str | None
    report: Report

    def versions(self) -> list[str]:
        """Return all there are, in natural order."""
        folder = self.source / self.platform
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        built = {name for name in names if is_version(name)}
        return sorted(built | set(self.store.sealed_versions()), key=natural_key)


@dataclass(frozen=True)
class PlayerDownload:
    """What a player who has a version downloads to get another.

    ``amount`` are the files that the player's version doesn't have under the same path
    with the same content: what a client gets that looks path by path, as those of Cocos
    do. A client that knows its files by their content gets ``new_bytes`` instead: each
    content that the player's version has nowhere, once. Manifests and pointers, which
    both get as well, don't count, nor does what a transfer compresses.
    """

    version: str
    amount: Amount
    new_bytes: int


@dataclass(frozen=True)
class Changes:
    """What ``after`` changes on a platform; ``before`` is None for a first version.

    ``plan`` is what a sync would do, of a version that is only in the source; ``loss``
    is what the guard judges, of one that isn't live. ``damaged`` says of which live
    versions nothing can be told.
    """

    platform: str
    before: Manifest | None
    after: Manifest
    live: str | None
    is_stored: bool
    differences: Differences
    download: PlayerDownload | None
    players: list[PlayerDownload]
    plan: Plan | None
    loss: Loss | None
    guard_percent: int
    damaged: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as ``GET /api/releases/{platform}/changes`` has it."""
        found = self.differences
        folders = found.by_download()
        return {
            "platform": self.platform,
            "live": self.live,
            "from": self.before and _version(self.before),
            "to": _version(self.after) | {"stored": self.is_stored},
            **{kind: amount._asdict() for kind, amount in found.kinds.items()},
            "unchanged": found.unchanged._asdict(),
            "folders": [_folder(name, found) for name in folders[:FOLDERS]],
            "foldersOmitted": max(0, len(folders) - FOLDERS),
            "largest": [
                {"path": f.path, "kind": f.kind, "bytes": f.bytes, "before": f.before}
                for f in found.largest
            ],
            "download": self.download and _download(self.download),
            "playerBytes": [_download(player) for player in self.players],
            "plan": self.plan and _plan(self.plan),
            "guard": self.loss and _guard(self.loss, self.guard_percent),
        }


def find_changes(
    places: Places,
    version: str,
    *,
    since: str | None = None,
    guard_percent: int = GUARD_PERCENT,
) -> Changes:
    """Compare a version with another: with ``since``, else with what is live, or was
    before where the version is live itself.

    A version is taken from the store, or else from the source; there, one with another
    program's manifest is read whole. Raises UnknownVersionError for one that is in
    neither, ManifestError, DifferenceError, DamagedManifestError and StoreError.
    """
    opened = _Opened(places)
    after = opened.open(version)
    plan = None if version in opened.stored else make_plan(after, places.store)
    opened.take(plan)
    versions = _live_versions(places.store)
    earlier = [each for each in versions if each != version]
    since = since or next(iter(earlier), None)
    before = opened.open(since) if since else None
    served = opened.served(earlier)
    live = versions[0] if versions else None
    compared = served | ({since: before} if since and before else {})
    lacking = dict(
        zip(compared, find_downloads(list(compared.values()), after), strict=True)
    )
    known = lacking[since].known if since and before else set()
    return Changes(
        places.platform,
        before,
        after,
        live,
        version in opened.stored,
        find_differences(before, after, known),
        _player(since, lacking[since]) if since and before else None,
        [_player(each, lacking[each]) for each in served],
        plan,
        _loss(live, served, after, places),
        guard_percent,
        opened.damaged,
    )


class _Opened:
    """The manifests of a platform's versions, each read once.

    ``stored`` are those that were found in the store; ``damaged`` says what is wrong
    with those that nothing can be told of.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._known: dict[str, Manifest] = {}
        self.stored: set[str] = set()
        self.damaged: list[str] = []

    def take(self, plan: Plan | None) -> None:
        """Take over what a plan has read."""
        if plan is not None:
            self._known |= plan.others
            self.damaged += plan.damaged

    def open(self, version: str) -> Manifest:
        """Open one of the store, or of the source."""
        with suppress(MissingFileError):
            return self._published(version)
        self._known[version] = self._built(version)
        return self._known[version]

    def served(self, versions: list[str]) -> dict[str, Manifest]:
        """Open those of the store that can be read, LIVE_VERSIONS at most."""
        found: dict[str, Manifest] = {}
        for version in versions[:LIVE_VERSIONS]:
            try:
                found[version] = self._published(version)
            except DamagedManifestError as error:
                self.damaged += [str(error)] * (str(error) not in self.damaged)
            except MissingFileError:  # pruned meanwhile
                continue
        return found

    def _published(self, version: str) -> Manifest:
        if version not in self._known:
            places = self._places
            release = PublishedRelease(places.store, places.platform, version)
            self._known[version] = release.manifest
            self.stored.add(version)
        return self._known[version]

    def _built(self, version: str) -> Manifest:
        places = self._places
        if not (places.source / places.platform / version).is_dir():
            raise UnknownVersionError(places.platform, version, places.versions())
        release = open_release(
            places.source,
            places.platform,
            version,
            manifest_name=places.manifest_name,
            report=places.report,
        )
        return release.manifest


def _live_versions(store: ReleaseStore) -> list[str]:
    """Return what is live and what was, the newest first, as far as it is there."""
    pointer = store.pointer()
    if pointer is None:
        return []
    before = [each.version for each in served_before(pointer, store)]
    there = set(store.sealed_versions())
    versions = dict.fromkeys([pointer.version, *reversed(before)])
    return [version for version in versions if version in there]


def _player(version: str, lacking: Download) -> PlayerDownload:
    return PlayerDownload(version, lacking.amount, lacking.new_bytes)


def _loss(
    live: str | None, served: dict[str, Manifest], after: Manifest, places: Places
) -> Loss | None:
    if live is None or live not in served:  # nothing, the version itself, or damaged
        return None
    return count_loss(served[live], after, places.manifest_name)


# --- As JSON --------------------------------------------------------------------------


def _version(manifest: Manifest) -> dict[str, Any]:
    header = manifest.header
    return {
        "version": header.version,
        "files": header.files,
        "bytes": header.total_bytes,
        "manifestSha256": manifest.sha256,
    }


def _folder(name: str, found: Differences) -> dict[str, Any]:
    kinds = found.folders[name].items()
    return {"folder": name, **{kind: amount._asdict() for kind, amount in kinds}}


def _download(player: PlayerDownload) -> dict[str, Any]:
    return {
        "version": player.version,
        **player.amount._asdict(),
        "newContentBytes": player.new_bytes,
    }


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "newFiles": plan.new_files,
        "newBytes": plan.new_bytes,
        "reusedFiles": plan.reused_files,
        "reusedBytes": plan.reused_bytes,
        "reusedFrom": plan.since,
        "movedFiles": plan.moved_files,
        "doubledFiles": plan.doubled_files,
        "doubledBytes": plan.doubled_bytes,
        "uploadBytes": plan.upload_bytes,
    }


def _guard(loss: Loss, percent: int) -> dict[str, Any]:
    return {
        "files": loss.files,
        "dropped": loss.dropped,
        "changed": loss.changed,
        "percent": round(loss.percent, 2),
        "limitPercent": percent,
        "passes": loss.passes(percent),
    }
