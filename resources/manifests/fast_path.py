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
from itertools import compress, groupby, islice
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
    neighbours,
)
from resources.manifests.paths import are_harmless
from resources.versions import is_version
from resources.workers.pool import Workers

# Each part takes only what the fields' own checks take, but for paths and digests: they
# are looked at all at once, which takes half as long. Possessive, because a part that
# fits is never shorter than it can be.
_BEGINNING = b'{"path": "'
_BARE_PROOF = re.compile(
    rb'\{"path": "([^"]++)", "size": (0|[1-9][0-9]{0,14}+), "sha256": "(.{64})"\}\n'
)
_PROOF = re.compile(
    rb'\{"path": "([^"]++)", "size": (0|[1-9][0-9]{0,14}+),'
    rb' "sha256": "(.{64})"(?:, "md5": "(.{32})")?+'
    rb'(?:, "in": "([A-Za-z0-9._-]{1,64}+)"(?:, "at": "([^"]++)")?+)?+\}\n'
)
# What no path may have, beside the line feeds that paths are joined by.
_NOT_PLAIN = bytes(set(range(32)) - {ord("\n")}) + b"\\\x7f"
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
_HELD_IN = re.compile(rb', "in": "([^"]++)"(?:, "at": "[^"]++")?+')
_CONTENT = re.compile(rb'\{"path": "[^"]++", "size": [0-9]++, "sha256": "[^"]++"')
_CONTENT_AND_HOLDER = re.compile(
    rb'(%b)(?:, "md5": "[^"]++")?+(?:, "in": "([^"]++)")?+' % _CONTENT.pattern
)
_CONTENT_AND_PLACE = re.compile(
    rb'(%b)(?:, "md5": "[^"]++")?+, "in": "[^"]++", "at": "([^"]++)"' % _CONTENT.pattern
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

    def cut() -> Iterator[tuple[int, int]]:
        for offset, data in file.cut(start, end):
            digest.update(data)
            yield offset, len(data)

    def prove_piece(
        piece: list[tuple[int, int]],
    ) -> list[tuple[Block, Folded] | None]:
        return [
            prove_block(offset, file.read(offset, length), published=published)
            for offset, length in piece
        ]

    blocks: list[Block] = []
    names: list[Folded] = []
    with Workers(prove_piece) as workers:
        for proofs in workers.map(neighbours(cut())):
            for proof in proofs:
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
    found = _BARE_PROOF.findall(data) if _BARE_PROOF.match(data) else []
    is_bare = len(found) == data.count(b"\n")
    if not is_bare:
        found = _PROOF.findall(data)
    if not found:
        return None
    paths, sizes, sha256s, *others = zip(*found, strict=True)
    md5s, holders, places = others or ((), (), ())
    if b"".join((*sha256s, *md5s)).translate(None, _HEX_DIGITS):
        return None
    joined = b"\n".join(paths)
    if not _are_plain(paths, joined):
        return None
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
        is_bare,
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


def plain_content_lines(data: bytes, *, is_bare: bool) -> list[bytes]:
    """Read a harmless block as ``manifest.content_line`` has its entries."""
    return data.split(b"}\n")[:-1] if is_bare else _CONTENT.findall(data)


def plain_holders(data: bytes, own: str, *, is_bare: bool) -> dict[bytes, str]:
    """Read from a block that was proved to be harmless which version holds each file,
    by its content line; ``own`` is the one that entries don't name."""
    if is_bare:
        return dict.fromkeys(plain_content_lines(data, is_bare=True), own)
    found = dict(_CONTENT_AND_HOLDER.findall(data))
    names = {holder: holder.decode() or own for holder in set(found.values())}
    return {line: names[holder] for line, holder in found.items()}


def plain_held_at(data: bytes) -> dict[bytes, str]:
    """Read from such a block which files have another path in the store, by their
    content lines."""
    if not _HELD_AT.search(data):
        return {}
    return {line: at.decode() for line, at in _CONTENT_AND_PLACE.findall(data)}


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
    lines = data.split(b"}\n")
    if held_at:
        pairs = zip(lines, codes, strict=False)
        held = [line + encoded[code] for line, code in pairs]
        for place, path in held_at.items():
            held[place] = held[place][: -len(b"}\n")] + at_field(path).encode() + b"}\n"
        return b"".join(held)
    # Neighbours are mostly held by one version, and are joined at once.
    parts: list[bytes] = []
    start = 0
    for code, run in groupby(codes):
        end = start + len(list(run))
        parts.append(encoded[code].join((*lines[start:end], b"")))
        start = end
    return b"".join(parts)


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


def _are_plain(paths: Sequence[bytes], joined: bytes) -> bool:
    """Return whether no path, joined by line feeds, has a control character or a
    backslash."""
    return joined.count(b"\n") == len(paths) - 1 and len(
        joined.translate(None, _NOT_PLAIN)
    ) == len(joined)


def _are_places(places: Sequence[bytes], paths: Sequence[bytes]) -> bool:
    """Return whether what stands under ``at`` may, if anything does."""
    others = [place for place in places if place]
    if not others:
        return True
    is_own = any(map(eq, places, paths))
    joined = b"\n".join(others)
    return not is_own and _are_plain(others, joined) and are_harmless(others, joined)


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
