"""The first line of a manifest: whose it is, and the totals it promises."""

from __future__ import annotations

import io

from resources.manifests.fields import Lines
from resources.manifests.format import FORMAT, Header

HEADER_BYTES = 1024  # a header with the longest names there can be has 250

_KEYS = {"format", "platform", "version", "hash", "files", "bytes"}


def read_header(lines: Lines) -> Header:
    """Read it as the next line. Raises ManifestError."""
    values = lines.next_object()
    if values.get("format") != FORMAT:
        raise lines.error(f'the format is not "{FORMAT}"')
    lines.check_keys(values, _KEYS, set())
    if values["hash"] != "sha256":
        raise lines.error('the hash is not "sha256"')
    return Header(
        lines.text(values, "platform"),
        lines.text(values, "version"),
        lines.number(values, "files"),
        lines.number(values, "bytes"),
    )


def header_of(beginning: bytes, name: str) -> Header:
    """Read it from a manifest's first ``HEADER_BYTES``. Raises ManifestError."""
    return read_header(Lines(io.BytesIO(beginning), name))
