"""A store that is a directory.

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
    ConflictError,
    DifferenceError,
    MissingFileError,
    RefusedFileError,
    StoreError,
    store_failure,
)
from resources.files.hashing import CHUNK_BYTES
from resources.files.rooted import MadeFolder, Tree
from resources.manifests.format import Entry
from resources.manifests.paths import MANIFEST_NAME
from resources.stores.atomic_file import Finish, copying, linked, writing
from resources.stores.base import HISTORY_NAME, Pointer
from resources.stores.folder import StoreFolder
from resources.stores.staging import Staging
from resources.stores.sync_file_system import can_sync_file_systems, sync_file_system
from resources.stores.verified import require_content, verified
from resources.versions import is_version, natural_key

POINTER_NAME = "current.json"
MAX_POINTER_BYTES = 4096


class DirectoryStore:
    """The store of one platform in the directory ``root``; see ``base.Store``.

    The directory is made by the first ``lock``; until then the store is empty.
    ``durable`` off leaves it to the system when files reach the disk: several times
    faster, for content that can be made again after a power failure.
    """

    has_limits = False
    lists_digests = False

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self._durable = durable
        self._syncs_at_once = durable and can_sync_file_systems()
        # What becomes of a file once it is written, and of one that ``settle`` syncs.
        self._finish: Finish = os.fsync if durable else _leave
        self._finish_put = _leave if self._syncs_at_once else self._finish
        self._unsealed: set[str] = set()  # seen to be so since the lock is held
        self._folder = StoreFolder(root)
        self._staging = Staging(self._folder)
        self._root = root
        self.name = self._folder.name

    def sealed_versions(self) -> list[str]:
        """Return the versions that have a manifest, in natural order."""
        try:
            found = [
                folder.name
                for folder in (self._root / "versions").iterdir()
                if is_version(folder.name) and (folder / MANIFEST_NAME).is_file()
            ]
        except (FileNotFoundError, NotADirectoryError):
            self._folder.require_still_there()
            return []
        except OSError as error:
            raise store_failure(error, f"list the versions of {self.name}") from None
        return sorted(found, key=natural_key)

    def reason_against(self, version: str, path: str, size: int) -> str | None:
        """A folder has the limits that every manifest has; see ``paths.py``."""
        return None

    reason_against_copy = reason_against

    def is_begun(self, version: str) -> bool:
        """Return whether a version has a folder."""
        return (self._root / "versions" / version).exists()

    def open_document(self, version: str, name: str) -> BinaryIO:
        """Open a version's manifest or reuse.json."""
        try:
            return (self._root / "versions" / version / name).open("rb")
        except (FileNotFoundError, NotADirectoryError):
            self._folder.require_still_there()
            raise MissingFileError from None
        except OSError as error:
            raise store_failure(error, f"read {name} of {version}") from None

    def size(self, version: str, path: str) -> int:
        """Return an object's size in bytes."""
        return self._folder.tree().size(f"versions/{version}/{path}")

    def sizes(self, version: str, paths: list[str]) -> list[int | None]:
        """Return the sizes of many objects, quickest in ascending order."""
        try:
            return self._folder.tree().sizes(f"versions/{version}/", paths)
        except MissingFileError:
            return [None] * len(paths)

    def differs(self, version: str, entry: Entry) -> bool:
        """A folder knows no digests."""
        return False

    def open(self, version: str, path: str) -> BinaryIO:
        """Open an object."""
        return self._folder.tree().open_file(f"versions/{version}/{path}")

    def read_small(
        self, wanted: Iterable[tuple[str, Entry]]
    ) -> Iterator[memoryview | None]:
        """Read objects whole; see ``rooted.Tree``."""
        paths = ((f"versions/{v}/{entry.path}", entry.size) for v, entry in wanted)
        return self._folder.tree().read_small(paths, CHUNK_BYTES)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Be the only publisher, and clear what a killed one left unfinished."""
        self._folder.require_still_there()
        with self._staging.lock():
            self._unsealed.clear()
            yield

    def put(self, version: str, entry: Entry, source: BinaryIO) -> None:
        """Store ``source`` as ``entry.path`` of ``version``, all or nothing.

        While a version isn't sealed nobody reads it, so a file that isn't there yet is
        written in its place: what a kill leaves of it, the next run finds to be
        damaged. That takes a quarter less than writing it elsewhere first (measured).
        """
        with self._folder.tree().made_folders() as made_folder:
            self._put(version, entry, verified(source, entry), made_folder)

    def put_small(self, files: Iterable[tuple[str, Entry, memoryview]]) -> None:
        """Store files that were read already, as ``put`` does."""
        with self._folder.tree().made_folders() as made_folder:
            for version, entry, content in files:
                require_content(content, entry)
                self._put(version, entry, (content,), made_folder)

    def copy(self, entries: Iterable[Entry], version: str) -> int:
        """Link the objects; clone those of which there can be no link, or copy and
        verify them."""
        with self._folder.tree().made_folders() as made_folder:
            return sum(self._copy(entry, version, made_folder) for entry in entries)

    def _put(
        self,
        version: str,
        entry: Entry,
        chunks: Iterable[bytes | memoryview],
        made_folder: MadeFolder,
    ) -> None:
        path = f"versions/{version}/{entry.path}"
        write = writing(chunks, self._finish_put)
        if self._is_sealed(version):
            self._staging.replace(path, write)
            return
        folder, _, name = path.rpartition("/")
        try:
            write(made_folder(folder), name)
        except FileExistsError:
            self._staging.replace(path, write)
        except OSError as error:
            raise store_failure(error, f"write {path} in {self.name}") from None

    def _copy(self, entry: Entry, version: str, made_folder: MadeFolder) -> bool:
        """Returns False where it is the same object already."""
        tree = self._folder.tree()
        source = f"versions/{entry.held_in}/{entry.path}"
        target = f"versions/{version}/{entry.path}"
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
                if tree.are_one(source, target):
                    return False
            self._staging.replace(target, make)
        except (FileNotFoundError, MissingFileError, RefusedFileError, DifferenceError):
            raise StoreError(f"{source} in {self.name} is not whole") from None
        except OSError as error:
            raise store_failure(error, f"write {target} in {self.name}") from None
        return True

    def put_document(self, version: str, name: str, chunks: Iterable[bytes]) -> None:
        """Store a manifest or reuse.json, all or nothing."""
        self._replace_lastingly(f"versions/{version}/{name}", chunks)
        self._unsealed.discard(version)

    def settle(self, version: str) -> None:
        """Sync what was put; where that can't be done at once, the files were synced
        when they were put, and their folders are now. Needs the lock."""
        if not self._durable:
            return
        try:
            if self._syncs_at_once and self._staging.lock_fd is not None:
                sync_file_system(self._staging.lock_fd)
                return
            for *_, folder_fd in os.fwalk(self._root / "versions" / version):
                os.fsync(folder_fd)
            _sync_folder(self._root / "versions")
        except FileNotFoundError:
            return  # a version all of whose files are held by earlier ones
        except OSError as error:
            raise store_failure(error, f"sync {version} in {self.name}") from None

    def objects(self, version: str) -> Iterator[tuple[str, int]]:
        """Yield path and size in bytes of all that is stored under ``version``.

        What is no regular file counts as empty.
        """
        what = f"list {version} in {self.name}"
        try:
            tree = Tree(self._root / "versions" / version)
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

    def unseal(self, version: str) -> None:
        """Delete a version's manifest, and sync its folder."""
        self._unlink(version, MANIFEST_NAME, sync_folder=self._durable)

    def delete(self, version: str, paths: Iterable[str]) -> None:
        """Delete objects or documents, and then every empty folder of the version."""
        for path in paths:
            self._unlink(version, path)
        try:
            self._folder.remove_empty_folders("versions", version)
        except FileNotFoundError:
            return
        except OSError as error:
            what = f"delete the folders of {version} in {self.name}"
            raise store_failure(error, what) from None

    def pointer(self) -> Pointer | None:
        """Return the pointer, or None when nothing was published."""
        try:
            with (self._root / POINTER_NAME).open("rb") as stream:
                return Pointer.decode(stream.read(MAX_POINTER_BYTES))
        except (FileNotFoundError, NotADirectoryError):
            self._folder.require_still_there()
            return None
        except OSError as error:
            raise store_failure(error, f"read {POINTER_NAME}") from None
        except ValueError:
            raise StoreError(f"{self._root / POINTER_NAME} is damaged") from None

    def history(self) -> bytes | None:
        """Return ``history.json``, or None when there is none."""
        try:
            return (self._root / HISTORY_NAME).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise store_failure(error, f"read {HISTORY_NAME}") from None

    def put_history(self, content: bytes) -> None:
        """Write ``history.json``, all or nothing."""
        self._replace_lastingly(HISTORY_NAME, [content])

    def move_pointer(self, pointer: Pointer, expected: Pointer | None) -> None:
        """Serve another version, if ``expected`` is still served."""
        found = self.pointer()
        if found != expected:
            raise ConflictError(
                f"{self.name} serves {found.version if found else 'nothing'} now, not"
                f" {expected.version if expected else 'nothing'} as before:"
                " another publisher was first"
            )
        self._replace_lastingly(POINTER_NAME, [pointer.encode()])

    def _unlink(self, version: str, path: str, *, sync_folder: bool = False) -> None:
        try:
            self._folder.unlink(f"versions/{version}/{path}", sync_folder=sync_folder)
        except OSError as error:
            what = f"delete {path} of {version} in {self.name}"
            raise store_failure(error, what) from None

    def _is_sealed(self, version: str) -> bool:
        if version not in self._unsealed:
            if (self._root / "versions" / version / MANIFEST_NAME).exists():
                return True
            self._unsealed.add(version)
        return False

    def _replace_lastingly(self, path: str, chunks: Iterable[bytes]) -> None:
        make = writing(chunks, self._finish)
        self._staging.replace(path, make, sync_folder=self._durable)


def _leave(_fd: int) -> None:
    """Let the system decide when a file reaches the disk."""


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
