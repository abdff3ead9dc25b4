"""Prove that a manifest is harmless, block by block and in several processes.

That works for manifests whose lines have the plain form, which is what
``manifest.entry_line`` writes. What is said here is only that a manifest is harmless,
never that it isn't: one that can't be proved to be by a look at whole blocks is read
again line by line, by ``manifest_reader``, which knows every rule and words every
reason.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from itertools import islice, pairwise
from operator import lt
from typing import NamedTuple

from resources.collisions import Folded, folded, may_meet
from resources.line_file import Block, LineFile, block_digest
from resources.manifest import Entry, Header
from resources.manifest_fields import MAX_LINE_BYTES
from resources.paths import MAX_SEGMENT_BYTES, needs_a_closer_look, reason_against
from resources.versions import is_version
from resources.workers import Workers

# Each part takes only what the fields' own checks take; paths are looked at apart.
# Possessive, because a part that fits is never shorter than it can be.
_BEGINNING = b'{"path": "'
_LINE = (
    r'\{"path": "([^\x00-\x1f"\\\x7f]++)", "size": (0|[1-9][0-9]{0,14}+),'
    r' "sha256": "([0-9a-f]{64})"(?:, "md5": "([0-9a-f]{32})")?+'
    r'(?:, "in": "([A-Za-z0-9._-]{1,64}+)")?+\}\n'
)
_END_LINE = re.compile(
    rb'\{"end": (0|[1-9][0-9]{0,14}), "sha256": "([0-9a-f]{64})"\}\n'
)
_PATH = re.compile(rb'\{"path": "([^"]++)')
_BYTES_LINE = re.compile(_LINE.encode())
_TEXT_LINE = re.compile(_LINE)


class Proved(NamedTuple):
    """The blocks of a harmless manifest, and the digest that its end names."""

    blocks: list[Block]
    sha256: str


def prove_manifest(
    file: LineFile, start: int, header: Header, *, published: bool
) -> Proved | None:
    """Prove that a manifest keeps every rule, or give None.

    Parameters: ``start`` is where the line after the header begins; ``published``
    allows entries to name another version.
    """
    tail_start = max(start, file.size - MAX_LINE_BYTES)
    tail = file.read(tail_start, MAX_LINE_BYTES)
    end = tail_start + tail.rfind(b"\n", 0, -1) + 1
    digest = hashlib.sha256(file.read(0, start))

    def pieces() -> Iterator[tuple[int, int]]:
        for offset, data in file.cut(start, end):
            digest.update(data)
            yield offset, len(data)

    def prove_piece(piece: tuple[int, int]) -> tuple[Block, Folded] | None:
        return prove_block(piece[0], file.read(*piece), published=published)

    blocks: list[Block] = []
    names: list[Folded] = []
    with Workers(prove_piece) as workers:
        for proof in workers.map(pieces()):
            if proof is None:
                return None
            blocks.append(proof[0])
            names.append(proof[1])
    files = sum(block.files for block in blocks)
    end_line = _END_LINE.fullmatch(file.read(end, MAX_LINE_BYTES))
    if (
        end_line is None
        or (int(end_line[1]), end_line[2].decode()) != (files, digest.hexdigest())
        or (files, sum(block.total_bytes for block in blocks)) != header[2:]
        or not _follow_each_other(blocks)
        or may_meet(names)
    ):
        return None
    return Proved(blocks, digest.hexdigest())


def prove_block(
    offset: int, data: bytes, *, published: bool
) -> tuple[Block, Folded] | None:
    """Prove that a block of lines is harmless by itself, or give None.

    ``published`` allows entries to name another version.
    """
    found = _BYTES_LINE.findall(data)
    if not found or not _are_all_lines(data, len(found)):
        return None
    paths = [line[0] for line in found]
    if not all(map(lt, paths, islice(paths, 1, None))):
        return None
    for held_in in {line[4] for line in found} - {b""}:
        if not published or not is_version(held_in.decode()):
            return None
    joined = b"\n".join(paths)
    if not _are_harmless(paths, joined):
        return None
    block = Block(
        offset,
        len(data),
        len(found),
        sum(map(int, [line[1] for line in found])),
        block_digest(data),
        paths[0],
        paths[-1],
    )
    return block, folded(joined)


def plain_paths(data: bytes) -> list[bytes]:
    """Read only the paths of a block that was proved to be harmless."""
    return _PATH.findall(data)


def plain_content_lines(data: bytes) -> list[bytes]:
    """Read a block that was proved to be harmless as ``manifest.content_line`` has it.

    A quote follows neither key in a path, so nothing else is taken out.
    """
    for part in (b', "md5": "', b', "in": "'):
        if part in data:
            data = re.sub(part + rb'[^"]++"', b"", data)
    return data.split(b"}\n")[:-1]


def plain_entries(data: bytes) -> list[Entry]:
    """Read a block that was proved to be harmless."""
    make = tuple.__new__  # a third of the time that Entry(…) takes
    return [
        make(Entry, (path, int(size), sha256, md5 or None, held_in or None))
        for path, size, sha256, md5, held_in in _TEXT_LINE.findall(data.decode())
    ]


def _are_all_lines(data: bytes, matches: int) -> bool:
    """Say whether matches of a line, one after the other, are all that there is.

    A match has the beginning of a line once, and ends with a line feed. So there is
    nothing between them when each line has that beginning once, at its first byte.
    """
    return (
        data.startswith(_BEGINNING)
        and data.count(b"\n") == data.count(_BEGINNING) == matches
        and data.count(b"\n" + _BEGINNING) == matches - 1
    )


def _follow_each_other(blocks: list[Block]) -> bool:
    return all(a.last < b.first for a, b in pairwise(blocks))


def _are_harmless(paths: list[bytes], joined: bytes) -> bool:
    if max(map(len, paths)) <= MAX_SEGMENT_BYTES and not needs_a_closer_look(joined):
        return True
    try:
        return not any(reason_against(path.decode()) for path in paths)
    except UnicodeDecodeError:
        return False
