"""A kind of store: a directory.

What somebody may be reading is written under ``.staging`` first and then renamed, so
that no reader ever sees half a file and a crash leaves what was there before.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from resources.errors import (
    MissingFileError,
    RefusedFileError,
    StoreError,
    store_failure,
)
from resources.files.hashing import CHUNK_BYTES
from resources.files.rooted import MadeFolder, Tree
from resources.manifests.format import Entry
from resources.stores.atomic_file import Finish, copying, linked, writing
from resources.stores.backend import Backend, Copy, SmallFile
from resources.stores.folder import StoreFolder
from resources.stores.staging import Staging
from resources.stores.sync_file_system import can_sync_file_systems, sync_file_system
from resources.stores.verified import require_content, verified

_SECOND_NS = 1_000_000_000


class Directory(Backend):
    """The objects beneath the directory ``root``.

    The directory is made by the first ``lock``; until then the store is empty.
    ``durable`` off leaves it to the system when files reach the disk: several times
    faster, for content that can be made again after a power failure.
    """

    is_atomic = False

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self._durable = durable
        self._syncs_at_once = durable and can_sync_file_systems()
        # What becomes of a file once it is written, and of one that ``settle`` syncs.
        self._finish: Finish = os.fsync if durable else _leave
        self._finish_put = _leave if self._syncs_at_once else self._finish
        self._folder = StoreFolder(root)
        self._staging = Staging(self._folder)
        self._root = root
        self.name = self._folder.name

    # --- Reading ----------------------------------------------------------------------

    def open(self, key: str) -> BinaryIO:
        return self._folder.tree().open_file(key)

    def open_document(self, key: str) -> BinaryIO:
        try:
            return (self._root / key).open("rb")
        except (FileNotFoundError, NotADirectoryError):
            self._folder.require_still_there()
            raise MissingFileError from None
        except OSError as error:
            raise store_failure(error, f"read {key}") from None

    def get(self, key: str, most_bytes: int = -1) -> tuple[bytes, None] | None:
        try:
            with self.open_document(key) as stream:
                return stream.read(most_bytes), None
        except MissingFileError:
            return None
        except OSError as error:
            raise store_failure(error, f"read {key}") from None

    def are_there(self, keys: list[str]) -> list[bool]:
        try:
            return [(self._root / key).is_file() for key in keys]
        except OSError as error:
            raise store_failure(error, f"look into {self.name}") from None

    def folders(self, folder: str) -> list[str]:
        try:
            return [path.name for path in (self._root / folder).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            self._folder.require_still_there()
            return []
        except OSError as error:
            what = f"list the {folder} of {self.name}"
            raise store_failure(error, what) from None

    def is_begun(self, folder: str) -> bool:
        return (self._root / folder).exists()

    def listed(self, folder: str) -> Iterator[tuple[str, int]]:
        """Yield paths and sizes; what is no regular file counts as empty."""
        what = f"list {folder} in {self.name}"
        try:
            tree = Tree(self._root / folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise store_failure(error, what) from None
        try:
            for path in tree.walk():
                if path.endswith("/"):
                    raise StoreError(f"cannot {what}: {path} can't be read")
                try:
                    yield path, tree.size(path)
                except RefusedFileError:
                    yield path, 0
                except MissingFileError:
                    continue
        except OSError as error:
            raise store_failure(error, what) from None
        finally:
            tree.close()

    def size(self, folder: str, path: str) -> int:
        return self._folder.tree().size(f"{folder}/{path}")

    def sizes(self, folder: str, paths: list[str]) -> list[int | None]:
        """Quickest in ascending order."""
        try:
            return self._folder.tree().sizes(f"{folder}/", paths)
        except MissingFileError:
            return [None] * len(paths)

    def read_small(
        self, wanted: Iterable[tuple[str, int]]
    ) -> Iterator[memoryview | None]:
        return self._folder.tree().read_small(wanted, CHUNK_BYTES)

    # --- Writing ----------------------------------------------------------------------

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only publisher, and clear what a killed one left unfinished."""
        self._folder.require_still_there()
        with self._staging.lock():
            yield

    def put(self, key: str, entry: Entry, source: BinaryIO, *, is_served: bool) -> None:
        """While nobody reads, a file that isn't there yet is written in its place: what
        a kill leaves of it, the next run finds to be damaged. That takes a quarter less
        than writing it elsewhere first (measured)."""
        with self._folder.tree().made_folders() as made_folder:
            self._put(key, verified(source, entry), made_folder, is_served)

    def put_small(self, files: Iterable[SmallFile]) -> None:
        with self._folder.tree().made_folders() as made_folder:
            for key, entry, content, is_served in files:
                require_content(content, entry)
                self._put(key, (content,), made_folder, is_served)

    def _put(
        self,
        key: str,
        chunks: Iterable[bytes | memoryview],
        made_folder: MadeFolder,
        is_served: bool,
    ) -> None:
        write = writing(chunks, self._finish_put)
        if is_served:
            self._staging.replace(key, write)
            return
        folder, _, name = key.rpartition("/")
        try:
            write(made_folder(folder), name)
        except FileExistsError:
            self._staging.replace(key, write)
        except OSError as error:
            raise store_failure(error, f"write {key} in {self.name}") from None

    def can_take(self, other: Backend) -> bool:
        """Links and clones need one file system."""
        return (
            isinstance(other, Directory)
            and self._folder.file_system() == other._folder.file_system()
        )

    def take(self, other: Backend, copies: Iterable[Copy]) -> Iterator[bool]:
        """Read and verify the other store's files, and link them as ``copy`` does."""
        if not (isinstance(other, Directory) and self.can_take(other)):
            yield from (False for _ in copies)
            return
        wanted = list(copies)
        contents = other.read_small((copy.source, copy.entry.size) for copy in wanted)
        with self._folder.tree().made_folders() as made_folder:
            for copy, content in zip(wanted, contents, strict=True):
                if content is not None:
                    require_content(content, copy.entry)
                else:
                    with other.open(copy.source) as stream:
                        for _ in verified(stream, copy.entry):
                            pass
                self._copy(copy, made_folder, other._folder.tree())
                yield True

    def copy(self, copies: Iterable[Copy]) -> int:
        """Link the objects; clone those of which there can be no link, or copy and
        verify them."""
        with self._folder.tree().made_folders() as made_folder:
            tree = self._folder.tree()
            return sum(self._copy(copy, made_folder, tree) for copy in copies)

    def _copy(self, copy: Copy, made_folder: MadeFolder, tree: Tree) -> bool:
        """Make an object of what lies in ``tree``. Returns False where it is the same
        object already."""
        entry, source, target = copy.entry, copy.source, copy.target
        folder, _, name = target.rpartition("/")

        def make(folder_fd: int, name: str) -> None:
            if not linked(tree, source, entry, folder_fd, name):
                with tree.open_file(source) as stream:
                    copying(stream, entry, self._finish)(folder_fd, name)

        try:
            try:
                # A link is there whole or not at all, so it needs no other name first.
                if linked(tree, source, entry, made_folder(folder), name):
                    return True
            except FileExistsError:
                if tree.are_one(source, target, self._folder.tree()):
                    return False
            self._staging.replace(target, make)
        except FileNotFoundError:
            raise MissingFileError from None
        except OSError as error:
            raise store_failure(error, f"write {target} in {self.name}") from None
        return True

    def put_document(
        self, key: str, chunks: Iterable[bytes], *, changes: bool = True
    ) -> None:
        finish = self._finish_after(key) if changes else self._finish
        make = writing(chunks, finish)
        self._staging.replace(key, make, sync_folder=self._durable)

    def _finish_after(self, key: str) -> Finish:
        """Return what gives a file a later second than the one that it replaces.

        nginx and others make the ETag of a file's second and size, so a cache would be
        told that the first of two pointers of one second is still the present one.
        https://nginx.org/en/docs/http/ngx_http_core_module.html#etag
        """
        try:
            before = os.lstat(self._root / key).st_mtime_ns
        except OSError:  # it is the first one, or the write itself will say more
            return self._finish

        def finish(fd: int) -> None:
            following = (before // _SECOND_NS + 1) * _SECOND_NS
            if os.fstat(fd).st_mtime_ns < following:
                os.utime(fd, ns=(following, following))
            self._finish(fd)

        return finish

    def put_if(self, key: str, content: bytes, state: None) -> None:
        """Nobody else writes while the lock is held."""
        self.put_document(key, [content])

    def settle(self, folder: str) -> None:
        """Sync what was put; where that can't be done at once, the files were synced
        when they were put, and their folders are now."""
        if not self._durable:
            return
        try:
            if self._syncs_at_once and self._staging.lock_fd is not None:
                sync_file_system(self._staging.lock_fd)
                return
            for *_, folder_fd in os.fwalk(self._root / folder):
                os.fsync(folder_fd)
            _sync_folder((self._root / folder).parent)
        except FileNotFoundError:
            return  # a version all of whose files are held by earlier ones
        except OSError as error:
            raise store_failure(error, f"sync {folder} in {self.name}") from None

    def delete_lastingly(self, folder: str, path: str) -> None:
        self._unlink(f"{folder}/{path}", sync_folder=self._durable)

    def delete(self, folder: str, paths: Iterable[str]) -> None:
        """Delete objects, and then every empty folder."""
        for path in paths:
            self._unlink(f"{folder}/{path}")
        try:
            self._folder.remove_empty_folders(*folder.rsplit("/", 1))
        except FileNotFoundError:
            return
        except OSError as error:
            what = f"delete the folders of {folder} in {self.name}"
            raise store_failure(error, what) from None

    def _unlink(self, key: str, *, sync_folder: bool = False) -> None:
        try:
            self._folder.unlink(key, sync_folder=sync_folder)
        except OSError as error:
            raise store_failure(error, f"delete {key} in {self.name}") from None


def _leave(_fd: int) -> None:
    """Let the system decide when a file reaches the disk."""


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
