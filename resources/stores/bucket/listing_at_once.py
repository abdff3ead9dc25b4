"""A listing of many objects, several LISTs at a time.

A LIST gives 1,000 objects, and where to go on, so that one waits for the other: 100,000
objects take 100 round trips. A version's manifest tells which paths there will be, so
the listing is begun at several of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, pairwise

from resources.stores.bucket.objects import PAGE_OBJECTS, Bucket, Listed
from resources.workers.pool import Workers

EVERY = 50  # paths: so near to each other are the places where a listing may begin

Paths = Callable[[], Iterable[bytes]]


def pages_at_once(
    bucket: Bucket, folder: str, expected: Paths
) -> Iterator[list[Listed]]:
    """Yield what lies beneath a folder, in order where the store lists in order.

    ``expected`` gives paths that are likely there, ascending; what is found does not
    depend on them. How far apart the listing is begun is seen by how many of them the
    first page has passed, so a folder with few objects takes one LIST as before.
    """
    pages = bucket.pages(folder)
    first = next(pages, None)
    if first is None:
        return
    yield first
    ends: list[str] = []
    if bucket.lists_from and len(first) >= PAGE_OBJECTS and first == sorted(first):
        ends = _ends(first[-1].path, expected)
    if not ends:
        yield from pages
        return

    def listed(part: tuple[str, str]) -> list[list[Listed]]:
        return list(bucket.pages(folder, *part))

    with Workers(listed) as workers:
        for found in workers.map(pairwise((first[-1].path, *ends, ""))):
            if any(page != sorted(page) for page in found):
                break  # of a store that doesn't list in order, this may be a part
            yield from found
        else:
            return
    yield from bucket.pages(folder)


def _ends(last: str, expected: Paths) -> list[str]:
    """Return where the pages after ``last`` are to end, but for the last one; each has
    a few paths less than the first."""
    paths = [path.decode() for path in islice(expected(), 0, None, EVERY)]
    passed = bisect_left(paths, last)
    stride = passed - 1
    return paths[passed + stride :: stride] if stride > 0 else []
