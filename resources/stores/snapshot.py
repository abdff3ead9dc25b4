"""What of a store's folder belongs in a copy of it, made while it is published to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from resources.errors import StoreError
from resources.manifests.paths import MANIFEST_NAME
from resources.stores.pointer import CHANNELS_FOLDER, POINTER_NAME, Pointer

VERSIONS, STAGING = "versions", ".staging"


def snapshot(folder: Path) -> Iterator[tuple[str, BinaryIO]]:
    """Yield the files, each with its path in the folder, so that the copy is one in
    which every version that a pointer names is whole; nothing where there is no folder.

    The pointers are those of the beginning: what they name was whole then, and never
    changes. Seals are read behind the files that they vouch for, and only of versions
    that were sealed at the beginning. What a sync is writing comes without one, as
    after a sync that was killed. Raises StoreError where a version that is served has
    been removed meanwhile.
    """
    with contextlib.ExitStack() as stack:
        first = _open_now(folder, stack)
        sealed = _seals(folder)
        for path in _files(folder):
            if path not in first:
                with _still_there(folder / path) as file:
                    if file is not None:
                        yield path, file
        began = {path.split("/")[1] for path in sealed}
        whole = set()
        for path in sealed:
            with _still_there(folder / path) as file:
                if file is not None:
                    whole.add(path.split("/")[1])
                    yield path, file
        for path, file in first.items():
            if gone := _named(path, file) & (began - whole):
                raise StoreError(
                    f"{min(gone)} was removed from {folder} while it was copied;"
                    " try again"
                )
            yield path, file


def _open_now(folder: Path, stack: contextlib.ExitStack) -> dict[str, BinaryIO]:
    """Open what is replaced whenever something is published: pointers, and what lies
    beside them. Opened, they stay what they are."""
    found: dict[str, BinaryIO] = {}
    for place in (folder, folder / CHANNELS_FOLDER):
        for path in sorted(place.glob("*")):
            # A seal is opened later, and a link is nothing that a sync makes.
            if path.is_file() and not path.is_symlink():
                name = path.relative_to(folder).as_posix()
                found[name] = stack.enter_context(path.open("rb"))
    return found


def _seals(folder: Path) -> list[str]:
    seals = folder.glob(f"{VERSIONS}/*/{MANIFEST_NAME}")
    return sorted(path.relative_to(folder).as_posix() for path in seals)


def _files(folder: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        beneath = Path(place).relative_to(folder)
        folders[:] = sorted(name for name in folders if name != STAGING)
        # A seal that was not there at the beginning vouches for more than was read.
        is_version = beneath.parent == Path(VERSIONS)
        for name in sorted(names):
            if not (is_version and name == MANIFEST_NAME):
                yield (beneath / name).as_posix()


@contextlib.contextmanager
def _still_there(path: Path) -> Iterator[BinaryIO | None]:
    """Open a file; None where it has been removed, or is no file."""
    if path.is_symlink() or not path.is_file():
        yield None
        return
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        yield file


def _named(path: str, file: BinaryIO) -> set[str]:
    """Return the versions that a file names, where it is a pointer. What is damaged
    is copied as it is."""
    if path != POINTER_NAME and not path.startswith(f"{CHANNELS_FOLDER}/"):
        return set()
    content = file.read()
    file.seek(0)
    try:
        pointer = Pointer.decode(content)
    except ValueError:
        return set()
    rollout = [pointer.rollout.version] if pointer.rollout else []
    return {pointer.version, *rollout}
