"""Which of a version's files are looked at, where that shall not be all of them."""

from __future__ import annotations

import zlib
from heapq import nsmallest
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.manifests.format import Entry
    from resources.manifests.reader import Manifest

MAX_OF_A_KIND = 200  # endings, and files by which a game begins
_ENTRANCES = {"html", "js", "json", "manifest"}  # what a game begins with


def sample_of(manifest: Manifest, count: int) -> list[Entry]:
    """Return so many files of a manifest, in its order; the same ones each time.

    First those by which a game begins, the largest file, and one of each ending; then
    half of the rest from what is new in the version, which no cache has had to hold
    before, and half from all. Memory doesn't grow with the manifest.
    """
    version = manifest.header.version

    def rank(entry: Entry) -> int:
        return zlib.crc32(f"{version}:{entry.path}".encode())

    def ranked(number: int, *, only_new: bool) -> list[Entry]:
        entries = manifest.entries()
        some = (entry for entry in entries if not (only_new and entry.held_in))
        return nsmallest(number, some, key=rank)

    chosen: dict[str, Entry] = {}
    for entries, most in (
        (chain(_needed(manifest), ranked(count, only_new=True)), (count + 1) // 2),
        (ranked(count, only_new=False), count),
    ):
        for entry in entries:
            if len(chosen) < most:
                chosen[entry.path] = entry
    return sorted(chosen.values(), key=lambda entry: entry.path.encode())


def _needed(manifest: Manifest) -> Iterator[Entry]:
    """Yield the largest file, those by which a game begins, and the first of each
    ending."""
    largest: Entry | None = None
    entrances: list[Entry] = []
    by_ending: dict[str, Entry] = {}
    for entry in manifest.entries():
        ending = ending_of(entry.path)
        if largest is None or entry.size > largest.size:
            largest = entry
        is_entrance = ending in _ENTRANCES and "/" not in entry.path
        if is_entrance and len(entrances) < MAX_OF_A_KIND:
            entrances.append(entry)
        if len(by_ending) < MAX_OF_A_KIND:
            by_ending.setdefault(ending, entry)
    if largest is not None:
        yield largest
    yield from entrances
    yield from by_ending.values()


def ending_of(path: str) -> str:
    """Return what a file's name ends with, in lower case.

    >>> ending_of("atlas/ui.PNG"), ending_of("html")
    ('png', '')
    """
    _, dot, ending = path.rpartition("/")[2].rpartition(".")
    return ending.lower() if dot else ""
