"""Find a release's manifest, and tell its format by what is in it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import BinaryIO, NamedTuple, Protocol

from resources.errors import InputError, MissingFileError, RefusedFileError
from resources.files.rooted import Tree
from resources.manifests.checksums import is_checksum_line, read_checksums
from resources.manifests.cocos import PROJECT_NAME, VERSION_NAME, is_cocos, read_cocos
from resources.manifests.format import FORMAT
from resources.manifests.paths import MANIFEST_NAME
from resources.manifests.third_party import ForeignManifest
from resources.manifests.unknown_lists import unknown_list

LOOKED_AT_BYTES = 1 << 16  # of a file, to tell its format
MAX_NAMED = 5  # of several manifests, in a message
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ReadForeign(Protocol):
    """Reads a foreign manifest; see ``read_checksums``."""

    def __call__(
        self, stream: BinaryIO, name: str, documents: Collection[str], tree: Tree, /
    ) -> ForeignManifest: ...


class Candidate(NamedTuple):
    """A file that is a manifest by what it begins with.

    ``read`` is None for the own format; ``documents`` are the names of files that are
    no entries.
    """

    name: str
    read: ReadForeign | None
    documents: Collection[str]


def find_manifest(tree: Tree, whose: str, wanted: str | None) -> Candidate:
    """Find the one manifest of a release, or take the one that is ``wanted``.

    Raises InputError when there is none, and when there are several, naming them.
    """
    if wanted:
        return _named(tree, wanted)
    found = list(_candidates(tree))
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(
            f"{whose} has no {MANIFEST_NAME} (nor project.manifest or checksum file)"
            f" in {tree.root}{_unknown_in(tree)}"
        )
    names = [candidate.name for candidate in found]
    more = " and more" if len(names) > MAX_NAMED else ""
    raise InputError(
        f"{whose} has several manifests in {tree.root}:"
        f" {', '.join(names[:MAX_NAMED])}{more};"
        " name one of them by RESOURCE_MANIFEST"
    )


def candidate_of(name: str, beginning: bytes) -> Candidate | None:
    """Tell a file's format from its first ``LOOKED_AT_BYTES``; None: no manifest."""
    beginning = beginning.removeprefix(_BYTE_ORDER_MARK)
    if beginning.startswith(b'{"format": "' + FORMAT.encode()):
        return Candidate(name, None, (name,))
    if is_cocos(beginning):
        return _cocos(name)
    if _begins_with_checksum(beginning):
        return Candidate(name, read_checksums, (name,))
    # So that a broken one is called broken, and not missing.
    return _cocos(name) if name == PROJECT_NAME else None


def _cocos(name: str) -> Candidate:
    return Candidate(name, read_cocos, {name, PROJECT_NAME, VERSION_NAME})


def manifest_names(tree: Tree) -> list[str]:
    """Return the names of the manifests directly in the folder, ascending."""
    return [candidate.name for candidate in _candidates(tree)]


def list_names(tree: Tree) -> list[str]:
    """Return the names of those that are only lists, which no client of the game
    reads."""
    return [
        candidate.name
        for candidate in _candidates(tree)
        if candidate.read is not read_cocos
    ]


def _named(tree: Tree, name: str) -> Candidate:
    if name in (".", "..") or "/" in name or "\0" in name:
        raise InputError(f'RESOURCE_MANIFEST: "{name}" is not a file name')
    if name == MANIFEST_NAME:
        return Candidate(name, None, (name,))
    shown = tree.root / name
    try:
        found = candidate_of(name, _beginning(tree, name))
    except MissingFileError:
        raise InputError(f"{shown}, named by RESOURCE_MANIFEST, is missing") from None
    except RefusedFileError as reason:
        raise InputError(f"{shown} {reason}") from None
    if found is None:
        unknown = unknown_list(_beginning(tree, name))
        raise InputError(
            f"{shown} is {unknown}"
            if unknown
            else f"{shown} is neither a manifest of {FORMAT}, nor a project.manifest of"
            " Cocos, nor a file of md5sum, sha1sum, sha256sum or b3sum"
        )
    return found


def _unknown_in(tree: Tree) -> str:
    """Name the first list that isn't read, if there is one."""
    for name in _names(tree):
        with suppress(MissingFileError, RefusedFileError):
            if unknown := unknown_list(_beginning(tree, name)):
                return f"; {name} is {unknown}"
    return ""


def _candidates(tree: Tree) -> Iterator[Candidate]:
    """Yield the manifests directly in the folder, ascending by name.

    Not version.manifest: beside its project.manifest it is never the list.
    """
    for name in _names(tree):
        if name == MANIFEST_NAME:
            yield Candidate(name, None, (name,))
            continue
        try:
            found = candidate_of(name, _beginning(tree, name))
        except (MissingFileError, RefusedFileError):
            # A link or folder of this name is refused when it is opened.
            found = _cocos(name) if name == PROJECT_NAME else None
        if found is not None:
            yield found


def _names(tree: Tree) -> list[str]:
    with os.scandir(tree.root) as entries:
        names = [
            entry.name
            for entry in entries
            if entry.name in (MANIFEST_NAME, PROJECT_NAME)
            or (entry.is_file(follow_symlinks=False) and entry.name != VERSION_NAME)
        ]
    return sorted(names, key=os.fsencode)


def _beginning(tree: Tree, name: str) -> bytes:
    with tree.open_file(name) as stream:
        return stream.read(LOOKED_AT_BYTES)


def _begins_with_checksum(beginning: bytes) -> bool:
    """Look at the first line that isn't a comment."""
    for line in beginning.split(b"\n"):
        if not line.startswith(b"#"):
            return is_checksum_line(line.removesuffix(b"\r"))
    return False
