"""How many files and bytes a manifest says there are, from as little of it as can be.

For who only shows it: nothing else of the manifest is checked, and no file looked for.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import BinaryIO, NamedTuple

from resources.errors import ManifestError
from resources.manifests.cocos import read_cocos
from resources.manifests.detect import LOOKED_AT_BYTES, candidate_of
from resources.manifests.header import HEADER_BYTES, header_of

# One JSON object has to be read whole; 1 MB of it lists some 8,000 files.
MAX_COCOS_BYTES = 1 << 20


class Totals(NamedTuple):
    """Each is None where the manifest does not say it, or not at this price."""

    files: int | None = None
    total_bytes: int | None = None


UNKNOWN = Totals()


def totals_of(name: str, stream: BinaryIO) -> Totals:
    """Return the totals of a manifest of any format, by the name it has."""
    beginning = stream.read(LOOKED_AT_BYTES)
    found = candidate_of(name, beginning)
    if found is None:
        return UNKNOWN
    if found.read is None:
        return totals_of_own(beginning[:HEADER_BYTES])
    if found.read is read_cocos:
        rest = stream.read(MAX_COCOS_BYTES + 1 - len(beginning))
        return _totals_of_cocos(beginning + rest, found.documents)
    return UNKNOWN


def totals_of_own(beginning: bytes) -> Totals:
    """Return what the first line of a manifest in the own format says."""
    try:
        header = header_of(beginning, "")
    except ManifestError:
        return UNKNOWN
    return Totals(header.files, header.total_bytes)


def _totals_of_cocos(data: bytes, documents: Collection[str]) -> Totals:
    if len(data) > MAX_COCOS_BYTES:
        return UNKNOWN
    try:
        assets = json.loads(data)["assets"]
        listed = [a for key, a in assets.items() if a.get("path", key) not in documents]
        sizes = [asset.get("size") for asset in listed]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return UNKNOWN
    is_known = all(type(size) is int for size in sizes)
    return Totals(len(sizes), sum(sizes) if is_known else None)
