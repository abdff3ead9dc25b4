"""Move the pointers of several platforms together, when all are complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from resources.errors import ConflictError, DifferenceError
from resources.platforms import all_platforms
from resources.releases.check import Problems, find_problems
from resources.releases.pointers.fixed_addresses import (
    ready_addresses,
    write_addresses,
)
from resources.releases.pointers.moves import (
    all_locked,
    is_to_renew,
    moved_note,
    point_to,
    published_line,
    renewed_line,
    served_note,
)
from resources.releases.published import PublishedRelease
from resources.releases.safeguards.acceptance import (
    Rules,
    require_acceptable,
    require_content,
    require_no_other_rollout,
)
from resources.releases.safeguards.budget import Budget, require_affordable
from resources.releases.safeguards.guard import require_similar
from resources.releases.safeguards.trust import require_replaceable
from resources.report import Report
from resources.stores.pointer import Pointer
from resources.stores.release_store import ReleaseStore

Move = Callable[[str, ReleaseStore, Pointer | None, str], None]


class Checks(NamedTuple):
    """What a version has to pass before anybody gets it."""

    guard_percent: int
    budget: Budget
    rules: Rules


def publish(
    releases: dict[str, PublishedRelease],
    stores: dict[str, ReleaseStore],
    report: Report,
    checks: Checks,
) -> None:
    """Serve a version to all players of every platform of ``stores``, or change
    nothing. Raises as ``serve``."""
    (version,) = {release.version for release in releases.values()}

    def move(
        platform: str, store: ReleaseStore, before: Pointer | None, digest: str
    ) -> None:
        if before is not None and before.version == version:
            report.note(platform, **served_note(version, store))
            if is_to_renew(before, store):
                moved = point_to(platform, version, digest, store, before)
                report.line(renewed_line(platform, moved))
            else:
                report.line(nothing_to_do(version))
            return
        moved = point_to(platform, version, digest, store, before)
        report.note(platform, **moved_note(version, before, store))
        report.note(platform, serial=moved.serial)
        report.line(published_line(version, before, store))

    serve(releases, stores, report, checks, move)


def dry_run_line(version: str, store: ReleaseStore) -> str:
    """Return what a publish would do in the end."""
    before = store.pointer()
    if before is not None and before.version == version:
        return nothing_to_do(version)
    line = published_line(version, before, store)
    return f"Would publish{line.removeprefix('Published')}"


def nothing_to_do(version: str) -> str:
    """Return that all players have it."""
    return f"Nothing to do: {version} is already published."


def serve(
    releases: dict[str, PublishedRelease],
    stores: dict[str, ReleaseStore],
    report: Report,
    checks: Checks,
    move: Move,
    *,
    to_all: bool = True,
) -> None:
    """Move the pointers of all ``stores`` by ``move``, or change nothing.

    ``releases`` are one version, by platform. First it is compared with what is served,
    see ``acceptance``, ``guard`` and ``budget``, and every file of every platform is
    looked for, by its size; then all stores are locked, and the manifests have to be
    those that were read; then the pointers move, one after the other, and before each,
    if all players get the version, its fixed addresses are written. ``move`` gets the
    platform, its store, what that serves, and the digest of the version's manifest.
    Raises InputError when the version is refused, DifferenceError when files are
    missing, ConflictError when another publisher is at work.
    """
    guarded_against = require_servable(releases, stores, report, checks)
    with all_locked(stores) as served:
        for name, store in stores.items():
            if served[name] != guarded_against[name]:
                raise ConflictError(
                    f"{store.name} was published to meanwhile: another publisher was"
                    " first"
                )
            releases[name].require_unchanged()
        addresses = (
            ready_addresses(
                releases.__getitem__, stores, report, checks.rules.manifest_name
            )
            if to_all
            else {}
        )
        for name, store in stores.items():
            if len(stores) > 1:
                report.line(f"Publishing {all_platforms()[name]}...")
            manifest = releases[name].manifest
            header = manifest.header
            write_addresses(name, addresses.get(name), store, report)
            move(name, store, served[name], manifest.sha256)
            report.note(name, files=header.files, bytes=header.total_bytes)


def require_servable(
    releases: dict[str, PublishedRelease],
    stores: dict[str, ReleaseStore],
    report: Report,
    checks: Checks,
) -> dict[str, Pointer | None]:
    """Make sure that a version may be served on all platforms, and is complete; return
    the pointers that it was compared with. Raises as ``serve``."""
    rules = checks.rules
    guarded_against = {name: store.pointer() for name, store in stores.items()}
    for name, store in stores.items():
        release = releases[name]
        require_no_other_rollout(name, release.version, guarded_against[name])
        require_replaceable(name, guarded_against[name], store)
        require_acceptable(release, store, guarded_against[name], rules)
        require_similar(
            release.manifest, store, checks.guard_percent, own_name=rules.manifest_name
        )
        require_affordable(release.manifest, store, checks.budget)
        require_content(release, rules)
    require_complete(releases, stores, report)
    return guarded_against


def require_complete(
    releases: dict[str, PublishedRelease],
    stores: dict[str, ReleaseStore],
    report: Report,
) -> None:
    """Look for every file of every platform, by its size; raises as ``publish``."""
    report.expect(sum(release.manifest.files for release in releases.values()))
    for name, release in releases.items():
        _require_files(release, stores[name], report)


def _require_files(
    release: PublishedRelease, store: ReleaseStore, report: Report
) -> None:
    problems = Problems(report)
    files = 0
    for found in find_problems(release, quick=True):
        files += found.files
        problems.add(found)
        report.advance(found.files)
    problems.close()
    if problems.count:
        raise DifferenceError(
            f"{release.version} of {release.platform} is not complete in"
            f" {store.name}: {problems.count} of {files} files failed"
        )
