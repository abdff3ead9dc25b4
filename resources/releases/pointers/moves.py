"""Moves of a channel's pointer: the one moment in which players get something else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from resources.errors import InputError
from resources.platforms import all_platforms
from resources.releases.pointers.history import next_serial, note_replaced
from resources.stores.pointer import LIVE, Pointer, Rollout, Signature
from resources.stores.release_store import ReleaseStore

MAX_TASK_ID = 64  # characters; the service's are 36


@contextmanager
def all_locked(stores: dict[str, ReleaseStore]) -> Iterator[dict[str, Pointer | None]]:
    """Be the only publisher to all stores, and give the pointer of each platform.

    Raises ConflictError when there is another publisher.
    """
    with ExitStack() as locks:
        for store in stores.values():
            locks.enter_context(store.lock())
        yield {name: store.pointer() for name, store in stores.items()}


def point_to(
    platform: str,
    version: str,
    sha256: str,
    store: ReleaseStore,
    expected: Pointer | None,
) -> Pointer:
    """Serve a sealed version to everybody, if ``expected`` is still served; return what
    says so. Needs the lock.

    ``sha256`` is the digest that its manifest ends with. A version that is served
    already stays so, since when and after which included. A rollout ends. Raises
    InputError where the pointer can't be signed.
    """
    if expected is not None and expected[:2] == (version, sha256):
        if expected.rollout is not None or is_to_renew(expected, store):
            return _move(platform, expected._replace(rollout=None), store, expected)
        return expected
    previous = expected.version if expected is not None else None
    if expected is not None and previous == version:
        previous = expected.previous
    task_id = os.environ.get("TASK_ID", "")[:MAX_TASK_ID] or None
    moved = Pointer(version, sha256, previous, now(), task_id)
    return _move(platform, moved, store, expected)


def point_some_to(
    platform: str, rollout: Rollout, store: ReleaseStore, expected: Pointer
) -> Pointer:
    """Serve a sealed version to a share of the players, if ``expected`` is still
    served: since when that is, and by which task, stays. Needs the lock. Returns what
    says so."""
    return _move(platform, expected._replace(rollout=rollout), store, expected)


def is_to_renew(pointer: Pointer, store: ReleaseStore) -> bool:
    """Return whether a pointer that is served has to be written again though nothing
    else is to be served: for another end, or another key."""
    signing = store.signing
    if signing.key is None or pointer.signature is None:
        is_signed_so = signing.key is None
    else:
        is_signed_so = pointer.signature.key == signing.key.public.key_id
    return not is_signed_so or signing.is_renewal or signing.lasts is not None


def renewed_line(platform: str, pointer: Pointer) -> str:
    """Return what a pointer says that was written again."""
    until = f"until {pointer.expires}" if pointer.expires else "without an end"
    key = f", signed by {pointer.signature.key}" if pointer.signature else ""
    return (
        f"Renewed the pointer of {all_platforms()[platform]}: {pointer.version},"
        f" {until}{key}."
    )


def now() -> str:
    """Return the time as pointers have it."""
    return time_text(datetime.now(UTC))


def time_text(moment: datetime) -> str:
    """Return a moment as pointers have it: UTC, ISO 8601 with milliseconds."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def served_note(version: str, store: ReleaseStore) -> dict[str, str | None]:
    """Return for programs which version is served now."""
    if store.channel == LIVE:
        return {"served": version}
    return {"channel": store.channel, "onChannel": version}


def moved_note(
    version: str, before: Pointer | None, store: ReleaseStore
) -> dict[str, str | None]:
    """Return for programs which version is served now, and which was before."""
    previous = before.version if before else None
    return {**served_note(version, store), "previous": previous}


def published_line(version: str, previous: Pointer | None, store: ReleaseStore) -> str:
    """Return which version is served now, and which was before."""
    where = "" if store.channel == LIVE else f" on {store.channel}"
    if previous is None or previous.version == version:
        return f"Published {version}{where}."
    return f"Published {version}{where} (was {previous.version})."


def halted_line(platform: str, rollout: Rollout, version: str) -> str:
    """Return that a rollout ended, and what all players get now."""
    return (
        f"Halted the rollout of {rollout.version} on {platform}, at"
        f" {rollout.percent} %: all players get {version}."
    )


def _move(
    platform: str, pointer: Pointer, store: ReleaseStore, expected: Pointer | None
) -> Pointer:
    end = store.signing.end_of(datetime.now(UTC))
    moved = pointer._replace(
        platform=platform,
        channel=store.channel,
        serial=next_serial(expected, store),
        expires=time_text(end) if end else None,
        signature=None,
    )
    try:
        signature = store.signing.signature(moved.values())
    except ValueError as reason:  # a task's id, or the serial that was found there
        raise InputError(
            f"the pointer of {platform} can't be signed: it {reason}"
        ) from None
    if expected is not None:
        note_replaced(expected, store)
    if signature is not None:
        moved = moved._replace(signature=Signature(**signature))
    store.move_pointer(moved, expected)
    return moved
