"""Which objects a folder of an object store has: listed once, then looked up.

A million paths as Python strings would need more memory than the engine may use, so
they are kept in compressed pages.
"""

from __future__ import annotations

import threading
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain

Page = list[tuple[str, int]]

OPEN_PAGES = 16  # several threads read at several places
PAGE_OBJECTS = 1000


class Listing:
    """Sizes of objects by their paths, from the pages of a LIST.

    Stores list in ascending order of the UTF-8 bytes, which is Python's order of
    strings; those that don't are sorted here, which takes memory for all paths.
    """

    def __init__(self, pages: Iterable[Page]) -> None:
        self._first: list[str] = []
        self._packed: list[bytes] = []
        self._opened: dict[int, dict[str, int]] = {}
        self._lock = threading.Lock()
        last = ""
        iterator = iter(pages)
        for page in iterator:
            if page != sorted(page) or page[0][0] <= last:
                self._sort(chain([page], iterator))
                return
            last = page[-1][0]
            self._pack(page)

    def size(self, path: str) -> int | None:
        """Give an object's size in bytes, or None when it isn't there."""
        with self._lock:
            number = bisect_right(self._first, path) - 1
            if number < 0:
                return None
            page = self._opened.get(number)
            if page is None:
                if len(self._opened) >= OPEN_PAGES:
                    del self._opened[next(iter(self._opened))]
                page = self._opened[number] = dict(_unpack(self._packed[number]))
            return page.get(path)

    def _sort(self, rest: Iterable[Page]) -> None:
        packed = [_unpack(page) for page in self._packed]
        objects = sorted(chain(*packed, *rest))
        self._first, self._packed = [], []
        for start in range(0, len(objects), PAGE_OBJECTS):
            self._pack(objects[start : start + PAGE_OBJECTS])

    def _pack(self, page: Page) -> None:
        self._first.append(page[0][0])
        text = "\0".join(f"{size} {path}" for path, size in page)
        self._packed.append(zlib.compress(text.encode(errors="surrogatepass"), 1))


def _unpack(packed: bytes) -> Iterator[tuple[str, int]]:
    text = zlib.decompress(packed).decode(errors="surrogatepass")
    for line in text.split("\0"):
        size, _, path = line.partition(" ")
        yield path, int(size)
