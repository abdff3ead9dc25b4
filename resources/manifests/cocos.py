"""Read the ``project.manifest`` of Cocos2d-x and Cocos Creator.

One JSON object whose ``assets`` name the files::

    {"packageUrl": "https://…", "version": "1.2.3", "searchPaths": ["src"],
     "assets": {"res/a.png": {"md5": "…", "size": 10, "compressed": false}}}

The digest is that of the file as it is shipped, so a zip's own, ``compressed`` or not.
Keys are percent-encoded by Cocos Creator's generator; a file of the very name is taken
first. ``path`` overrides the key for URL and storage. Some generators hash files as
text, see ``hashing.md5_of_text``.
Source: https://github.com/cocos/cocos-engine, native/extensions/assets-manager/
Manifest.cpp, and its tutorial's version_generator.js.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

from resources.errors import ManifestError, MissingFileError, RefusedFileError
from resources.files.rooted import Tree
from resources.manifests.fields import MAX_SIZE
from resources.manifests.line_file import LineFile
from resources.manifests.paths import reason_against
from resources.manifests.records import Records
from resources.manifests.strict_json import parse_document
from resources.manifests.third_party import ForeignManifest, record_of, shown

PROJECT_NAME = "project.manifest"
VERSION_NAME = "version.manifest"  # the same without assets, for a quick look

MAX_FILE_BYTES = 64_000_000  # ordinary manifests of this size need 0.5 GB of memory

_MD5 = re.compile(r"[0-9A-Fa-f]{32}")
_SHORT_MD5 = re.compile(r"[0-9A-Fa-f]{20,31}")

# What a project.manifest begins with: assets that are objects, and what else only it
# has. The settings.json of Cocos Creator has "assets", too, but other ones.
_ASSETS = re.compile(rb'"assets"\s*:\s*\{\s*(?:\}|"(?:[^"\\]|\\.)*"\s*:\s*\{)')
_TYPICAL = re.compile(rb'"(?:md5|packageUrl|remoteManifestUrl)"\s*:')


def is_cocos(beginning: bytes) -> bool:
    """Return whether a file that begins so is such a manifest.

    >>> is_cocos(b'{"version": "1", "assets": {"a.png": {"md5": "0123')
    True
    >>> is_cocos(b'{"assets": {"server": ""}}')
    False
    """
    return (
        beginning.lstrip().startswith(b"{")
        and _ASSETS.search(beginning) is not None
        and _TYPICAL.search(beginning) is not None
    )


def read_cocos(
    stream: BinaryIO, name: str, documents: Collection[str], tree: Tree
) -> ForeignManifest:
    """Read such a manifest, refusing what is broken or hostile.

    Parameters: ``name`` is what messages call it; ``documents`` are names of files
    that are no entries, even if it lists them (their digests in there are those of
    before it was written); ``tree`` holds the files, none of which is opened.
    Raises ManifestError.
    """
    records = Records()
    records.fill_sorted(_Reader(name, documents, tree).records(LineFile(stream).open()))
    return ForeignManifest(
        name, "md5", records, unit="entry", documents=documents, shipped=documents
    )


_MakeError = Callable[[str], ManifestError]


class _Reader:
    def __init__(self, name: str, documents: Collection[str], tree: Tree) -> None:
        self._name = name
        self._documents = documents
        self._tree = tree

    def records(self, stream: BinaryIO) -> Iterator[bytes]:
        values = self._parse(stream)
        self.check_search_paths(values)
        assets = values.get("assets")
        if not isinstance(assets, dict):
            raise self._error('has no "assets" that are an object')
        found = [
            self._asset(number, key, asset)
            for number, (key, asset) in enumerate(assets.items(), 1)
        ]
        # All are free of harm, so their names may be looked for now.
        for number, (path, size, digest) in enumerate(found, 1):
            own = self._name_on_disk(path)
            if own not in self._documents:
                shown_size = b"" if size is None else b"%d" % size
                yield record_of(own.encode(), shown_size, digest.encode(), number)

    def _parse(self, stream: BinaryIO) -> dict[str, object]:
        data = stream.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise self._error(f"is larger than {MAX_FILE_BYTES // 1_000_000} MB")
        try:
            values = parse_document(data)
        except ValueError as reason:
            raise self._error(shown(str(reason))) from None
        if not isinstance(values, dict):
            raise self._error("is not a JSON object")
        return values

    def check_search_paths(self, values: dict[str, object]) -> None:
        search_paths = values.get("searchPaths", [])
        if not isinstance(search_paths, list):
            raise self._error('"searchPaths" is not a list')
        for path in search_paths:
            if not isinstance(path, str):
                raise self._error('"searchPaths" has what is not a text')
            self._check_path("a search path", path.removesuffix("/"), self._error)

    def _asset(
        self, number: int, key: str, asset: object
    ) -> tuple[str, int | None, str]:
        error = partial(self._entry_error, number)
        self._check_path("the path", key, error)
        if not isinstance(asset, dict):
            raise error(f'"{shown(key)}" is not an object')
        if any(isinstance(value, dict | list) for value in asset.values()):
            raise error(f'"{shown(key)}" has nested values')
        path, md5, size = asset.get("path", key), asset.get("md5"), asset.get("size")
        if not isinstance(path, str):
            raise error('"path" is not a text')
        if path is not key:
            self._check_path('its "path"', path, error)
        if not isinstance(md5, str) or not _MD5.fullmatch(md5):
            raise error(f'"md5" is not a digest of 32 hex digits{_hint(md5)}')
        if "size" in asset and not (type(size) is int and 0 <= size <= MAX_SIZE):
            raise error(f'"size" is not a whole number up to {MAX_SIZE}')
        return path, size, md5.lower()

    def _check_path(self, what: str, path: str, error: _MakeError) -> None:
        """Refuse a path that is harmful as it is or percent-decoded, however often."""
        when = ""
        decoded = path
        while True:
            if reason := reason_against(decoded):
                raise error(f'{what} {reason}{when}: "{shown(path)}"')
            if "%" not in decoded:
                return
            before, when = decoded, " after percent-decoding"
            try:
                decoded = percent_decoded(before)
            except UnicodeDecodeError:
                raise error(f'{what} is not UTF-8{when}: "{shown(path)}"') from None
            if decoded == before:
                return

    def _name_on_disk(self, path: str) -> str:
        if "%" not in path or self._is_there(path):
            return path
        decoded = percent_decoded(path)
        return decoded if self._is_there(decoded) else path

    def _is_there(self, path: str) -> bool:
        try:
            self._tree.size(path)
        except MissingFileError:
            return False
        except RefusedFileError:
            return True
        return True

    def _entry_error(self, number: int, reason: str) -> ManifestError:
        return ManifestError(f"{self._name} entry {number}: {reason}")

    def _error(self, reason: str) -> ManifestError:
        return ManifestError(f"{self._name}: {reason}")


def _hint(md5: object) -> str:
    """Explain what generators in Lua do that write each byte by ``%x``."""
    if isinstance(md5, str) and _SHORT_MD5.fullmatch(md5):
        return f" but of {len(md5)}; its generator left zeros out"
    return ""


def percent_decoded(path: str) -> str:
    """Replace ``%XX`` by what it stands for. Raises UnicodeDecodeError.

    >>> percent_decoded("a%20b/%C3%A4.png")
    'a b/ä.png'
    """
    return unquote_to_bytes(path).decode("utf-8")
