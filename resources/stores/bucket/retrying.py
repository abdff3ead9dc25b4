"""Requests to an object store, tried again until they succeed or the time is over.

The library could try again by itself, but each request for itself alone; here all
threads of a command slow down together, see ``pace.py``. A signal is only handled when
a request is over, which may be minutes after its retries; so the main thread lets
another thread ask and waits for that one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from random import uniform
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from resources.stores.bucket.client import make_client
from resources.stores.bucket.failures import PassingError, failure_of
from resources.stores.bucket.location import ObjectLocation
from resources.stores.bucket.rate_limiter import FIRST_PAUSE, LONGEST_PAUSE, Pace
from resources.workers.waiting import result_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client

T = TypeVar("T")


class Requests:
    """Asks the server of a location."""

    def __init__(self, location: ObjectLocation) -> None:
        self._location = location
        self._pace = Pace()
        self._asking = ThreadPoolExecutor(4, thread_name_prefix="requests")

    @cached_property
    def obstore(self) -> ModuleType:
        """The library; loading it takes time and a directory needs none of it."""
        import obstore

        return obstore

    @cached_property
    def client(self) -> Client:
        """The library's client, which fails at once."""
        return make_client(self._location, retrying=False)

    @cached_property
    def client_for_parts(self) -> Client:
        """A client that tries again by itself: when one part of a large object fails,
        the others need not be sent again."""
        return make_client(self._location, retrying=True)

    def ask(
        self, request: Callable[[], T], action: str, *, conditional: bool = False
    ) -> T:
        """Return what ``request`` returns, which may be called several times.

        ``conditional`` says that it has a condition. Raises what
        ``failures.failure_of`` makes of the last failure.
        """
        self.client  # noqa: B018 - made in the calling thread, before any other
        if threading.current_thread() is threading.main_thread():
            return result_of(
                self._asking.submit(self._ask, request, action, conditional)
            )
        return self._ask(request, action, conditional)

    def wait_for_turn(self) -> None:
        """Wait until a part may be sent."""
        self._pace.begin()

    def _ask(self, request: Callable[[], T], action: str, conditional: bool) -> T:
        end: float | None = None
        pause = FIRST_PAUSE
        retries = 0
        while True:
            begun = self._pace.begin()
            try:
                answer = request()
            except (FileNotFoundError, self.obstore.exceptions.BaseError) as error:
                failure = failure_of(
                    error,
                    self.obstore,
                    action,
                    self._location,
                    conditional=conditional,
                )
            else:
                self._pace.succeeded()
                return answer
            if not isinstance(failure, PassingError):
                raise failure from None
            end = end or time.monotonic() + self._location.retry_seconds
            if time.monotonic() >= end:
                tried = f" ({retries} retries)" if retries else ""
                raise type(failure)(f"{failure}{tried}") from None
            retries += 1
            if failure.slow_down:
                self._pace.slow_down(begun)
            else:
                time.sleep(uniform(pause / 2, pause))  # noqa: S311 - no secret
                pause = min(2 * pause, LONGEST_PAUSE)
