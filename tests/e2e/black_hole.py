"""A server that takes connections and never says a word, as behind a firewall that
drops what comes."""

import socket
from contextlib import contextmanager


@contextmanager
def black_hole():
    """The port of one."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
        yield server.getsockname()[1]
