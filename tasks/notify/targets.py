"""Where a webhook may send to: what its URL says, and which addresses that may be.

Whoever makes a webhook has the service send requests from inside a network. So private
and reserved addresses are refused, but for what WEBHOOK_ALLOW names; a name is resolved
once, all that it says is looked at, and the connection goes to the very address that
was.
"""

import ipaddress
import socket
import threading
from collections.abc import Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from tasks.reasons import Reason

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_URL = 2_000
PORTS = {"http": 80, "https": 443}
# https://www.iana.org/assignments/iana-ipv4-special-registry and its IPv6 twin. Not
# ``is_global``, which says something else in each version of Python.
RESERVED = [
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24"),
        *("192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4"),
        *("240.0.0.0/4", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
]
# All else of IPv6 is loopback, link-local, unique local, multicast, NAT64, IPv4 in
# disguise, or not given out.
UNICAST = ipaddress.ip_network("2000::/3")


class Refused(Exception):
    """A URL or what it leads to is not sent to; ``reason`` says why."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(str(reason))


class Target(NamedTuple):
    """What a URL says, in parts. ``path``: with the query, as it is asked for."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Return host and port as a ``Host`` header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def target_of(url: str) -> Target:
    """Return the parts of a URL. Raises Refused."""
    if len(url) > LONGEST_URL:
        raise Refused(Reason("too-long", limit=LONGEST_URL))
    if not url.isascii() or not url.isprintable() or {" ", "\\", "#"} & {*url}:
        raise Refused(Reason("webhook-url-not-understood"))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused(Reason("webhook-url-not-understood")) from None
    if parts.scheme not in PORTS or not parts.hostname or port == 0:
        raise Refused(Reason("webhook-url-not-understood"))
    if parts.username is not None or parts.password is not None:
        raise Refused(Reason("webhook-url-with-name"))
    path = parts.path or "/"
    if parts.query:
        path += f"?{parts.query}"
    host = parts.hostname.rstrip(".")
    return Target(parts.scheme, host, port or PORTS[parts.scheme], path)


def addresses_of(target: Target, seconds: float) -> list[Address]:
    """Return the addresses that a target's name has now. Raises Refused, also where one
    of them is not to be sent to."""
    found = _resolved(target, seconds)
    if not _is_named(target.host, settings.WEBHOOK_ALLOW):
        for address in found:
            if not is_allowed(address, settings.WEBHOOK_ALLOW):
                raise Refused(
                    Reason(
                        "webhook-address-refused",
                        host=target.host,
                        address=str(address),
                    )
                )
    return found


def is_allowed(address: Address, allowed: Iterable[Network | str]) -> bool:
    """Return whether an address is public, or in a network that is allowed."""
    # "::ffff:10.0.0.1" is 10.0.0.1 to the system.
    address = getattr(address, "ipv4_mapped", None) or address
    networks = [one for one in allowed if not isinstance(one, str)]
    if any(address in network for network in networks):
        return True
    if address.version == 6 and address not in UNICAST:
        return False
    return not any(address in network for network in RESERVED)


def _is_named(host: str, allowed: Iterable[Network | str]) -> bool:
    """Return whether a name is allowed as it is, or by ``.example.com``, which is that
    name and all below it."""
    names = [one for one in allowed if isinstance(one, str)]
    return any(
        host == name.removeprefix(".") or (name[0] == "." and host.endswith(name))
        for name in names
    )


def _resolved(target: Target, seconds: float) -> list[Address]:
    """Ask the system, which takes no limit of time: in a thread that is left behind."""
    answers: SimpleQueue[Sequence[Address] | OSError] = SimpleQueue()

    def ask() -> None:
        try:
            infos = socket.getaddrinfo(
                target.host, target.port, type=socket.SOCK_STREAM
            )
            found = [str(info[4][0]).partition("%")[0] for info in infos]
            answers.put([ipaddress.ip_address(one) for one in dict.fromkeys(found)])
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError(str(error)))

    threading.Thread(target=ask, daemon=True, name="webhook-resolver").start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        answer = TimeoutError("the name server did not answer")
    if isinstance(answer, OSError):
        cause = answer.strerror or str(answer)
        raise Refused(Reason("webhook-not-resolved", host=target.host, cause=cause))
    return list(answer)
