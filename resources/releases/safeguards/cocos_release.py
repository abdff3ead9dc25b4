"""What a release says to Cocos' clients by its manifests.

The manifests are files of the release like any other by now, in the source as in the
store; see ``cocos.py`` for what they hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from resources.errors import ManifestError, MissingFileError, RefusedFileError
from resources.manifests.cocos import (
    MAX_FILE_BYTES,
    PROJECT_NAME,
    VERSION_NAME,
    is_cocos,
)
from resources.manifests.format import Entry
from resources.manifests.line_file import BLOCK_BYTES, LineFile
from resources.manifests.reader import Manifest
from resources.manifests.strict_json import parse_document
from resources.manifests.third_party import shown
from resources.releases.check import Files


class GameRelease(Files[Entry], Protocol):
    """A release in the source or in a store, whose manifest is of the own format."""

    platform: str
    version: str

    @property
    def manifest(self) -> Manifest:
        """Return what lists the files."""


class Stated(NamedTuple):
    """What a project.manifest states; ``version`` is what it has there, of any kind.

    ``version_name`` is the file name that its address of version.manifest ends with,
    None where it has no such address.
    """

    name: str
    version: object
    version_name: str | None

    @property
    def seen_version(self) -> str:
        """The version as clients take it: what isn't a text is an empty one."""
        return self.version if isinstance(self.version, str) else ""


def content_files(manifest: Manifest, own_name: str | None = None) -> int:
    """Count the files of a game: all but the manifests that its clients read.

    ``own_name`` is the setting ``RESOURCE_MANIFEST``, which may name another of them.
    """
    return manifest.files - len(list(client_manifests(manifest, own_name)))


def client_manifests(manifest: Manifest, own_name: str | None = None) -> Iterator[str]:
    """Name those files of a release that are manifests for Cocos' clients."""
    for name in dict.fromkeys((own_name or PROJECT_NAME, PROJECT_NAME, VERSION_NAME)):
        if manifest.entry(name) is not None:
            yield name


def stated_by(release: GameRelease, own_name: str | None = None) -> Stated | None:
    """Read what a release states to Cocos' clients; None where it isn't for them.

    Raises ManifestError for a manifest that is missing, broken or no object.
    """
    for name in dict.fromkeys((own_name or PROJECT_NAME, PROJECT_NAME)):
        file = _open(release, name)
        if file is not None and is_cocos(file.read(0, BLOCK_BYTES)):
            values = _values(file, _called(name, release))
            url = values.get("remoteVersionUrl")
            return Stated(name, values.get("version"), _file_name(url))
    return None


def require_usable(release: GameRelease, stated: Stated) -> None:
    """Make sure that clients understand what a release states.

    Raises ManifestError for a version that is no text, and for a version.manifest that
    is missing, broken or states another version.
    """
    project = _called(stated.name, release)
    if not isinstance(stated.version, str) or not stated.version:
        found = "" if stated.version is None else f", not {_json(stated.version)}"
        raise ManifestError(
            f'{project}: "version" must be a text such as "1.2.3"{found}; Cocos clients'
            " take nothing else for an update"
        )
    wanted = stated.version_name
    for name in _version_names(stated):
        file = _open(release, name)
        if file is None:
            continue
        version = _values(file, _called(name, release)).get("version")
        if version != stated.version:
            raise ManifestError(
                f"{_called(name, release)} states version {_json(version)}, but"
                f" {stated.name} {_json(stated.version)}: Cocos clients look at the"
                " first and take the second"
            )
        return
    if wanted is not None:
        raise ManifestError(
            f"{project} sends clients to {wanted}, which is missing in the release"
        )


def texts_of(release: GameRelease, stated: Stated) -> tuple[str, str | None]:
    """Return what stands in a release's project.manifest and in its version.manifest,
    None where it has none of its own. ``require_usable`` has proved both."""
    project = _text(release, stated.name)
    if project is None:
        raise ManifestError(f"{_called(stated.name, release)} is missing")
    found = (_text(release, name) for name in _version_names(stated))
    return project, next((text for text in found if text is not None), None)


def _version_names(stated: Stated) -> list[str]:
    """Return the names that a release's version.manifest may have, likeliest first."""
    names = (stated.version_name, VERSION_NAME)
    return [name for name in dict.fromkeys(names) if name is not None]


def _text(release: GameRelease, name: str) -> str | None:
    file = _open(release, name)
    return None if file is None else file.read(0, file.size).decode()


def _open(release: GameRelease, name: str) -> LineFile | None:
    entry = release.manifest.entry(name)
    if entry is None:
        return None
    try:
        return LineFile(release.open(entry))
    except MissingFileError:
        raise ManifestError(f"{_called(name, release)} is missing") from None
    except RefusedFileError as reason:
        raise ManifestError(f"{_called(name, release)} {reason}") from None


def _values(file: LineFile, called: str) -> dict[str, object]:
    """Return a document's values but for the assets."""
    if file.size > MAX_FILE_BYTES:
        raise ManifestError(f"{called} is larger than {MAX_FILE_BYTES // 1_000_000} MB")
    try:
        values = parse_document(file.read(0, file.size))
    except ValueError as reason:
        raise ManifestError(f"{called}: {shown(str(reason))}") from None
    if not isinstance(values, dict):
        raise ManifestError(f"{called}: is not a JSON object")
    values.pop("assets", None)
    return values


def _file_name(url: object) -> str | None:
    if not isinstance(url, str):
        return None
    try:
        name = unquote(urlsplit(url).path.rpartition("/")[2])
    except ValueError:
        return None
    return name if name.endswith(".manifest") else None


def _called(name: str, release: GameRelease) -> str:
    return f"{name} of {release.version} of {release.platform}"


def _json(value: object) -> str:
    return shown(json.dumps(value, ensure_ascii=False))
