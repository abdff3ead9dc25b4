"""What players download who have an earlier version, by paths and by contents."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple

from resources.manifests.format import keys_of, size_of
from resources.manifests.line_file import Block
from resources.manifests.reader import Manifest
from resources.releases.comparison.contents import known_contents, lines_of
from resources.releases.comparison.differences import Amount, lines_around
from resources.workers.pool import Workers


class Download(NamedTuple):
    """What a version has that an earlier one lacks: the files, by path and content;
    those of their contents that the earlier one has under another path; and the bytes
    of the others, each content once."""

    amount: Amount
    known: set[int]
    new_bytes: int


class _Lacking(NamedTuple):
    """Files that an earlier version lacks: how many, their contents, their sizes."""

    amount: Amount
    contents: array[int]
    sizes: array[int]


def count_downloads(befores: Sequence[Manifest], after: Manifest) -> list[Amount]:
    """Count for each earlier version the files that it doesn't have under the same path
    with the same content."""
    return [amount for amount, _ in _find_lacking(befores, after, {})]


def find_downloads(befores: Sequence[Manifest], after: Manifest) -> list[Download]:
    """Do the same, and look which of their contents the earlier version has.

    Contents are only kept of files that some earlier version lacks: of few, mostly.
    """
    sizes: dict[int, int] = {}
    found = []
    for before, (amount, contents) in zip(
        befores, _find_lacking(befores, after, sizes), strict=True
    ):
        wanted = set(contents)
        known = known_contents(before, wanted)
        new_bytes = sum([sizes[key] for key in wanted - known])
        found.append(Download(amount, known, new_bytes))
    return found


def _find_lacking(
    befores: Sequence[Manifest], after: Manifest, sizes: dict[int, int]
) -> list[tuple[Amount, array[int]]]:
    """Return what each earlier version lacks, with the contents of that; ``sizes`` gets
    their sizes."""
    for before in befores:
        before.verify()  # here, and not in every helper
    counts = [Amount()] * len(befores)
    contents = [array("Q") for _ in befores]

    def look(piece: list[Block]) -> list[_Lacking]:
        lines = lines_of(after, piece)
        return [_lacking(lines, lines_around(before, piece)) for before in befores]

    with Workers(look) as workers:
        for parts in workers.map(after.pieces()):
            for place, part in enumerate(parts):
                counts[place] = counts[place].more(part.amount)
                contents[place].extend(part.contents)
                sizes.update(zip(part.contents, part.sizes, strict=True))
    return list(zip(counts, contents, strict=True))


def _lacking(lines: list[bytes], known: set[bytes]) -> _Lacking:
    lacking = [line for line in lines if line not in known]
    sizes = array("Q", map(size_of, lacking))
    return _Lacking(Amount(len(lacking), sum(sizes)), keys_of(lacking), sizes)
