"""Which files of a build are no part of a release.

``.resourceignore`` in the release's folder says so in gitignore's syntax. Some are left
out in any case, as who lists a folder means the game and not its keys: version control,
``.env`` files, private keys, what macOS leaves behind. A line such as ``!.env.example``
takes one of these in by its name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from resources.errors import InputError, MissingFileError, RefusedFileError
from resources.files.rooted import Tree

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_NAME = ".resourceignore"
MAX_IGNORE_BYTES = 1_000_000
MAX_NAMED = 5  # of what is left out, in a message

_NEVER = re.compile(
    r"(?:^|/)(?:\.git(?:/|$)|\.env[^/]*(?:/|$)|\.DS_Store$"
    r"|id_(?:rsa|dsa|ecdsa|ed25519)(?:_[^/.]*)?$|[^/]*\.(?:p12|pfx|jks|keystore|ppk)$)"
)
# These may hold a certificate, or something else; what is in them tells.
_PERHAPS_KEY = re.compile(r"\.(?:pem|key)$", flags=re.IGNORECASE)
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
_LOOKED_AT_BYTES = 65_536

_NAMES_NOTHING = re.compile(r"!?[*?/]*")


class Ignored:
    """Decides for the files of a folder, and counts what it was asked for.

    Raises InputError when ``.resourceignore`` is there and can't be used.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._lines: list[str] = []
        self._spec: GitIgnoreSpec | None = None
        self._by_file = 0
        self._never: list[str] = []
        self._never_files = 0
        self._read()

    def leaves_out(self, path: str) -> bool:
        """Return whether a file is no part of the release, and count it if so."""
        if path == IGNORE_NAME:
            return True
        is_excluded, is_named = self._found(path)
        if is_excluded:
            self._by_file += 1
            return True
        if is_named or not self._is_never_listed(path):
            return False
        self._never_files += 1
        shown = ".git/" if path.startswith(".git/") else path
        if shown not in self._never and len(self._never) <= MAX_NAMED:
            self._never.append(shown)
        return True

    def excludes(self, path: str) -> bool:
        """Return whether somebody wrote down that a file is no part of the release."""
        return path == IGNORE_NAME or self._found(path)[0]

    def _found(self, path: str) -> tuple[bool, bool]:
        """Return whether a pattern excludes a file, and whether one includes it by its
        name."""
        if self._spec is None:
            return False, False
        found = self._spec.check_file(path)
        is_named = found.index is not None and not _NAMES_NOTHING.fullmatch(
            self._lines[found.index]
        )
        return bool(found.include), found.include is False and is_named

    def lines(self) -> list[str]:
        """Say for people how many files were left out, and why."""
        lines = []
        if self._by_file:
            lines.append(f"Left out by {IGNORE_NAME}: {_files(self._by_file)}.")
        if self._never_files:
            names = ", ".join(self._never[:MAX_NAMED])
            more = ", …" if len(self._never) > MAX_NAMED else ""
            lines.append(
                f"Left out, as never listed: {_files(self._never_files)}"
                f" ({names}{more}); a line such as !{self._never[0]} in {IGNORE_NAME}"
                " takes one in."
            )
        return lines

    def _read(self) -> None:
        shown = self._tree.root / IGNORE_NAME
        try:
            with self._tree.open_file(IGNORE_NAME) as stream:
                content = stream.read(MAX_IGNORE_BYTES + 1)
        except MissingFileError:
            return
        except RefusedFileError as reason:
            raise InputError(f"{shown} {reason}") from None
        if len(content) > MAX_IGNORE_BYTES:
            raise InputError(f"{shown} has more than {MAX_IGNORE_BYTES} bytes")
        try:
            self._lines = content.decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            raise InputError(f"{shown} is not UTF-8") from None
        from pathspec import GitIgnoreSpec  # slow to import, and seldom wanted

        for number, line in enumerate(self._lines, 1):
            try:
                GitIgnoreSpec.from_lines([line])
            except ValueError:  # what pathspec raises derives from it
                raise InputError(
                    f'{shown} line {number}: "{line}" is not of gitignore\'s syntax'
                ) from None
        # Only so do the numbers that a match comes with count these lines.
        self._lines = [line for line in self._lines if line]
        self._spec = GitIgnoreSpec.from_lines(self._lines)

    def _is_never_listed(self, path: str) -> bool:
        if _NEVER.search(path):
            return True
        return _PERHAPS_KEY.search(path) is not None and self._is_private_key(path)

    def _is_private_key(self, path: str) -> bool:
        try:
            with self._tree.open_file(path) as stream:
                return _PRIVATE_KEY.search(stream.read(_LOOKED_AT_BYTES)) is not None
        except (MissingFileError, RefusedFileError, OSError):
            return False


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"
