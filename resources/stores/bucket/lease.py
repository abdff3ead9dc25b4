"""One publisher at a time at an object store, which has no locks.

A lease is an object that its holder writes again and again; who finds one asks how
long ago that was, by the server's clock. It keeps two publishers from each other's
way. What keeps a reader safe, should a lease ever fail, is the pointer's condition.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from resources.errors import ConflictError, EngineError, StoreError
from resources.stores.backend import LostRaceError
from resources.stores.bucket.objects import Bucket, Found

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion

KEY = ".staging/lease.json"
FORMAT = "release-lease/1"
LEASE_SECONDS = 60.0  # without a sign of life
RENEW_SECONDS = 15.0
GIVE_BACK_SECONDS = 5.0


class Lease:
    """The right to write beneath a bucket's prefix."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._holder = uuid.uuid4().hex
        self._renewals = 0
        self._state: UpdateVersion = {}
        self._renewed_at = 0.0
        self._lost = False
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew, daemon=True)

    def take(self) -> None:
        """Become the holder, or take over from a dead one.

        Raises ConflictError when another publisher is alive, StoreError when the server
        doesn't honour the conditions that this rests on.
        """
        found = self._bucket.get(KEY)
        if found is not None:
            self._require_abandoned(found)
        try:
            if self._bucket.conditions:
                expected = found.state if found else None
                self._state = self._bucket.put_if(KEY, self._text(), expected)
                self._prove_conditions()
            else:
                self._overwrite()
        except LostRaceError:
            raise ConflictError(
                f"another publisher is writing to {self._bucket.name}"
            ) from None
        self._renewed_at = time.monotonic()
        self._renewing.start()

    def require(self) -> None:
        """Raise ConflictError when another publisher may have taken over."""
        if self._lost or time.monotonic() - self._renewed_at > LEASE_SECONDS:
            raise ConflictError(
                f"the lease of {self._bucket.name} was lost to another publisher,"
                " or could not be renewed in time; run the command again"
            )

    def give_back(self) -> None:
        """Let others in at once, if nothing of this publisher can arrive any more."""
        self._ended.set()
        self._renewing.join(GIVE_BACK_SECONDS)
        fresh = time.monotonic() - self._renewed_at < LEASE_SECONDS / 2
        if fresh and not self._lost and not self._bucket.writes_under_way:
            # In a thread, because a cancelled command can't wait for a dead server.
            deleting = threading.Thread(target=self._delete, daemon=True)
            deleting.start()
            deleting.join(GIVE_BACK_SECONDS)

    def _delete(self) -> None:
        with contextlib.suppress(EngineError):  # it runs out by itself
            self._bucket.delete([KEY])

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            self._renewals += 1
            started = time.monotonic()
            try:
                if self._bucket.conditions:
                    text = self._text()
                    self._state = self._bucket.put_if(KEY, text, self._state)
                else:
                    self._overwrite()
            except LostRaceError:
                self._lost = True
                return
            except EngineError:
                continue  # ``require`` sees when it was too long ago
            self._renewed_at = started

    def _overwrite(self) -> None:
        """Write without a condition, and look: the best there is without one."""
        text = self._text()
        found = self._bucket.get(KEY)
        if found is not None and self._renewals and not self._is_mine(found):
            raise LostRaceError
        self._bucket.put(KEY, text)
        found = self._bucket.get(KEY)
        if found is None or not self._is_mine(found):
            raise LostRaceError

    def _prove_conditions(self) -> None:
        """Break both conditions once: a server that takes it guards nothing."""
        text = self._text()
        wrong: UpdateVersion = {"e_tag": f'"{"0" * 32}"', "version": "1"}
        try:
            for expected, header in ((None, "If-None-Match"), (wrong, "If-Match")):
                with contextlib.suppress(LostRaceError):
                    mode: PutMode = "create" if expected is None else expected
                    self._bucket.put(KEY, text, mode)
                    raise StoreError(
                        f"the server of {self._bucket.name} ignores {header}, so it"
                        " can't keep two publishers apart; if there is only one, add"
                        " ?conditions=off to the store's URL"
                    )
        except EngineError:
            self._delete()
            raise

    def _require_abandoned(self, found: Found) -> None:
        try:
            values = json.loads(found.content)
            holder, process = str(values["by"]), values["process"]
            dead = _is_dead(process)
        except (ValueError, KeyError, TypeError, RecursionError):
            holder, dead = "an unknown program", False
        if dead:
            return
        now = self._bucket.now(f".staging/clock-{self._holder}")
        left = LEASE_SECONDS - (now - found.modified).total_seconds()
        if left > 0:
            raise ConflictError(
                f"another publisher is writing to {self._bucket.name}: {holder};"
                f" if it has died, the store is free in {left:.0f} s"
            )

    def _is_mine(self, found: Found) -> bool:
        return self._holder.encode() in found.content

    def _text(self) -> bytes:
        values = {
            "format": FORMAT,
            "holder": self._holder,
            "by": f"process {os.getpid()} on {socket.gethostname()}",
            "process": _this_process(),
            # Other content each time, so that the ETag, a digest, changes too.
            "renewals": self._renewals,
        }
        return json.dumps(values, indent=2).encode() + b"\n"


def _this_process() -> dict[str, str | int]:
    """Name this process so that no other can be taken for it, as far as one can."""
    return {**_machine(), "pid": os.getpid(), "started": _started(os.getpid())}


def _is_dead(process: dict[str, str | int]) -> bool:
    """Say that a process has ended; False also when that can't be known from here."""
    machine = _machine()
    if not machine or any(process[key] != machine[key] for key in machine):
        return False
    started = _started(int(process["pid"]))
    return started != process["started"]


def _machine() -> dict[str, str]:
    """Name the running system and the container; empty where there is no /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return {"boot": boot, "namespace": os.readlink("/proc/self/ns/pid")}  # noqa: PTH115
    except OSError:
        return {}


def _started(pid: int) -> str:
    """Return when a process began, in the kernel's ticks; empty when it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]
