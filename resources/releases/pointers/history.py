"""What a store served before: the pointers that were replaced, oldest first.

The list is written before the pointer moves: what a kill in between leaves in it was
served all the same. Stores of earlier releases have none until their pointer moves.
"""

from __future__ import annotations

import json

from resources.stores.pointer import Pointer
from resources.stores.release_store import ReleaseStore
from resources.versions import natural_key

FORMAT = "release-history/1"
MAX_POINTERS = 1000  # the newest; about 250 bytes each, written at each move


def note_replaced(pointer: Pointer, store: ReleaseStore) -> None:
    """Add a pointer that is about to be replaced, in place of one that it only renewed:
    that served nothing else. Needs the lock."""
    pointers = read_history(store)
    if pointers is None:
        pointers = _guessed(pointer, store)
    if pointers[-1:] != [pointer]:  # else a move that was killed added it
        if pointers and _is_renewed(pointers[-1], pointer):
            del pointers[-1]
        pointers = [*pointers, pointer][-MAX_POINTERS:]
    values = {
        "format": FORMAT,
        "pointers": [json.loads(each.encode()) for each in pointers],
    }
    text = json.dumps(values, indent=1) + "\n"
    store.put_history(text.encode())


def next_serial(pointer: Pointer | None, store: ReleaseStore) -> int:
    """Return the number of the next move: above that of every pointer before, also of
    one that was lost or replaced by an old one, or written when nobody counted."""
    pointers = read_history(store) or []
    highest = max((each.serial for each in pointers), default=0)
    if pointer is not None and pointers[-1:] != [pointer]:
        pointers = [*pointers, pointer]
    is_lost = bool(pointers) and (pointer is None or pointer.serial < highest)
    lost = highest + 1 if is_lost else 0  # which no list has: players may have seen it
    return max([len(pointers), lost, *(each.serial for each in pointers)]) + 1


def served_before(pointer: Pointer, store: ReleaseStore) -> list[Pointer]:
    """Return what was served before ``pointer``, which is served now; oldest first.

    The digest of one is empty where nobody wrote it down.
    """
    pointers = read_history(store)
    return _guessed(pointer, store) if pointers is None else pointers


def read_history(store: ReleaseStore) -> list[Pointer] | None:
    """Return the pointers that were written down, oldest first; None for no list, or a
    damaged one. The first may be versions that were guessed, which have no digest."""
    content = store.history()
    if content is None:
        return None
    try:
        values = json.loads(content)
        if values["format"] != FORMAT:
            raise ValueError("no list")
        return [
            Pointer.decode(json.dumps(each).encode()) for each in values["pointers"]
        ]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None  # a damaged list must not keep anybody from publishing


def _is_renewed(old: Pointer, new: Pointer) -> bool:
    """Return whether one pointer says what the other did, but for its end, number and
    signature."""
    renewed = old._replace(
        serial=new.serial, expires=new.expires, signature=new.signature
    )
    return renewed == new and old.serial < new.serial


def _guessed(pointer: Pointer, store: ReleaseStore) -> list[Pointer]:
    """Take every older version for served, where nobody wrote down which were."""
    if pointer.previous is None:
        return []
    key = natural_key(pointer.version)
    versions = [v for v in store.sealed_versions() if natural_key(v) < key]
    return [Pointer(v, "") for v in dict.fromkeys([*versions, pointer.previous])]
