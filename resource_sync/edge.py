"""The first to see a request: who it is really from, and whether they may come in.

Behind it nobody reads a forwarding header: the address, scheme and host in the scope
are right already, and the headers are gone.
"""

import json
from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from typing import Any

from asgiref.typing import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)
from django.conf import settings

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]
Headers = Iterable[tuple[bytes, bytes]]

OPEN_TO_ALL = frozenset({"/health"})  # a load balancer's probe has no fixed address


def edge(app: ASGI3Application) -> ASGI3Application:
    """Put this in front of an application."""

    async def checked(
        scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        seen = believed(scope, settings.TRUSTED_PROXIES)
        host = seen["client"][0] if seen["client"] else ""
        if may_enter(host, seen["path"], settings.IP_ALLOWLIST):
            await app(seen, receive, send)
        else:
            await _forbid(host, send)

    return checked


def parse_address(text: str) -> Address | None:
    """The address in a text, as proxies write it (a port may follow), or None.

    An IPv4 address inside an IPv6 one counts as IPv4.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def is_in(address: Address, networks: Networks) -> bool:
    return any(address in network for network in networks)


def client_address(peer: Address, forwarded_for: str, trusted: Networks) -> Address:
    """Who a request is from: the nearest address that is no proxy of ours.

    Each proxy appends whom it heard from, so the list is read from the right, and only
    as long as the one who wrote it is trusted; what the client wrote stands left of it.
    """
    client = peer
    for entry in reversed(forwarded_for.split(",")):
        if not is_in(client, trusted):
            break
        written = parse_address(entry)
        if written is None:
            break
        client = written
    return client


def believed(scope: HTTPScope, trusted: Networks) -> HTTPScope:
    """The scope as it is behind all trusted proxies, without forwarding headers."""
    changed: dict[str, Any] = {
        **scope,
        "headers": [pair for pair in scope["headers"] if not _forwards(pair[0])],
    }
    client = scope["client"]
    peer = parse_address(client[0]) if client else None
    if client and peer:
        changed["client"] = (str(peer), client[1])
    if peer and is_in(peer, trusted):
        _believe(changed, peer, scope["headers"], trusted)
    return changed  # type: ignore[return-value]


def _believe(
    changed: dict[str, Any], peer: Address, headers: Headers, trusted: Networks
) -> None:
    address = client_address(peer, _joined(headers, b"x-forwarded-for"), trusted)
    if address != peer:
        changed["client"] = (str(address), 0)  # nobody says the port
    scheme = _last(headers, b"x-forwarded-proto").lower()
    if scheme in {"http", "https"}:
        changed["scheme"] = scheme
    if host := _last(headers, b"x-forwarded-host"):
        others = [pair for pair in changed["headers"] if pair[0].lower() != b"host"]
        changed["headers"] = [*others, (b"host", host.encode("latin-1"))]


def _forwards(name: bytes) -> bool:
    name = name.lower().replace(b"_", b"-")
    return name.startswith(b"x-forwarded-") or name == b"forwarded"


def _joined(headers: Headers, name: bytes) -> str:
    values = [value for key, value in headers if key.lower() == name]
    return b",".join(values).decode("latin-1")


def _last(headers: Headers, name: bytes) -> str:
    """What the nearest proxy wrote."""
    return _joined(headers, name).rpartition(",")[2].strip()


def may_enter(client: str, path: str, allowed: Networks) -> bool:
    if not allowed or path in OPEN_TO_ALL:
        return True
    address = parse_address(client)
    return address is not None and is_in(address, allowed)


async def _forbid(client: str, send: ASGISendCallable) -> None:
    problem = {
        "type": "about:blank",
        "title": "Forbidden",
        "status": 403,
        "detail": f"The address {client or '(unknown)'} is not allowed here.",
    }
    body = json.dumps(problem).encode()
    await send(
        {
            "type": "http.response.start",
            "status": 403,
            "headers": [
                (b"content-type", b"application/problem+json"),
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", b"no-store"),
                (b"x-content-type-options", b"nosniff"),
            ],
            "trailers": False,
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
