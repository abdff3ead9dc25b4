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

    Raises InputError where nothing is served yet, or fewer players would get it than
    have it already; and as ``publish.serve``.
    """
    for platform, store in stores.items():
        _require_base(platform, version, store.pointer(), store, parts)

    def move(
        platform: str, store: ReleaseStore, before: Pointer | None, digest: str
    ) -> None:
        assert before is not None  # noqa: S101 (it is what was looked at above)
        rollout = _next_rollout(version, digest, before, parts)
        has_share = rollout is not None and before.rollout == rollout
        if rollout is not None and has_share and is_to_renew(before, store):
            point_some_to(platform, rollout, store, before)
            report.line(renewed_line(platform, store))
            return
        if before.version == version or has_share:
            share = rollout.percent if rollout else 100
            report.line(
                f"Nothing to do: {share} % of the players on {platform} get {version}"
                " already."
            )
            return
        if rollout is None:
            point_to(platform, version, digest, store, before)
            report.note(platform, **moved_note(version, before, store))
            report.line(published_line(version, before, store))
            return
        point_some_to(platform, rollout, store, before)
        report.note(platform, rollout=f"{version}, {rollout.percent} %")
        was = f" (was {before.rollout.percent} %)" if before.rollout else ""
        report.line(
            f"Rolled out {version} to {rollout.percent} % of the players on"
            f" {all_platforms()[platform]}{was}; the others get {before.version}."
        )

    serve(version, stores, report, checks, move)


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
            point_to(platform, *before[:2], store, before)
            report.note(platform, **served_note(before.version, store))
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
    if served is None:
        raise InputError(
            f"nothing is published for {platform} in {store.name} yet, so there is"
            f" nothing for the other players; publish {version} instead"
        )
    rollout = served.rollout
    if rollout and rollout.version == version and parts < rollout.parts:
        raise InputError(
            f"{rollout.percent} % of the players on {platform} have {version} already:"
            f" a rollout only grows; to take it back from all of them, run rollout"
            f" {version} --halt"
        )


def _next_rollout(
    version: str, digest: str, before: Pointer, parts: int
) -> Rollout | None:
    """Return what the pointer says next: None where all players get the version."""
    if parts == PARTS:
        return None
    rollout = before.rollout
    if rollout is None or rollout.version != version:
        return Rollout(version, digest, parts, secrets.token_hex(SALT_BYTES), now())
    return rollout._replace(parts=parts)


def _version_of(rollout: Rollout | None) -> str | None:
    return rollout.version if rollout else None
