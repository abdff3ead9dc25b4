"""The folder of a store, which may be made later, and may go meanwhile."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from resources.errors import MissingFileError, StoreError, store_failure
from resources.files.rooted import Tree


class StoreFolder:
    """A store's folder, opened when somebody asks for what is in it, and kept open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self._opened: Tree | None = None

    def tree(self) -> Tree:
        """Return what is in it. Raises MissingFileError while there is no folder."""
        if self._opened is None:
            try:
                self._opened = Tree(self.path)
            except (FileNotFoundError, NotADirectoryError):
                raise MissingFileError from None
            except OSError as error:
                raise store_failure(error, f"open {self.name}") from None
        return self._opened

    def file_system(self) -> int:
        """Return the number of the file system that it lies on, or will lie on once it
        is made. Raises StoreError."""
        for path in (self.path, *self.path.absolute().parents):
            try:
                return path.stat().st_dev
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise store_failure(error, f"open {self.name}") from None
        raise StoreError(f"the store {self.name} is gone")

    def require_still_there(self) -> None:
        """Tell a store that has gone from one that is still empty: what was seen in it
        before would else be taken for the work of another publisher."""
        if self._opened is None:
            return
        fd = self._opened.folder_fd("")
        try:
            is_same = os.path.samestat(os.fstat(fd), self.path.stat())
        except FileNotFoundError:
            is_same = False
        finally:
            os.close(fd)
        if not is_same:
            raise StoreError(f"the store {self.name} is gone")

    def unlink(self, path: str, *, sync_folder: bool = False) -> None:
        """Delete a file if it is there, never through a link. Raises OSError."""
        above, _, name = path.rpartition("/")
        with contextlib.suppress(FileNotFoundError):
            fd = self.tree().folder_fd(above)
            try:
                os.unlink(name, dir_fd=fd)
                if sync_folder:
                    os.fsync(fd)
            finally:
                os.close(fd)

    def remove_empty_folders(self, above: str, name: str) -> None:
        """Remove the empty folders in ``above/name``, and itself when it is one.

        Raises OSError.
        """
        above_fd = self.tree().folder_fd(above)
        try:
            for _, folders, _, fd in os.fwalk(name, topdown=False, dir_fd=above_fd):
                for folder in folders:
                    _remove_if_empty(folder, fd)
            _remove_if_empty(name, above_fd)
        finally:
            os.close(above_fd)


def _remove_if_empty(name: str, above_fd: int) -> None:
    with contextlib.suppress(OSError):  # there is something in it
        os.rmdir(name, dir_fd=above_fd)
