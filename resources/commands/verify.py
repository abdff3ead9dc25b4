"""``python -m resources verify``: what is served, proven by keys and not by the
store."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from resources.errors import DifferenceError, InputError
from resources.platforms import all_platforms
from resources.report import Report
from resources.settings import Settings

if TYPE_CHECKING:
    from resources.releases.proof import Proven
    from resources.releases.published import PublishedRelease
    from resources.signing.keys import PublicKey


def verify(
    options: argparse.Namespace,
    settings: Settings,
    platforms: list[str],
    report: Report,
) -> int:
    """Prove pointers, manifests and every byte of the files; return 1 where a file is
    not what was signed. Raises as ``prove_pointer`` and ``proven_releases``."""
    from resources.releases.check import check_release, require_compared
    from resources.releases.proof import prove_pointer, proven_releases

    trusted = _trusted(options)
    releases: dict[str, tuple[Proven, list[PublishedRelease]]] = {}
    for platform in platforms:
        store = settings.open_store(platform, options.channel)
        try:
            proven = prove_pointer(
                platform, store, trusted, last_serial=options.last_serial
            )
            _require_named(platform, options.version, proven)
            found = list(proven_releases(proven.pointer, platform, store))
        except DifferenceError as error:
            report.error(str(error))  # and on, so that each platform's is said
        else:
            releases[platform] = proven, found
    listed = [each for _, found in releases.values() for each in found]
    report.expect(sum(each.manifest.files for each in listed))
    failed = len(platforms) - len(releases)
    for platform, (proven, found) in releases.items():
        report.line(_pointer_line(platform, proven))
        wrong = 0
        for release in found:
            checked = check_release(release, report)
            wrong += checked.failed
            report.count(platform, "filesChecked", checked.files)
            report.count(platform, "failed", checked.failed)
        pointer = proven.pointer
        report.note(platform, version=pointer.version, signedBy=proven.key.key_id)
        if not wrong:
            versions = " and ".join(each.version for each in found)
            report.line(f"Verified {all_platforms()[platform]}: {versions} as signed.")
        failed += wrong
    if failed:
        return 1
    if options.allow_empty == "no":
        require_compared({r.platform: 0 for r in listed if not r.manifest.files})
    return 0


def _trusted(options: argparse.Namespace) -> tuple[PublicKey, ...]:
    from resources.signing.keys import read_public_key
    from resources.signing.policy import read_trusted

    if options.trust:
        return tuple(read_public_key(each, "--trust") for each in options.trust)
    trusted = read_trusted(os.environ)
    if not trusted:
        raise InputError(
            "verify needs a public key that you trust: --trust KEY, or"
            " RESOURCE_TRUSTED_KEYS; a key that lies in the store proves nothing"
        )
    return trusted


def _require_named(platform: str, version: str | None, proven: Proven) -> None:
    """Raise DifferenceError unless ``version`` is what is served to all players, or to
    some."""
    pointer = proven.pointer
    named = [pointer.version]
    if pointer.rollout is not None:
        named.append(pointer.rollout.version)
    if version is not None and version not in named:
        raise DifferenceError(
            f"the pointer of {pointer.channel} of {platform} names"
            f" {' and '.join(named)}, not {version}: nothing that is served vouches for"
            " that one"
        )


def _pointer_line(platform: str, proven: Proven) -> str:
    pointer = proven.pointer
    rollout = pointer.rollout
    share = f" and for {rollout.percent} % {rollout.version}" if rollout else ""
    end = f"expires {pointer.expires}" if pointer.expires else "does not expire"
    return (
        f"{all_platforms()[platform]} serves {pointer.version}{share} on"
        f" {pointer.channel}: serial {pointer.serial}, signed by {proven.key.key_id},"
        f" {end}"
    )
