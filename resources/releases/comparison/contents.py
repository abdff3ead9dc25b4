"""The contents that a manifest's files have, whatever their paths.

Each is known by the first 64 bits of its SHA-256, as a number: a million of them take
100 MB, where the digests as texts would take twice that. Of two versions with a million
files each, two contents share theirs once in 18 million times; then a figure is off by
a file. Nothing that is stored or served rests on it.
"""

from __future__ import annotations

import sys
from itertools import chain

from resources.manifests.format import HEX_DIGITS, digest_of
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


def known_contents(manifest: Manifest, wanted: set[int]) -> set[int]:
    """Return those contents of some that a version has."""
    if not wanted:
        return set()

    def read(piece: list[Block]) -> set[int]:
        keys = chain.from_iterable(map(manifest.content_keys, piece))
        return wanted.intersection(keys)

    found: set[int] = set()
    with Workers(read) as workers:
        found.update(*workers.map(manifest.pieces()))
    return found
