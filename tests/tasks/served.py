"""Stores that served something, as the engine writes it down."""

import json

from resources.stores.pointer import Pointer
from tasks import release_history, releases, versions
from tasks.timestamps import iso


def served(version, since=None, *, previous=None, task_id=None):
    """A pointer as it was published at a time."""
    return Pointer(version, "a" * 64, previous, iso(since), task_id and str(task_id))


def write_pointers(store, platform, *pointers, channel="live"):
    """Write what a platform served on a channel, oldest first, the last one until
    now."""
    folder = store / platform
    name, of_before = "current.json", "history.json"
    if channel != "live":
        name, of_before = f"channels/{channel}.json", f"channels/history/{channel}.json"
        pointers = [pointer._replace(channel=channel) for pointer in pointers]
    (folder / of_before).parent.mkdir(parents=True, exist_ok=True)
    *before, live = pointers
    before = [json.loads(pointer.encode()) for pointer in before]
    history = {"format": "release-history/1", "pointers": before}
    (folder / of_before).write_text(json.dumps(history))
    (folder / name).write_bytes(live.encode())


def forget_readings():
    """Have every store read again by whoever asks next."""
    for module in (releases, versions):
        module.reader.cache_clear()
    release_history.history_reader.cache_clear()
