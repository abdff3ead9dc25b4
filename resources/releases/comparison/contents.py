"""The contents that a manifest's files have, whatever their paths.

Each is known by the first 64 bits of its SHA-256, as a number: a million of them take
100 MB, where the digests as texts would take twice that. Of two versions with a million
files each, two contents share theirs once in 18 million times; then a figure is off by
a file. Nothing that is stored or served rests on it.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Set as AbstractSet
from itertools import chain

from resources.manifests.format import HEX_DIGITS, digest_of, keys_of, size_of
from resources.manifests.line_file import Block
from resources.manifests.reader import Manifest
from resources.workers.pool import Workers


def key_of(line: bytes) -> int:
    """Return the number of a content, by a line of ``content_line``."""
    return int.from_bytes(
        bytes.fromhex(digest_of(line)[:HEX_DIGITS].decode()), sys.byteorder
    )


def lines_of(manifest: Manifest, blocks: list[Block]) -> list[bytes]:
    """Read what some blocks say of the files themselves."""
    return list(chain.from_iterable(map(manifest.content_lines, blocks)))


def contents_of(manifest: Manifest) -> set[int]:
    """Read which contents a version has."""
    found: set[int] = set()

    def read(piece: list[Block]) -> array[int]:
        keys = array("Q")
        for block in piece:
            keys.extend(manifest.content_keys(block))
        return keys

    with Workers(read) as workers:
        for keys in workers.map(manifest.pieces()):
            found.update(keys)
    return found


def content_sizes(manifest: Manifest) -> dict[int, int]:
    """Read which contents a version has, each with its size in bytes."""
    found: dict[int, int] = {}

    def read(piece: list[Block]) -> tuple[array[int], array[int]]:
        lines = lines_of(manifest, piece)
        return keys_of(lines), array("Q", map(size_of, lines))

    with Workers(read) as workers:
        for pair in workers.map(manifest.pieces()):
            found.update(zip(*pair, strict=True))
    return found


def bytes_beyond(sizes: dict[int, int], known: AbstractSet[int]) -> int:
    """Add up the sizes of the contents that aren't known."""
    return sum([sizes[key] for key in sizes.keys() - known])
