"""Bring a sealed version from one store into another, as a sync does from a build.

The other store need not have what the first one's version refers to: what is sent, and
which versions hold the files, is decided anew, by what lies there. Nothing is served by
it; see ``publish.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

from resources.errors import (
    DamagedManifestError,
    DifferenceError,
    InputError,
    MissingFileError,
    RefusedFileError,
)
from resources.manifests.format import Entry, entry_line, sealed_lines
from resources.manifests.reader import Manifest
from resources.manifests.records import Records
from resources.platforms import all_platforms
from resources.releases.origins import StoreOrigin
from resources.releases.plan import Plan, make_plan
from resources.releases.pointers.moves import all_locked
from resources.releases.pointers.publish import Checks
from resources.releases.safeguards.acceptance import (
    require_acceptable,
    require_content,
    require_no_other_rollout,
)
from resources.releases.safeguards.budget import require_affordable
from resources.releases.safeguards.guard import require_similar
from resources.releases.safeguards.trust import require_replaceable
from resources.releases.sync import bring_in
from resources.report import Report
from resources.stores.release_store import ReleaseStore, Taken
from resources.versions import listed


class StoredRelease:
    """A sealed version of another store, as it is brought in: its files, and a manifest
    that doesn't say which versions hold them there."""

    def __init__(self, store: ReleaseStore, platform: str, version: str) -> None:
        self.platform = platform
        self.version = version
        self.place = f"the store {store.name}"
        self.store = store
        self._origin = StoreOrigin(store, platform, version)
        self.manifest = _manifest_of_build(self._origin.release.manifest)

    def open(self, entry: Entry) -> BinaryIO:
        """Open a file. Raises MissingFileError or RefusedFileError."""
        return self._origin.open(entry)

    def read_small(self, entries: Sequence[Entry]) -> Iterator[memoryview | None]:
        """Read files whole where that can be done at once; see ``sync.Incoming``."""
        return self._origin.release.read_small(list(map(self._origin.held, entries)))

    def size(self, entry: Entry) -> int:
        """Return a file's size in bytes; raises as ``open`` does."""
        return self._origin.release.size(self._origin.held(entry))

    def sizes(self, entries: Sequence[Entry]) -> list[int | None]:
        """Return the sizes of many files in bytes; see ``check.Files``."""
        return self._origin.release.sizes(list(map(self._origin.held, entries)))

    def copy_to(
        self, store: ReleaseStore, files: Sequence[tuple[Entry, str]]
    ) -> list[bool]:
        """Let the store copy or link what it can; see ``sync.Incoming``."""
        if not store.can_take(self.store):
            return [False] * len(files)
        wanted = [
            Taken(entry.stored, version, self._source_of(entry))
            for entry, version in files
        ]
        done: list[bool] = []
        try:
            done.extend(store.take(self.store, wanted))
        except MissingFileError:
            path = wanted[len(done)].entry.path
            raise DifferenceError(f"{path} is missing in {self.place}") from None
        except RefusedFileError as reason:
            path = wanted[len(done)].entry.path
            raise DifferenceError(f"{path} in {self.place} {reason}") from None
        return done

    def _source_of(self, entry: Entry) -> tuple[str, str]:
        held = self._origin.held(entry)
        return held.held_in or self.version, held.stored.path


class Transfer(NamedTuple):
    """What is to be done for one platform: the plan for a release of another store, and
    the store that it is brought into."""

    plan: Plan
    release: StoredRelease
    store: ReleaseStore

    def line(self) -> str:
        """The plan for people; a dry run writes just this."""
        is_copied = self.store.can_take(self.release.store)
        return self.plan.line("copy" if is_copied else "upload")


def plan_transfer(
    version: str,
    platform: str,
    origin: ReleaseStore,
    store: ReleaseStore,
    report: Report,
) -> Transfer | None:
    """Decide what it takes to bring a version from ``origin`` into ``store``; None
    where that has it, and the other one hasn't, or has it damaged.

    Raises InputError where neither has it, ConflictError where they have it with
    different content, DamagedManifestError.
    """
    there = origin.sealed_versions()
    is_stored = version in store.sealed_versions()
    if version not in there:
        if is_stored:
            return None
        raise InputError(
            f"version {version} of {platform} is not in the store {store.name}, nor in"
            f" {origin.name}, from which it would be copied; {listed(there)}"
        )
    try:
        release = StoredRelease(origin, platform, version)
    except DamagedManifestError as error:
        if not is_stored:
            raise
        report.warning(f"{error}; it is not compared")
        return None
    return Transfer(make_plan(release.manifest, store), release, store)


def require_allowed(transfers: Sequence[Transfer], checks: Checks) -> None:
    """Compare each version with what its new store serves, before anything is written;
    raises as a publish does."""
    rules = checks.rules
    for plan, release, store in transfers:
        require_no_other_rollout(plan.platform, plan.version, plan.pointer)
        require_replaceable(plan.platform, plan.pointer, store)
        require_acceptable(release, store, plan.pointer, rules)
        require_similar(
            release.manifest, store, checks.guard_percent, plan, rules.manifest_name
        )
        require_affordable(release.manifest, store, checks.budget, plan)
        require_content(release, rules)


def transfer(transfers: Sequence[Transfer], report: Report) -> None:
    """Do what the plans say and write their lines: content, then manifests.

    The caller has told the report to expect every plan's ``work_files``. Raises
    ConflictError when another publisher is at work or was first, DifferenceError when a
    file is not in its store as the manifest says.
    """
    lacking = [each for each in transfers if not each.plan.complete]
    with all_locked({each.plan.platform: each.store for each in lacking}):
        for each in lacking:
            each.plan.require_unchanged(each.store)
        for each in lacking:
            plan, release, store = each
            report.line(copying_line(each))
            report.line(each.line())
            try:
                bring_in(plan, release, store, report)
            except DifferenceError as error:
                raise DifferenceError(
                    f"{error}: {plan.version} of {plan.platform} is damaged in"
                    f" {release.place}; repair it there"
                ) from None


def copying_line(transfer: Transfer) -> str:
    """Return what is copied from where."""
    plan = transfer.plan
    return (
        f"Copying {plan.version} of {all_platforms()[plan.platform]} from"
        f" {transfer.release.place}..."
    )


def _manifest_of_build(published: Manifest) -> Manifest:
    """Return a published manifest as the build had it."""
    header = published.header
    lines = (
        b"".join(
            entry_line(Entry(entry.path, entry.size, entry.sha256, entry.md5))
            for entry in published.entries_of(block)
        )
        for block in published.blocks()
    )
    records = Records()
    records.fill(sealed_lines(header, lines))
    manifest = Manifest(
        published.name,
        records.lines,
        platform=header.platform,
        version=header.version,
        published=False,
    )
    manifest.verify()
    return manifest
