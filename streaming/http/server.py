"""Daphne's server, with the limits that http_limits has, and an end that cuts off no
request."""

import asyncio
import select
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from daphne import server
from daphne.http_protocol import HTTPFactory
from twisted.internet.defer import Deferred
from twisted.internet.main import CONNECTION_DONE
from twisted.python.failure import Failure

from streaming.http.channel import Channel, LimitedRequest
from streaming.http.limits import Budget, Policy

# For requests that came before a stop. supervisor kills after 10 s, systemd after 15.
DRAIN_SECONDS = 8.0
# For connections that are kept open: what is asked on them meanwhile is answered with
# "Connection: close", so that few are left to be closed under a request.
TURN_SECONDS = 0.5
LOOK_SECONDS = 0.05


class Factory(HTTPFactory):
    """Makes the connections, and counts what bodies they hold together."""

    protocol = Channel
    seconds: Callable[[], float] = staticmethod(time.monotonic)
    is_draining = False  # what is answered from now on closes its connection

    def __init__(self, policy: Policy, daphne: server.Server) -> None:
        super().__init__(daphne)
        self.policy = policy
        self.budget = Budget()

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = LimitedRequest
        return protocol


class Server(server.Server):
    """Daphne's, which takes no more connections once it is told to stop, answers what
    was asked before, and stops also while a request is only half there."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ports: list[Any] = []

    def listen_success(self, port: Any) -> None:
        super().listen_success(port)
        self._ports.append(port)

    def kill_all_applications(self) -> Any:
        """Called by the reactor before it ends; it waits for what is returned."""
        return Deferred.fromFuture(asyncio.ensure_future(self._drain_and_kill()))

    async def _drain_and_kill(self) -> None:
        await self.drain()
        await self._kill().asFuture(asyncio.get_running_loop())

    async def drain(self) -> None:
        """End once all is answered but streams, or the time is over."""
        self._stop_listening()
        self.http_factory.is_draining = True
        for request in self.connections:
            request.close_when_answered()
        until = time.monotonic() + DRAIN_SECONDS
        await asyncio.sleep(TURN_SECONDS)
        while self.is_answering() and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)

    def _stop_listening(self) -> None:
        """Take in whoever is connected already, which closing the socket would reset;
        who comes from now on gets to another web process."""
        while self._ports:
            accept_all(self._ports.pop())

    def is_answering(self) -> bool:
        """Return whether there is a request under way that has an end: no stream."""
        return any(
            request.is_under_way and "disconnected" not in details
            for request, details in self.connections.items()
        )

    def _kill(self) -> Any:
        """Daphne asks each connection for its application, and fails at the first
        that has none yet; then none of the others would be stopped."""
        for protocol, details in list(self.connections.items()):
            if "application_instance" not in details:
                del self.connections[protocol]
        return super().kill_all_applications()

    def protocol_disconnected(self, protocol: Any) -> None:
        if protocol in self.connections:
            super().protocol_disconnected(protocol)


def accept_all(port: Any) -> None:
    """Accept what the kernel has for a listening port, and close it in the same breath:
    ``stopListening`` would do so one turn of the reactor later."""
    port.stopReading()
    waiting = select.poll()  # select() knows no descriptor above 1,023
    waiting.register(port.fileno(), select.POLLIN)
    while waiting.poll(0):
        port.doRead()
    port.connectionLost(Failure(CONNECTION_DONE))


def limit_requests(policy: Policy) -> None:
    """Let the Daphne that is started next read requests by these limits."""
    server.HTTPFactory = partial(Factory, policy)
