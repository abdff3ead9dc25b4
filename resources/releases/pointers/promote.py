"""Promotion: what one channel serves is served on another, and nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping

from resources.errors import DifferenceError, InputError
from resources.releases.pointers.publish import Checks, publish
from resources.releases.published import PublishedRelease, open_published
from resources.releases.safeguards.trust import require_vouched
from resources.report import Report
from resources.stores.pointer import Pointer
from resources.stores.release_store import ReleaseStore


def promote(
    version: str | None,
    origins: Mapping[str, ReleaseStore],
    stores: dict[str, ReleaseStore],
    report: Report,
    checks: Checks,
) -> None:
    """Serve on the channel of ``stores`` what that of ``origins`` serves, on every
    platform or none; ``version``, where it is given, is what that has to be.

    It is guarded as a publish is. Raises InputError where the channel serves nothing,
    another version, or not the same one on all platforms; DifferenceError where the
    store has another manifest by now; and as ``publish.serve``.
    """
    releases: dict[str, PublishedRelease] = {}
    for platform, origin in origins.items():
        pointer = origin.pointer()
        if pointer is None:
            raise InputError(
                f"the channel {origin.channel} of {platform} serves nothing yet;"
                f" there are: {', '.join(origin.channels())}"
            )
        if version is not None and pointer.version != version:
            raise InputError(
                f"the channel {origin.channel} of {platform} serves {pointer.version},"
                f" not {version}: what is promoted is what was tested there"
            )
        require_vouched(platform, pointer, origin)
        releases[platform] = _open_as_tested(platform, pointer, origin)
    if len({release.version for release in releases.values()}) > 1:
        each = ", ".join(f"{name} {releases[name].version}" for name in releases)
        raise InputError(
            f"the platforms of the channel serve different versions: {each}; promote"
            " one after the other, by --platform"
        )
    publish(releases, stores, report, checks)


def _open_as_tested(
    platform: str, pointer: Pointer, origin: ReleaseStore
) -> PublishedRelease:
    """Open what a channel serves. Raises DifferenceError where the manifest is not the
    one that the pointer names: whoever has the keys of the store may have exchanged
    it."""
    release = open_published(origin, platform, pointer.version)
    manifest = release.manifest
    if manifest.sha256 != pointer.manifest_sha256:
        raise DifferenceError(
            f"the manifest of {pointer.version} of {platform} in {origin.name} has the"
            f" digest {manifest.sha256}, but the pointer of {origin.channel} names"
            f" {pointer.manifest_sha256}: it is not what was tested there"
        )
    return release
