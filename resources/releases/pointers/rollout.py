"""Staged rollouts: a version for a share of the players before all get it.

The pointer says both versions, the share and a salt; each player's own game finds out
by its id which is meant for it (see ``Rollout``).
"""

from __future__ import annotations

import secrets

from resources.errors import InputError
from resources.platforms import all_platforms
from resources.releases.pointers.moves import (
    all_locked,
    halted_line,
    is_to_renew,
    moved_note,
    now,
    point_some_to,
    point_to,
    published_line,
    renewed_line,
    served_note,
)
from resources.releases.pointers.publish import Checks, serve
from resources.releases.published import open_all
from resources.releases.safeguards.trust import require_replaceable
from resources.report import Report
from resources.stores.pointer import PARTS, Pointer, Rollout
from resources.stores.release_store import ReleaseStore

SALT_BYTES = 8


def roll_out(
    version: str,
    stores: dict[str, ReleaseStore],
    report: Report,
    checks: Checks,
    *,
    parts: int,
) -> None:
    """Serve ``version`` to so many of 10,000 parts of the players of every platform of
    ``stores``, or change nothing; to all of them is what ends a rollout.

    Raises InputError where some players would get it and there is nothing for the
    others, or fewer would get it than have it already; and as ``publish.serve``.
    """
    for platform, store in stores.items():
        _require_base(platform, version, store.pointer(), store, parts)

    def move(
        platform: str, store: ReleaseStore, before: Pointer | None, digest: str
    ) -> None:
        rollout = _next_rollout(version, digest, before, parts)
        is_share = before is not None and before.rollout == rollout
        if before and rollout and is_share and is_to_renew(before, store):
            moved = point_some_to(platform, rollout, store, before)
            report.line(renewed_line(platform, moved))
            return
        if share := _share(version, before, rollout):
            if share == 100:
                report.note(platform, **served_note(version, store))
            else:
                report.note(platform, rollout=version, percent=share)
            report.line(
                f"Nothing to do: {share} % of the players on {platform} get {version}"
                " already."
            )
            return
        if before is None or rollout is None:
            moved = point_to(platform, version, digest, store, before)
            report.note(platform, **moved_note(version, before, store))
            report.note(platform, serial=moved.serial)
            report.line(published_line(version, before, store))
            return
        moved = point_some_to(platform, rollout, store, before)
        report.note(platform, rollout=version, percent=rollout.percent)
        report.note(platform, **served_note(before.version, store))
        report.note(platform, serial=moved.serial)
        was = f" (was {before.rollout.percent} %)" if before.rollout else ""
        report.line(
            f"Rolled out {version} to {rollout.percent} % of the players on"
            f" {all_platforms()[platform]}{was}; the others get {before.version}."
        )

    releases = open_all(version, stores)
    serve(releases, stores, report, checks, move, to_all=parts == PARTS)


def halt(version: str, stores: dict[str, ReleaseStore], report: Report) -> None:
    """End the rollout of ``version`` on every platform that has one: all players get
    what is served.

    Raises InputError where no platform rolls it out, ConflictError when another
    publisher is at work.
    """
    with all_locked(stores) as served:
        for platform, store in stores.items():
            require_replaceable(platform, served[platform], store)
        halted = 0
        for platform, store in stores.items():
            before = served[platform]
            if before is None or _version_of(before.rollout) != version:
                continue
            assert before.rollout is not None  # noqa: S101 (it has a version)
            moved = point_to(platform, *before[:2], store, before)
            report.note(platform, halted=version, **served_note(before.version, store))
            report.note(platform, serial=moved.serial)
            report.line(halted_line(platform, before.rollout, before.version))
            halted += 1
    if not halted:
        names = ", ".join(all_platforms()[name] for name in stores)
        raise InputError(f"{version} is not being rolled out on {names}")


def _require_base(
    platform: str,
    version: str,
    served: Pointer | None,
    store: ReleaseStore,
    parts: int,
) -> None:
    """Raise InputError unless a rollout may begin or grow."""
    if served is None and parts < PARTS:
        raise InputError(
            f"nothing is published for {platform} in {store.name} yet, so there is"
            f" nothing for the other players; publish {version} instead"
        )
    rollout = served.rollout if served else None
    if rollout and rollout.version == version and parts < rollout.parts:
        raise InputError(
            f"{rollout.percent} % of the players on {platform} have {version} already:"
            f" a rollout only grows; to take it back from all of them, run rollout"
            f" {version} --halt"
        )


def _next_rollout(
    version: str, digest: str, before: Pointer | None, parts: int
) -> Rollout | None:
    """Return what the pointer says next: None where all players get the version."""
    if parts == PARTS:
        return None
    rollout = before.rollout if before else None
    if rollout is None or rollout.version != version:
        return Rollout(version, digest, parts, secrets.token_hex(SALT_BYTES), now())
    return rollout._replace(parts=parts)


def _share(
    version: str, before: Pointer | None, wanted: Rollout | None
) -> int | float | None:
    """Return the percentage of players that get the version, where that is what is
    wanted already."""
    if before is None:
        return None
    if before.version == version:
        return 100
    return wanted.percent if wanted is not None and before.rollout == wanted else None


def _version_of(rollout: Rollout | None) -> str | None:
    return rollout.version if rollout else None
