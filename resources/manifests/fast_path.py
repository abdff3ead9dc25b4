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
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import compress, islice
from operator import eq, lt
from typing import NamedTuple

from resources.manifests.collisions import Folded, folded, may_meet
from resources.manifests.fields import MAX_LINE_BYTES
from resources.manifests.format import Entry, Header, at_field
from resources.manifests.line_file import (
    Block,
    LineFile,
    block_digest,
    follow_each_other,
)
from resources.manifests.paths import are_harmless
from resources.versions import is_version
from resources.workers.pool import Workers

# Each part takes only what the fields' own checks take; paths are looked at apart, and
# digests all at once, which takes half as long. Possessive, because a part that fits is
# never shorter than it can be.
_BEGINNING = b'{"path": "'
_PROOF = re.compile(
    rb'\{"path": "([^\x00-\x1f"\\\x7f]++)", "size": (0|[1-9][0-9]{0,14}+),'
    rb' "sha256": "(.{64})"(?:, "md5": "(.{32})")?+'
    rb'(?:, "in": "([A-Za-z0-9._-]{1,64}+)"'
    rb'(?:, "at": "([^\x00-\x1f"\\\x7f]++)")?+)?+\}\n'
)
# Of a line that was proved: no value has a quote.
_FIELDS = re.compile(
    r'"path": "([^"]++)", "size": ([0-9]++), "sha256": "([^"]++)"'
    r'(?:, "md5": "([^"]++)")?+(?:, "in": "([^"]++)")?+(?:, "at": "([^"]++)")?+'
)
_HEX_DIGITS = b"0123456789abcdef"
_END_LINE = re.compile(
    rb'\{"end": (0|[1-9][0-9]{0,14}), "sha256": "([0-9a-f]{64})"\}\n'
)
_PATH = re.compile(rb'\{"path": "([^"]++)')
_PATH_AND_SIZE = re.compile(r'\{"path": "([^"]++)", "size": ([0-9]++)')
_STORED = re.compile(
    r'"path": "([^"]++)", "size": ([0-9]++), "sha256": "[^"]++"'
    r'(?:, "md5": "[^"]++")?+(?:, "in": "([^"]++)")?+(?:, "at": "([^"]++)")?+'
)
# A path has no quote, so nothing else is taken for these.
_MD5 = re.compile(rb', "md5": "[^"]++"')
_HELD_IN = re.compile(rb', "in": "([^"]++)"(?:, "at": "[^"]++")?+')
_CONTENT = re.compile(rb'\{"path": "[^"]++", "size": [0-9]++, "sha256": "[^"]++"')
_HOLDER = re.compile(
    rb'"sha256": "[^"]++"(?:, "md5": "[^"]++")?+(?:, "in": "([^"]++)")?+'
)
_HELD_AT = re.compile(rb', "at": "([^"]++)"')
_KEY = re.compile(rb', "sha256": "(.{16})')
_FIXED_BYTES = len(b'{"path": "", "size": , "sha256": ""}\n') + 64


class Proved(NamedTuple):
    """The blocks of a harmless manifest, the digest that its end names, and that of all
    of its bytes."""

    blocks: list[Block]
    sha256: str
    whole_sha256: str


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
    sha256 = digest.hexdigest()
    end_line = _END_LINE.fullmatch(file.read(end, MAX_LINE_BYTES))
    if (
        end_line is None
        or (int(end_line[1]), end_line[2].decode()) != (files, sha256)
        or (files, sum(block.total_bytes for block in blocks)) != header[2:]
        or not follow_each_other(blocks)
        or may_meet(names)
    ):
        return None
    digest.update(end_line[0])
    return Proved(blocks, sha256, digest.hexdigest())


def prove_block(
    offset: int, data: bytes, *, published: bool
) -> tuple[Block, Folded] | None:
    """Prove that a block of lines is harmless by itself, or give None.

    ``published`` allows entries to name another version.
    """
    found = _PROOF.findall(data)
    if not found:
        return None
    paths, sizes, sha256s, md5s, holders, places = zip(*found, strict=True)
    if b"".join((*sha256s, *md5s)).translate(None, _HEX_DIGITS):
        return None
    joined = b"\n".join(paths)
    shortest = len(joined) + 1 + len(b"".join(sizes)) + len(found) * (_FIXED_BYTES - 1)
    # Matches don't overlap, so where the shortest there can be fill the block, there
    # is nothing else in it.
    if shortest != len(data) and not _are_all_lines(data, len(found)):
        return None
    if not all(map(lt, paths, islice(paths, 1, None))):
        return None
    for held_in in set(filter(None, holders)):
        if not published or not is_version(held_in.decode()):
            return None
    if not are_harmless(paths, joined) or not _are_places(places, paths):
        return None
    block = Block(
        offset,
        len(data),
        len(found),
        sum(map(int, sizes)),
        block_digest(data),
        paths[0],
        paths[-1],
    )
    return block, folded(joined)


def plain_paths(data: bytes) -> list[bytes]:
    """Read only the paths of a block that was proved to be harmless."""
    return _PATH.findall(data)


def plain_paths_and_sizes(data: bytes) -> tuple[list[str], list[int]]:
    """Read the paths of a harmless block, and the files' sizes."""
    found = _PATH_AND_SIZE.findall(data.decode())
    return [path for path, _ in found], [int(size) for _, size in found]


def plain_stored(data: bytes) -> Iterator[tuple[str | None, list[str], list[int]]]:
    """Yield what a harmless block has in each version's folder: the version, None for
    the manifest's own, the paths there, and the sizes."""
    if not _HELD_IN.search(data):
        yield None, *plain_paths_and_sizes(data)
        return
    held: dict[str, tuple[list[str], list[int]]] = {}
    for path, size, held_in, held_at in _STORED.findall(data.decode()):
        paths, sizes = held.setdefault(held_in, ([], []))
        paths.append(held_at or path)
        sizes.append(int(size))
    for held_in, (paths, sizes) in held.items():
        yield held_in or None, paths, sizes


def plain_content_lines(data: bytes) -> list[bytes]:
    """Read a harmless block as ``manifest.content_line`` has its entries."""
    if _MD5.search(data) or _HELD_IN.search(data):
        return _CONTENT.findall(data)
    return data.split(b"}\n")[:-1]


def plain_holders(data: bytes) -> list[str | None]:
    """Read from a block that was proved to be harmless what holds each file."""
    if not _HELD_IN.search(data):
        return [None] * data.count(b"\n")
    found = _HOLDER.findall(data)
    names = {holder: holder.decode() or None for holder in set(found)}
    return [names[holder] for holder in found]


def plain_held_at(data: bytes) -> dict[int, str]:
    """Read from such a block which files have another path in the store, by their
    places in it."""
    if not _HELD_AT.search(data):
        return {}
    found = map(_HELD_AT.search, data.split(b"\n")[:-1])
    return {place: at[1].decode() for place, at in enumerate(found) if at}


def plain_held(
    data: bytes, lines: Iterable[bytes]
) -> Iterator[tuple[bytes, str | None, str | None]]:
    """Yield those of some content lines that such a block has, each with the version
    that holds the file, and the path it has there."""
    for line in lines:
        start = data.find(line)  # only where a line begins, as none has a quote within
        if start < 0:
            continue
        rest = data[start + len(line) : data.index(b"\n", start)]
        held_in, held_at = _HELD_IN.search(rest), _HELD_AT.search(rest)
        yield line, held_in and held_in[1].decode(), held_at and held_at[1].decode()


def plain_keys(data: bytes) -> array[int]:
    """Read the first 64 bits of each digest of such a block, as numbers."""
    return array("Q", bytes.fromhex(b"".join(_KEY.findall(data)).decode()))


def plain_lines_held(
    data: bytes,
    holders: Sequence[str | None],
    codes: Iterable[int],
    held_at: Mapping[int, str],
) -> bytes:
    """Return the lines of a block whose entries name no version, each naming one.

    ``codes`` has the place of each line's version in ``holders``; ``held_at`` the paths
    of those that have another in there, by the lines' places in the block.
    """
    ends = [f', "in": "{held_in}"}}\n' if held_in else "}\n" for held_in in holders]
    encoded = [end.encode() for end in ends]
    lines = data.split(b"}\n")[:-1]
    pairs = zip(lines, codes, strict=True)
    held = [line + encoded[code] for line, code in pairs]
    for place, path in held_at.items():
        held[place] = held[place][: -len(b"}\n")] + at_field(path).encode() + b"}\n"
    return b"".join(held)


def plain_selection(data: bytes, wanted: Iterable[bool]) -> bytes:
    """Return only the wanted lines of a block."""
    lines = data.splitlines(keepends=True)
    return b"".join(compress(lines, wanted))


def plain_entries(data: bytes) -> list[Entry]:
    """Read a block that was proved to be harmless."""
    make = tuple.__new__  # a third of the time that Entry(…) takes
    return [
        make(Entry, (path, int(size), sha256, md5 or None, held_in or None, at or None))
        for path, size, sha256, md5, held_in, at in _FIELDS.findall(data.decode())
    ]


def _are_places(places: Sequence[bytes], paths: Sequence[bytes]) -> bool:
    """Return whether what stands under ``at`` may, if anything does."""
    others = [place for place in places if place]
    if not others:
        return True
    is_own = any(map(eq, places, paths))
    return not is_own and are_harmless(others, b"\n".join(others))


def _are_all_lines(data: bytes, matches: int) -> bool:
    """Return whether matches of a line, one after the other, are all that there is.

    A match has the beginning of a line once, and ends with a line feed. So there is
    nothing between them when each line has that beginning once, at its first byte.
    """
    return (
        data.startswith(_BEGINNING)
        and data.count(b"\n") == data.count(_BEGINNING) == matches
        and data.count(b"\n" + _BEGINNING) == matches - 1
    )
