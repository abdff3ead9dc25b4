"""Find paths that some file system would take for one."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from typing import NamedTuple

from resources.manifests.paths import fold


class Folded(NamedTuple):
    """Hashes of many folded paths, and of all folders above them.

    ``differs`` says that some paths are not what they are folded to.
    """

    differs: bool
    names: array[int]
    folders: set[int]


def folded(joined: bytes) -> Folded:
    """Fold many paths at once; they are joined by line feeds."""
    if joined.isascii():
        all_folded = joined.lower()
    else:
        paths = joined.decode().split("\n")
        all_folded = "\n".join(fold(path) for path in paths).encode()
    names = all_folded.split(b"\n")
    folders = set(map(hash, _folders_above(names)))
    return Folded(all_folded != joined, array("q", map(hash, names)), folders)


def may_meet(parts: list[Folded]) -> bool:
    """Return whether ``Names`` could find something among paths that are all different.

    False is a proof. A million names that differ from what they are folded to take
    65 MB meanwhile, others 8 MB.
    """
    folders = {folder for part in parts for folder in part.folders}
    if not all(folders.isdisjoint(part.names) for part in parts):
        return True
    if not any(part.differs for part in parts):
        return False
    names: set[int] = set()
    for part in parts:
        names.update(part.names)
    return len(names) != sum(len(part.names) for part in parts)


def _folders_above(names: Iterable[bytes]) -> set[bytes]:
    folders: set[bytes] = set()
    for folder in {name.rpartition(b"/")[0] for name in names}:
        above = folder
        while above and above not in folders:
            folders.add(above)
            above = above.rpartition(b"/")[0]
    return folders


class Names:
    """Finds paths that would be one file, or a file and a folder, somewhere.

    Only hashes are kept. When two are equal, ``first_with`` reads the manifest again
    and tells whether the paths are, too. ``unit`` is what messages count the paths'
    places in.
    """

    def __init__(
        self, first_with: Callable[[str], int | None], unit: str = "line"
    ) -> None:
        self._first_with = first_with
        self._unit = unit
        self._files: set[int] = set()
        self._folders: set[int] = set()
        self._last_folder = ""
        self._line_number = 0

    def add(self, path: str, line_number: int) -> str | None:
        """Take the path of a line; give the reason why it may not be there."""
        self._line_number = line_number
        folded = fold(path)
        own = hash(folded)
        if own in self._files or own in self._folders:
            reason = self._collision(folded, path)
            if reason:
                return reason
        self._files.add(own)
        return self._add_folder(folded.rpartition("/")[0], path)

    def _add_folder(self, folder: str, path: str) -> str | None:
        if folder == self._last_folder:
            return None
        self._last_folder = folder
        while folder and (key := hash(folder)) not in self._folders:
            self._folders.add(key)
            if key in self._files:
                reason = self._collision(folder, path)
                if reason:
                    return reason
            folder = folder.rpartition("/")[0]
        return None

    def _collision(self, folded: str, path: str) -> str | None:
        line = self._first_with(folded)
        if line is None or line == self._line_number:
            return None
        return (
            f'the path "{path}" meets the name of {self._unit} {line}'
            " (same but for case or Unicode form, or file and folder at once)"
        )
