"""The first to see a request: who it is really from, whether they may come in, and by
which id it is found again.

Behind it nobody reads a forwarding header: the address, scheme and host in the scope
are right already, and the headers are gone.
"""

from collections.abc import Iterable, Mapping, Sequence
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
from django.utils.translation import gettext_lazy as _

from streaming.refusals import raw_headers, refusal
from tasks.access import request_id

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]
Headers = Iterable[tuple[bytes, bytes]]

# A load balancer's probe has no fixed address.
OPEN_TO_ALL = frozenset({"/health", "/health/live", "/health/ready"})


def edge(app: ASGI3Application) -> ASGI3Application:
    """Put this in front of an application."""

    async def checked(
        scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        seen = believed(scope, settings.TRUSTED_PROXIES)
        name = request_id.id_of(scope)
        seen["request_id"] = name  # type: ignore[typeddict-unknown-key]
        token = request_id.begin(name)
        try:
            if is_allowed(seen):
                await app(for_any_host(seen), receive, send)
            else:
                await _forbid(seen, send)
        finally:
            request_id.end(token)

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
    """Return who a request is from: the nearest address that is no proxy of ours.

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
        changed.update(with_host(changed, host.encode("latin-1")))


def _forwards(name: bytes) -> bool:
    name = name.lower().replace(b"_", b"-")
    return name.startswith(b"x-forwarded-") or name == b"forwarded"


def _joined(headers: Headers, name: bytes) -> str:
    values = [value for key, value in headers if key.lower() == name]
    return b",".join(values).decode("latin-1")


def _last(headers: Headers, name: bytes) -> str:
    """Return what the nearest proxy wrote."""
    return _joined(headers, name).rpartition(",")[2].strip()


def is_allowed(seen: HTTPScope) -> bool:
    """Return whether the client of a believed scope may come in."""
    host = seen["client"][0] if seen["client"] else ""
    return may_enter(host, seen["path"], settings.IP_ALLOWLIST)


def for_any_host(seen: HTTPScope) -> HTTPScope:
    """Return a scope whose host is one of ours, where every host may be asked: a
    probe asks by address."""
    if seen["path"] not in OPEN_TO_ALL:
        return seen
    host = settings.ALLOWED_HOSTS[0].lstrip("*.") or "localhost"
    return with_host(seen, host.encode())  # type: ignore[return-value]


def with_host(scope: Mapping[str, Any], host: bytes) -> dict[str, Any]:
    others = [pair for pair in scope["headers"] if pair[0].lower() != b"host"]
    return {**scope, "headers": [*others, (b"host", host)]}


def may_enter(client: str, path: str, allowed: Networks) -> bool:
    if not allowed or path in OPEN_TO_ALL:
        return True
    address = parse_address(client)
    return address is not None and is_in(address, allowed)


async def _forbid(scope: HTTPScope, send: ASGISendCallable) -> None:
    client = scope["client"][0] if scope["client"] else ""
    text = _("The address %(address)s is not allowed here.")
    response = refusal(scope, 403, text, {"address": client or "–"})
    await send(
        {
            "type": "http.response.start",
            "status": 403,
            "headers": raw_headers(response),
            "trailers": False,
        }
    )
    await send(
        {"type": "http.response.body", "body": response.content, "more_body": False}
    )
