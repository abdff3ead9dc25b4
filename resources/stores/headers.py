"""The HTTP headers that objects in a bucket are served with.

What is published under a version's address never changes, so caches may keep it for
ever; what says which version is served must be asked for each time. Types go by the
name's ending. ``RESOURCE_HEADERS`` names a TOML file whose tables add to that::

    ["*.wasm.br"]
    Content-Type = "application/wasm"
    Content-Encoding = "br"

A table's name is a pattern of gitignore's syntax for paths beneath the version's
folder; of several that match, the last one that names a header counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from resources.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pathspec import GitIgnoreSpec

# A year, the most that HTTP's caches count with.
IMMUTABLE = "public, max-age=31536000, immutable"
NO_CACHE = "no-cache"

# What a server lets a client set of an object, and a browser or a cache looks at.
NAMES = (
    "Content-Type",
    "Cache-Control",
    "Content-Encoding",
    "Content-Language",
    "Content-Disposition",
)
DEFAULT_TYPE = "application/octet-stream"

# Python's own table is the machine's: two machines would publish different types.
# https://www.iana.org/assignments/media-types, but for x- types of textures.
TYPES = {
    "aac": "audio/aac",
    "astc": "image/x-astc",
    "atlas": "text/plain; charset=utf-8",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "css": "text/css; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "fnt": "text/plain; charset=utf-8",
    "gif": "image/gif",
    "glb": "model/gltf-binary",
    "gltf": "model/gltf+json",
    "htm": "text/html; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "ico": "image/x-icon",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "ktx": "image/ktx",
    "ktx2": "image/ktx2",
    "lua": "text/plain; charset=utf-8",
    "m4a": "audio/mp4",
    "manifest": "application/json",  # of Cocos
    "map": "application/json",
    "mjs": "text/javascript; charset=utf-8",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "ogg": "audio/ogg",
    "otf": "font/otf",
    "plist": "application/xml",  # of Cocos; Apple's binary ones are no web files
    "png": "image/png",
    "pvr": "image/x-pvr",
    "svg": "image/svg+xml",
    "tmx": "application/xml",
    "ttf": "font/ttf",
    "txt": "text/plain; charset=utf-8",
    "wasm": "application/wasm",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webmanifest": "application/manifest+json",
    "webp": "image/webp",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "xml": "application/xml",
    "zip": "application/zip",
}

# Of the pointer, and of documents that are written again.
CHANGING_HEADERS = {"Content-Type": TYPES["json"], "Cache-Control": NO_CACHE}


class Headers:
    """The headers of a version's files: by their names, and by the patterns of a file.

    ``rules`` are patterns with the headers that they add.
    """

    def __init__(self, rules: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self.rules: list[tuple[GitIgnoreSpec, Mapping[str, str]]] = []
        for pattern, headers in (rules or {}).items():
            from pathspec import GitIgnoreSpec  # slow to import

            self.rules.append((GitIgnoreSpec.from_lines([pattern]), headers))

    def of(self, path: str) -> dict[str, str]:
        """Return the headers of a file or a document of a sealed version.

        >>> Headers().of("web/main.WASM")["Content-Type"]
        'application/wasm'
        """
        headers = {"Content-Type": type_of(path), "Cache-Control": IMMUTABLE}
        for spec, added in self.rules:
            if spec.match_file(path):
                headers.update(added)
        return headers


def type_of(path: str) -> str:
    """Return the type of a file by its name's ending.

    >>> type_of("atlas/ui.plist"), type_of("html")
    ('application/xml', 'application/octet-stream')
    """
    _, dot, ending = path.rpartition("/")[2].rpartition(".")
    return TYPES.get(ending.lower(), DEFAULT_TYPE) if dot else DEFAULT_TYPE


def read_headers(path: str | None) -> Headers:
    """Read the file that ``RESOURCE_HEADERS`` names, if it does. Raises InputError."""
    if not path:
        return Headers()
    import tomllib  # slow to import, and seldom wanted

    try:
        values = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise _error(path, f"it can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise _error(path, "it is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise _error(path, str(error)) from None
    for pattern, headers in values.items():
        _check(path, pattern, headers)
    return Headers(values)


def _check(path: str, pattern: str, headers: object) -> None:
    if not isinstance(headers, dict) or not headers:
        raise _error(
            path,
            f'"{pattern}" is no table of headers; write ["*.html"] and below it'
            ' Cache-Control = "no-cache"',
        )
    if reason := _reason_against_pattern(pattern):
        raise _error(path, f'the pattern "{pattern}" {reason}')
    for name, value in headers.items():
        where = f'["{pattern}"] {name}'
        if name not in NAMES:
            raise _error(
                path, f"{where}: unknown header; there are: {', '.join(NAMES)}"
            )
        if not isinstance(value, str) or not value.strip():
            raise _error(path, f"{where} takes a text")
        if not (value.isascii() and value.isprintable()):
            raise _error(path, f"{where} takes printable ASCII only")


def _reason_against_pattern(pattern: str) -> str | None:
    if "\n" in pattern:
        return "has several lines"
    if pattern.startswith("!"):
        return 'begins with "!", which takes nothing back here'
    from pathspec import GitIgnoreSpec  # slow to import

    try:
        (compiled,) = GitIgnoreSpec.from_lines([pattern]).patterns
    except ValueError:  # what pathspec raises derives from it
        return "is not of gitignore's syntax"
    return "matches nothing" if compiled.include is None else None


def _error(path: str, reason: str) -> InputError:
    return InputError(f"RESOURCE_HEADERS: {path}: {reason}")
