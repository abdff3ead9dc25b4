"""Stores that served something, as the engine writes it down."""

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager

from resources.stores.pointer import Pointer
from tasks import release_history, releases, versions
from tasks.timestamps import iso
from tests.waiting import PATIENCE_SECONDS


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


@contextmanager
def hanging(path):
    """A file that whoever opens it hangs on; whoever hangs is let go in the end, and
    waited for, so that what it logs is not found by the next test."""
    before = set(threading.enumerate())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    yield
    readers = set(threading.enumerate()) - before
    assert readers, "nobody hangs"
    path.write_bytes(b"")
    for reader in readers:
        reader.join(PATIENCE_SECONDS)
        assert not reader.is_alive()


def roll_out_demo(folder):
    """Serve the demo's v884 in this DATA_DIR, and v885 to 2.5 percent of iOS and to all
    of its beta."""
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder)}
    for arguments in (
        ("demo",),
        ("sync", "v885", "--platform", "ios", "--channel", "beta"),
        ("rollout", "v885", "--platform", "ios", "--percent", "2.5"),
    ):
        command = [sys.executable, "-m", "resources", *arguments]
        subprocess.run(command, env=environment, check=True, capture_output=True)
