"""Files beneath a folder, opened so that no path and no symbolic link leads out.

Every folder on the way is opened by descriptor and without following links, so what a
path means can't change between the look and the read.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from resources.errors import MissingFileError, RefusedFileError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Non-blocking, because opening a FIFO would otherwise wait for its writer for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

# What says that a file can't have one more name here.
_NO_LINK = (errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV)

RUN_FILES = 500  # enough to be looked at together, and little memory

_KINDS = {
    stat.S_IFDIR: "is a folder",
    stat.S_IFLNK: "is a symbolic link",
    stat.S_IFIFO: "is a FIFO",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFBLK: "is a device",
    stat.S_IFCHR: "is a device",
}


# Gives a folder's descriptor, to be used until the next is asked for. Raises OSError.
MadeFolder = Callable[[str], int]


class _OpenFolder:
    """A folder that stays open until another one is."""

    name: str | None = None
    fd = -1

    def keep(self, name: str, fd: int) -> None:
        self.forget()
        self.name, self.fd = name, fd

    def forget(self) -> None:
        if self.name is not None:
            os.close(self.fd)
        self.name = None


class Tree:
    """A folder and what is beneath it.

    Raises FileNotFoundError or another OSError when the folder can't be opened. It may
    itself be reached through links: its path comes from the operator.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        # Paths come sorted, so the last folder is nearly always the next one, too. The
        # lock keeps a thread from closing it while another opens a file there.
        self._read = _OpenFolder()
        self._lock = threading.RLock()

    def open_file(self, path: str) -> BinaryIO:
        """Open a regular file for reading, unbuffered.

        Raises MissingFileError, or RefusedFileError with the reason.
        """
        folder, _, name = path.rpartition("/")
        with self._lock:
            folder_fd = self._folder(folder)
            try:
                fd = os.open(name, _FILE, dir_fd=folder_fd)
            except OSError as error:
                raise _refusal(error, name, folder_fd) from None
        try:
            _require_regular(os.fstat(fd).st_mode)
            return cast(BinaryIO, os.fdopen(fd, "rb", buffering=0))
        except BaseException:
            os.close(fd)
            raise

    def read_small(
        self, wanted: Iterable[tuple[str, int | None]], most_bytes: int
    ) -> Iterator[memoryview | None]:
        """Read regular files whole, where that can be done at once.

        ``wanted`` are paths and the sizes that the files should have, None where that
        isn't known. What is yielded holds until the next file is read; None for every
        other file: missing, refused, empty, of another size, or too large.
        """
        # One buffer: new memory for each file costs as much as opening it.
        buffer = memoryview(bytearray(most_bytes + 1))
        buffers = [buffer]
        within = _OpenFolder()
        try:
            for path, size in wanted:
                if size is not None and size > most_bytes:
                    yield None
                    continue
                folder, _, name = path.rpartition("/")
                try:
                    if within.name != folder:
                        within.keep(folder, self.folder_fd(folder))
                    fd = os.open(name, _FILE, dir_fd=within.fd)
                    try:
                        # At a place, which FIFOs and terminals don't have.
                        length = os.preadv(fd, buffers, 0)
                    finally:
                        os.close(fd)
                except OSError:
                    yield None
                    continue
                is_whole = 0 < length <= most_bytes and size in (None, length)
                yield buffer[:length] if is_whole else None
        finally:
            within.forget()

    def count_files(self) -> int:
        """Count what is not a folder, and folders that can't be read."""
        count = 0
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                fd = self.folder_fd(folder)
            except OSError:
                count += 1
                continue
            try:
                with os.scandir(fd) as found:
                    for entry in found:
                        if _is_folder(entry):
                            waiting.append(f"{folder}/{entry.name}".lstrip("/"))
                        else:
                            count += 1
            finally:
                os.close(fd)
        return count

    def open_buffered(self, path: str) -> BinaryIO:
        """Open a regular file for reading line by line; raises as ``open_file``."""
        return io.BufferedReader(cast(io.RawIOBase, self.open_file(path)))

    def size(self, path: str) -> int:
        """Return a regular file's size in bytes; raises as ``open_file`` does."""
        folder, _, name = path.rpartition("/")
        with self._lock:
            folder_fd = self._folder(folder)
            try:
                status = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
            except OSError as error:
                raise _refusal(error, name, folder_fd) from None
        _require_regular(status.st_mode)
        return status.st_size

    def sizes(self, prefix: str, paths: list[str]) -> list[int | None]:
        """Return the sizes of many files; None for what is missing or refused."""
        found: list[int | None] = []
        with self._lock:
            folder: str | None = None
            folder_fd = -1
            for path in paths:
                above, _, name = path.rpartition("/")
                try:
                    if above != folder:
                        folder_fd = self._folder((prefix + above).rstrip("/"))
                        folder = above
                    status = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
                except (OSError, MissingFileError, RefusedFileError):
                    found.append(None)
                    continue
                is_regular = stat.S_IFMT(status.st_mode) == stat.S_IFREG
                found.append(status.st_size if is_regular else None)
        return found

    def walk(self) -> Iterator[str]:
        """Yield every path that is not a folder, ascending by its UTF-8 bytes.

        Names that are not UTF-8 come with surrogates, as Python reads them. Folders
        that can't be read are yielded themselves, with a slash at the end.
        """
        for files in self.walk_in_runs():
            yield from files

    def walk_in_runs(self) -> Iterator[list[str]]:
        """Yield what ``walk`` does in lists, each of a few files of one folder that
        follow each other."""
        waiting = [self._runs("")]
        while waiting:
            for run in waiting[-1]:
                if isinstance(run, list):
                    yield run
                    continue
                waiting.append(self._runs(run))
                break
            else:
                waiting.pop()

    def close(self) -> None:
        """Give the descriptors back."""
        self._read.forget()
        os.close(self._fd)

    def folder_fd(self, folder: str, *, create: bool = False) -> int:
        """Open a folder beneath the root, and the caller closes it.

        Raises OSError.
        """
        fd = os.dup(self._fd)
        for name in folder.split("/") if folder else ():
            try:
                below = _enter(fd, name, create=create)
            finally:
                os.close(fd)
            fd = below
        return fd

    @contextlib.contextmanager
    def made_folders(self) -> Iterator[MadeFolder]:
        """Return what opens folders to write into them, made where they are missing.

        Each stays open until another one is asked for, as files that are written one
        after the other mostly lie in one folder.
        """
        last = _OpenFolder()

        def made_folder(folder: str) -> int:
            if last.name != folder:
                last.keep(folder, self.folder_fd(folder, create=True))
            return last.fd

        try:
            yield made_folder
        finally:
            last.forget()

    def link(self, path: str, folder_fd: int, name: str) -> bool:
        """Make a hard link of a file, never of what a symbolic link leads to.

        Returns False where there can be none: too many names already, or not on this
        file system. Raises FileExistsError and other OSErrors, and as ``open_file``.
        """
        folder, _, own_name = path.rpartition("/")
        with self._lock:
            try:
                os.link(
                    own_name,
                    name,
                    src_dir_fd=self._folder(folder),
                    dst_dir_fd=folder_fd,
                    follow_symlinks=False,
                )
            except OSError as error:
                if error.errno in _NO_LINK:
                    return False
                raise
        return True

    def are_one(self, path: str, other: str, tree: Tree) -> bool:
        """Return whether a path, and one in ``tree``, are names of one file. Raises
        OSError."""
        return os.path.samestat(self._status(path), tree._status(other))

    def _status(self, path: str) -> os.stat_result:
        folder, _, name = path.rpartition("/")
        with self._lock:
            return os.stat(name, dir_fd=self._folder(folder), follow_symlinks=False)

    def _folder(self, folder: str) -> int:
        if not folder:
            return self._fd
        if self._read.name == folder:
            return self._read.fd
        fd = os.dup(self._fd)
        for name in folder.split("/"):
            try:
                below = _enter(fd, name, create=False)
            except OSError as error:
                raise _refusal(error, name, fd, above=True) from None
            finally:
                os.close(fd)
            fd = below
        self._read.keep(folder, fd)
        return fd

    def _runs(self, prefix: str) -> Iterator[list[str] | str]:
        """Yield a folder's files in runs, and other folders, which end with a slash,
        where these belong in between; itself, as a file, if it can't be read."""
        try:
            names, has_folders = self._names(prefix)
        except OSError:
            if not prefix:
                raise
            yield [prefix]
            return
        start = 0
        if has_folders:
            for place, name in enumerate(names):
                if name[-1] == "/":
                    yield from _in_runs(prefix, names[start:place])
                    yield prefix + name
                    start = place + 1
        yield from _in_runs(prefix, names[start:])

    def _names(self, prefix: str) -> tuple[list[str], bool]:
        """List a folder; other folders end with a slash, and sort as their paths do.

        So "a-b" comes before "a/b". Returns also whether there are any.
        """
        fd = self.folder_fd(prefix.rstrip("/"))
        try:
            with os.scandir(fd) as entries:
                found = list(entries)
            are_folders = [entry.is_dir(follow_symlinks=False) for entry in found]
        finally:
            os.close(fd)
        names = [entry.name for entry in found]
        has_folders = any(are_folders)
        if has_folders:
            pairs = zip(names, are_folders, strict=True)
            names = [name + "/" if is_folder else name for name, is_folder in pairs]
        # Letters of ASCII sort as their bytes do, and several times as fast.
        names.sort(key=None if all(map(str.isascii, names)) else os.fsencode)
        return names, has_folders


def _in_runs(prefix: str, names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), RUN_FILES):
        yield [prefix + name for name in names[start : start + RUN_FILES]]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _enter(fd: int, name: str, *, create: bool) -> int:
    if name in ("", ".", ".."):
        raise FileNotFoundError(name)
    if create:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=fd)
    return os.open(name, _FOLDER, dir_fd=fd)


def _require_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise RefusedFileError(_KINDS.get(stat.S_IFMT(mode), "is not a regular file"))


def _refusal(
    error: OSError, name: str, folder_fd: int, *, above: bool = False
) -> MissingFileError | RefusedFileError:
    """Tell a missing file from a link, a device and a file that may not be read."""
    try:
        mode = os.stat(name, dir_fd=folder_fd, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return MissingFileError()
    except OSError:
        return RefusedFileError(error.strerror or str(error))
    if above and not stat.S_ISDIR(mode) and not stat.S_ISLNK(mode):
        return MissingFileError()
    if above and stat.S_ISLNK(mode):
        return RefusedFileError("is reached through a symbolic link")
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return RefusedFileError(_KINDS.get(stat.S_IFMT(mode), "is not a regular file"))
    return RefusedFileError(error.strerror or str(error))
