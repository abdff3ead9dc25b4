"""Where the web server listens, and how that is called from this machine."""

import socket
from contextlib import suppress

BACKLOG = 4096  # connections that wait to be accepted: all viewers may return at once


def bind_address(host: str, port: int) -> str:
    """The address behind HOST, or a stop that names it."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SystemExit(
            f"HOST: {host!r} is not valid; expected an address to listen on."
        ) from error
    # IPv4 first: "localhost" is both, and the banner's URL is IPv4.
    return str(min(found, key=lambda entry: entry[0] != socket.AF_INET)[4][0])


def bound_socket(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket that may listen there, or a stop that names PORT.

    ``shared``: other sockets of this user that are shared, too, may listen on the
    same port, and the kernel spreads the connections over them (Linux alone does).
    """
    address = bind_address(host, port)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        raise refusal(host, port, error) from error
    return bound


def listen(bound: socket.socket, host: str, port: int) -> None:
    """Let connections come, or stop as above: two may have bound at one time."""
    try:
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise refusal(host, port, error) from error


def refuse_taken_port(host: str, port: int) -> None:
    """Not shared, so that web processes that share the port are noticed, too."""
    with bound_socket(host, port) as probe:
        listen(probe, host, port)


def refusal(host: str, port: int, error: OSError) -> SystemExit:
    reason = (error.strerror or str(error)).lower()
    another = free_port(bind_address(host, port))
    return SystemExit(
        f"PORT: {port} on {host} can't be used ({reason}); "
        f"set another one, for example: PORT={another} make run"
    )


def free_port(address: str) -> int:
    """A port that is free now, for the hint."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe, suppress(OSError):
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
    return 8000
