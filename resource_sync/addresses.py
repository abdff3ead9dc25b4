"""Where the web server listens, and how that is called from this machine."""

import socket
from contextlib import suppress

# An address that means "every one of mine" is no name to open in a browser.
LOCAL_NAMES = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 (shown, not bound)


def bind_address(host: str, port: int) -> str:
    """The address behind HOST, or a stop that names it."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SystemExit(
            f"HOST: {host!r} is not valid; it takes an address to listen on."
        ) from error
    # IPv4 first: "localhost" is both, and the banner's URL is IPv4.
    return str(min(found, key=lambda entry: entry[0] != socket.AF_INET)[4][0])


def refuse_taken_port(host: str, port: int) -> None:
    address = bind_address(host, port)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise SystemExit(
                f"PORT: {port} on {host} can't be used ({reason}); "
                f"set another one, for example: PORT={free_port(address)} make run"
            ) from error


def free_port(address: str) -> int:
    """A port that is free now, for the hint."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe, suppress(OSError):
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
    return 8000
