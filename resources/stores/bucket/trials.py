"""Requests that are tried, each relying on no more than it has to."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from resources.stores.backend import LostRaceError
from resources.stores.bucket.client import make_client
from resources.stores.bucket.failures import PassingError, failure_of, reason_of
from resources.stores.bucket.location import ObjectLocation
from resources.stores.bucket.profiles import Abilities

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion
    from obstore.store import ObjectStore as Client

T = TypeVar("T")

CONTENT = b"resources probe"
PAUSES = (0.2, 0.5, 1.0, 2.0)  # seconds between tries of what fails for the moment
PLAIN = Abilities(conditions=False, checksums=False, bulk_delete=False)


class StoppedError(Exception):
    """The probe was told to stop."""


class Tried(NamedTuple):
    """What became of a request: it was taken, its condition didn't hold, or it was
    refused with a reason."""

    taken: bool = True
    lost: bool = False
    reason: str = ""

    def and_then(self, following: Callable[[], Tried]) -> Tried:
        """Return what became of this, and if it was taken, of what follows."""
        return following() if self.taken else self


class Trials:
    """Tries requests to the server of a location, and says what became of them."""

    def __init__(self, location: ObjectLocation) -> None:
        import obstore

        self.obstore = obstore
        self.place = location
        self._clients: dict[tuple[str, Abilities], Client] = {}
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let every request from now on be a StoppedError."""
        self._stopped.set()

    def client(self, abilities: Abilities = PLAIN) -> Client:
        """Return a client that relies on these abilities, in the location's style."""
        own = abilities._replace(style=self.place.abilities.style)
        key = self.place.endpoint, own
        if key not in self._clients:
            place = self.place._replace(abilities=own)
            self._clients[key] = make_client(place, retrying=False)
        return self._clients[key]

    def put(
        self,
        name: str,
        abilities: Abilities = PLAIN,
        *,
        mode: PutMode = "overwrite",
        attributes: dict[str, str] | None = None,
        state: UpdateVersion | None = None,
    ) -> Tried:
        """Write a small object; ``state`` is filled with what the server says of it."""
        client = self.client(abilities)

        def request() -> None:
            done = self.obstore.put(
                client,
                name,
                CONTENT,
                mode=mode,
                attributes=attributes,
                use_multipart=False,
            )
            if state is not None and done["e_tag"] is not None:
                state["e_tag"] = done["e_tag"]
            if state is not None and done["version"] is not None:
                state["version"] = done["version"]

        return self.attempt(request)

    def put_parts(
        self, name: str, content: bytes, part_bytes: int, abilities: Abilities
    ) -> Tried:
        """Write an object in parts, and read it back."""
        client = self.client(abilities)

        def request() -> None:
            self.obstore.put(
                client, name, content, use_multipart=True, chunk_size=part_bytes
            )

        return self.attempt(request).and_then(lambda: self.comes_back(name, content))

    def comes_back(self, name: str, content: bytes) -> Tried:
        """Read an object that should be ``content``."""
        client = self.client()
        read = b""

        def request() -> None:
            nonlocal read
            read = bytes(self.obstore.get(client, name).bytes())

        tried = self.attempt(request)
        if tried.taken and read != content:
            return Tried(taken=False, reason="what comes back is not what was sent")
        return tried

    def are_listed(self, folder: str, names: list[str]) -> Tried:
        """List a folder in which these objects should be, and no other."""
        client = self.client()
        found: list[str] = []

        def request() -> None:
            for page in self.obstore.list(client, folder):
                found.extend(item["path"] for item in page)

        tried = self.attempt(request)
        if tried.taken and sorted(found) != names:
            listed = ", ".join(sorted(found)) or "nothing"
            return Tried(taken=False, reason=f"{listed} is listed")
        return tried

    def attempt(self, request: Callable[[], object]) -> Tried:
        """Say what becomes of a request, tried again where it fails for the moment."""
        for pause in (*PAUSES, None):
            if self._stopped.is_set():
                raise StoppedError
            try:
                request()
            except (FileNotFoundError, self.obstore.exceptions.BaseError) as error:
                failure = failure_of(error, self.obstore, "ask", self.place)
                if pause is None or not isinstance(failure, PassingError):
                    is_lost = isinstance(failure, LostRaceError)
                    # Without the server's address, which is the same in all of them.
                    reason = re.sub(r"^\w+://\S+: ", "", reason_of(error)).rstrip(".")
                    return Tried(taken=False, lost=is_lost, reason=reason)
                time.sleep(pause)
            else:
                break
        return Tried()
