"""Which paths a manifest may name.

A release is made on one system and unpacked on others, so a path must mean the same
file everywhere: what Windows reads as a drive or a device, or what two file systems
would take for one name, is refused for all.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

MAX_PATH_BYTES = 1024
MAX_SEGMENT_BYTES = 255  # the limit of one name on ext4, APFS and NTFS

# The engine's own documents lie beside a version's files under these names.
MANIFEST_NAME = "manifest.jsonl"
REUSE_NAME = "reuse.json"
PINNED_NAME = ".pinned"  # who puts it there keeps the version from being pruned
_OWN_NAMES = (MANIFEST_NAME, REUSE_NAME, PINNED_NAME)

# Nearly all real paths match this and need no closer look (measured: 4 times faster).
_PLAIN = re.compile(
    r"(?:[\w-](?:[\w.-]*[\w-])?/)*[\w-](?:[\w.-]*[\w-])?", flags=re.ASCII
)

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file: devices keep their
# meaning with any extension, and the superscript digits count as digits.
_RESERVED = re.compile(
    r"(?:^|/)(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])"
    r" *(?:\.[^/]*)?(?:/|$)",
    flags=re.IGNORECASE,
)
_DRIVE = re.compile(r"[A-Za-z]:")

_windows_names_allowed = False


def allow_windows_names() -> None:
    """Take names that Windows reserves from now on, for a game that never gets there
    (the setting ``RESOURCE_WINDOWS_NAMES``)."""
    global _windows_names_allowed
    _windows_names_allowed = True


def reason_against(path: str) -> str | None:
    r"""Return why a manifest may not name ``path``, or None when it may.

    >>> reason_against("assets/main/native/ab/ab12.png")
    >>> reason_against("../secret")
    'has the segment ".."'
    >>> reason_against("C:/autoexec.bat")
    'starts with a drive'
    """
    if (
        len(path) <= MAX_SEGMENT_BYTES
        and _PLAIN.fullmatch(path)
        and not _is_reserved(path)
    ):
        return _engine_name(path)
    return (
        _wrong_characters(path)
        or _wrong_start(path)
        or _wrong_segment(path)
        or _engine_name(path)
    )


# What could be wrong with one of many paths, between slashes and in lower case.
_SUSPICIOUS = (
    *(b":", b"$", b"\\", b"\x7f"),
    *map(str.encode, _OWN_NAMES),
)
# An empty segment, or one that ends with a dot or a space. A slash is sought first,
# which is several times faster than what may stand before it.
_WRONG_END = re.compile(rb"/(?<=[/. ]/)")
_RESERVED_BYTES = re.compile(rb"/(?:con|prn|aux|nul|com[0-9]|lpt[0-9])[ ./]")


def are_harmless(paths: Sequence[bytes], joined: bytes) -> bool:
    """Return whether ``reason_against`` has nothing against any of many paths.

    ``joined`` are the same, joined by line feeds; none has a control character.
    """
    if max(map(len, paths)) <= MAX_SEGMENT_BYTES and not _needs_a_closer_look(joined):
        return True
    try:
        return not any(reason_against(path.decode()) for path in paths)
    except UnicodeDecodeError:
        return False


def _needs_a_closer_look(joined: bytes) -> bool:
    r"""Return whether one of many paths may have to be refused, by one look at all.

    The paths are joined by line feeds, and none has a control character or more than
    ``MAX_SEGMENT_BYTES``. False is a proof: ``reason_against`` has nothing against any.

    >>> _needs_a_closer_look(b"img/a.png\nimg/b.png")
    False
    >>> _needs_a_closer_look(b"img/a.png\nimg/../b.png")
    True
    """
    text = b"/%b/" % joined.lower().replace(b"\n", b"/")
    return (
        not text.isascii()
        or any(part in text for part in _SUSPICIOUS)
        or _WRONG_END.search(text) is not None
        or _RESERVED_BYTES.search(text) is not None
    )


def _wrong_characters(path: str) -> str | None:
    if not path:
        return "is empty"
    if any("\ud800" <= char <= "\udfff" for char in path):
        return "has a lone surrogate"
    if "\0" in path:
        return "has a NUL"
    if any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in path):
        return "has a control character"
    if len(path.encode()) > MAX_PATH_BYTES:
        return f"is longer than {MAX_PATH_BYTES} bytes"
    return None


def _wrong_start(path: str) -> str | None:
    if path.startswith(("//", "\\\\")):
        return "is a UNC path"
    if path.startswith("/"):
        return "is absolute"
    if _DRIVE.match(path):
        return "starts with a drive"
    if "\\" in path:
        return "has a backslash"
    return None


def _wrong_segment(path: str) -> str | None:
    for segment in path.split("/"):
        if not segment:
            return "has an empty segment"
        if segment in (".", ".."):
            return f'has the segment "{segment}"'
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            return f"has a segment longer than {MAX_SEGMENT_BYTES} bytes"
        if segment[-1] in ". ":
            return "has a segment that ends with a dot or space"
    if _is_reserved(path):
        return (
            "has a name that Windows reserves (RESOURCE_WINDOWS_NAMES=allow takes it)"
        )
    return None


def _is_reserved(path: str) -> bool:
    return not _windows_names_allowed and _RESERVED.search(path) is not None


def _engine_name(path: str) -> str | None:
    if fold(path.partition("/")[0]) in _OWN_NAMES:
        return "is a name the engine keeps for itself"
    return None


def fold(path: str) -> str:
    """Return the form under which two paths are one file on some file system.

    Canonical caseless matching (Unicode Standard, section 3.13, definition 145).

    >>> fold("Caf\u00e9.PNG") == fold("cafe\u0301.png")
    True
    """
    if path.isascii():
        return path.lower()
    decomposed = unicodedata.normalize("NFD", path)
    return unicodedata.normalize("NFD", decomposed.casefold())
