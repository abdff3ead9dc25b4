"""Why a file differs: by its line ends or its Unicode form alone.

The commonest faults of real releases: git turned CRLF into LF after the list was made,
or a Mac wrote a name in another form. Only files that were found to be wrong are read
again for this.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, Literal

from resources.files.hashing import digest_of
from resources.files.rooted import Tree

# Larger files are no texts that people write; a few times this is held in memory.
MAX_TEXT_BYTES = 16_000_000
LOOKED_AT_BYTES = 8192  # a NUL in there tells that it is no text, as git does

FORMS: tuple[Literal["NFC"], Literal["NFD"]] = ("NFC", "NFD")

# Of a list whose files are all missing; so many are not there by accident.
TRIED_PATHS = 1000


def reason_of_difference(
    stream: BinaryIO, algorithm: str, digest: str, size: int | None
) -> str | None:
    """Return what alone makes a file differ from its digest and size, None for no text
    and what can't be told.

    >>> import io
    >>> digest = digest_of(b"a\\r\\nb\\r\\n", "md5")
    >>> reason_of_difference(io.BytesIO(b"a\\nb\\n"), "md5", digest, None)
    'line ends: matches with CRLF'
    """
    content = stream.read(MAX_TEXT_BYTES + 1)
    if len(content) > MAX_TEXT_BYTES or b"\0" in content[:LOOKED_AT_BYTES]:
        return None
    for reason, other in _others(content):
        if size in (None, len(other)) and _has_digest(other, algorithm, digest):
            return reason
    return None


def other_forms(path: str) -> Iterator[tuple[str, str]]:
    """Yield the names of Unicode forms with the path in them, where that differs.

    >>> [form for form, _ in other_forms("Caf\\u00e9.png")]
    ['NFD']
    """
    if path.isascii():
        return
    for form in FORMS:
        other = unicodedata.normalize(form, path)
        if other != path:
            yield form, other


def reason_all_are_missing(tree: Tree, paths: Iterator[str]) -> str | None:
    """Say that a list was made in another folder than its files lie in, where all are
    there once a folder is left out of their paths or put before them.

    ``paths`` are those of the list, in order. Returns None when one of them is there.
    """
    tried = list(islice(paths, TRIED_PATHS))
    if not tried or any(size is not None for size in tree.sizes("", tried)):
        return None
    above = tried[0].split("/")[:-1]
    for depth in range(1, len(above) + 1):
        prefix = "/".join(above[:depth]) + "/"
        if not all(path.startswith(prefix) for path in tried):
            break
        if _are_there(tree, [path.removeprefix(prefix) for path in tried]):
            return (
                f'Every path of the manifest begins with "{prefix}" and is there'
                " without it: the list was made further up."
            )
    for found in tree.walk():
        prefix = found.removesuffix("/" + tried[0])
        if prefix != found and _are_there(tree, [f"{prefix}/{path}" for path in tried]):
            return (
                f'Every file of the manifest is there in the folder "{prefix}/", which'
                " its paths leave out: the list was made further down."
            )
    return None


def _are_there(tree: Tree, paths: list[str]) -> bool:
    return None not in tree.sizes("", paths)


def _others(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what the text could have been, with what alone would differ then."""
    lines = content.replace(b"\r\n", b"\n")
    if b"\n" in lines:
        yield "line ends: matches with CRLF", lines.replace(b"\n", b"\r\n")
        yield "line ends: matches with LF", lines
    if not content.isascii():
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return
        for form, other in other_forms(text):
            yield f"Unicode form: matches with {form}", other.encode()


def _has_digest(content: bytes, algorithm: str, digest: str) -> bool:
    if digest_of(content, algorithm) == digest:
        return True
    # As ``hashing.md5_of_text`` makes it.
    as_text = content.decode("latin-1").encode()
    return algorithm == "md5" and digest_of(as_text, algorithm) == digest
