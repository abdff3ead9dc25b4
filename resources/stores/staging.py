"""A store's folder ``.staging``: who may write, and what isn't in its place yet."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
from collections.abc import Iterator

from resources.errors import ConflictError, store_failure
from resources.stores.atomic_file import Make, unlinked_on_failure
from resources.stores.folder import StoreFolder


class Staging:
    """Where the only publisher makes files before they get their names."""

    def __init__(self, store: StoreFolder) -> None:
        self._store = store
        self._folder_fd = -1  # while the lock is held
        self._numbers = itertools.count()
        self.lock_fd: int | None = None

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only publisher, and clear what a killed one left unfinished.

        The kernel gives the lock back when its holder dies, however it dies.
        """
        staging = self._store.path / ".staging"
        try:
            (staging / "unfinished").mkdir(parents=True, exist_ok=True)
            (self._store.path / "versions").mkdir(exist_ok=True)
            fd = os.open(staging / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            what = f"write to the store {self._store.name}"
            raise store_failure(error, what) from None
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConflictError(
                    f"another publisher is writing to {self._store.name}"
                ) from None
            self._clear_unfinished()
            self._folder_fd = self._store.tree().folder_fd(".staging/unfinished")
            self.lock_fd = fd
            yield
        finally:
            if self.lock_fd is not None:
                os.close(self._folder_fd)
            self.lock_fd = None
            os.close(fd)

    def replace(self, path: str, make: Make, *, sync_folder: bool = False) -> None:
        """Make a file under another name, and give it its own when it is whole."""
        temporary = f"{os.getpid()}-{next(self._numbers)}"
        folder, _, name = path.rpartition("/")
        staging_fd = self._folder_fd
        try:
            make(staging_fd, temporary)
            with (
                unlinked_on_failure(staging_fd, temporary),
                self._store.tree().made_folders() as made_folder,
            ):
                folder_fd = made_folder(folder)
                os.rename(temporary, name, src_dir_fd=staging_fd, dst_dir_fd=folder_fd)
                if sync_folder:
                    os.fsync(folder_fd)
        except OSError as error:
            raise store_failure(error, f"write {path} in {self._store.name}") from None

    def _clear_unfinished(self) -> None:
        for path in (self._store.path / ".staging" / "unfinished").iterdir():
            with contextlib.suppress(OSError):
                path.unlink()
