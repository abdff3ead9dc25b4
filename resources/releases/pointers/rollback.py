"""Serve an earlier version again: the pointers move, the fixed addresses with them,
and no file does."""

from __future__ import annotations

from resources.errors import InputError
from resources.platforms import all_platforms
from resources.releases.pointers.fixed_addresses import (
    ready_addresses,
    write_addresses,
)
from resources.releases.pointers.history import served_before
from resources.releases.pointers.moves import (
    all_locked,
    halted_line,
    moved_note,
    point_to,
    served_note,
)
from resources.releases.pointers.publish import require_complete
from resources.releases.published import open_all
from resources.releases.safeguards.trust import require_replaceable
from resources.report import Report
from resources.stores.pointer import Pointer
from resources.stores.release_store import ReleaseStore
from resources.versions import listed, natural_key

STAYING = (
    "Cocos clients on {platform} that have {newer} stay with it, because they take a"
    " higher version only. To take it from them, publish the files of {version} under a"
    " higher version."
)


def roll_back(
    version: str,
    stores: dict[str, ReleaseStore],
    report: Report,
    *,
    manifest_name: str | None = None,
) -> None:
    """Serve ``version`` again on every platform of ``stores``, or change nothing.

    Every file of every platform is looked for first, by its size. ``manifest_name`` is
    RESOURCE_MANIFEST.
    Raises InputError when a store doesn't have the version, or it isn't one that was
    served before; DifferenceError when files are missing, ConflictError when another
    publisher is at work.
    """
    releases = open_all(version, stores)
    require_complete(releases, stores, report)
    manifests = {name: release.manifest for name, release in releases.items()}
    with all_locked(stores) as served:
        for release in releases.values():
            release.require_unchanged()
        digests = {name: manifest.sha256 for name, manifest in manifests.items()}
        for name, store in stores.items():
            require_replaceable(name, served[name], store)
            wanted = Pointer(version, digests[name])
            _require_served_before(name, wanted, served[name], store)
        addresses = ready_addresses(releases.__getitem__, stores, report, manifest_name)
        for name, store in stores.items():
            before = served[name]
            write_addresses(name, addresses.get(name), store, report)
            rollout = before and before.rollout
            if before is None or (before.version == version and not rollout):
                report.note(name, **served_note(version, store))
                report.line(f"Nothing to do: {name} serves {version} already.")
                continue
            moved = point_to(name, version, digests[name], store, before)
            report.note(name, **moved_note(version, before, store))
            report.note(name, serial=moved.serial)
            header = manifests[name].header
            report.note(name, files=header.files, bytes=header.total_bytes)
            if rollout:
                report.line(halted_line(name, rollout, version))
            if before.version != version:
                report.line(f"Rolled back {name}: {before.version} -> {version}")
                if name in addresses:
                    report.warning(
                        STAYING.format(
                            platform=all_platforms()[name],
                            newer=before.version,
                            version=version,
                        )
                    )


def _require_served_before(
    platform: str, wanted: Pointer, served: Pointer | None, store: ReleaseStore
) -> None:
    """Raise InputError unless ``wanted`` is served, or was before and is older."""
    version = wanted.version
    if served is None:
        raise InputError(
            f"nothing is published for {platform} yet, so there is nothing to roll"
            f" back; publish {version} instead"
        )
    if served.version == version:
        return
    if natural_key(version) > natural_key(served.version):
        raise InputError(
            f"{version} of {platform} is newer than {served.version}, which is served:"
            f" a rollback only goes back; publish {version} instead"
        )
    before = served_before(served, store)
    if not any(_are_one(wanted, other) for other in before):
        there = listed([v for v in _versions(before, store) if v != served.version])
        raise InputError(
            f"{version} of {platform} was never served from {store.name}: a rollback"
            f" goes back only to what was served before; {there}. If it is to be served"
            " all the same, publish it with --allow-older"
        )


def _are_one(wanted: Pointer, other: Pointer) -> bool:
    digest = other.manifest_sha256 or wanted.manifest_sha256
    return (other.version, digest) == wanted[:2]


def _versions(pointers: list[Pointer], store: ReleaseStore) -> list[str]:
    there = set(store.sealed_versions())
    return sorted({pointer.version for pointer in pointers} & there, key=natural_key)
