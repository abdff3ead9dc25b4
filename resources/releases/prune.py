"""Remove old versions from a store, and no file that is still needed.

A version stays when it is served or was before, is pinned, or is among the newest. Of
the others the manifest goes first, and with it the promise to be whole; then the files
that no remaining version uses. A kill in between leaves a version that nobody takes
for whole, and running again completes what was begun.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from resources.defaults import KEPT_VERSIONS
from resources.errors import ConflictError, FullError, InputError, MissingFileError
from resources.manifests.paths import MANIFEST_NAME, PINNED_NAME
from resources.platforms import all_platforms
from resources.releases.pointers.fixed_addresses import addressed_versions
from resources.releases.pointers.moves import all_locked
from resources.releases.pruned import note_pruned, pruned_versions
from resources.releases.published import PublishedRelease
from resources.report import Report, counted
from resources.stores.release_store import ReleaseStore
from resources.versions import natural_key


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What a prune of one platform will remove; counts are objects and bytes.

    ``removed`` lose their manifest; ``begun`` have lost it before, and
    ``is_begun_over`` when one of these has no objects any more. ``needed`` are the
    hashes of the files that remaining versions use of both: two that are equal by
    chance keep a file too many, and never remove one too many.
    """

    platform: str
    kept: list[str]
    removed: list[str]
    begun: list[str]
    is_begun_over: bool
    objects: int
    size_bytes: int
    all_objects: int
    all_bytes: int
    needed: set[int] = field(repr=False)

    @property
    def has_work(self) -> bool:
        """There is something to do."""
        return self.objects > 0 or self.is_begun_over

    @property
    def is_large(self) -> bool:
        """It is more than half of the store."""
        return (
            2 * self.objects > self.all_objects or 2 * self.size_bytes > self.all_bytes
        )

    def line(self) -> str:
        """The plan for people; a dry run writes just this."""
        named = all_platforms()[self.platform]
        if not self.has_work:
            versions = counted(len(self.kept), "version")
            return f"Nothing to do: {named} has nothing to prune in {versions}."
        names = ", ".join([*self.begun, *self.removed])
        return (
            f"Prune {named}: {names}; {self.objects} of"
            f" {counted(self.all_objects, 'object')}, {self.size_bytes} of"
            f" {self.all_bytes} bytes; {counted(len(self.kept), 'version')} kept"
        )


def prune(
    stores: dict[str, ReleaseStore],
    report: Report,
    *,
    keep: int = KEPT_VERSIONS,
    pins: tuple[str, ...] = (),
    force: bool = False,
    dry_run: bool = False,
    allow_empty: bool = False,
) -> None:
    """Remove the old versions of every platform of ``stores``, and write the lines.

    Parameters: ``keep`` is how many of the newest versions stay; ``pins`` stay as well
    (on the platforms that have them); ``force`` allows to remove more than half of a
    store; ``dry_run`` writes the plan and changes nothing; ``allow_empty`` takes it
    for success that there was no version to look at.
    Raises InputError, before anything is removed, when a pin is nowhere or too much
    would go, and ConflictError when a publisher is at work.
    """
    there = {v for store in stores.values() for v in store.sealed_versions()}
    if unknown := sorted(set(pins) - there, key=natural_key):
        raise InputError(f"{unknown[0]} can't be pinned: no store has it")
    if not there and not allow_empty:
        names = ", ".join(store.name for store in stores.values())
        raise InputError(
            f"nothing was looked at: no version is in {names}. If that is meant, run it"
            " with --allow-empty"
        )
    plans = [plan_removal(name, store, keep, pins) for name, store in stores.items()]
    for plan in plans:
        if plan.is_large and not force:
            raise InputError(
                f"prune of {plan.platform} would remove {plan.objects} of"
                f" {plan.all_objects} objects, {plan.size_bytes} of {plan.all_bytes}"
                " bytes, more than half; if that is meant, run it with --force"
            )
    if not dry_run:
        for plan in plans:
            report.count(plan.platform, "objectsRemoved", 0)
            report.count(plan.platform, "bytesRemoved", 0)
    if dry_run or not any(plan.has_work for plan in plans):
        for plan in plans:
            report.line(plan.line())
        return
    report.expect(sum(plan.objects for plan in plans))
    with all_locked(stores):
        for plan in plans:
            store = stores[plan.platform]
            if plan_removal(plan.platform, store, keep, pins) != plan:
                raise ConflictError(
                    f"{store.name} changed since the plan was made; run it again"
                )
        for plan in plans:
            report.line(plan.line())
            if plan.has_work:
                remove(plan, stores[plan.platform], report)


def plan_removal(
    platform: str, store: ReleaseStore, keep: int, pins: tuple[str, ...]
) -> Removal:
    """Decide what goes; see ``prune`` for what stays. Nothing is touched."""
    sealed = store.sealed_versions()
    staying: set[str | None] = {*sealed[-keep:], *pins, *_served(store)}
    staying |= {version for version in sealed if _is_pinned(version, store)}
    kept = [version for version in sealed if version in staying]
    removed = [version for version in sealed if version not in staying]
    begun = pruned_versions(store)
    needed = _needed(platform, store, kept, {*removed, *begun})
    objects = size_bytes = all_objects = all_bytes = 0
    is_begun_over = False
    for version in (*kept, *begun, *removed):
        before = all_objects
        for path, size in store.objects(version):
            all_objects += 1
            all_bytes += size
            if version not in kept and hash((version, path)) not in needed:
                objects += 1
                size_bytes += size
        is_begun_over |= version in begun and all_objects == before
    return Removal(
        platform=platform,
        kept=kept,
        removed=removed,
        begun=begun,
        is_begun_over=is_begun_over,
        objects=objects,
        size_bytes=size_bytes,
        all_objects=all_objects,
        all_bytes=all_bytes,
        needed=needed,
    )


def remove(plan: Removal, store: ReleaseStore, report: Report) -> None:
    """Do what the plan says. Needs the lock."""
    objects = size_bytes = 0

    def counting(found: Iterable[tuple[str, int]]) -> Iterator[str]:
        nonlocal objects, size_bytes
        for path, size in found:
            yield path
            objects += 1
            size_bytes += size
            report.advance(1)

    going = [*plan.begun, *plan.removed]
    # A full disk has no room for the list, and is what people prune for.
    with contextlib.suppress(FullError):
        note_pruned(store, going)
    for version in plan.removed:
        size = store.size(version, MANIFEST_NAME)
        for _ in counting([(MANIFEST_NAME, size)]):
            store.unseal(version)
    for version in going:
        store.delete(version, counting(_unneeded(version, plan, store)))
    left = [version for version in going if any(True for _ in store.objects(version))]
    note_pruned(store, left)
    report.count(plan.platform, "objectsRemoved", objects)
    report.count(plan.platform, "bytesRemoved", size_bytes)
    report.line(f"Removed {counted(objects, 'object')}, {size_bytes} bytes.")


def _served(store: ReleaseStore) -> Iterator[str | None]:
    """Yield what some channel serves, to some of its players too, or did before, and
    what its fixed addresses name: a kill may have left these ahead of the pointer."""
    yield from addressed_versions(store)
    for pointer in store.pointers():
        yield from (pointer.version, pointer.previous)
        yield pointer.rollout and pointer.rollout.version


def _is_pinned(version: str, store: ReleaseStore) -> bool:
    try:
        store.open_document(version, PINNED_NAME).close()
    except MissingFileError:
        return False
    return True


def _needed(
    platform: str, store: ReleaseStore, kept: list[str], going: set[str]
) -> set[int]:
    """Return the hashes of version and path of what ``kept`` use of ``going``."""
    if not going:
        return set()
    return {
        hash((entry.held_in, entry.stored.path))
        for version in kept
        for entry in PublishedRelease(store, platform, version).manifest.entries()
        if entry.held_in in going
    }


def _unneeded(
    version: str, plan: Removal, store: ReleaseStore
) -> Iterator[tuple[str, int]]:
    for path, size in store.objects(version):
        if hash((version, path)) not in plan.needed:
            yield path, size
