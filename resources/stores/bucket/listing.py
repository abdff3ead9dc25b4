"""Which objects a folder of an object store has: listed once, then looked up.

A million paths as Python strings would need more memory than the engine may use, so
they are kept in compressed pages.
"""

from __future__ import annotations

import sys
import threading
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

# Path, size in bytes, and MD5 where it is known, else nothing.
Page = Sequence[tuple[str, int, str]]

OPEN_PAGES = 16  # several threads read at several places
PAGE_OBJECTS = 1000
LAST = chr(sys.maxunicode) * 2  # after every path


class Listing:
    """Sizes and MD5 digests of objects by their paths, from the pages of a LIST.

    Stores list in ascending order of the UTF-8 bytes, which is Python's order of
    strings; those that don't are sorted here, which takes memory for all paths.
    """

    def __init__(self, pages: Iterable[Page]) -> None:
        self._first: list[str] = []
        self._packed: list[bytes] = []
        self._opened: dict[int, dict[str, tuple[int, str]]] = {}
        self._lock = threading.Lock()
        last = ""
        iterator = iter(pages)
        for page in iterator:
            if list(page) != sorted(page) or page[0][0] <= last:
                self._sort(chain([page], iterator))
                return
            last = page[-1][0]
            self._pack(page)

    def size(self, path: str) -> int | None:
        """Return an object's size in bytes, or None when it isn't there."""
        found = self._find(path)
        return found[0] if found else None

    def sizes(self, paths: Iterable[str]) -> list[int | None]:
        """Return the sizes of many objects, quickest in ascending order."""
        found: list[int | None] = []
        with self._lock:
            page: dict[str, tuple[int, str]] = {}
            first = end = ""  # what lies on the page is between these
            for path in paths:
                if not first <= path < end:
                    number = bisect_right(self._first, path) - 1
                    page = self._page(number) if number >= 0 else {}
                    first = self._first[number] if number >= 0 else ""
                    end = next(iter(self._first[number + 1 : number + 2]), LAST)
                known = page.get(path)
                found.append(known and known[0])
        return found

    def md5(self, path: str) -> str:
        """Return an object's MD5, empty where it isn't known."""
        found = self._find(path)
        return found[1] if found else ""

    def _find(self, path: str) -> tuple[int, str] | None:
        with self._lock:
            number = bisect_right(self._first, path) - 1
            return self._page(number).get(path) if number >= 0 else None

    def _page(self, number: int) -> dict[str, tuple[int, str]]:
        """Open a page. Needs the lock."""
        page = self._opened.get(number)
        if page is None:
            if len(self._opened) >= OPEN_PAGES:
                del self._opened[next(iter(self._opened))]
            found = _unpack(self._packed[number])
            page = {path: (size, md5) for path, size, md5 in found}
            self._opened[number] = page
        return page

    def _sort(self, rest: Iterable[Page]) -> None:
        packed = [_unpack(page) for page in self._packed]
        objects = sorted(chain(*packed, *rest))
        self._first, self._packed = [], []
        for start in range(0, len(objects), PAGE_OBJECTS):
            self._pack(objects[start : start + PAGE_OBJECTS])

    def _pack(self, page: Page) -> None:
        self._first.append(page[0][0])
        text = "\0".join(f"{size} {md5} {path}" for path, size, md5 in page)
        self._packed.append(zlib.compress(text.encode(errors="surrogatepass"), 1))


def _unpack(packed: bytes) -> Iterator[tuple[str, int, str]]:
    text = zlib.decompress(packed).decode(errors="surrogatepass")
    for line in text.split("\0"):
        size, md5, path = line.split(" ", 2)
        yield path, int(size), md5
