"""Ports for the servers that tests start."""

import os
import socket
from functools import cache
from itertools import count

# Linux gives outgoing connections the ports from 32,768 on. A port from there, free
# while its server is killed and started again, goes to anybody's connection: the
# server then never comes back (seen with 400 viewers in the next test process).
FIRST, BEYOND, PER_PROCESS = 12_000, 32_000, 2_000


def free_port() -> int:
    """Return a port that nothing listens on, and that is given out once only."""
    first, numbers = _own_ports()
    for _ in range(PER_PROCESS):
        port = first + next(numbers) % PER_PROCESS
        with socket.socket() as probe:
            # As servers do: what a closed connection left behind is no hindrance.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise RuntimeError(f"no free port from {first} to {first + PER_PROCESS - 1}")


@cache
def _own_ports() -> tuple[int, count]:
    """Return where the ports of this test process begin, and a counter from a random
    one of them on, so that two runs on one machine hardly meet."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    stripes = (BEYOND - FIRST) // PER_PROCESS
    first = FIRST + worker % stripes * PER_PROCESS
    return first, count(int.from_bytes(os.urandom(2)) % PER_PROCESS)
