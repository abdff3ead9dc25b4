"""Refuse a version that nobody would want to be served: before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from resources.errors import (
    DamagedManifestError,
    InputError,
    ManifestError,
    MissingFileError,
    StoreError,
)
from resources.manifests.cocos_version import MAX_NUMBER, compare_versions
from resources.manifests.third_party import shown
from resources.releases.pointers.history import served_before
from resources.releases.published import PublishedRelease
from resources.releases.safeguards.cocos_release import (
    GameRelease,
    Stated,
    content_files,
    require_usable,
    stated_by,
)
from resources.stores.pointer import Pointer
from resources.stores.release_store import ReleaseStore
from resources.versions import natural_key

WAY_OUT = 'run it with --allow-older (task parameter "allow_older").'


class Rules(NamedTuple):
    """The rules that a version has to meet; ``manifest_name`` is RESOURCE_MANIFEST."""

    allow_empty: bool = False
    allow_older: bool = False
    manifest_name: str | None = None


def require_content(release: GameRelease, rules: Rules) -> None:
    """Raise InputError for a version without files."""
    if rules.allow_empty or content_files(release.manifest, rules.manifest_name):
        return
    raise InputError(
        f"the manifest of {release.version} of {release.platform} lists no file of the"
        " game. If that is meant, run it with --allow-empty"
    )


def require_no_other_rollout(
    platform: str, version: str, served: Pointer | None
) -> None:
    """Raise InputError where players are getting another version step by step: what
    becomes of that has to be said first."""
    if served is None or served.rollout is None:
        return
    rollout = served.rollout
    if version in (served.version, rollout.version):
        return
    other = f"rollout {rollout.version}"
    raise InputError(
        f"{rollout.version} is being rolled out on {platform}, to {rollout.percent} %"
        f" of the players: complete that ({other} --percent 100) or end it"
        f" ({other} --halt) before {version}"
    )


def require_acceptable(
    release: GameRelease, store: ReleaseStore, served: Pointer | None, rules: Rules
) -> None:
    """Make sure that a version may take the place of what is served.

    It comes after what is served, and Cocos' clients would take it for an update, if it
    is for them. What is served already isn't asked. Raises InputError.
    """
    if served is not None and served.version == release.version:
        return
    stated = stated_by(release, rules.manifest_name)
    if stated is not None:
        require_usable(release, stated)
    if served is None or rules.allow_older:
        return
    _require_newer(release, served)
    if stated is not None:
        theirs = _stated_by_served(release, served, store, rules)
        _require_update(stated, release, served.version, theirs)
        for other in _taken_back(release.version, served, store):
            # A damaged one must not stop others.
            with suppress(ManifestError, MissingFileError, DamagedManifestError):
                published = PublishedRelease(store, release.platform, other)
                theirs = stated_by(published, rules.manifest_name)
                _require_update(stated, release, other, theirs)


def _require_newer(release: GameRelease, served: Pointer) -> None:
    version = release.version
    if natural_key(version) > natural_key(served.version):
        return
    raise InputError(
        f"{version} of {release.platform} is older than {served.version}, which is"
        " served, and that only moves forward; to serve again what was served before,"
        f" run rollback. If {version} is meant, {WAY_OUT}"
    )


def _taken_back(version: str, served: Pointer, store: ReleaseStore) -> Iterator[str]:
    """Name the versions that were served before, and are newer than what is now."""
    key = natural_key(served.version)
    there = set(store.sealed_versions()) - {version}
    before = {pointer.version for pointer in served_before(served, store)}
    for other in before & there:
        if natural_key(other) > key:
            yield other


def _stated_by_served(
    release: GameRelease, served: Pointer, store: ReleaseStore, rules: Rules
) -> Stated | None:
    try:
        published = PublishedRelease(store, release.platform, served.version)
        return stated_by(published, rules.manifest_name)
    except (ManifestError, MissingFileError, DamagedManifestError) as error:
        reason = str(error) or "its manifest is missing"
        raise StoreError(
            f"{release.version} of {release.platform} can't be compared with"
            f" {served.version}, which is served: {reason}. If it is meant all the"
            f" same, {WAY_OUT}"
        ) from None


def _require_update(
    stated: Stated, release: GameRelease, other: str, theirs: Stated | None
) -> None:
    """Raise InputError where clients that have ``other`` would stay with it."""
    version = f"{release.version} of {release.platform}"
    if theirs is None:
        return
    compared = compare_versions(theirs.seen_version, stated.seen_version)
    if compared is not None and compared < 0:
        return
    why = (
        f"Cocos reads no number above {MAX_NUMBER}"
        if compared is None
        else "by Cocos' own comparison that is not newer"
    )
    raise InputError(
        f'{version} states version "{shown(stated.seen_version)}" to Cocos clients, and'
        f' {other}, which players may have, "{shown(theirs.seen_version)}": {why}, so'
        " they would never update; raise it. If the clients compare in a way of their"
        f" own, {WAY_OUT}"
    )
