"""Stop a version that would change suspiciously much of what is served.

A build that lost half of its files has a manifest that says so: it is correct, and
still nobody wants it published by accident.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from resources.defaults import GUARD_OFF
from resources.errors import (
    DamagedManifestError,
    InputError,
    MissingFileError,
    StoreError,
)
from resources.manifests.format import path_of
from resources.manifests.line_file import Block
from resources.manifests.reader import Manifest
from resources.releases.plan import Plan
from resources.releases.published import PublishedRelease
from resources.releases.safeguards.cocos_release import client_manifests
from resources.stores.release_store import ReleaseStore
from resources.workers.pool import Workers


def require_similar(
    manifest: Manifest,
    store: ReleaseStore,
    percent: int,
    plan: Plan | None = None,
    own_name: str | None = None,
) -> None:
    """Make sure that few of the files served would be dropped or changed.

    Parameters: ``percent`` of the files served, 0 to 100, may be dropped or have other
    content; ``plan`` is that of the version, which knows much of this already;
    ``own_name`` is ``RESOURCE_MANIFEST``. The manifests for Cocos' clients don't count:
    they change with each version. A first version and the one that is served already
    are not compared.
    Raises InputError, before anything is written.
    """
    platform, version = manifest.header.platform, manifest.header.version
    pointer = store.pointer()
    if percent >= GUARD_OFF or pointer is None or pointer.version == version:
        return
    way_out = (
        f'If that is meant, run it with --guard {GUARD_OFF} (task parameter "guard").'
    )
    try:
        served = (plan and plan.others.get(pointer.version)) or PublishedRelease(
            store, platform, pointer.version
        ).manifest
    except MissingFileError:
        raise InputError(
            f"the guard can't compare {version} of {platform} with {pointer.version},"
            f" which is served: its manifest is missing. {way_out}"
        ) from None
    except DamagedManifestError as error:
        raise StoreError(
            f"the guard can't compare {version} of {platform} with what is served:"
            f" {error}. Without the guard: --guard {GUARD_OFF}."
        ) from None
    uncounted = list(client_manifests(served, own_name))
    files = served.files - len(uncounted)
    kept = plan.seen_in(pointer.version) if plan else 0  # of all, or more
    if 100 * (served.files - kept) <= percent * files:
        return
    loss = count_loss(served, manifest, own_name)
    if not loss.passes(percent):
        raise InputError(
            f"the guard stops {version} of {platform}: {loss.dropped} of the {files}"
            f" files of {pointer.version}, which is served, would be dropped and"
            f" {loss.changed} changed, more than {percent} %. {way_out}"
        )


class Loss(NamedTuple):
    """Of how many files that are served how many would be dropped or changed, not
    counting the manifests for Cocos' clients."""

    files: int
    dropped: int
    changed: int

    @property
    def percent(self) -> float:
        """Return the share that would be dropped or changed."""
        return 100 * (self.dropped + self.changed) / self.files if self.files else 0.0

    def passes(self, percent: int) -> bool:
        """Return whether that is at most ``percent`` of them."""
        return 100 * (self.dropped + self.changed) <= percent * self.files


def count_loss(served: Manifest, manifest: Manifest, own_name: str | None) -> Loss:
    """Count what the guard judges; ``own_name`` is ``RESOURCE_MANIFEST``."""
    uncounted = list(client_manifests(served, own_name))
    lost = count_lost(served, manifest, uncounted)
    return Loss(served.files - len(uncounted), *lost)


def count_lost(
    before: Manifest, after: Manifest, uncounted: Collection[str] = ()
) -> tuple[int, int]:
    """Count the files of ``before`` that ``after`` doesn't have, and those that it has
    with other content, but for those ``uncounted``."""
    after.verify()  # here, and not in every helper
    skipped = {name.encode() for name in uncounted}
    pieces = before.pieces()

    def count(piece: list[Block]) -> tuple[int, int]:
        old = {line for block in piece for line in before.content_lines(block)}
        around = after.blocks_between(piece[0].first, piece[-1].last)
        new = {line for block in around for line in after.content_lines(block)}
        lost = old - new
        if not lost:
            return 0, 0
        paths = {path_of(line) for line in lost} - skipped
        changed = paths & {path_of(line) for line in new}
        return len(paths) - len(changed), len(changed)

    with Workers(count) as workers:
        counts = list(workers.map(pieces))
    return sum(dropped for dropped, _ in counts), sum(changed for _, changed in counts)
