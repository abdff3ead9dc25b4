"""Read a ``project.manifest`` of the plain form by the piece, in several processes.

That is how the generators write it: flat assets, names without escapes. What is said
here is only that such a manifest is harmless, never that it isn't: any other is read
whole by ``cocos``, which knows every rule and words every reason.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from itertools import chain
from typing import NamedTuple

from resources.manifests.line_file import BLOCK_BYTES, LineFile
from resources.manifests.paths import are_harmless
from resources.manifests.records import Records
from resources.manifests.strict_json import parse_document
from resources.manifests.third_party import record_of
from resources.workers.pool import Workers


def _pattern(spaced: bytes) -> re.Pattern[bytes]:
    """Let a blank stand for the white space that JSON allows there."""
    return re.compile(spaced.replace(b" ", rb"[\x20\t\n\r]*+"))


# Possessive, because a part that fits is never shorter than it can be.
_SIZE = rb'"size" : (?:0|[1-9][0-9]{0,14}+) '
_ASSET = (
    rb' "[^\x00-\x1f"%\\\x7f]++" : \{ (?:' + _SIZE + rb", )?+"
    rb'"md5" : "[0-9A-Fa-f]{32}+" (?:, ' + _SIZE + rb")?+"
    rb'(?:, "compressed" : (?:true|false) )?+\} '
)
_BEGINNING = _pattern(rb'[{,] "assets" : \{')
_PIECE = _pattern(rb"(?:" + _ASSET + rb",)++")
_LAST_PIECE = _pattern(_ASSET + rb"(?:," + _ASSET + rb")*+\}")
_FIELDS = _pattern(
    rb'"([^"]++)" : \{ (?:"size" : ([0-9]++) , )?+"md5" : "([^"]++)"'
    rb'(?: , "size" : ([0-9]++))?+'
)


class PlainCocos(NamedTuple):
    """A harmless manifest: records of its assets, and its values but for these."""

    records: Records
    values: dict[str, object]


class _Piece(NamedTuple):
    """Some assets of a manifest: the number of the first, and where they are."""

    number: int
    offset: int
    length: int


class _NotPlainError(Exception):
    """The manifest has to be read whole."""


def read_plain(file: LineFile, documents: Collection[str]) -> PlainCocos | None:
    """Read a manifest, or give None. ``documents`` are names that are no entries.

    Whether two assets have one name, or names that meet, is not looked for here.
    """
    beginning = _BEGINNING.search(file.read(0, BLOCK_BYTES))
    if beginning is None:
        return None
    start = beginning.end()
    pieces: list[_Piece] = []
    number = 1
    for at, data in file.cut(start, file.size, after=b"},"):
        pieces.append(_Piece(number, at, len(data)))
        number += data.count(b'"md5"')
    # The assets' end is in one of these: what follows them may be cut, too.
    end = pieces[-2:][0] if pieces else _Piece(number, start, 0)
    tail = file.read(end.offset, file.size - end.offset)
    last = _LAST_PIECE.match(tail)
    if last is None:
        return None
    values = _values_around(file.read(0, start - len("{")), tail[last.end() :])
    if values is None:
        return None
    skipped = {name.encode() for name in documents}

    def records_of(piece: _Piece) -> list[bytes] | None:
        data = file.read(piece.offset, piece.length)
        if not _PIECE.fullmatch(data):
            return None
        return _records_of(data, piece.number, skipped)

    def all_records() -> Iterator[bytes]:
        with Workers(records_of) as workers:
            made = workers.map(pieces[:-2])
            for found in chain(made, [_records_of(last[0], end.number, skipped)]):
                if found is None:
                    raise _NotPlainError
                yield from found

    records = Records()
    try:
        records.fill_sorted(all_records())
    except _NotPlainError:
        return None
    return PlainCocos(records, values)


def values_around_assets(file: LineFile) -> dict[str, object] | None:
    """Return a manifest's values but for its assets, or None.

    Only its beginning and its end are read: what is between is taken for assets.
    """
    beginning = _BEGINNING.search(file.read(0, BLOCK_BYTES))
    if beginning is None:
        return None
    start = beginning.end()
    at = max(start, file.size - 2 * BLOCK_BYTES)
    tail = file.read(at, file.size - at)
    if at > start:
        tail = tail.partition(b"},")[2]
    last = _LAST_PIECE.match(tail)
    if last is None:
        return None
    return _values_around(file.read(0, start - len("{")), tail[last.end() :])


def _values_around(before: bytes, after: bytes) -> dict[str, object] | None:
    """Read the document with a text of its own in the place of the assets.

    Only where that is its "assets", these are what stood there.
    """
    stand_in = os.urandom(16).hex()
    try:
        values = parse_document(b'%b"%b"%b' % (before, stand_in.encode(), after))
    except ValueError:
        return None
    if not isinstance(values, dict) or values.pop("assets", None) != stand_in:
        return None
    return values


def _records_of(
    data: bytes, number: int, skipped: Collection[bytes]
) -> list[bytes] | None:
    """Return records of assets that fit the pattern, unless a name may be harmful.

    ``number`` is that of the first.
    """
    found = _FIELDS.findall(data)
    paths = [asset[0] for asset in found]
    if not are_harmless(paths, b"\n".join(paths)):
        return None
    if any(size and other for _, size, _, other in found):
        return None
    return [
        record_of(path, size or other, md5.lower(), place)
        for place, (path, size, md5, other) in enumerate(found, number)
        if path not in skipped
    ]
