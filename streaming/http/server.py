"""Daphne's server, with the limits that http_limits has."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from daphne import server
from daphne.http_protocol import HTTPFactory

from streaming.http.channel import Channel, LimitedRequest
from streaming.http.limits import Budget, Policy


class Factory(HTTPFactory):
    """Makes the connections, and counts what bodies they hold together."""

    protocol = Channel
    seconds: Callable[[], float] = staticmethod(time.monotonic)

    def __init__(self, policy: Policy, daphne: server.Server) -> None:
        super().__init__(daphne)
        self.policy = policy
        self.budget = Budget()

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = LimitedRequest
        return protocol


class Server(server.Server):
    """Daphne's, which stops also while a request is only half there."""

    def kill_all_applications(self) -> Any:
        """Daphne asks each connection for its application, and fails at the first
        that has none yet; then none of the others would be stopped."""
        for protocol, details in list(self.connections.items()):
            if "application_instance" not in details:
                del self.connections[protocol]
        return super().kill_all_applications()

    def protocol_disconnected(self, protocol: Any) -> None:
        if protocol in self.connections:
            super().protocol_disconnected(protocol)


def limit_requests(policy: Policy) -> None:
    """Let the Daphne that is started next read requests by these limits."""
    server.HTTPFactory = partial(Factory, policy)
