"""Find the contents of new files under other paths.

A file that was moved lies in an earlier version already, and of new files with one
content only the first in order is sent. Contents are looked for by 64 bits of their
digests, which is quick, and taken by the whole of them. What is found is sorted outside
of memory, because each of a million files may have been moved.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, compress, groupby, islice

from resources.manifests.format import Entry
from resources.manifests.line_file import BLOCKS_AT_ONCE, Block
from resources.manifests.reader import Manifest
from resources.manifests.records import Records
from resources.releases.choices import (
    Choice,
    Choosing,
    Decided,
    doubled_in,
    moved_from,
)
from resources.stores.release_store import ReleaseStore
from resources.workers.pool import Workers

FEW_BLOCKS = 32  # are read within the time in which helpers start
# Between the parts of a row: no path has it, and it sorts before all that one may have.
GAP = b"\0"
HELD, NEW = b"0", b"1"  # kinds of rows; of one content, what is held comes first


def find_elsewhere(
    manifest: Manifest,
    decided: Sequence[Decided],
    earlier: Sequence[Manifest],
    store: ReleaseStore,
) -> list[Decided]:
    """Return what was decided, but for new files whose content is elsewhere.

    ``decided`` has the contents of new files; ``earlier`` are the manifests of earlier
    versions, the newest first. A content is taken only from under a name with the same
    ending, because that is what its Content-Type is told by.
    """
    sought, found = _contents(decided)
    held_rows = _held_rows(earlier, sought, store, found)
    first = list(islice(held_rows, 1))  # after which something is found, if ever
    if found:  # mostly there is nothing, and no file is needed to sort it
        held, new, taken = Records(), Records(), Records()
        held.fill_sorted(chain(first, held_rows))
        sought.clear()  # a million numbers, which no helper needs any more
        new.fill_sorted(_new_rows(manifest, decided, found))
        rows = heapq.merge(held, new)
        taken.fill_sorted(_taken_rows(rows, manifest.header.version))
        decided = list(_decided_anew(manifest, decided, taken))
    return [part._replace(new_keys=array("Q")) for part in decided]


def _contents(decided: Iterable[Decided]) -> tuple[set[int], set[int]]:
    """Return the contents of new files, and those that several of them have."""
    sought: set[int] = set()
    doubled: set[int] = set()
    for part in decided:
        for key in part.new_keys:
            if key in sought:
                doubled.add(key)
            sought.add(key)
    return sought, doubled


def _held_rows(
    earlier: Sequence[Manifest],
    sought: set[int],
    store: ReleaseStore,
    found: set[int],
) -> Iterator[bytes]:
    """Yield a row for each file of an earlier version that has a content sought, and
    add the contents to ``found``."""

    def look(piece: tuple[int, list[Block]]) -> tuple[set[int], list[bytes]]:
        rank, blocks = piece
        other = earlier[rank]
        contents: set[int] = set()
        rows: list[bytes] = []
        for block in blocks:
            keys = other.content_keys(block)
            if sought.isdisjoint(keys):
                continue
            contents |= sought.intersection(keys)
            entries = other.selected(block, [key in sought for key in keys])
            rows += _rows_of(other.header.version, rank, entries, store)
        return contents, rows

    if not sought:
        return
    pieces = [(n, piece) for n, other in enumerate(earlier) for piece in other.pieces()]
    with Workers(look, _helpers(pieces)) as workers:
        for contents, rows in workers.map(pieces):
            found |= contents
            yield from rows


def _rows_of(
    version: str, rank: int, entries: Iterable[Entry], store: ReleaseStore
) -> Iterator[bytes]:
    """Yield a row for each file whose object is seen to be there."""
    by_holder: dict[str, list[Entry]] = {}
    for entry in entries:
        by_holder.setdefault(entry.held_in or version, []).append(entry)
    for holder, held in by_holder.items():
        sizes = store.sizes(holder, [entry.stored.path for entry in held])
        for entry, size in zip(held, sizes, strict=True):
            stored = entry.stored
            if size != entry.size or store.differs(holder, stored):
                continue
            place = HELD + b"%02d" % rank
            yield _row(_content(stored), place, holder.encode(), stored.path.encode())


def _new_rows(
    manifest: Manifest, decided: Sequence[Decided], found: Collection[int]
) -> Iterator[bytes]:
    """Yield a row for each new file that may have one of the contents found."""

    def look(piece: tuple[int, Block, Decided]) -> list[bytes]:
        number, block, part = piece
        is_new = [choice.is_new for choice in part.choices]
        pairs = zip(part.codes, manifest.content_keys(block), strict=True)
        wanted = [is_new[code] and key in found for code, key in pairs]
        places = compress(range(len(wanted)), wanted)
        entries = zip(places, manifest.selected(block, wanted), strict=True)
        return [
            _row(
                _content(entry),
                NEW + b"%09d" % number,
                b"%05d" % place,
                entry.path.encode(),
            )
            for place, entry in entries
            if entry.size
        ]

    pieces = [
        (number, *each)
        for number, each in enumerate(zip(manifest.blocks(), decided, strict=True))
        if any(key in found for key in each[1].new_keys)
    ]
    with Workers(look, _helpers(pieces)) as workers:
        for rows in workers.map(pieces):
            yield from rows


def _row(*parts: bytes) -> bytes:
    return GAP.join(parts) + b"\n"


def _content(entry: Entry) -> bytes:
    """Return by what a content is known again: its digest and size, and the ending of
    the name.

    >>> _content(Entry("img/a.PNG", 12, "0f"))
    b'0f 12 png'
    """
    _, dot, ending = entry.path.rpartition("/")[2].rpartition(".")
    return f"{entry.sha256} {entry.size} {ending.lower() if dot else ''}".encode()


def _taken_rows(rows: Iterable[bytes], version: str) -> Iterator[bytes]:
    """Yield a row for each new file whose content is elsewhere: the number of its
    block, its place in there, and the version and path of the object.

    ``rows`` are sorted, so those of one content follow each other: first what is held,
    by the newest version first, then what is new, in order.
    """
    content = holder = path = b""
    for row in rows:
        of, kind, where, name = row[:-1].split(GAP)
        if of != content:
            content, path = of, name
            holder = where if kind.startswith(HELD) else version.encode()
        elif kind.startswith(NEW) and name != path:
            yield _row(kind[1:], where, holder, path)


def _decided_anew(
    manifest: Manifest, decided: Iterable[Decided], taken: Iterable[bytes]
) -> Iterator[Decided]:
    own = manifest.header.version
    groups = groupby(taken, key=lambda row: int(row.partition(GAP)[0]))
    number, rows = next(groups, (-1, iter(())))
    pairs = zip(manifest.blocks(), decided, strict=True)
    for each, (block, part) in enumerate(pairs):
        if each != number:
            yield part
            continue
        held_at = part.held_at()
        places: dict[Choice, list[int]] = {}
        for row in rows:
            _, place, holder, path = row[:-1].decode().split("\0")
            choice = doubled_in(own) if holder == own else moved_from(holder)
            places.setdefault(choice, []).append(int(place))
            held_at[int(place)] = path
        number, rows = next(groups, (-1, iter(())))
        yield _with(part, places, held_at, manifest.paths_and_sizes(block)[1])


def _with(
    part: Decided,
    taken: dict[Choice, list[int]],
    held_at: dict[int, str],
    sizes: list[int],
) -> Decided:
    """Return what was decided with other choices for some files."""
    choosing = Choosing(sizes)
    choosing.held_at = held_at
    others = {place for places in taken.values() for place in places}
    left: list[list[int]] = [[] for _ in part.choices]
    for place, code in enumerate(part.codes):
        if place not in others:
            left[code].append(place)
    for choice, places in chain(zip(part.choices, left, strict=True), taken.items()):
        choosing.choose(choice, places)
    return choosing.decided()


def _helpers(pieces: Sequence[object]) -> int | None:
    """Return how many helpers are worth it; None for as many as there can be."""
    return 1 if len(pieces) * BLOCKS_AT_ONCE <= FEW_BLOCKS else None
