"""What was served when, for a program that only wants to show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, zip_longest
from typing import NamedTuple

from resources.errors import EngineError
from resources.releases.current import own_store
from resources.releases.pointers.history import read_history
from resources.stores.pointer import LIVE, Pointer, Rollout
from resources.stores.release_store import ReleaseStore
from resources.versions import natural_key

__all__ = [
    "Past",
    "Pointer",
    "Rollout",
    "Span",
    "goes_back_to",
    "read_past",
    "spans_of",
]


class Span(NamedTuple):
    """A version for as long as it was served, from one move of the pointer to the next.

    Times are the pointers' own. What nobody wrote down is None, of a span that is known
    only as ``previous`` of the next all but its version and end.
    """

    version: str
    manifest_sha256: str | None
    previous: str | None
    since: str | None
    until: str | None  # None, too, where it is live
    task_id: str | None
    is_live: bool
    is_rollback: bool  # to an older version
    is_first: bool  # of this version, as far as is known
    rollouts: tuple[Rollout, ...]  # to some players meanwhile, each as far as it went


class Past(NamedTuple):
    """What one platform served, newest first; ``problem`` as that of ``Served``.

    ``pointer`` is what the first span is made from.
    """

    pointer: Pointer | None
    spans: Sequence[Span]
    problem: str | None


def read_past(
    platform: str, environment: Mapping[str, str], channel: str = LIVE
) -> Past:
    """Read the pointer of a channel in a platform's store and those before it.

    It takes as long as the store takes to answer.
    """
    try:
        store = own_store(platform, environment).on(channel)
        pointer = store.pointer()
        if pointer is None:
            return Past(None, (), None)
        return Past(pointer, spans_of([*_before(pointer, store), pointer]), None)
    except EngineError as error:
        return Past(None, (), str(error))


def spans_of(pointers: Sequence[Pointer]) -> list[Span]:
    """Return the spans between pointers, of which the last is live, newest first."""
    spans: list[Span] = []
    seen: set[str] = set()
    rollouts = [_rollouts(group) for group in _moves(pointers)]
    pointers = [group[-1] for group in _moves(pointers)]
    keys = [natural_key(pointer.version) for pointer in pointers]
    for n, (pointer, following) in enumerate(zip_longest(pointers, pointers[1:])):
        version = pointer.version
        is_rollback = n > 0 and keys[n] < keys[n - 1]
        is_known = bool(pointer.manifest_sha256 and pointer.published_at)
        spans.append(
            Span(
                version=version,
                manifest_sha256=pointer.manifest_sha256 or None,
                previous=pointer.previous,
                since=pointer.published_at,
                until=following.published_at if following else None,
                task_id=pointer.task_id,
                is_live=following is None,
                is_rollback=is_rollback,
                is_first=is_known and not is_rollback and version not in seen,
                rollouts=rollouts[n],
            )
        )
        seen.add(version)
    return spans[::-1]


def _moves(pointers: Sequence[Pointer]) -> Iterator[list[Pointer]]:
    """Yield the pointers that differ in their rollout alone together."""
    return (
        list(group)
        for _, group in groupby(pointers, lambda each: (each[:2], each.published_at))
    )


def _rollouts(pointers: Sequence[Pointer]) -> tuple[Rollout, ...]:
    found = {each.rollout.salt: each.rollout for each in pointers if each.rollout}
    return tuple(found.values())


def goes_back_to(spans: Sequence[Span]) -> str | None:
    """Return the version that a rollback leads to: of those before, the newest in time
    that is older than what is live. None where there is none."""
    if not spans:
        return None
    live = natural_key(spans[0].version)
    older = (span.version for span in spans if natural_key(span.version) < live)
    return next(older, None)


def _before(pointer: Pointer, store: ReleaseStore) -> list[Pointer]:
    """Return the pointers before this one, oldest first, as far as they were written
    down; the first may be a mere version.

    The list is read after the pointer, so it may know of later moves already; and a
    move that was killed leaves the pointer in it.
    """
    pointers = read_history(store) or []
    if pointer in pointers:
        del pointers[pointers.index(pointer) :]
    # That every older version was served is a guess, good enough to allow a rollback.
    known = [each for each in pointers if each.manifest_sha256]
    first = (known or [pointer])[0].previous
    return known if first is None else [Pointer(first, ""), *known]
