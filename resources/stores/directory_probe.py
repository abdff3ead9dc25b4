"""What the file system of a folder does, found out by trying it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from resources.errors import store_failure
from resources.stores.atomic_file import is_cloned
from resources.stores.finding import Finding
from resources.stores.sync_file_system import can_sync_file_systems

LONGEST_NAME = 255  # bytes, which a manifest's paths may have between two slashes


class DirectoryProbe:
    """Tries what the file system of a store's folder does, in a folder of its own.

    Where the store's folder isn't there yet, that is in the nearest one above it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        while not self.folder.is_dir() and self.folder != self.folder.parent:
            self.folder = self.folder.parent

    def findings(self) -> Iterator[Finding]:
        """Try everything, yield what came of it, and leave nothing behind.

        Raises StoreError, or FullError, when no file can be written there.
        """
        try:
            scratch = Path(tempfile.mkdtemp(prefix=".probe-", dir=self.folder))
        except OSError as error:
            raise store_failure(error, f"write to {self.folder}") from None
        try:
            for number, attempt in enumerate(_ATTEMPTS):
                place = scratch / str(number)
                place.mkdir()
                yield attempt(place)
        except OSError as error:
            raise store_failure(error, f"write to {self.folder}") from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _rename(place: Path) -> Finding:
    new, old = place / "new", place / "old"
    new.write_bytes(b"new")
    old.write_bytes(b"old")
    reason = _reason_against(lambda: new.rename(old))
    works = not reason and old.read_bytes() == b"new" and not new.exists()
    text = "A file takes another's place in one step."
    if not works:
        text = f"A file can't take another's place in one step: {reason}."
    return Finding("rename", works, text, needed=True)


def _lock(place: Path) -> Finding:
    (place / "lock").touch()
    with (place / "lock").open("rb+") as first, (place / "lock").open("rb+") as second:

        def lock(stream: object) -> Callable[[], object]:
            flags = fcntl.LOCK_EX | fcntl.LOCK_NB
            return lambda: fcntl.flock(stream, flags)  # type: ignore[arg-type]

        reason = _reason_against(lock(first))
        is_kept = not reason and bool(_reason_against(lock(second)))
    if is_kept:
        text = "Locks keep two publishers apart."
    elif reason:
        text = f"Files can't be locked, so nothing can be published: {reason}."
    else:
        text = "Locks are given twice, so two publishers are not kept apart."
    return Finding("lock", is_kept, text, needed=True)


def _sync(place: Path) -> Finding:
    def sync() -> None:
        for path, flags in ((place / "file", os.O_RDWR | os.O_CREAT), (place, 0)):
            fd = os.open(path, flags)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    reason = _reason_against(sync)
    how = "all at once" if can_sync_file_systems() else "one by one"
    text = f"Files are brought to the disk, {how}."
    if reason:
        text = f"Files can't be brought to the disk: {reason}."
    return Finding("sync", not reason, text, needed=True)


def _links(place: Path) -> Finding:
    (place / "file").write_bytes(b"content")
    reason = _reason_against(lambda: os.link(place / "file", place / "link"))
    works = not reason and (place / "file").samefile(place / "link")
    text = "Hard links work: --reuse copy takes no room."
    if not works:
        text = f"There are no hard links ({reason})."
    return Finding("links", works, text)


def _clones(place: Path) -> Finding:
    (place / "file").write_bytes(b"content")
    with (place / "file").open("rb") as source, (place / "clone").open("wb") as clone:
        works = is_cloned(clone.fileno(), source)
    text = "Files can share their blocks (clones)."
    if not works:
        text = "Files can't share their blocks: what can't be linked is copied."
    return Finding("clones", works, text)


def _case(place: Path) -> Finding:
    works = _are_two(place, "name", "NAME")
    text = "Names that differ by case only are two files."
    if not works:
        text = "Names that differ by case only are one file."
    return Finding("case", works, text)


def _unicode(place: Path) -> Finding:
    composed = unicodedata.normalize("NFC", "é")
    works = _are_two(place, composed, unicodedata.normalize("NFD", composed))
    text = "Names that differ by Unicode form only are two files."
    if not works:
        text = "Names that differ by Unicode form only are one file."
    return Finding("unicode", works, text)


def _names(place: Path) -> Finding:
    reason = _reason_against((place / ("n" * LONGEST_NAME)).touch)
    text = f"Names may have {LONGEST_NAME} bytes."
    if reason:
        text = f"Names can't have {LONGEST_NAME} bytes: {reason}."
    return Finding("names", not reason, text)


_ATTEMPTS = (_rename, _lock, _sync, _links, _clones, _case, _unicode, _names)


def _are_two(place: Path, name: str, other: str) -> bool:
    (place / name).touch()
    with contextlib.suppress(FileExistsError):
        (place / other).touch(exist_ok=False)
        return True
    return False


def _reason_against(action: Callable[[], object]) -> str:
    """Do something, and return why it doesn't work, empty where it does."""
    try:
        action()
    except OSError as error:
        return error.strerror or str(error)
    return ""
