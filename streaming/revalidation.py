"""Closes streams that nobody would open any more: their key was revoked, their session
is over.

What opened them is asked again every few seconds for all of a process at once, in a
thread, by a few queries. A client costs a place in a set, and no thread, query or timer
of its own; while nobody watches, nothing is asked.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Iterable
from functools import cache
from typing import Protocol

from django.db import connection

from tasks.access.credentials import Credential, ended_among
from tasks.databases.errors import outage_errors
from tasks.problems import forget_dead_connections

logger = logging.getLogger(__name__)

# Whoever lost their rights watches for so long, and as long as the asking takes.
ASK_SECONDS = 10.0
ASKED_AT_ONCE = 500  # of 10,000 sessions each takes 0.1 ms to read


class Stream(Protocol):
    """A response that stays open."""

    def dismiss(self) -> None: ...


class Watching:
    """A stream under watch inside of ``with``. Not contextlib's: each open stream has
    one, of which a generator took 400 bytes."""

    __slots__ = ("_among", "_credential", "_stream")

    def __init__(
        self, among: "Revalidation", credential: Credential, stream: Stream
    ) -> None:
        self._among, self._credential, self._stream = among, credential, stream

    def __enter__(self) -> None:
        self._among.add(self._credential, self._stream)

    def __exit__(self, *_: object) -> None:
        self._among.remove(self._credential, self._stream)


class Revalidation:
    """In the event loop's thread, but for the asking."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._open: dict[Credential, set[Stream]] = {}
        self._is_due = False

    def add(self, credential: Credential, stream: Stream) -> None:
        """Dismiss this stream as soon as what opened it is good no more."""
        self._open.setdefault(credential, set()).add(stream)
        self._ask_later()

    def remove(self, credential: Credential, stream: Stream) -> None:
        streams = self._open[credential]
        streams.discard(stream)
        if not streams:
            del self._open[credential]

    def watching(self, credential: Credential, stream: Stream) -> "Watching":
        """Return what does both, for ``with``."""
        return Watching(self, credential, stream)

    def _ask_later(self) -> None:
        if not self._is_due and self._open:
            self._is_due = True
            self._loop.call_later(ASK_SECONDS, self._begin)

    def _begin(self) -> None:
        threading.Thread(
            target=self._ask,
            args=(list(self._open),),
            name="revalidation",
            daemon=True,
        ).start()

    def _end(self) -> None:
        self._is_due = False
        self._ask_later()

    def _dismiss(self, credentials: Iterable[Credential]) -> None:
        for credential in credentials:
            for stream in tuple(self._open.get(credential, ())):
                stream.dismiss()

    # --- The thread -----------------------------------------------------------------

    def _ask(self, credentials: list[Credential]) -> None:
        try:
            for start in range(0, len(credentials), ASKED_AT_ONCE):
                started = time.monotonic()
                ended = ended_among(credentials[start : start + ASKED_AT_ONCE])
                if ended:
                    self._loop.call_soon_threadsafe(self._dismiss, ended)
                time.sleep(time.monotonic() - started)  # the clients are served, too
        except outage_errors() as error:
            # That it does not answer says nothing of a key: nobody is cut off.
            forget_dead_connections(error)
            logger.warning("Open streams can't be asked about again: %s", error)
        except Exception:
            logger.exception("Open streams can't be asked about again.")
        finally:
            connection.close()
            self._loop.call_soon_threadsafe(self._end)


@cache
def revalidation_of(loop: asyncio.AbstractEventLoop) -> Revalidation:
    """Return the event loop's one."""
    return Revalidation(loop)
