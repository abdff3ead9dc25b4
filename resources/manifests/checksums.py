r"""Read the files that md5sum, sha1sum, sha256sum and b3sum write.

Both styles, also mixed: GNU (``DIGEST  PATH``, ``DIGEST *PATH``, and a backslash before
the digest where the path is escaped) and BSD (``SHA256 (PATH) = DIGEST``). Lines that
begin with ``#`` are comments, as for the programs themselves.
Source: https://www.gnu.org/software/coreutils/manual/html_node/md5sum-invocation.html
and https://github.com/BLAKE3-team/BLAKE3/blob/master/b3sum/what_does_check_do.md
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import islice
from typing import BinaryIO, NamedTuple

from resources.errors import MissingFileError, RefusedFileError
from resources.files.hashing import DIGEST_DIGITS, digests_of
from resources.files.rooted import Tree
from resources.manifests.fields import Lines
from resources.manifests.paths import reason_against
from resources.manifests.records import Records
from resources.manifests.third_party import ForeignEntry, ForeignManifest, record_of

_GNU = re.compile(rb"(\\?)([0-9A-Fa-f]+) [ *](.+)")
_BSD = re.compile(rb"(\\?)(MD5|SHA1|SHA256|BLAKE3) \((.+)\) = ([0-9A-Fa-f]+)")
_BSD_NAMES = {b"MD5": "md5", b"SHA1": "sha1", b"SHA256": "sha256", b"BLAKE3": "b3"}
_ALL = frozenset(DIGEST_DIGITS)
_OF_LENGTH = {
    length: frozenset(name for name in _ALL if DIGEST_DIGITS[name] == length)
    for length in DIGEST_DIGITS.values()
}
_ESCAPE = re.compile(rb"\\(.?)", flags=re.DOTALL)
_ESCAPED = {b"\\": b"\\", b"n": b"\n", b"r": b"\r"}

# SHA-256 and BLAKE3 have digests of one length. Which it is, a few small files tell.
LOOKED_AT_ENTRIES = 1000
TRIED_FILES = 8


class _Line(NamedTuple):
    algorithms: frozenset[str]  # those that the line can be made with
    digest: str
    path: str


def is_checksum_line(line: bytes) -> bool:
    r"""Return whether a line, without its line feed, could be such a program's.

    >>> is_checksum_line(b"d41d8cd98f00b204e9800998ecf8427e  img/a.png")
    True
    >>> is_checksum_line(b"MD5 (img/a.png) = d41d8cd98f00b204e9800998ecf8427e")
    True
    """
    found = _GNU.fullmatch(line)
    if found is not None:
        return len(found[2]) in DIGEST_DIGITS.values()
    return _BSD.fullmatch(line) is not None


def read_checksums(
    stream: BinaryIO, name: str, documents: Collection[str], tree: Tree
) -> ForeignManifest:
    """Read a checksum file to its end, refusing what is broken or hostile.

    Parameters: ``name`` is what messages call it; ``documents`` are names of files
    that are no entries, even if it lists them (a list made in its own folder has the
    digest of its unfinished self); ``tree`` holds the files. Raises ManifestError.
    """
    reader = _Reader(stream, name, documents)
    records = Records()
    records.fill_sorted(reader.records())
    manifest = ForeignManifest(
        name, min(reader.algorithms), records, unit="line", documents=documents
    )
    if len(reader.algorithms) > 1:
        manifest.algorithm = _algorithm_of(manifest, tree)
    return manifest


class _Reader:
    """Turns lines into records, and finds out what the digests are made with."""

    def __init__(self, stream: BinaryIO, name: str, documents: Collection[str]) -> None:
        self._lines = Lines(stream, name)
        self._documents = documents
        self.algorithms = _ALL

    def records(self) -> Iterator[bytes]:
        while text := self._lines.next_line_or_end():
            if text.startswith(b"#"):
                continue
            line = self._parse(text)
            if line.path not in self._documents:
                yield record_of(
                    line.path.encode(),
                    b"",
                    line.digest.encode(),
                    self._lines.line_number,
                )
        if self.algorithms == _ALL:
            raise self._lines.error("the file has no checksums")

    def _parse(self, text: bytes) -> _Line:
        # A path can't end with a carriage return, so it is the line's (Windows).
        try:
            line = _parse(text.removesuffix(b"\n").removesuffix(b"\r"))
        except ValueError as reason:
            raise self._lines.error(str(reason)) from None
        if reason_to_refuse := reason_against(line.path):
            raise self._lines.error(f'the path {reason_to_refuse}: "{line.path}"')
        if not self.algorithms & line.algorithms:
            raise self._lines.error(
                f"the digest is of {_either(line.algorithms)}, but those before are of"
                f" {_either(self.algorithms)}"
            )
        self.algorithms &= line.algorithms
        return line


def _parse(text: bytes) -> _Line:
    """Read a line; raises ValueError, whose message is the reason."""
    if found := _BSD.fullmatch(text):
        escaped, program, path, digest = found.groups()
        algorithms = frozenset((_BSD_NAMES[program],))
    elif found := _GNU.fullmatch(text):
        escaped, digest, path = found.groups()
        algorithms = _ALL
    else:
        raise ValueError(
            'the line is no checksum: expected "DIGEST  PATH" or "MD5 (PATH) = DIGEST"'
        )
    matching = _OF_LENGTH.get(len(digest), frozenset()) & algorithms
    if not matching:
        raise ValueError(
            f"the digest has {len(digest)} digits, which is none of"
            f" {_either(algorithms)}"
        )
    return _Line(matching, digest.decode("ascii").lower(), _path(path, bool(escaped)))


def _path(raw: bytes, escaped: bool) -> str:
    if escaped:
        raw = _ESCAPE.sub(_unescape, raw)
    try:
        path = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the line is not UTF-8") from None
    # "find . -type f -exec md5sum {} +" writes it before every path.
    return path.removeprefix("./")


def _unescape(found: re.Match[bytes]) -> bytes:
    if found[1] not in _ESCAPED:
        raise ValueError("the path has an unknown escape")
    return _ESCAPED[found[1]]


def _either(algorithms: frozenset[str]) -> str:
    return " or ".join(name for name in DIGEST_DIGITS if name in algorithms)


def _algorithm_of(manifest: ForeignManifest, tree: Tree) -> str:
    """Tell SHA-256 from BLAKE3 by the first small file that has either digest."""
    small = sorted(_sizes(manifest, tree), key=lambda item: item[0])[:TRIED_FILES]
    for algorithm in ("sha256", "b3"):
        for _, entry in small:
            if _has_digest(tree, entry, algorithm):
                return algorithm
    return "sha256"


def _sizes(manifest: ForeignManifest, tree: Tree) -> Iterator[tuple[int, ForeignEntry]]:
    for entry in islice(manifest.entries(), LOOKED_AT_ENTRIES):
        try:
            yield tree.size(entry.path), entry
        except (MissingFileError, RefusedFileError):
            continue


def _has_digest(tree: Tree, entry: ForeignEntry, algorithm: str) -> bool:
    try:
        with tree.open_file(entry.path) as stream:
            return digests_of(stream, [algorithm])[1] == [entry.digest]
    except (MissingFileError, RefusedFileError, OSError):
        return False
